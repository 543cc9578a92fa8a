//! Watching how a session connects: counting connections, limiting their time, telling a name
//! that does not resolve from a host that does not answer.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::{Layer, Service};

type BoxError = Box<dyn StdError + Send + Sync>;

/// What happens below a session's client. A session runs one request at a time, so what is seen
/// here belongs to that request.
#[derive(Debug, Default)]
pub(super) struct Probe {
    connecting: AtomicU16,
    connections: AtomicU16,
    connect_timeout_us: AtomicU64,
}

impl Probe {
    /// Starts watching a new request.
    pub(super) fn begin(&self, connect_timeout: Duration) {
        self.connections.store(0, Ordering::Relaxed);
        self.connect_timeout_us
            .store(crate::units::as_us(connect_timeout), Ordering::Relaxed);
    }

    /// Connections opened since [`Self::begin`].
    pub(super) fn connections(&self) -> u16 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether a connection is being made.
    pub(super) fn is_connecting(&self) -> bool {
        self.connecting.load(Ordering::Relaxed) > 0
    }
}

/// Marks the time in which a connection is being made, however it ends.
struct Connecting(Arc<Probe>);

impl Connecting {
    fn start(probe: Arc<Probe>) -> Self {
        probe.connecting.fetch_add(1, Ordering::Relaxed);
        Self(probe)
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.connecting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Puts the probe around reqwest's connector.
#[derive(Clone)]
pub(super) struct ProbeLayer(pub(super) Arc<Probe>);

impl<S> Layer<S> for ProbeLayer {
    type Service = Probed<S>;

    fn layer(&self, inner: S) -> Probed<S> {
        Probed {
            inner,
            probe: self.0.clone(),
        }
    }
}

/// A connector with the probe around it.
#[derive(Clone)]
pub(super) struct Probed<S> {
    inner: S,
    probe: Arc<Probe>,
}

impl<S, R> Service<R> for Probed<S>
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
            let limit = Duration::from_micros(probe.connect_timeout_us.load(Ordering::Relaxed));
            let connecting = Connecting::start(probe.clone());
            let connection = tokio::time::timeout(limit, connect)
                .await
                .map_err(|_| ConnectTimeout(limit))??;
            drop(connecting);
            probe.connections.fetch_add(1, Ordering::Relaxed);
            Ok(connection)
        })
    }
}

/// The connection was not made within its limit.
#[derive(Debug)]
pub(super) struct ConnectTimeout(Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = crate::units::format_duration(self.0);
        write!(f, "no connection within {after}")
    }
}

impl StdError for ConnectTimeout {}

/// The system's resolver, with errors that can be told from others.
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            // The port is filled in by the connector.
            let found = match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(addresses) => Ok(addresses.collect::<Vec<_>>()),
                Err(source) => Err(source),
            };
            match found {
                Ok(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
                Err(source) => Err(Box::new(DnsError { host, source }) as BoxError),
            }
        })
    }
}

/// A name that did not resolve.
#[derive(Debug)]
pub(super) struct DnsError {
    host: String,
    source: std::io::Error,
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve `{}`: {}", self.host, self.source)
    }
}

impl StdError for DnsError {}
