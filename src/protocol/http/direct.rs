//! HTTP/1.1 straight over the virtual user's own connections, for generators that are to take
//! little of the machine.
//!
//! An endpoint's request is made into bytes once, with slots for what differs; a user at rest has
//! nothing but its socket, since buffers are shared by all users of a worker; and of an answer no
//! more is made than something looks at. What is not plain sailing (redirects, cookies, digest,
//! large files) goes the way that all clients share, over the same connections.
//!
//! Here: one exchange, and the quick way to it. Not here: its parts, one file each.

mod body;
mod connecting;
mod connection;
mod deadline;
mod encoded;
mod head;
mod head_cache;
mod origin;
mod response;
mod sending;
mod session;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::{Method, StatusCode};
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::io::ReadBuf;
use tokio::time::{Instant, timeout_at};

use self::connection::Connection;
use self::head::Wanted;
use self::origin::Origin;
use self::sending::Sending;
use super::failed;
use super::failure::{self as failures, Stage};
use super::payload::{self, Pieces};
use super::prepared::Outgoing;
use super::transport::{Opened, Step, Terms, Transport};
use crate::error::Error;
use crate::metrics::Outcome;
use crate::plan::{FileContent, Plan, Wire};
use crate::protocol::{Failure, Response};
use deadline::Alarm;
use head_cache::Known;
use response::Answer;

pub use self::session::DirectClient;

/// How much is read at once; bytes.
const READ: usize = 64 << 10;
/// What the buffer for requests may grow to and keep; bytes.
const WRITE: usize = 128 << 10;
/// The TLS tickets that a session keeps.
const TICKETS: usize = 32;
/// The most connections that a session keeps; more than one takes a scenario with many hosts.
const MAX_KEPT: usize = 32;

/// What the sessions of a worker share.
pub struct Shared {
    tls: ClientConfig,
    /// Lent to whoever reads, for as long as that does not wait.
    reading: RefCell<Box<[u8]>>,
    /// Likewise to whoever writes.
    writing: RefCell<Vec<u8>>,
    /// The heads that targets send again and again.
    known: RefCell<Known>,
}

/// The connections of one session.
pub struct Direct {
    shared: Rc<Shared>,
    local_address: Option<IpAddr>,
    /// With tickets of its own: a virtual user resumes what it began itself, and nobody else's.
    tls: OnceCell<Arc<ClientConfig>>,
    kept: RefCell<Vec<Kept>>,
    opened: Cell<Opened>,
    alarm: RefCell<Alarm>,
}

/// A connection that is kept for the next request.
struct Kept {
    origin: Rc<Origin>,
    /// None while it is in use, or when it was not kept.
    connection: Option<Box<Connection>>,
}

/// A request in the form it is sent in.
struct Message<F> {
    /// Writes all of it, or all but the rest. May be called twice.
    write: F,
    /// What follows piece by piece.
    rest: Option<Box<Pieces>>,
    /// Whether it is one for a head alone.
    is_head: bool,
}

impl Transport for Direct {
    type Shared = Shared;

    fn share(_: &Plan, mut tls: ClientConfig) -> Result<Shared, Error> {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Shared {
            tls,
            reading: RefCell::new(vec![0; READ].into()),
            writing: RefCell::default(),
            known: RefCell::default(),
        })
    }

    fn open(shared: &Rc<Shared>, _: &[Wire], local_address: Option<IpAddr>) -> Self {
        Self {
            shared: shared.clone(),
            local_address,
            tls: OnceCell::new(),
            kept: RefCell::default(),
            opened: Cell::default(),
            alarm: RefCell::default(),
        }
    }

    async fn exchange(
        &self,
        outgoing: Outgoing,
        terms: &Terms,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        let origin = Origin::of(&outgoing.url);
        let origin =
            origin.ok_or_else(|| failed(Outcome::InvalidRequest, "its URL has no host"))?;
        let rest = match (&outgoing.contents, &outgoing.body) {
            (Some(contents), _) => Some(payload::open(contents).await),
            (None, Some(body)) if !encoded::is_joined(&outgoing) => {
                Some(payload::open(&[FileContent::Bytes(body.clone())]).await)
            }
            _ => None,
        };
        let rest = rest.transpose().map_err(failures::of_file)?;
        let message = Message {
            write: |bytes: &mut Vec<u8>| encoded::write(&outgoing, bytes),
            rest: rest.map(|(pieces, _)| Box::new(pieces)),
            is_head: outgoing.method == Method::HEAD,
        };
        self.carry(&Rc::new(origin), message, terms, response).await
    }

    fn take_opened(&self) -> Opened {
        self.opened.take()
    }
}

