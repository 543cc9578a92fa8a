//! HTTP by reqwest, which is used nowhere else.
//!
//! One reqwest client per virtual user, so that connections belong to users, over one TLS
//! configuration shared by all. What reqwest would do on its own is switched off: no
//! retries, no proxies from the environment, no redirects, no decompression.

mod connect;
mod connector;
mod failure;
mod page;
mod upload;
mod verifier;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use ::http::{HeaderMap, Method, StatusCode, header};
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};
use url::Position;

use super::client::HttpClient;
use super::connect::TlsConfig;
use super::failure::{self as failures, Stage};
use super::request::header::{size_of_fields, size_of_request_head, size_of_status_line};
use super::request::outgoing::{Outgoing, authority};
use super::request::payload::MAX_JOINED;
use super::transport::{OpenedConnections, RequestLimits, Transport};
use crate::error::Error;
use crate::metrics::{HttpVersion, Outcome};
use crate::plan::{ConnectTo, FileContent, Plan, Wire};
use crate::protocol::{Failure, Response};
use connect::Probe;
use connector::{Connector, UserClient};
use failure::classify;

pub use page::PageReader;

/// Makes sessions over reqwest.
pub type ReqwestClient = HttpClient<ReqwestTransport>;

/// The connections of one session, kept by reqwest.
pub struct ReqwestTransport {
    connector: Rc<Connector>,
    /// One client for each kind of connection, or why there are none.
    clients: Result<Vec<UserClient>, String>,
    probe: Arc<Probe>,
}

impl Transport for ReqwestTransport {
    type Resources = Connector;

    fn resources(plan: &Plan, tls: TlsConfig) -> Result<Connector, Error> {
        let connector = Connector::new(&plan.transport, tls)?;
        let wires: BTreeSet<Wire> = plan.endpoints.iter().map(|one| one.wire).collect();
        let wires: Vec<Wire> = wires.into_iter().collect();
        // Tried before there are users, who could only say so at each request.
        connector.try_out(&wires).map_err(Error::HttpClient)?;
        Ok(connector)
    }

    fn open(connector: &Rc<Connector>, wires: &[Wire], local_address: Option<IpAddr>) -> Self {
        let probe = Arc::new(Probe::default());
        Self {
            connector: connector.clone(),
            clients: connector.clients(wires, &probe, local_address),
            probe,
        }
    }

    async fn exchange(
        &self,
        mut outgoing: Outgoing,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        let clients = self.clients.as_ref();
        let clients = clients.map_err(|why| Failure::new(Outcome::Other, why.clone()))?;
        if outgoing.unresolved.is_some() {
            let why = "the path has a segment `.` or `..`, which `reqwest` would resolve: use `client: direct`";
            return Err(Failure::new(Outcome::InvalidRequest, why));
        }
        let elsewhere = self.connector.elsewhere(&outgoing.url);
        let place = elsewhere.map(|(position, _)| position);
        let mut clients = clients.iter();
        let client = clients.find(|one| one.wire == limits.wire && one.elsewhere == place);
        let client = client.ok_or_else(|| Failure::new(Outcome::Other, "no client for it"))?;
        self.probe.begin(limits.connect_timeout);
        let sizes = Sizes {
            request: request_bytes(&outgoing) + self.connector.bytes_for_proxy(&outgoing),
            of_connection: outgoing
                .headers
                .get(header::CONNECTION)
                .map_or(0, |value| "connection: \r\n".len() + value.len())
                as u64,
        };
        let is_proxied = self.connector.is_proxied(&outgoing.url);
        if let Some((_, entry)) = elsewhere {
            lead_elsewhere(&mut outgoing, entry);
        }
        let version = limits.wire.http_version;
        let is_tls = outgoing.url.scheme() == "https" || is_proxied;
        let mut attempt = Attempt {
            client: &client.client,
            outgoing,
            sizes,
            is_proxied,
            is_last: !version.may_be_http2(is_tls),
            limits,
        };
        loop {
            let tried = self.try_once(&mut attempt, response);
            if let Some(status) = tried.await? {
                return Ok(status);
            }
            attempt.is_last = true;
        }
    }

    fn take_opened(&self) -> OpenedConnections {
        self.probe.take()
    }
}

/// A request, whichever connection it is sent over.
struct Attempt<'a> {
    client: &'a reqwest::Client,
    outgoing: Outgoing,
    sizes: Sizes,
    /// Whether it goes by the proxy.
    is_proxied: bool,
    /// Whether it is not sent again: only connections by HTTP/2 say that they left a request out.
    is_last: bool,
    limits: &'a RequestLimits<'a>,
}

