//! The connections of one session, and one exchange over them.
//!
//! Not here: how a connection is made (`connection`), what a request looks like on the wire
//! (`encoded`), and how a response is read (`response`).

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use ::http::{Method, StatusCode, header};
use tokio::io::ReadBuf;
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Connection;
use super::connection::connecting::{self, Way};
use super::connection::origin::Origin;
use super::connection::tls::SessionTls;
use super::deadline::DeadlineTimer;
use super::encoded;
use super::http2::Http2Connection;
use super::http2::request::Http2Request;
use super::resources::DirectResources;
use super::response::IncomingResponse;
use super::response::head::HeadOptions;
use super::sending::PendingRequest;
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{FileContent, HttpChoice, Plan, Wire};
use crate::protocol::http::connect::TlsConfig;
use crate::protocol::http::connect::timing::ConnectTimer;
use crate::protocol::http::failure::{Stage, file_failure, io_failure, unreachable_by_proxy};
use crate::protocol::http::request::outgoing::Outgoing;
use crate::protocol::http::request::payload::{self, StreamedBody};
use crate::protocol::http::transport::{
    ConnectStep, OpenedConnections, RequestLimits, STALLED, Transport,
};
use crate::protocol::{Failure, Response};

/// What the buffer for requests may grow to and keep; bytes.
const WRITE: usize = 128 << 10;
/// How much is read at once while a head is awaited whose body nobody keeps: most heads, and most whole responses. What
/// comes beyond it is not copied; bytes.
const HEAD_READ: usize = 16 << 10;
/// The most idle connections that a session keeps; only a scenario with many hosts needs more than
/// one.
const MAX_IDLE: usize = 32;

/// The connections of one session.
pub struct DirectTransport {
    shared: Rc<DirectResources>,
    local_address: Option<IpAddr>,
    /// On the heap, since most loads do without.
    tls: OnceCell<Box<SessionTls>>,
    idle: RefCell<Vec<IdleConnection>>,
    opened: Cell<OpenedConnections>,
    timer: RefCell<DeadlineTimer>,
}

/// The place of an idle connection to an origin.
struct IdleConnection {
    origin: Rc<Origin>,
    /// `None` while it is in use, or when it was not kept alive.
    connection: Option<Open>,
}

/// A connection by one version or the other.
enum Open {
    Http1(Box<Connection>),
    Http2(Box<Http2Connection>),
}

/// A request in both versions.
pub(super) struct WireRequest<'a, F, G> {
    /// Writes all of it, or all but the rest. May be called twice.
    pub(super) write: F,
    /// The same for HTTP/2.
    pub(super) http2: G,
    /// What is streamed after what `write` wrote; `None` where that is all.
    pub(super) rest: Option<&'a [FileContent]>,
    /// Whether its method is HEAD.
    pub(super) is_head: bool,
}

impl Transport for DirectTransport {
    type Resources = DirectResources;

    fn resources(plan: &Plan, tls: TlsConfig) -> Result<DirectResources, Error> {
        DirectResources::new(plan, tls)
    }

    fn open(shared: &Rc<DirectResources>, _: &[Wire], local_address: Option<IpAddr>) -> Self {
        Self {
            shared: shared.clone(),
            local_address,
            tls: OnceCell::new(),
            idle: RefCell::default(),
            opened: Cell::default(),
            timer: RefCell::default(),
        }
    }

    async fn exchange(
        &self,
        mut outgoing: Outgoing,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        let origin = self.shared.origin(&outgoing.url, limits.wire.http_version);
        let origin =
            origin.ok_or_else(|| Failure::new(Outcome::InvalidRequest, "the URL has no host"))?;
        let origin = Rc::new(origin);
        if let Some(authorization) = self.shared.to_proxy(&origin) {
            let headers = &mut outgoing.headers;
            let own = headers.entry(header::PROXY_AUTHORIZATION);
            own.or_insert_with(|| authorization.clone());
        }
        let in_memory;
        let rest = match (&outgoing.contents, &outgoing.body) {
            (Some(contents), _) => Some(&contents[..]),
            (None, Some(body)) if !encoded::is_joined(&outgoing) => {
                in_memory = [FileContent::Bytes(body.clone())];
                Some(&in_memory[..])
            }
            _ => None,
        };
        let request = WireRequest {
            write: |bytes: &mut Vec<u8>| encoded::write(&outgoing, origin.is_passed_on(), bytes),
            http2: || Http2Request::of(&outgoing),
            rest,
            is_head: outgoing.method == Method::HEAD,
        };
        self.exchange_bytes(&origin, request, limits, response)
            .await
    }

