//! HTTP by reqwest, which is used nowhere else.
//!
//! One reqwest client per virtual user, so that connections belong to users, over one TLS
//! configuration shared by all. What reqwest does behind its caller's back is switched off: no
//! retries, no proxies from the environment, no decompression; redirects are followed here, where
//! they can be counted and kept from hosts the scenario does not name.

mod connect;
mod cookies;
mod failure;
mod prepared;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use ::http::header;
use ::http::{Method, StatusCode};
use bytes::BytesMut;
use reqwest::Url;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::{Instant, timeout_at};

use self::connect::{Probe, ProbeLayer, Resolver, TlsSessions};
use self::cookies::Jar;
use self::failure::{Stage, classify};
use self::prepared::{Prepared, head_bytes};
use super::{Client, Failure, Request, Response, Session};
use crate::error::Error;
use crate::metrics::{Class, HttpVersion};
use crate::plan::{Endpoint, Plan};
use crate::units::{format_bytes, format_duration};

/// The largest body that is kept for checks; bytes. A larger one fails as `body_too_large`.
const MAX_KEPT_BODY: u64 = 10_000_000;

/// Makes sessions for one worker.
pub struct HttpClient {
    shared: Rc<Shared>,
    tls: rustls::ClientConfig,
}

/// What all sessions of a worker read.
struct Shared {
    prepared: Vec<Prepared>,
    base: String,
    allowed_hosts: BTreeSet<String>,
}

/// The connection(s) of one virtual user.
pub struct HttpSession {
    shared: Rc<Shared>,
    client: Result<reqwest::Client, String>,
    probe: Arc<Probe>,
    jar: Jar,
}

impl HttpClient {
    /// For a plan whose relative URLs go to `base`.
    ///
    /// # Errors
    /// When an endpoint's fixed parts make no request, or `tls` no client.
    pub fn new(plan: &Plan, base: &str, tls: rustls::ClientConfig) -> Result<Self, Error> {
        let prepared: Result<Vec<Prepared>, String> = plan
            .endpoints
            .iter()
            .map(|endpoint| Prepared::new(endpoint, base))
            .collect();
        let mut allowed_hosts = plan.allowed_hosts.clone();
        allowed_hosts.extend(Url::parse(base).ok().as_ref().and_then(host_and_port));
        let client = Self {
            shared: Rc::new(Shared {
                prepared: prepared.map_err(Error::CannotRun)?,
                base: base.to_owned(),
                allowed_hosts,
            }),
            tls,
        };
        match client.session().client {
            Ok(_) => Ok(client),
            Err(why) => Err(Error::CannotRun(format!(
                "cannot make an HTTP client: {why}"
            ))),
        }
    }
}

