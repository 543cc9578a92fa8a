//! Faults that the service can have, each of which a rule of the findings is there for.
//!
//! Here: their names, and by how much each of them hurts. Not here: where that happens (`server`, `responses`).

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Semaphore;

/// A fault of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Each query takes more than 90 ms.
    SlowDb,
    /// The cache is hit in 60 % of the cases.
    CacheMisses,
    /// A list takes a query for each of its items.
    NPlusOne,
    /// Each request leaves 16 KiB in memory.
    Leak,
    /// Responses become slower by 2 ms each second.
    RisingLatency,
    /// There are 4 database connections, and each request of the API needs one for 20 ms.
    Saturation,
    /// No response is sent for 300 ms in each 5 s.
    Stalls,
    /// A third of the responses of one of four instances are a 503.
    BadInstance,
}

impl Fault {
    /// Names, as options spell them, and what they are.
    pub const ALL: [(&str, Self); 8] = [
        ("slow-db", Self::SlowDb),
        ("cache-misses", Self::CacheMisses),
        ("n-plus-one", Self::NPlusOne),
        ("leak", Self::Leak),
        ("rising-latency", Self::RisingLatency),
        ("saturation", Self::Saturation),
        ("stalls", Self::Stalls),
        ("bad-instance", Self::BadInstance),
    ];

    /// Reads a name.
    ///
    /// # Errors
    /// A phrase that lists the names.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, fault)| *fault).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            format!("`{text}` is not a fault; known: {}", names.join(", "))
        })
    }
}

/// Database connections of a service with [`Fault::Saturation`], and of any other.
const POOL: [u64; 2] = [4, 20];
/// For how long a request has a database connection.
const HELD: Duration = Duration::from_millis(20);
/// What each request leaves in memory with [`Fault::Leak`]; bytes.
const LEAKED: usize = 16 << 10;
/// The most that is left there, so that a forgotten service does not fill the machine; bytes.
const MOST_LEAKED: usize = 512 << 20;
/// What the memory of a service holds in any case; bytes.
const HEAP: u64 = 64_000_000;
/// By how much responses become slower in each second, and at most.
const RISE: (Duration, Duration) = (Duration::from_millis(2), Duration::from_secs(2));

/// What faults need to remember.
#[derive(Debug)]
pub(crate) struct Resources {
    pool: Semaphore,
    pool_size: u64,
    is_pool_used: bool,
    busy: AtomicU64,
    waiting: AtomicU64,
    leak: Option<Mutex<Vec<Box<[u8]>>>>,
}

impl Resources {
    pub(crate) fn of(faults: &[Fault]) -> Self {
        let is_pool_used = faults.contains(&Fault::Saturation);
        let pool_size = POOL[usize::from(!is_pool_used)];
        Self {
            pool: Semaphore::new(pool_size as usize),
            pool_size,
            is_pool_used,
            busy: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            leak: faults.contains(&Fault::Leak).then(Mutex::default),
        }
    }

    /// Waits for a database connection and uses it, if the service is short of them. Returns how long it waited.
    pub(crate) async fn query(&self) -> Option<Duration> {
        if !self.is_pool_used {
            return None;
        }
        let begun = tokio::time::Instant::now();
        let _waiting = Count::up(&self.waiting);
        // The semaphore is never closed.
        let permit = self.pool.acquire().await.ok()?;
        drop(_waiting);
        let waited = begun.elapsed();
        let _busy = Count::up(&self.busy);
        tokio::time::sleep(HELD).await;
        drop(permit);
        Some(waited)
    }

    /// A request is over.
    pub(crate) fn leak(&self) {
        let Some(leak) = &self.leak else { return };
        if let Ok(mut leaked) = leak.lock()
            && leaked.len() * LEAKED < MOST_LEAKED
        {
            leaked.push(vec![1; LEAKED].into_boxed_slice());
        }
    }

    /// The state of the pool and of the memory in the Prometheus text format.
    pub(crate) fn prometheus(&self) -> String {
        let leaked = self.leak.as_ref().and_then(|leak| leak.lock().ok());
        let leaked = leaked.map_or(0, |leaked| leaked.len() * LEAKED);
        let gauges = [
            (
                "db_pool_in_use",
                "Database connections in use.",
                self.busy.load(Relaxed),
            ),
            ("db_pool_size", "Database connections.", self.pool_size),
            (
                "db_pool_waiting",
                "Requests that wait for one.",
                self.waiting.load(Relaxed),
            ),
            ("heap_bytes", "Memory in use.", HEAP + leaked as u64),
        ];
        let lines = gauges.map(|(name, help, value)| {
            format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
        });
        lines.concat()
    }
}

/// By how much responses are slower after this time with [`Fault::RisingLatency`].
pub(crate) fn rise(elapsed: Duration) -> Duration {
    let (by, most) = RISE;
    by.mul_f64(elapsed.as_secs_f64()).min(most)
}

/// One more, until it goes away.
struct Count<'a>(&'a AtomicU64);

impl<'a> Count<'a> {
    fn up(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