    fn take_opened(&self) -> OpenedConnections {
        self.opened.take()
    }
}

impl DirectTransport {
    /// Sends one request and receives its response. If the service ends an idle connection just before
    /// the request reaches it, and says that it did not process the request, it is sent once more.
    ///
    /// # Errors
    /// Why there is no complete response; what was counted until then stays in `response`.
    pub(super) async fn exchange_bytes<F, G>(
        &self,
        origin: &Rc<Origin>,
        request: WireRequest<'_, F, G>,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<StatusCode, Failure>
    where
        F: Fn(&mut Vec<u8>),
        G: Fn() -> Result<Http2Request, Failure>,
    {
        let mut may_reuse = limits.wire.keep_alive;
        loop {
            let tried = self.try_once(may_reuse, origin, &request, limits, response);
            if let Some(status) = tried.await? {
                return Ok(status);
            }
            may_reuse = false;
        }
    }

    /// Sends a request over the idle connection if it `may_reuse` that, or over a new one. No status where
    /// an idle connection left it out, so that it is still to be sent.
    ///
    /// # Errors
    /// Why there is no complete response; what was counted until then stays in `response`.
    async fn try_once<F, G>(
        &self,
        may_reuse: bool,
        origin: &Rc<Origin>,
        request: &WireRequest<'_, F, G>,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<Option<StatusCode>, Failure>
    where
        F: Fn(&mut Vec<u8>),
        G: Fn() -> Result<Http2Request, Failure>,
    {
        let mut incoming = IncomingResponse::new(HeadOptions {
            is_bodyless: request.is_head,
            all_fields: limits.keep_headers,
        });
        let rest = match request.rest {
            None => None,
            Some(contents) => {
                let opened = Box::pin(payload::open(contents)).await;
                Some(Box::new(opened.map_err(file_failure)?.0))
            }
        };
        let mut sending = PendingRequest::new(rest);
        let idle = match may_reuse {
            true => self.take_idle(origin),
            false => None,
        };
        let open = match idle {
            None => None,
            Some(Open::Http1(mut connection)) => {
                let has_begun = poll_fn(|cx| {
                    let has_begun = connection.is_open(cx)
                        && self.begin(&mut connection, &request.write, &mut sending, response, cx);
                    Poll::Ready(has_begun)
                });
                has_begun.await.then_some(Open::Http1(connection))
            }
            Some(Open::Http2(mut connection)) => {
                let is_open = poll_fn(|cx| Poll::Ready(connection.is_open(cx)));
                is_open.await.then_some(Open::Http2(connection))
            }
        };
        let is_reused = open.is_some();
        let open = match open {
            Some(open) => open,
            None => {
                // On the heap, so that users who have a connection do not carry it along.
                let mut open = Box::pin(self.connect(origin, limits)).await?;
                if let Open::Http1(connection) = &mut open {
                    poll_fn(|cx| {
                        self.begin(connection, &request.write, &mut sending, response, cx);
                        Poll::Ready(())
                    })
                    .await;
                }
                open
            }
        };
        response.reused += u16::from(is_reused);
        let mut connection = match open {
            Open::Http1(connection) => connection,
            Open::Http2(connection) => {
                let sending = (connection, (request.http2)()?, sending.into_rest());
                let exchange = self.exchange_http2(sending, is_reused, origin, limits, response);
                // On the heap, so that those who speak HTTP/1.1 do not carry it along.
                let status = Box::pin(exchange).await?;
                // Like one by HTTP/1.1 that was closed before it took anything.
                response.reused -= u16::from(status.is_none());
                return Ok(status);
            }
        };
        if !sending.is_through() {
            let send = |cx: &mut Context<'_>| {
                self.send(
                    &mut connection,
                    &mut sending,
                    &mut incoming,
                    limits,
                    response,
                    cx,
                )
            };
            poll_fn(send).await?;
        }
        if incoming.is_complete() && !sending.is_through() && incoming.wants_rest() {
            // On the heap, since hardly any response comes before its request is out.
            let sent = Box::pin(finish_sending(
                &mut connection,
                &mut sending,
                limits,
                response,
            ));
            sent.await?;
        }
        if !incoming.is_complete() {
            let receive = |cx: &mut Context<'_>| {
                self.receive(&mut connection, &mut incoming, limits, response, cx)
            };
            let received = poll_fn(receive).await;
            received.map_err(|failure| sending.explain(failure, &incoming))?;
        }
        if limits.wire.keep_alive && sending.is_through() && incoming.is_kept_alive() {
            self.store_idle(origin, Open::Http1(connection));
        }
        incoming.status().map(Some)
    }