/// The TLS configuration that all workers share, with the certificates this machine trusts.
///
/// # Errors
/// When this machine has no certificates and `plan` needs some.
pub fn tls_config(plan: &Plan, base: &str) -> Result<rustls::ClientConfig, Error> {
    let builder = || {
        rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::CannotRun(format!("cannot set up TLS: {error}")))
    };
    let is_https = |url: &str| url.starts_with("https:");
    let needed = is_https(base) || plan.endpoints.iter().any(|e| is_https(e.url.source()));
    let mut config = match builder()?.with_platform_verifier() {
        Ok(builder) => builder.with_no_client_auth(),
        Err(error) if needed => {
            return Err(Error::CannotRun(format!(
                "cannot read the certificates this machine trusts: {error}"
            )));
        }
        // Nothing is verified against this: no URL of the plan is https.
        Err(_) => builder()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl Client for HttpClient {
    type Session = HttpSession;

    fn session(&self) -> HttpSession {
        let probe = Arc::new(Probe::default());
        let mut tls = self.tls.clone();
        tls.resumption = Resumption::store(Arc::new(TlsSessions::new(probe.clone())));
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connector_layer(ProbeLayer(probe.clone()))
            .dns_resolver(Resolver(probe.clone()))
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .build()
            .map_err(|error| error.to_string());
        HttpSession {
            shared: self.shared.clone(),
            client,
            probe,
            jar: Jar::default(),
        }
    }

    fn companion(&self, session: &HttpSession) -> HttpSession {
        HttpSession {
            jar: session.jar.clone(),
            ..self.session()
        }
    }
}

impl Session for HttpSession {
    async fn execute(&mut self, request: Request<'_>) -> Response {
        let endpoint = request.endpoint;
        let deadline = Instant::now() + endpoint.timeout;
        self.probe.begin(endpoint.connect_timeout);
        let mut response = Response::default();
        let outcome = self.follow(&request, deadline, &mut response).await;
        response.failure = outcome.err();
        let opened = self.probe.take();
        response.connections = opened.connections;
        response.tls_handshakes = opened.tls_handshakes;
        response.phases.dns = opened.dns;
        response.phases.connect = opened.connect;
        response.phases.tls = opened.tls;
        response
    }
}

impl HttpSession {
    /// Sends the request and follows redirects until there is a final answer.
    async fn follow(
        &self,
        request: &Request<'_>,
        deadline: Instant,
        response: &mut Response,
    ) -> Result<(), Failure> {
        let client = self
            .client
            .as_ref()
            .map_err(|why| failed(Class::Other, why.clone()))?;
        let started = Instant::now();
        let shared = &self.shared;
        let original = || {
            shared.prepared[request.index]
                .request(request, &shared.base)
                .map_err(|why| failed(Class::InvalidRequest, why))
        };
        let mut next = original()?;
        // What was sent last, from the second request on: few are redirected, so that the first is
        // made once more rather than copied each time.
        let mut followed = None;
        loop {
            let status = self
                .exchange(client, next, request.endpoint, started, deadline, response)
                .await?;
            if !is_redirect(status) || request.endpoint.max_redirects == 0 {
                return Ok(());
            }
            let Some(location) = response.headers.get(header::LOCATION) else {
                return Ok(());
            };
            if u32::from(response.redirects) >= request.endpoint.max_redirects {
                let hops = response.redirects;
                let text = format!("still redirected after {hops} redirects");
                return Err(failed(Class::RedirectLimit, text));
            }
            let sent: reqwest::Request = match followed.take() {
                Some(sent) => sent,
                None => original()?,
            };
            let target = self.redirect_target(sent.url(), location)?;
            next = redirected(sent, target, status);
            followed = next.try_clone();
            response.redirects += 1;
        }
    }

    /// One request and its answer, counted into `response`; returns the answer's status.
    async fn exchange(
        &self,
        client: &reqwest::Client,
        mut request: reqwest::Request,
        endpoint: &Endpoint,
        started: Instant,
        deadline: Instant,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        self.jar.add_to(&mut request);
        response.bytes_out += head_bytes(request.headers()) + request_bytes(&request);
        let timed_out = |stage| self.timed_out(stage, endpoint);
        let attempts = self.probe.opened().attempts;
        let outcome = {
            // Pinned here so that the probe still sees a connection being made when time is up.
            let execute = client.execute(request);
            tokio::pin!(execute);
            timeout_at(deadline, &mut execute)
                .await
                .map_err(|_| timed_out(Stage::Head))
        };
        // Whatever became of it, it went over an older connection if none was begun.
        response.reused += u16::from(self.probe.opened().attempts == attempts);
        let mut answer = outcome?.map_err(|error| classify(error, Stage::Head))?;
        let head_at = Instant::now();
        response.phases.first_byte = Some(head_at - started);
        response.phases.download = None;
        response.remote = answer.remote_addr();
        response.version = version(answer.version());
        response.status = Some(answer.status().as_u16());
        self.jar.keep(answer.url(), answer.headers());
        response.headers = std::mem::take(answer.headers_mut());
        response.bytes_in += status_line_bytes(answer.status()) + head_bytes(&response.headers);
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
            .iter()
            .all(|name| response.headers.contains_key(name))
        {
            // RFC 9112, section 6.3: a sign of smuggling, to be handled as an error.
            let text = "the response has both `content-length` and `transfer-encoding`";
            return Err(failed(Class::Protocol, text));
        }
        let keep = endpoint.keeps_body();
        let limit = match keep {
            true => endpoint.max_body.min(MAX_KEPT_BODY),
            false => endpoint.max_body,
        };
        let mut body = BytesMut::new();
        let mut length = 0;
        loop {
            let chunk = timeout_at(deadline, answer.chunk())
                .await
                .map_err(|_| timed_out(Stage::Body))?
                .map_err(|error| classify(error, Stage::Body))?;
            let Some(chunk) = chunk else { break };
            response.bytes_in += chunk.len() as u64;
            length += chunk.len() as u64;
            if length > limit {
                return Err(too_large(limit, limit < endpoint.max_body));
            }
            if keep {
                body.extend_from_slice(&chunk);
            }
        }
        response.phases.download = Some(head_at.elapsed());
        response.body = body.freeze();
        response.body_bytes = length;
        Ok(answer.status())
    }

    fn timed_out(&self, stage: Stage, endpoint: &Endpoint) -> Failure {
        if let Some(step) = self.probe.step() {
            return failed(step.class(), step.too_long(endpoint.timeout));
        }
        let after = format_duration(endpoint.timeout);
        let text = match stage {
            Stage::Head => format!("no response within {after}"),
            Stage::Body => format!("the body did not end within {after}"),
        };
        failed(stage.timeout(), text)
    }

    fn redirect_target(&self, from: &Url, location: &header::HeaderValue) -> Result<Url, Failure> {
        let invalid = |text: String| failed(Class::RedirectInvalid, text);
        let text = std::str::from_utf8(location.as_bytes())
            .map_err(|_| invalid("the `location` header is not UTF-8".into()))?;
        let target = from
            .join(text)
            .map_err(|error| invalid(format!("the `location` header is no URL: {error}")))?;
        if !matches!(target.scheme(), "http" | "https") {
            return Err(invalid(format!(
                "redirected to a `{}:` URL",
                target.scheme()
            )));
        }
        let host = host_and_port(&target)
            .ok_or_else(|| invalid("the `location` header names no host".into()))?;
        if !self.shared.allowed_hosts.contains(&host) {
            let text = format!("redirected to `{host}`, which the scenario does not name");
            return Err(failed(Class::RedirectBlocked, text));
        }
        Ok(target)
    }
}

fn failed(class: Class, text: impl Into<String>) -> Failure {
    Failure {
        class,
        text: text.into(),
    }
}

fn too_large(limit: u64, because_of_checks: bool) -> Failure {
    let size = format_bytes(limit);
    let text = match because_of_checks {
        true => format!("a body over {size} cannot be checked; no more of it was read"),
        false => format!("the body is larger than {size} (`max_body`); no more of it was read"),
    };
    failed(Class::BodyTooLarge, text)
}

fn version(version: ::http::Version) -> Option<HttpVersion> {
    match version {
        ::http::Version::HTTP_10 => Some(HttpVersion::Http10),
        ::http::Version::HTTP_11 => Some(HttpVersion::Http11),
        ::http::Version::HTTP_2 => Some(HttpVersion::Http2),
        _ => None,
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The request that follows a redirect, by RFC 9110 section 15.4 and what browsers do.
fn redirected(mut request: reqwest::Request, target: Url, status: StatusCode) -> reqwest::Request {
    let becomes_get = match status.as_u16() {
        303 => request.method() != Method::HEAD,
        301 | 302 => request.method() == Method::POST,
        _ => false,
    };
    if becomes_get {
        *request.method_mut() = Method::GET;
        *request.body_mut() = None;
        for name in [
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
        ] {
            request.headers_mut().remove(name);
        }
    }
    if host_and_port(request.url()) != host_and_port(&target) {
        // Credentials are for the host they were written for.
        let secret: Vec<_> = request
            .headers()
            .keys()
            .filter(|name| crate::plan::is_secret_header(name.as_str()))
            .cloned()
            .collect();
        for name in secret {
            request.headers_mut().remove(name);
        }
        request.headers_mut().remove(header::HOST);
    }
    *request.url_mut() = target;
    request
}

fn host_and_port(url: &Url) -> Option<String> {
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
}

/// What is sent besides the header fields perfctl sets: `GET /path?query HTTP/1.1`, the `host`
/// and `content-length` that hyper adds, the line ends around them, and the body.
fn request_bytes(request: &reqwest::Request) -> u64 {
    let url = request.url();
    let query = url.query().map_or(0, |query| query.len() + 1);
    let target = url.path().len() + query;
    let host = if request.headers().contains_key(header::HOST) {
        0
    } else {
        let port = url.port().map_or(0, |port| port.to_string().len() + 1);
        "host: \r\n".len() + url.host_str().map_or(0, str::len) + port
    };
    let body = request
        .body()
        .and_then(reqwest::Body::as_bytes)
        .map_or(0, |body| {
            "content-length: \r\n".len() + body.len().to_string().len() + body.len()
        });
    (request.method().as_str().len() + target + "  HTTP/1.1\r\n\r\n".len() + host + body) as u64
}

/// `HTTP/1.1 200 OK` and the empty line after the head.
fn status_line_bytes(status: StatusCode) -> u64 {
    let reason = status.canonical_reason().map_or(0, str::len);
    ("HTTP/1.1 200 \r\n\r\n".len() + reason) as u64
}
