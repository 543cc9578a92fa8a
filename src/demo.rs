//! The built-in target: a small HTTP/1.1 service to try perfctl on and to test it against.
//!
//! Here: how it is started and stopped, and what every answer has in common (counting, delay,
//! stall, injected error); in the files below, the paths and their answers. Not here: anything a
//! load generator needs. It shares the machine with the generator, so it logs nothing and keeps no
//! state per client.

mod answer;
mod chance;
mod counters;
mod route;

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::response::Response;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::units;
use chance::{Draw, chance};

pub use counters::Counters;
pub use route::PATHS;

/// Connections that may wait to be accepted: the kernel's usual bound, so that thousands of users
/// who arrive at once do not lose their first packet and a second with it.
const BACKLOG: u32 = 4096;

/// How the target behaves. The default answers as fast as it can, without errors.
///
/// Waits end on a millisecond of tokio's timer, so an answer may be up to 1 ms later than asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// Added to every answer.
    pub latency: Duration,
    /// The share of answers, 0 to 100, that take ten times `latency`, at least 1 s.
    pub slow_percent: f64,
    /// The share of answers, 0 to 100, that are replaced by a 503.
    pub error_percent: f64,
    /// Times in which nothing is answered.
    pub stall: Option<Stall>,
    /// How long `POST /api/v1/processing/` works.
    pub processing_time: Duration,
    /// Decides which requests are slow or fail, and the values in `Server-Timing`: request number n
    /// is always treated alike.
    pub seed: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            slow_percent: 0.0,
            error_percent: 0.0,
            stall: None,
            processing_time: Duration::from_millis(200),
            seed: 0,
        }
    }
}

impl Behaviour {
    /// How long request number `number` has to wait.
    fn delay(&self, number: u64) -> Duration {
        if chance(self.seed, number, Draw::Slow) * 100.0 < self.slow_percent {
            (self.latency * 10).max(Duration::from_secs(1))
        } else {
            self.latency
        }
    }

    fn fails(&self, number: u64) -> bool {
        chance(self.seed, number, Draw::Error) * 100.0 < self.error_percent
    }
}

/// A stall that comes back: no answer leaves in the last `lasting` of each `every`, counted from
/// the start of the target; what has piled up is answered at once when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// From the end of a stall to the end of the next; positive.
    pub every: Duration,
    /// How long it takes; positive and below `every`.
    pub lasting: Duration,
}

impl Stall {
    /// How long an answer that is ready at `elapsed` since the start has to wait.
    fn wait(&self, elapsed: Duration) -> Duration {
        let position = elapsed.as_nanos() % self.every.as_nanos();
        let left = self.every.as_nanos() - position;
        if left <= self.lasting.as_nanos() {
            // At most 30 days, far below what a u64 of nanoseconds holds.
            Duration::from_nanos(left as u64)
        } else {
            Duration::ZERO
        }
    }
}

impl FromStr for Stall {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a stall: write how often and how long, such as `10s,1s`, the second shorter than the first"
            )
        };
        let (every, lasting) = text.split_once(',').ok_or_else(bad)?;
        let every = units::parse_duration(every)?;
        let lasting = units::parse_duration(lasting)?;
        let sound = lasting > Duration::ZERO && lasting < every;
        sound.then_some(Self { every, lasting }).ok_or_else(bad)
    }
}

/// What all requests share.
struct Target {
    behaviour: Behaviour,
    counters: Arc<Counters>,
    started: Instant,
    invoices: answer::Invoices,
}

/// Listens on 127.0.0.1; port 0 takes any free one. Must be called within a tokio runtime.
///
/// # Errors
/// When the port is taken or may not be used.
pub fn bind(port: u16) -> Result<TcpListener, Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        // Lets a target that was just stopped be started again on its port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| Error::ListenDemo { address, source })
}

/// Serves until `shutdown` completes. Connections are cut, not drained, when the runtime ends.
pub async fn serve(
    listener: TcpListener,
    behaviour: Behaviour,
    counters: Arc<Counters>,
    shutdown: impl Future<Output = ()>,
) {
    let target = Arc::new(Target {
        behaviour,
        counters,
        started: Instant::now(),
        invoices: answer::Invoices::new(),
    });
    let listener = listener.tap_io(|stream| {
        // A stream that refuses the option is slower, not wrong.
        let _ = stream.set_nodelay(true);
    });
    let service = answer_one.with_state(target).into_make_service();
    tokio::select! {
        _ = axum::serve(listener, service).into_future() => {}
        () = shutdown => {}
    }
}

async fn answer_one(State(target): State<Arc<Target>>, request: Request) -> Response {
    let start = Instant::now();
    let number = target.counters.arrived();
    let in_flight = target.counters.in_flight();
    let (parts, body) = request.into_parts();
    let (route, argument) = route::find(&parts.method, parts.uri.path());
    let mut response = target
        .answer(number, route, argument, parts.uri.query(), body)
        .await;

    wait(target.behaviour.delay(number)).await;
    if target.behaviour.fails(number) {
        response = answer::problem(StatusCode::SERVICE_UNAVAILABLE, "injected error");
    }
    if let Some(stall) = target.behaviour.stall {
        wait(stall.wait(target.started.elapsed())).await;
    }
    in_flight.done(route, response.status(), start.elapsed());
    response
}

async fn wait(time: Duration) {
    if time > Duration::ZERO {
        tokio::time::sleep(time).await;
    }
}

/// The built-in target on a thread of its own. Dropping it stops it and cuts its connections.
#[derive(Debug)]
pub struct Demo {
    addr: SocketAddr,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A runtime of one thread, as the target needs.
///
/// # Errors
/// When the machine gives no descriptors.
pub fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::StartDemo)
}

impl Demo {
    /// Starts it on 127.0.0.1; port 0 takes any free one. It answers when this returns.
    ///
    /// # Errors
    /// When the port is taken, or the machine gives no thread or descriptors.
    pub fn start(port: u16, behaviour: Behaviour) -> Result<Self, Error> {
        let runtime = runtime()?;
        let listener = runtime.block_on(async { bind(port) })?;
        let addr = listener.local_addr().map_err(Error::StartDemo)?;
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, behaviour, counters.clone(), async {
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

    /// How many requests have reached it, each counted once whatever its path and answer.
    pub fn requests(&self) -> u64 {
        self.counters.requests()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed; here it would only hide the first one.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