    /// The same over a connection by HTTP/2, which `is_reused` or new, with what is to be sent and the part
    /// of its body that is streamed.
    async fn exchange_http2(
        &self,
        (mut connection, request, rest): (
            Box<Http2Connection>,
            Http2Request,
            Option<Box<StreamedBody>>,
        ),
        is_reused: bool,
        origin: &Rc<Origin>,
        limits: &RequestLimits<'_>,
        response: &mut Response,
    ) -> Result<Option<StatusCode>, Failure> {
        let remote = connection.remote;
        let mut exchange = connection.send(request, rest, response)?;
        let mut ended = poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.poll(&mut exchange, limits, response, cx) {
                return Poll::Ready(ended);
            }
            ready!(self.timer.borrow_mut().poll(limits.deadline, cx));
            Poll::Ready(Err(limits.timed_out(exchange.stage(), None)))
        })
        .await;
        let status = exchange.status();
        response.remote = status.map(|_| remote);
        if exchange.is_uploading() && ended.is_ok() && status.is_some_and(|one| one.as_u16() < 400)
        {
            let upload = connection.finish_upload(&mut exchange, limits, response);
            ended = Box::pin(upload).await;
        }
        let is_reset = ended.is_err() || exchange.is_uploading();
        let is_left_out = is_reused && exchange.is_left_out;
        drop(exchange);
        if is_reset {
            // Tells the service at once that nobody waits any longer.
            connection.settle().await;
        }
        if limits.wire.keep_alive && !connection.is_over() {
            self.store_idle(origin, Open::Http2(connection));
        }
        if is_left_out {
            return Ok(None);
        }
        ended?;
        let lacks_status = || Failure::new(Outcome::Protocol, "the response has no status");
        status.map(Some).ok_or_else(lacks_status)
    }

    /// Writes as much of a request as the connection takes at once. Whether the connection can be
    /// used; if not, it took nothing, and the request can go over another one.
    fn begin(
        &self,
        connection: &mut Connection,
        write: impl Fn(&mut Vec<u8>),
        sending: &mut PendingRequest,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut bytes = self.shared.write_buffer.borrow_mut();
        bytes.clear();
        write(&mut bytes);
        let can_go_on = sending.begin(connection, &bytes, response, cx);
        bytes.shrink_to(WRITE);
        can_go_on
    }

    /// Writes the rest and reads what comes in the meantime, until all is written, no more can be
    /// written, or the response is complete.
    fn send(
        &self,
        connection: &mut Connection,
        sending: &mut PendingRequest,
        incoming: &mut IncomingResponse,
        limits: &RequestLimits<'_>,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        if let Poll::Ready(sent) = sending.poll(connection, response, cx) {
            return Poll::Ready(sent);
        }
        self.receive(connection, incoming, limits, response, cx)
    }

    /// Reads what has come, until the response is complete or its time is up.
    fn receive(
        &self,
        connection: &mut Connection,
        incoming: &mut IncomingResponse,
        limits: &RequestLimits<'_>,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        let mut buffer = self.shared.read_buffer.borrow_mut();
        let mut heads = self.shared.heads.borrow_mut();
        loop {
            let stage = incoming.stage();
            let is_counted = incoming.is_counted();
            let came = if is_counted {
                connection.poll_discard(cx, &mut buffer)
            } else {
                let most = match stage {
                    Stage::Head if !limits.keeps_any_body() => HEAD_READ,
                    _ => buffer.len(),
                };
                let mut read = ReadBuf::new(&mut buffer[..most]);
                let polled = connection.poll_read(cx, &mut read);
                polled.map_ok(|()| read.filled().len())
            };
            match came {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(io_failure(&error, stage, false)));
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(incoming.close(response)),
                Poll::Ready(Ok(came)) => {
                    let is_complete = match is_counted {
                        true => incoming.count(came, limits, response)?,
                        false => {
                            let fed = incoming.feed(&buffer[..came], &mut heads, limits, response);
                            if incoming.stage() == Stage::Body {
                                response.remote = Some(connection.remote);
                            }
                            fed?
                        }
                    };
                    if is_complete {
                        return Poll::Ready(Ok(()));
                    }
                    // A body that keeps coming gives the timer no turn.
                    if Instant::now() >= limits.deadline {
                        return Poll::Ready(Err(limits.timed_out(incoming.stage(), None)));
                    }
                }
            }
        }
        ready!(self.timer.borrow_mut().poll(limits.deadline, cx));
        Poll::Ready(Err(limits.timed_out(incoming.stage(), None)))
    }

    async fn connect(&self, origin: &Origin, limits: &RequestLimits<'_>) -> Result<Open, Failure> {
        let mut opened = self.opened.get();
        opened.attempts = opened.attempts.saturating_add(1);
        self.opened.set(opened);
        let timer = Cell::new(ConnectTimer::start());
        let by = (Instant::now() + limits.connect_timeout).min(limits.deadline);
        let shared = &self.shared;
        let tls = |offer| {
            let session = || Box::new(SessionTls::new(&shared.tls, shared.is_resuming));
            self.tls.get_or_init(session).offering(offer)
        };
        let mut elsewhere = shared.connect_to.iter();
        let way = Way {
            origin,
            elsewhere: elsewhere.find(|one| one.host == origin.host && one.port == origin.port),
            proxy: shared.proxy.as_ref().filter(|_| origin.is_proxied),
            local_address: self.local_address,
        };
        let connect = connecting::connect(&way, tls, &timer);
        let Ok(connected) = timeout_at(by, connect).await else {
            let step = timer.get().step();
            if by >= limits.deadline {
                return Err(limits.timed_out(Stage::Head, Some(step)));
            }
            let text = step.too_long(limits.connect_timeout);
            let text = match (way.proxy, step) {
                (Some(_), ConnectStep::Connect) => unreachable_by_proxy(&text),
                _ => text,
            };
            return Err(Failure::new(step.outcome(), text));
        };
        let (connection, is_resumed) = connected?;
        timer.get().made(is_resumed, &mut opened);
        self.opened.set(opened);
        let is_http2 = match origin.version {
            HttpChoice::Auto => connection.has_chosen_http2(),
            HttpChoice::Http1 => false,
            HttpChoice::Http2 => true,
        };
        if !is_http2 {
            return Ok(Open::Http1(Box::new(connection)));
        }
        let begin = Box::pin(Http2Connection::begin(connection));
        let begun = timeout_at(limits.deadline, begin).await;
        let begun = begun.unwrap_or_else(|_| Err(limits.timed_out(Stage::Head, None)));
        Ok(Open::Http2(begun?))
    }

    /// Whether a connection was begun since the last [`Transport::take_opened`].
    pub(super) fn has_opened(&self) -> bool {
        self.opened.get().attempts > 0
    }

    /// The idle connection to an origin.
    fn take_idle(&self, origin: &Rc<Origin>) -> Option<Open> {
        let mut idle = self.idle.borrow_mut();
        let idle = idle.iter_mut().find(|one| is_same(&one.origin, origin))?;
        idle.connection.take()
    }

    fn store_idle(&self, origin: &Rc<Origin>, connection: Open) {
        let mut idle = self.idle.borrow_mut();
        if let Some(place) = idle.iter_mut().find(|one| is_same(&one.origin, origin)) {
            place.connection = Some(connection);
            return;
        }
        if idle.len() >= MAX_IDLE {
            idle.remove(0);
        }
        // Most users need one, and never more.
        idle.reserve_exact(1);
        idle.push(IdleConnection {
            origin: origin.clone(),
            connection: Some(connection),
        });
    }
}

/// Writes the rest of a request whose response is complete: the service has yet to read it, before it
/// takes another one. Ends when all is written, when the connection is closed, or when the service
/// stops reading; the response counts in any case.
///
/// # Errors
/// When a body file cannot be read, or was changed.
async fn finish_sending(
    connection: &mut Connection,
    sending: &mut PendingRequest,
    limits: &RequestLimits<'_>,
    response: &mut Response,
) -> Result<(), Failure> {
    while Instant::now() < limits.deadline {
        let before = response.bytes_out;
        let write = poll_fn(|cx| {
            let sent = sending.poll(connection, response, cx);
            match sent.is_pending() && connection.is_open(cx) {
                true => Poll::Pending,
                false => Poll::Ready(sent),
            }
        });
        let ended = timeout(STALLED, write).await;
        match ended {
            Ok(Poll::Ready(sent)) => return sent,
            Ok(Poll::Pending) => return Ok(()),
            Err(_) if response.bytes_out == before => return Ok(()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn is_same(a: &Rc<Origin>, b: &Rc<Origin>) -> bool {
    Rc::ptr_eq(a, b) || a == b
}