impl Direct {
    /// One request and its answer.
    async fn carry<F: Fn(&mut Vec<u8>)>(
        &self,
        origin: &Rc<Origin>,
        message: Message<F>,
        terms: &Terms,
        response: &mut Response,
    ) -> Result<StatusCode, Failure> {
        let mut answer = Answer::new(Wanted {
            is_bodyless: message.is_head,
            all_fields: terms.keep_headers,
        });
        let mut sending = Sending::new(message.rest);
        let kept = match terms.wire.keep_alive {
            true => self.take(origin),
            false => None,
        };
        let kept = match kept {
            None => None,
            Some(mut connection) => {
                let has_begun = poll_fn(|cx| {
                    let has_begun = connection.is_open(cx)
                        && self.begin(&mut connection, &message.write, &mut sending, response, cx);
                    Poll::Ready(has_begun)
                });
                has_begun.await.then_some(connection)
            }
        };
        let mut connection = match kept {
            Some(connection) => {
                response.reused += 1;
                connection
            }
            None => {
                // On the heap, so that a user with a connection does not carry it along.
                let mut connection = Box::pin(self.connect(origin, terms)).await?;
                poll_fn(|cx| {
                    self.begin(&mut connection, &message.write, &mut sending, response, cx);
                    Poll::Ready(())
                })
                .await;
                connection
            }
        };
        response.remote = Some(connection.remote);
        if !sending.is_through() {
            let send = |cx: &mut Context<'_>| {
                self.send(
                    &mut connection,
                    &mut sending,
                    &mut answer,
                    terms,
                    response,
                    cx,
                )
            };
            poll_fn(send).await?;
        }
        if !answer.is_whole() {
            let receive = |cx: &mut Context<'_>| {
                self.receive(&mut connection, &mut answer, terms, response, cx)
            };
            let received = poll_fn(receive).await;
            received.map_err(|failure| sending.explain(failure, &answer))?;
        }
        if terms.wire.keep_alive && sending.is_through() && answer.is_kept_alive() {
            self.keep(origin, connection);
        }
        answer.status()
    }

    /// Writes as much of a request as is taken at once. Whether the connection can be gone on
    /// with; if not, nothing of the request was taken, and it can go elsewhere.
    fn begin(
        &self,
        connection: &mut Connection,
        write: impl Fn(&mut Vec<u8>),
        sending: &mut Sending,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut bytes = self.shared.writing.borrow_mut();
        bytes.clear();
        write(&mut bytes);
        let can_go_on = sending.begin(connection, &bytes, response, cx);
        bytes.shrink_to(WRITE);
        can_go_on
    }

    /// Writes the rest, until all is written or an answer comes that does not wait for it.
    fn send(
        &self,
        connection: &mut Connection,
        sending: &mut Sending,
        answer: &mut Answer,
        terms: &Terms,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        if let Poll::Ready(sent) = sending.poll(connection, response, cx) {
            return Poll::Ready(sent);
        }
        match self.receive(connection, answer, terms, response, cx) {
            Poll::Pending if answer.stage() == Stage::Head => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
            Poll::Ready(received) => Poll::Ready(received),
        }
    }

    /// Takes in what has come, until the answer is whole or its time is up.
    fn receive(
        &self,
        connection: &mut Connection,
        answer: &mut Answer,
        terms: &Terms,
        response: &mut Response,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        let mut buffer = self.shared.reading.borrow_mut();
        let mut known = self.shared.known.borrow_mut();
        loop {
            let mut read = ReadBuf::new(&mut buffer);
            let stage = answer.stage();
            match connection.poll_read(cx, &mut read) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(&error, stage))),
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    return Poll::Ready(answer.close(response));
                }
                Poll::Ready(Ok(())) => {
                    if answer.feed(read.filled(), &mut known, terms, response)? {
                        return Poll::Ready(Ok(()));
                    }
                    // A body that keeps coming leaves the alarm no turn.
                    if Instant::now() >= terms.deadline {
                        return Poll::Ready(Err(terms.timed_out(answer.stage(), None)));
                    }
                }
            }
        }
        ready!(self.alarm.borrow_mut().poll(terms.deadline, cx));
        Poll::Ready(Err(terms.timed_out(answer.stage(), None)))
    }

    async fn connect(&self, origin: &Origin, terms: &Terms) -> Result<Box<Connection>, Failure> {
        let mut opened = self.opened.get();
        opened.attempts = opened.attempts.saturating_add(1);
        self.opened.set(opened);
        let step = Cell::new(Step::Connect);
        let by = (Instant::now() + terms.connect_timeout).min(terms.deadline);
        let tls = || {
            let tls = self.tls.get_or_init(|| {
                let mut tls = self.shared.tls.clone();
                tls.resumption = Resumption::in_memory_sessions(TICKETS);
                Arc::new(tls)
            });
            tls.clone()
        };
        let connect = connecting::connect(origin, self.local_address, tls, &step);
        let Ok(connected) = timeout_at(by, connect).await else {
            let step = step.get();
            return Err(match by < terms.deadline {
                true => failed(step.outcome(), step.too_long(terms.connect_timeout)),
                false => terms.timed_out(Stage::Head, Some(step)),
            });
        };
        let (connection, took) = connected?;
        opened.add(took.dns, took.connect, took.tls);
        self.opened.set(opened);
        Ok(Box::new(connection))
    }

    /// Whether a connection was begun since what was opened was last taken.
    fn has_opened(&self) -> bool {
        self.opened.get().attempts > 0
    }

    /// The connection to an origin that is not in use.
    fn take(&self, origin: &Rc<Origin>) -> Option<Box<Connection>> {
        let mut kept = self.kept.borrow_mut();
        let place = kept.iter_mut().find(|one| is_same(&one.origin, origin))?;
        place.connection.take()
    }

    fn keep(&self, origin: &Rc<Origin>, connection: Box<Connection>) {
        let mut kept = self.kept.borrow_mut();
        if let Some(place) = kept.iter_mut().find(|one| is_same(&one.origin, origin)) {
            place.connection = Some(connection);
            return;
        }
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        // Most users need one, and never more.
        kept.reserve_exact(1);
        kept.push(Kept {
            origin: origin.clone(),
            connection: Some(connection),
        });
    }
}

fn is_same(a: &Rc<Origin>, b: &Rc<Origin>) -> bool {
    Rc::ptr_eq(a, b) || a == b
}

/// The failure of a connection that broke.
fn broken(error: &std::io::Error, stage: Stage) -> Failure {
    failures::of_io(error, stage, false)
}
