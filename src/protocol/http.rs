//! HTTP by reqwest, which is used nowhere else.
//!
//! One reqwest client per virtual user, so that connections belong to users, over one TLS
//! configuration shared by all. What reqwest does behind its caller's back is switched off: no
//! retries, no proxies from the environment, no decompression; redirects are followed here, where
//! they can be counted and kept from hosts the scenario does not name.

mod connect;
mod connector;
mod cookies;
mod digest;
mod failure;
mod payload;
mod prepared;
mod proof;
mod redirect;
#[cfg(test)]
mod tests;
mod tls;
mod token;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{self, HeaderValue};
use bytes::BytesMut;
use reqwest::Url;
use tokio::time::{Instant, timeout_at};

use self::connect::Probe;
use self::connector::Connector;
use self::cookies::Jar;
use self::failure::{Stage, classify};
use self::prepared::{Outgoing, Prepared, head_bytes};
use self::proof::{Group, UserState};
use self::redirect::{host_and_port, is_redirect, redirected};
use super::{Client, Failure, Request, Response, Session};
use crate::error::Error;
use crate::metrics::{Class, HttpVersion};
use crate::plan::{Auth, Endpoint, Plan, Wire};
use crate::units::{format_bytes, format_duration};

pub use self::tls::tls_config;

/// The largest body that is kept for checks; bytes. A larger one fails as `body_too_large`.
const MAX_KEPT_BODY: u64 = 10_000_000;

/// Makes sessions for one worker.
pub struct HttpClient {
    shared: Rc<Shared>,
    /// How many sessions were made.
    sessions: Cell<u64>,
}

/// What all sessions of a worker read.
struct Shared {
    connector: Connector,
    /// The kinds of connection that endpoints ask for.
    wires: Vec<Wire>,
    prepared: Vec<Prepared>,
    /// The ways in which endpoints prove who sends their requests.
    groups: Vec<Group>,
    base: String,
    allowed_hosts: BTreeSet<String>,
}

/// The connection(s) of one virtual user.
pub struct HttpSession {
    shared: Rc<Shared>,
    /// One for each kind of connection.
    clients: Result<Vec<reqwest::Client>, String>,
    probe: Arc<Probe>,
    /// What is kept for each of the groups.
    states: Rc<[UserState]>,
    /// Where it connects from; anywhere by default.
    local_address: Option<IpAddr>,
    /// Among the sessions of its worker, from 0.
    number: u64,
    jar: Jar,
}

impl HttpClient {
    /// For a plan whose relative URLs go to `base`.
    ///
    /// # Errors
    /// When an endpoint's fixed parts make no request, or `tls` no client.
    pub fn new(plan: &Plan, base: &str, tls: rustls::ClientConfig) -> Result<Self, Error> {
        let connector = Connector::new(&plan.transport, tls)?;
        let (groups, group_of) = proof::groups(plan);
        let wires: BTreeSet<Wire> = plan.endpoints.iter().map(|one| one.wire).collect();
        let wires: Vec<Wire> = wires.into_iter().collect();
        let endpoints = plan.endpoints.iter().zip(group_of);
        let prepared: Result<Vec<Prepared>, String> = endpoints
            .map(|(endpoint, group)| {
                let wire = wires.iter().position(|wire| *wire == endpoint.wire);
                Prepared::new(endpoint, base, wire.unwrap_or_default(), group)
            })
            .collect();
        let mut allowed_hosts = plan.allowed_hosts.clone();
        allowed_hosts.extend(Url::parse(base).ok().as_ref().and_then(host_and_port));
        let cannot_make = |why| Error::CannotRun(format!("cannot make an HTTP client: {why}"));
        // Tried before there are users, who could only say so at each request.
        (connector.try_out(&wires)).map_err(cannot_make)?;
        Ok(Self {
            shared: Rc::new(Shared {
                connector,
                wires,
                prepared: prepared.map_err(Error::CannotRun)?,
                groups,
                base: base.to_owned(),
                allowed_hosts,
            }),
            sessions: Cell::new(0),
        })
    }
}

