//! A calibrated server: it holds answers back by a known rule, and notes what it really did, since
//! no timer is exact. Its clients send requests without a body, one at a time per connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server did.
#[derive(Default)]
pub struct Log {
    requests: AtomicU64,
    /// By path: how long each answer was really held back; us.
    held_us: Mutex<HashMap<String, Vec<u64>>>,
    /// When each request of `/stamp` had arrived.
    arrivals: Mutex<Vec<Instant>>,
}

impl Log {
    /// Requests answered so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// How long each answer of a path was really held back, ascending; us. They are forgotten.
    pub fn held_us(&self, path: &str) -> Vec<u64> {
        let mut held_us = self
            .held_us
            .lock()
            .unwrap()
            .remove(path)
            .unwrap_or_default();
        held_us.sort_unstable();
        held_us
    }

    /// When the requests of `/stamp` arrived. They are forgotten.
    #[allow(dead_code, reason = "the benchmark of scheduling delays asks for them")]
    pub fn arrivals(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.arrivals.lock().unwrap())
    }
}

/// The nearest-rank percentile of ascending values, of which there is one at least.
pub fn percentile(values: &[u64], share: f64) -> u64 {
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.max(1) - 1]
}

/// Serves on a thread of its own until the program ends; returns the base URL, and what it notes.
///
/// `/fixed/MS`, `/exponential/MS` and `/bimodal/MS` (one in ten takes 20 times as long) hold their
/// answers back; `/stall` answers in 10 ms, but stalls for the last second of every ten and then
/// answers its backlog at once; `/stamp` notes arrivals; anything else is answered at once.
pub fn serve() -> (String, Arc<Log>) {
    let log = Arc::new(Log::default());
    let noted = log.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port is free");
            sender
                .send(listener.local_addr().expect("it is bound"))
                .expect("main waits");
            let start = Instant::now();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, noted.clone(), start));
            }
        });
    });
    let address = receiver.recv().expect("the server started");
    (format!("http://{address}"), log)
}

async fn connection(mut stream: TcpStream, log: Arc<Log>, start: Instant) {
    let _ = stream.set_nodelay(true);
    let mut head = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut head).await {
        // Requests have no body here, and a client waits for its answer before the next one.
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let arrived = Instant::now();
        let number = log.requests.fetch_add(1, Ordering::SeqCst);
        let path = String::from_utf8_lossy(&head)
            .split(' ')
            .nth(1)
            .unwrap_or("/")
            .to_owned();
        if path == "/stamp" {
            log.arrivals.lock().unwrap().push(arrived);
        }
        let hold = delay(&path, number, start.elapsed());
        if !hold.is_zero() {
            tokio::time::sleep(hold).await;
            let held_us = arrived.elapsed().as_micros() as u64;
            log.held_us
                .lock()
                .unwrap()
                .entry(path)
                .or_default()
                .push(held_us);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        if stream.write_all(answer).await.is_err() {
            return;
        }
        head.clear();
    }
}

/// How long the answer to a request is held back.
fn delay(path: &str, number: u64, elapsed: Duration) -> Duration {
    let mut parts = path.trim_start_matches('/').split('/');
    let kind = parts.next().unwrap_or("");
    let ms: f64 = parts.next().and_then(|ms| ms.parse().ok()).unwrap_or(0.0);
    // A quasi-random share in 0..1 (the golden ratio's multiples), the same in every run.
    let share = (number as f64 * 0.618_033_988_749_894_9).fract();
    let held_ms = match kind {
        "fixed" => ms,
        "exponential" => -ms * (1.0 - share).ln(),
        "bimodal" if share < 0.9 => ms,
        "bimodal" => ms * 20.0,
        "stall" => {
            let into_ms = elapsed.as_secs_f64() % 10.0 * 1e3;
            if into_ms >= 9_000.0 {
                10_000.0 - into_ms
            } else {
                10.0
            }
        }
        _ => 0.0,
    };
    Duration::from_secs_f64(held_ms.max(0.0) / 1e3)
}
