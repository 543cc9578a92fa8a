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

    /// What may not have been taken is delivered again: rather twice than never.
    async fn once(&self, sink: &mut Sink, counts: &RefCell<Counts>) {
        let messages = sink.encode(&counts.borrow());
        // What is added from here on belongs to the next one.
        let interval = sink.is_of_intervals().then(|| counts.borrow_mut().take());
        self.tried.set(self.tried.get() + 1);
        self.goes_on.set(true);
        let sent = timeout(LIMIT, sink.send(messages)).await;
        self.goes_on.set(false);
        match sent.unwrap_or_else(|_| Err(too_slow().into())) {
            Ok(()) => self.taken.set(self.taken.get() + 1),
            Err(undelivered) => {
                *self.why.borrow_mut() = one_line(&undelivered.why);
                if let Some(interval) = interval.filter(|_| !undelivered.is_partly_taken) {
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::exporters::destination::{Collector, Destination, OtlpPoints};
    use crate::exporters::fixture;
    use crate::plan::Model;
    use crate::plan::fixture::{load, plan};

    /// Delivers to a collector that responds with this. What is then left to be delivered: how many cells.
    async fn left_after(response: &'static str) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let collector = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 1 << 16];
            assert!(connection.read(&mut request).unwrap() > 0);
            connection.write_all(response.as_bytes()).unwrap();
        });
        let plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
        let destination = Destination::Otlp {
            collector: Collector {
                url: format!("http://{address}/v1/metrics").parse().unwrap(),
                headers: Vec::new(),
            },
            is_grpc: false,
            points: OtlpPoints {
                is_delta: true,
                is_exponential: false,
            },
        };
        let mut sink = Sink::new(&plan, &destination).unwrap().unwrap();
        let counts = RefCell::new(fixture::counts());
        let delivery = Delivery::new(destination.to_string());
        delivery.once(&mut sink, &counts).await;
        collector.join().unwrap();
        assert!(delivery.note().is_some());
        counts.into_inner().cells.len()
    }

    #[tokio::test]
    async fn what_was_taken_but_for_a_part_is_not_delivered_again() {
        let refused = "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(left_after(refused).await, 2);
        // One point was rejected, and why.
        let partly = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 8\r\n\r\n\
                      \x0a\x06\x08\x01\x12\x02no";
        assert_eq!(left_after(partly).await, 0);
    }
}
