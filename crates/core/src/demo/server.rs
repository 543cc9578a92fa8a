//! Starting and stopping the service, and what every response has in common: counting, delay,
//! stall, injected error.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::response::Response;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use super::behavior::faults::Fault;
use super::behavior::{Behavior, wait};
use super::counters::Counters;
use super::responses::{problem, set_timing};
use super::route;
use super::state::ServiceState;
use crate::error::Error;

/// Connections that may wait to be accepted: the kernel's usual limit, so that thousands of users
/// who arrive at once do not lose their first packet, and with it a second.
const BACKLOG: u32 = 4096;

/// Listens on 127.0.0.1; port 0 takes any free one. Must be called within a tokio runtime.
///
/// # Errors
/// When the port is in use or not allowed.
pub fn bind(port: u16) -> Result<TcpListener, Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        // Lets a service that was just stopped start again on its port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| Error::ListenDemo { address, source })
}

/// Serves until `shutdown` completes. Connections are cut, not drained, when the runtime ends.
pub async fn serve(
    listener: TcpListener,
    behavior: Behavior,
    counters: Arc<Counters>,
    shutdown: impl Future<Output = ()>,
) {
    let state = Arc::new(ServiceState::new(behavior, counters));
    let listener = listener.tap_io(|stream| {
        // A stream that refuses the option is slower, not wrong.
        let _ = stream.set_nodelay(true);
    });
    let service = respond.with_state(state).into_make_service();
    tokio::select! {
        _ = axum::serve(listener, service).into_future() => {}
        () = shutdown => {}
    }
}

async fn respond(State(state): State<Arc<ServiceState>>, request: Request) -> Response {
    let start = Instant::now();
    let number = state.counters.arrived();
    let in_flight = state.counters.in_flight();
    let is_within = state.limit.as_ref().is_none_or(|limit| limit.takes(start));
    let ready = (state.queue.as_ref().filter(|_| is_within))
        .map(|queue| queue.ready(state.behavior.seed, number, start));
    let (parts, body) = request.into_parts();
    let (route, argument) = route::find(&parts.method, parts.uri.path());
    let query = parts.uri.query();
    let waited = match route.is_api() {
        true => state.resources.query().await,
        false => None,
    };
    let mut response = state
        .respond(number, route, argument, query, &parts.headers, body)
        .await;

    let elapsed = state.started.elapsed();
    wait(state.behavior.delay(number) + state.behavior.rise(elapsed)).await;
    if let Some(ready) = ready {
        tokio::time::sleep_until(ready.into()).await;
    }
    let timing = (route.is_api()).then(|| state.timing(number, route, query, waited));
    if let Some(timing) = timing
        .as_ref()
        .filter(|_| state.behavior.has(Fault::SlowDb))
    {
        wait(timing.db).await;
    }
    if !is_within {
        response = problem(StatusCode::TOO_MANY_REQUESTS, "above the limit");
    } else if state.behavior.fails(number, route.is_api()) {
        response = problem(StatusCode::SERVICE_UNAVAILABLE, "injected error");
    }
    // Not of what is above the limit: it reaches no instance.
    if let Some(timing) = timing.filter(|_| is_within) {
        set_timing(&mut response, &timing.header(&state.behavior, number));
    }
    if let Some(stall) = state.behavior.stall() {
        wait(stall.wait(state.started.elapsed())).await;
    }
    state.resources.leak();
    in_flight.done(route, response.status(), start.elapsed());
    response
}

/// The built-in service on a thread of its own. Dropping it stops it and cuts its connections.
#[derive(Debug)]
pub struct Demo {
    addr: SocketAddr,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A runtime of one thread, for the service.
///
/// # Errors
/// When the machine has no file descriptors left.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::StartDemo)
}

impl Demo {
    /// Starts it on 127.0.0.1; port 0 takes any free one. It responds when this returns.
    ///
    /// # Errors
    /// When the port is in use, or the machine has no threads or file descriptors left.
    pub fn start(port: u16, behavior: Behavior) -> Result<Self, Error> {
        let runtime = runtime()?;
        let listener = runtime.block_on(async { bind(port) })?;
        let addr = listener.local_addr().map_err(Error::StartDemo)?;
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, behavior, counters.clone(), async {
            let _ = stopped.await;
        });
        let thread = std::thread::Builder::new()
            .name("demo".into())
            .spawn(move || runtime.block_on(serving))
            .map_err(Error::StartDemo)?;
        Ok(Self {
            addr,
            counters,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many requests have reached it, each counted once whatever its path and response.
    pub fn requests(&self) -> u64 {
        self.counters.requests()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed; panicking here as well would only hide it.
            let _ = thread.join();
        }
    }
}
