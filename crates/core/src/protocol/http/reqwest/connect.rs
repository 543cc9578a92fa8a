//! Watching how a session connects: counts connections, limits their time, and tells their timer when a
//! step is over.
//!
//! reqwest makes TCP and TLS in one step. They can be told apart because a TLS handshake begins by
//! asking its session store for tickets, and [`TlsSessions`] is that store. Not here: what the times are (`timing`).

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use tower::{Layer, Service};

use crate::protocol::http::connect::dns;
use crate::protocol::http::connect::timing::ConnectTimer;
use crate::protocol::http::connect::tls::TICKETS;
use crate::protocol::http::transport::{ConnectStep, OpenedConnections};

type BoxError = Box<dyn StdError + Send + Sync>;

/// What happens below a session's client. A session runs one request at a time, so what is seen
/// here belongs to that request.
#[derive(Debug, Default)]
pub(super) struct Probe(Mutex<ProbeState>);

#[derive(Debug, Default)]
struct ProbeState {
    limit: Duration,
    connecting: Option<Connecting>,
    opened: OpenedConnections,
}

/// A connection being made.
#[derive(Debug, Clone, Copy)]
struct Connecting {
    timer: ConnectTimer,
    /// A certificate was verified, which is part of every handshake but those that resume.
    is_full: bool,
}

impl Probe {
    /// Starts watching a new request.
    pub(super) fn begin(&self, connect_timeout: Duration) {
        self.state().limit = connect_timeout;
    }

    /// What was opened since the last [`Self::take`].
    pub(super) fn opened(&self) -> OpenedConnections {
        self.state().opened
    }

    /// Like [`Self::opened`], and starts counting again.
    pub(super) fn take(&self) -> OpenedConnections {
        std::mem::take(&mut self.state().opened)
    }

    /// Which step of making a connection is under way; `None` when none is being made.
    pub(super) fn step(&self) -> Option<ConnectStep> {
        Some(self.state().connecting?.timer.step())
    }

    /// Never shared between threads, so there is nothing to wait for.
    fn state(&self) -> MutexGuard<'_, ProbeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Duration {
        let mut state = self.state();
        state.connecting = Some(Connecting {
            timer: ConnectTimer::start(),
            is_full: false,
        });
        state.opened.attempts += 1;
        state.limit
    }

    fn resolved(&self, took: Duration) {
        if let Some(connecting) = &mut self.state().connecting {
            connecting.timer.resolved(took);
        }
    }

    fn tls_starts(&self) {
        if let Some(connecting) = &mut self.state().connecting {
            connecting.timer.tls_starts();
        }
    }

    /// A certificate is verified.
    pub(super) fn verifies(&self) {
        if let Some(connecting) = &mut self.state().connecting {
            connecting.is_full = true;
        }
    }

    fn connected(&self) {
        let mut state = self.state();
        if let Some(Connecting { timer, is_full }) = state.connecting.take() {
            timer.made(!is_full, &mut state.opened);
        }
    }
}

/// Ends the time in which a connection is being made, however it ends.
struct Attempt(Arc<Probe>);

impl Drop for Attempt {
    fn drop(&mut self) {
        self.0.state().connecting = None;
    }
}

/// Wraps the probe around reqwest's connector.
#[derive(Clone)]
pub(super) struct ProbeLayer(pub(crate) Arc<Probe>);

impl<S> Layer<S> for ProbeLayer {
    type Service = ProbedConnector<S>;

    fn layer(&self, inner: S) -> ProbedConnector<S> {
        ProbedConnector {
            inner,
            probe: self.0.clone(),
        }
    }
}

/// A connector with the probe around it.
#[derive(Clone)]
pub(super) struct ProbedConnector<S> {
    inner: S,
    probe: Arc<Probe>,
}

impl<S, R> Service<R> for ProbedConnector<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connect = self.inner.call(request);
        let probe = self.probe.clone();
        Box::pin(async move {
            let limit = probe.start();
            let attempt = Attempt(probe);
            let connection =
                tokio::time::timeout(limit, connect)
                    .await
                    .map_err(|_| ConnectTimeout {
                        limit,
                        step: attempt.0.step().unwrap_or(ConnectStep::Connect),
                    })??;
            attempt.0.connected();
            Ok(connection)
        })
    }
}

/// The connection was not made within its limit.
#[derive(Debug)]
pub(super) struct ConnectTimeout {
    limit: Duration,
    /// What took too long.
    pub(super) step: ConnectStep,
}

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step.too_long(self.limit))
    }
}

impl StdError for ConnectTimeout {}

/// The system's resolver, with errors of a type of its own.
pub(super) struct Resolver {
    pub(super) probe: Arc<Probe>,
    /// What is resolved instead of the name that is asked for.
    pub(super) elsewhere: Option<(String, u16)>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let probe = self.probe.clone();
        let elsewhere = self.elsewhere.clone();
        Box::pin(async move {
            // Port 0 is filled in by the connector.
            let (host, port) = elsewhere.unwrap_or_else(|| (name.as_str().to_owned(), 0));
            let (addresses, took) = dns::resolve(&host, port).await?;
            if let Some(took) = took {
                probe.resolved(took);
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The TLS tickets of one session: a virtual user resumes only its own TLS sessions.
pub(super) struct TlsSessions {
    probe: Arc<Probe>,
    /// Whether it keeps tickets.
    is_resuming: bool,
    /// Empty until the first handshake; most plans have none.
    tickets: OnceLock<ClientSessionMemoryCache>,
}

impl TlsSessions {
    pub(super) fn new(probe: Arc<Probe>, is_resuming: bool) -> Self {
        Self {
            probe,
            is_resuming,
            tickets: OnceLock::new(),
        }
    }

    fn tickets(&self) -> &ClientSessionMemoryCache {
        self.tickets
            .get_or_init(|| ClientSessionMemoryCache::new(TICKETS))
    }
}

impl fmt::Debug for TlsSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSessions").finish_non_exhaustive()
    }
}

impl ClientSessionStore for TlsSessions {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.tickets().set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.tickets().kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        if self.is_resuming {
            self.tickets().set_tls12_session(server, value);
        }
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.tickets().tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.tickets().remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        if self.is_resuming {
            self.tickets().insert_tls13_ticket(server, value);
        }
    }

    /// Asked first of all in every handshake.
    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.probe.tls_starts();
        self.tickets().take_tls13_ticket(server)
    }
}