/// What a request counts for, besides a body that is streamed; bytes.
struct Sizes {
    request: u64,
    /// Of that, what is left out by HTTP/2.
    of_connection: u64,
}

impl ReqwestTransport {
    /// Sends a request. No status where an idle connection was ended just before the request reached it and
    /// left it out, so that it is still to be sent.
    ///
    /// # Errors
    /// Why there is no complete response; what was counted until then stays in `response`.
    async fn try_once(
        &self,
        attempt: &mut Attempt<'_>,
        response: &mut Response,
    ) -> Result<Option<StatusCode>, Failure> {
        let Attempt {
            outgoing,
            is_last,
            limits,
            ..
        } = attempt;
        let opened = match (&outgoing.contents, &outgoing.body) {
            (Some(contents), _) => Some(upload::open(contents).await),
            (None, Some(body)) if body.len() > MAX_JOINED => {
                Some(upload::open(&[FileContent::Bytes(body.clone())]).await)
            }
            _ => None,
        };
        let opened = opened.transpose().map_err(failures::file_failure)?;
        let (body, mut progress) = opened.unzip();
        let request = request(outgoing, *is_last, body.map(reqwest::Body::wrap));
        response.bytes_out += attempt.sizes.request;
        let attempts = self.probe.opened().attempts;
        let stage = Cell::new(Stage::Head);
        let is_left_out = Cell::new(false);
        let status = {
            let sent = attempt.client.execute(request);
            let sent = async {
                sent.await.map_err(|error| {
                    is_left_out.set(failure::is_left_out(&error));
                    classify(error, Stage::Head, attempt.is_proxied)
                })
            };
            let is_head = outgoing.method == Method::HEAD;
            let sent_and_read = read(sent, is_head, limits, &stage, response);
            // Pinned here so that the probe still sees a connection being made when time is up.
            tokio::pin!(sent_and_read);
            timeout_at(limits.deadline, &mut sent_and_read)
                .await
                .map_err(|_| limits.timed_out(stage.get(), self.probe.step()))
        };
        let is_by_http2 = response.version == Some(HttpVersion::Http2);
        if is_left_out.get() || matches!(status, Ok(Ok(_)) if is_by_http2) {
            // hyper leaves it out.
            response.bytes_out -= attempt.sizes.of_connection;
        }
        if let Some(progress) = &mut progress {
            match status {
                Ok(Ok(status)) if wants_rest(status, response) => {
                    progress.finish(limits.deadline).await;
                }
                _ => progress.stop(),
            }
            response.bytes_out += progress.sent();
        }
        // However it ended, it used an older connection if none was begun.
        let is_reused = self.probe.opened().attempts == attempts;
        if is_reused && is_left_out.get() && !attempt.is_last {
            return Ok(None);
        }
        response.reused += u16::from(is_reused);
        status?.map(Some)
    }
}

/// Whether the rest of a request whose response is complete is still to be sent. After an error, or
/// where the service closes the connection, nobody waits for it (RFC 9112, section 9.5).
fn wants_rest(status: StatusCode, response: &Response) -> bool {
    let is_close = |value: &header::HeaderValue| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    let mut connection = response.headers.get_all(header::CONNECTION).iter();
    status.as_u16() < 400
        && response.version != Some(HttpVersion::Http10)
        && !connection.any(is_close)
}

