//! Delivering numbers every few seconds and once more at the end, to somebody who may be slow, broken or gone.
//!
//! Here: when, what becomes of that which was not taken, and what is said of it. Not here: the formats.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::exporters::counts::Counts;
use crate::exporters::sink::{LIMIT, Sink};
use crate::units::format_duration;

/// How often.
const PERIOD: Duration = Duration::from_secs(5);

/// How much is shown of what a collector said; characters.
const MOST_SHOWN: usize = 200;

/// Deliveries to somebody.
#[derive(Debug)]
pub(super) struct Delivery {
    to: String,
    tried: Cell<u64>,
    taken: Cell<u64>,
    /// One has not ended.
    goes_on: Cell<bool>,
    /// Why the last one that failed did.
    why: RefCell<String>,
}

impl Delivery {
    /// None yet; `to` is for people.
    pub(super) fn new(to: String) -> Self {
        Self {
            to,
            tried: Cell::new(0),
            taken: Cell::new(0),
            goes_on: Cell::new(false),
            why: RefCell::default(),
        }
    }

    /// A sentence, if not all were taken. One that has not ended counts as failed.
    pub(super) fn note(&self) -> Option<String> {
        let (tried, failed) = (self.tried.get(), self.tried.get() - self.taken.get());
        if failed == 0 {
            return None;
        }
        let times = match (failed, tried) {
            (1, 1) => String::new(),
            (failed, tried) => format!(" {failed} of {tried} times"),
        };
        let why = match self.goes_on.get() {
            true => too_slow(),
            false => self.why.borrow().clone(),
        };
        Some(format!("{} failed{times}: {why}", self.to))
    }

    /// Delivers what is counted to a sink until it `is_over`, and once more then.
    pub(super) async fn repeat(
        &self,
        mut sink: Sink,
        counts: Rc<RefCell<Counts>>,
        mut is_over: watch::Receiver<bool>,
    ) {
        let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                biased;
                // An error is an end, too.
                _ = is_over.wait_for(|is_over| *is_over) => true,
                _ = ticks.tick() => false,
            };
            self.once(&mut sink, &counts).await;
            if is_last {
                return;
            }
        }
    }

    async fn once(&self, sink: &mut Sink, counts: &RefCell<Counts>) {
        let messages = sink.encode(&counts.borrow());
        // What is added from here on belongs to the next one.
        let interval = sink.is_of_intervals().then(|| counts.borrow_mut().take());
        self.tried.set(self.tried.get() + 1);
        self.goes_on.set(true);
        let sent = timeout(LIMIT, sink.send(messages)).await;
        self.goes_on.set(false);
        match sent.unwrap_or_else(|_| Err(too_slow())) {
            Ok(()) => self.taken.set(self.taken.get() + 1),
            Err(why) => {
                *self.why.borrow_mut() = one_line(&why);
                if let Some(interval) = interval {
                    counts.borrow_mut().give_back(interval);
                }
            }
        }
    }
}

fn too_slow() -> String {
    format!("no response within {}", format_duration(LIMIT))
}

/// What a collector said, as part of a sentence.
fn one_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let shown = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(MOST_SHOWN).collect()
}