impl Client for HttpClient {
    type Session = HttpSession;

    fn session(&self) -> HttpSession {
        let probe = Arc::new(Probe::default());
        let number = self.sessions.get();
        self.sessions.set(number + 1);
        let shared = self.shared.clone();
        let connector = &shared.connector;
        let local_address = connector.next_address();
        HttpSession {
            clients: connector.clients(&shared.wires, &probe, local_address),
            local_address,
            states: shared.groups.iter().map(|_| UserState::default()).collect(),
            shared,
            probe,
            jar: Jar::default(),
            number,
        }
    }

    fn companion(&self, session: &HttpSession) -> HttpSession {
        let probe = Arc::new(Probe::default());
        let shared = self.shared.clone();
        HttpSession {
            clients: (shared.connector).clients(&shared.wires, &probe, session.local_address),
            local_address: session.local_address,
            states: session.states.clone(),
            shared,
            probe,
            jar: session.jar.clone(),
            number: session.number,
        }
    }
}

impl Session for HttpSession {
    async fn prepare(&mut self, request: &Request<'_>) -> Option<Duration> {
        let group = self.shared.prepared[request.index].group?;
        let (group, state) = (&self.shared.groups[group], &self.states[group]);
        let values = rendered_values(group, request);
        let had = self.token(group, state, &values, request.endpoint).await?;
        had.ok()?.fetched
    }

    async fn execute(&mut self, request: Request<'_>) -> Response {
        let mut response = Response::default();
        let outcome = self.carry_out(&request, &mut response).await;
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

/// How a request proves who sends it, where that is not in it from the start.
struct Proof<'a> {
    group: &'a Group,
    state: &'a UserState,
    values: Vec<&'a str>,
    /// The header with the token, if it is one.
    token: Option<HeaderValue>,
}

impl HttpSession {
    async fn carry_out(
        &self,
        request: &Request<'_>,
        response: &mut Response,
    ) -> Result<(), Failure> {
        let endpoint = request.endpoint;
        let proof = match self.shared.prepared[request.index].group {
            None => None,
            Some(group) => Some(self.proof(group, request, response).await?),
        };
        let deadline = Instant::now() + endpoint.timeout;
        self.probe.begin(endpoint.connect_timeout);
        self.follow(request, proof, deadline, response).await
    }