/// Waits for the response to what is `sent`, and reads it into `response`. One that `is_head` has no body.
async fn read(
    sent: impl Future<Output = Result<reqwest::Response, Failure>>,
    is_head: bool,
    limits: &RequestLimits<'_>,
    stage: &Cell<Stage>,
    response: &mut Response,
) -> Result<StatusCode, Failure> {
    let mut incoming = sent.await?;
    stage.set(Stage::Body);
    let head_at = Instant::now();
    response.phases.ttfb = Some(head_at - limits.started);
    response.phases.download = None;
    response.remote = incoming.remote_addr();
    response.version = version(incoming.version());
    response.status = Some(incoming.status().as_u16());
    response.headers = std::mem::take(incoming.headers_mut());
    response.bytes_in += size_of_status_line(incoming.status()) + size_of_fields(&response.headers);
    if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
        .iter()
        .all(|name| response.headers.contains_key(name))
    {
        return Err(failures::conflicting_lengths());
    }
    let limit = limits.body_limit();
    let most_kept = limits.kept(limits.is_unexpected(incoming.status().as_u16()));
    let mut body = BytesMut::new();
    let mut length = 0;
    let mut has_waited = false;
    while let Some(chunk) = (next_chunk(&mut incoming, &mut has_waited).await)
        .map_err(|error| classify(error, Stage::Body, false))?
    {
        response.bytes_in += chunk.len() as u64;
        length += chunk.len() as u64;
        if length > limit {
            return Err(limits.too_large());
        }
        let kept = chunk.len().min(most_kept.saturating_sub(body.len()));
        body.extend_from_slice(&chunk[..kept]);
    }
    // hyper takes a stream that was reset with NO_ERROR for one that has ended.
    if response.version == Some(HttpVersion::Http2)
        && !is_head
        && !matches!(incoming.status().as_u16(), 204 | 304)
        && announced_length(&response.headers).is_some_and(|announced| length < announced)
    {
        let text = "the stream was reset in the middle of the response body";
        return Err(Failure::new(Outcome::BodyTruncated, text));
    }
    response.phases.download = Some(head_at.elapsed());
    response.body = body.freeze();
    response.body_bytes = length;
    if has_waited {
        // hyper takes the connection back in a task of its own, which is about to run: a request that
        // is sent before would find none, and open a second one.
        tokio::task::yield_now().await;
    }
    Ok(incoming.status())
}

/// The length of a body, as its head announces it; bytes.
fn announced_length(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// The next piece of a body, and whether it `has_waited` for it.
async fn next_chunk(
    incoming: &mut reqwest::Response,
    has_waited: &mut bool,
) -> reqwest::Result<Option<Bytes>> {
    let chunk = incoming.chunk();
    tokio::pin!(chunk);
    std::future::poll_fn(|cx| {
        let polled: Poll<_> = chunk.as_mut().poll(cx);
        *has_waited |= polled.is_pending();
        polled
    })
    .await
}

/// Makes reqwest connect where an entry says. Its resolver gives the port, too, but a port that stands
/// in the URL has precedence; without it, the name is the same, and the `host` header is made whole.
fn lead_elsewhere(outgoing: &mut Outgoing, entry: &ConnectTo) {
    if outgoing.url.port().is_none_or(|port| port == entry.to_port) {
        return;
    }
    if !outgoing.headers.contains_key(header::HOST)
        && let Ok(host) = header::HeaderValue::from_str(authority(&outgoing.url))
    {
        outgoing.headers.insert(header::HOST, host);
    }
    // Fails only for URLs that have no port.
    let _ = outgoing.url.set_port(None);
}

/// The request, which needs its headers no more if it `is_last`.
fn request(
    outgoing: &mut Outgoing,
    is_last: bool,
    streamed: Option<reqwest::Body>,
) -> reqwest::Request {
    let is_announced_empty = outgoing.length() == Some(0);
    let mut request = reqwest::Request::new(outgoing.method.clone(), outgoing.url.clone());
    *request.headers_mut() = match is_last {
        true => std::mem::take(&mut outgoing.headers),
        false => outgoing.headers.clone(),
    };
    *request.body_mut() = streamed.or_else(|| outgoing.body.clone().map(Into::into));
    if is_announced_empty {
        // hyper announces no empty body.
        let zero = header::HeaderValue::from_static("0");
        request.headers_mut().insert(header::CONTENT_LENGTH, zero);
    }
    request
}

fn version(version: ::http::Version) -> Option<HttpVersion> {
    match version {
        ::http::Version::HTTP_10 => Some(HttpVersion::Http10),
        ::http::Version::HTTP_11 => Some(HttpVersion::Http11),
        ::http::Version::HTTP_2 => Some(HttpVersion::Http2),
        _ => None,
    }
}

/// What is sent, as HTTP/1.1 text: the head with the `host` and `content-length` that hyper adds, and a
/// body that is not streamed.
fn request_bytes(outgoing: &Outgoing) -> u64 {
    let in_memory = outgoing.body.as_ref().map_or(0, Bytes::len);
    // A larger one is counted as it is sent.
    let in_memory = if in_memory > MAX_JOINED {
        0
    } else {
        in_memory as u64
    };
    let url = &outgoing.url;
    let head = size_of_request_head(
        outgoing.method.as_str(),
        url[Position::BeforePath..Position::AfterQuery].len(),
        authority(url).len(),
        &outgoing.headers,
    );
    head + outgoing.length().map_or(0, length_bytes) + in_memory
}

/// The header line that announces a body of so many bytes.
fn length_bytes(body: u64) -> u64 {
    ("content-length: \r\n".len() + body.to_string().len()) as u64
}