    /// The proof for a request. A token was fetched in [`Session::prepare`], as a rule.
    async fn proof<'a>(
        &'a self,
        group: usize,
        request: &'a Request<'_>,
        response: &mut Response,
    ) -> Result<Proof<'a>, Failure> {
        let (group, state) = (&self.shared.groups[group], &self.states[group]);
        let values = rendered_values(group, request);
        if group.auth.secret().is_none() {
            let secret = values[group.auth.secret_position()];
            response.credentials.push(secret.to_owned());
        }
        let token = match self.token(group, state, &values, request.endpoint).await {
            None => None,
            Some(had) => {
                let token = had?.token;
                response.credentials.push(token.secret);
                Some(token.header)
            }
        };
        Ok(Proof {
            group,
            state,
            values,
            token,
        })
    }

    /// The token for requests of a group; `None` when they need none.
    async fn token(
        &self,
        group: &Group,
        state: &UserState,
        values: &[&str],
        endpoint: &Endpoint,
    ) -> Option<Result<token::Had, Failure>> {
        let (oauth2, slot) = group.slot(state)?;
        let fetch = async || {
            // Connections to the token server belong to no request.
            let probe = Arc::new(Probe::default());
            probe.begin(endpoint.connect_timeout);
            let connector = &self.shared.connector;
            let client = connector.clients(&[Wire::default()], &probe, self.local_address);
            let client = client.map_err(|why| failed(Class::Other, why))?.remove(0);
            token::fetch(&client, oauth2, values, endpoint.timeout).await
        };
        Some(slot.get(values, fetch).await)
    }

    /// Sends the request and follows redirects until there is a final answer. A challenge for
    /// digest is answered once at each place.
    async fn follow(
        &self,
        request: &Request<'_>,
        proof: Option<Proof<'_>>,
        deadline: Instant,
        response: &mut Response,
    ) -> Result<(), Failure> {
        let shared = &self.shared;
        let prepared = &shared.prepared[request.index];
        let client = match &self.clients {
            Ok(clients) => &clients[prepared.wire],
            Err(why) => return Err(failed(Class::Other, why.clone())),
        };
        let started = Instant::now();
        let invalid = |why| failed(Class::InvalidRequest, why);
        let original = || {
            let mut original = prepared.request(request, &shared.base).map_err(invalid)?;
            if let Some(token) = proof.as_ref().and_then(|proof| proof.token.as_ref()) {
                let headers = original.request.headers_mut();
                headers.insert(header::AUTHORIZATION, token.clone());
            }
            Ok(original)
        };
        let mut next = original()?;
        // What was sent last, from the second place on: few are redirected, so that the first is
        // made once more rather than copied each time.
        let mut followed: Option<Outgoing> = None;
        let mut was_challenged = false;
        let digest = proof.as_ref();
        let digest = digest.filter(|proof| matches!(*proof.group.auth, Auth::Digest(_)));
        let origin = digest.and_then(|_| host_and_port(next.request.url()));
        loop {
            if let Some(digest) = digest {
                digest.state.answer(&mut next.request, &digest.values);
            }
            let status = self
                .exchange(client, next, request.endpoint, started, deadline, response)
                .await?;
            let again = || match &followed {
                None => original(),
                Some(followed) => followed.copy().map_err(invalid),
            };
            if let (Some(digest), Some(origin), StatusCode::UNAUTHORIZED, false) =
                (digest, &origin, status, was_challenged)
            {
                let sent = again()?;
                let is_there = host_and_port(sent.request.url()).as_ref() == Some(origin);
                let (headers, values) = (&response.headers, &digest.values);
                was_challenged =
                    is_there && (digest.state).challenged(headers, origin, values, self.number)?;
                if was_challenged {
                    next = sent;
                    continue;
                }
            }
            was_challenged = false;
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
            let sent = again()?;
            let target = redirect::target(sent.request.url(), location, &shared.allowed_hosts)?;
            next = redirected(sent, target, status, prepared.proof.as_ref());
            followed = Some(next.copy().map_err(invalid)?);
            response.redirects += 1;
        }
    }

    /// One request and its answer, counted into `response`; returns the answer's status.
    async fn exchange(
        &self,
        client: &reqwest::Client,
        outgoing: Outgoing,
        endpoint: &Endpoint,
        started: Instant,
        deadline: Instant,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        let mut request = outgoing.request;
        self.jar.add_to(&mut request);
        response.bytes_out += head_bytes(request.headers()) + request_bytes(&request);
        let mut sent = None;
        if let Some(contents) = &outgoing.contents {
            let (body, counter) = payload::open(contents).await.map_err(failure::of_file)?;
            *request.body_mut() = Some(body);
            response.bytes_out += length_bytes(payload::length(contents));
            sent = Some(counter);
        }
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
        if let Some(sent) = sent {
            response.bytes_out += sent.load(Ordering::Relaxed);
        }
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
}

/// The values of a group's templates for a request.
fn rendered_values<'a>(group: &'a Group, request: &'a Request<'_>) -> Vec<&'a str> {
    let rendered = request.rendered.as_ref();
    proof::values(&group.auth, rendered.map_or(&[], |rendered| &rendered.auth))
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
            length_bytes(body.len() as u64) + body.len() as u64
        });
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n\r\n".len();
    (line + host) as u64 + body
}

/// The header line that announces a body of so many bytes.
fn length_bytes(body: u64) -> u64 {
    ("content-length: \r\n".len() + body.to_string().len()) as u64
}

/// `HTTP/1.1 200 OK` and the empty line after the head.
fn status_line_bytes(status: StatusCode) -> u64 {
    let reason = status.canonical_reason().map_or(0, str::len);
    ("HTTP/1.1 200 \r\n\r\n".len() + reason) as u64
}
