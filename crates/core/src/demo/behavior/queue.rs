//! A queue in front of the service, and a limit on its rate: its capacity is then known.
//!
//! Here: when a response may be sent. Not here: what is sent (`responses`).

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::chance::{Draw, chance};
use crate::units;

/// Requests that come at once may use up so much of the limit of a second.
const BURST: f64 = 0.1;

/// How long each request takes one of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceTime {
    /// The same for all.
    Fixed(Duration),
    /// Exponential, with this mean.
    Exponential(Duration),
}

impl FromStr for ServiceTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |text: &str| {
            let time = units::parse_duration(text)?;
            match time.is_zero() {
                true => Err("the service time must be above 0".to_owned()),
                false => Ok(time),
            }
        };
        match text.split_once(':') {
            Some(("exponential", mean)) => parse(mean).map(Self::Exponential),
            Some((other, _)) => Err(format!(
                "`{other}` is not a distribution: write `20ms`, or `exponential:20ms`"
            )),
            None => parse(text).map(Self::Fixed),
        }
    }
}

/// So many servers, and the requests that wait for one, in order of arrival.
#[derive(Debug)]
pub(crate) struct Queue {
    service: ServiceTime,
    /// When each server is free again. Times are computed, so that no late timer adds up.
    free: Mutex<Vec<Instant>>,
}

impl Queue {
    pub(crate) fn new(service: ServiceTime, servers: usize) -> Self {
        let free = vec![Instant::now(); servers.max(1)];
        let free = Mutex::new(free);
        Self { service, free }
    }

    /// When the response to request `number` is ready that arrives now.
    pub(crate) fn ready(&self, seed: u64, number: u64, now: Instant) -> Instant {
        let time = match self.service {
            ServiceTime::Fixed(time) => time,
            ServiceTime::Exponential(mean) => {
                mean.mul_f64(-(1.0 - chance(seed, number, Draw::Service)).ln())
            }
        };
        // Nothing panics while it is locked.
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = free.iter_mut().min() else {
            return now;
        };
        *first = now.max(*first) + time;
        *first
    }
}

/// A limit on the requests per second (a token bucket).
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_s: f64,
    /// What is left, and when it was counted.
    left: Mutex<(f64, Instant)>,
}

impl RateLimit {
    pub(crate) fn new(per_s: f64) -> Self {
        let left = Mutex::new(((per_s * BURST).max(1.0), Instant::now()));
        Self { per_s, left }
    }

    /// Whether a request that arrives now is within the limit.
    pub(crate) fn takes(&self, now: Instant) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, at) = *left;
        let since_s = now.saturating_duration_since(at).as_secs_f64();
        let tokens = (tokens + since_s * self.per_s).min((self.per_s * BURST).max(1.0));
        let is_within = tokens >= 1.0;
        *left = (tokens - f64::from(u8::from(is_within)), now);
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_wait_for_the_first_server_that_is_free() {
        let ms = Duration::from_millis;
        let queue = Queue::new(ServiceTime::Fixed(ms(20)), 2);
        let now = Instant::now();
        let ready: Vec<_> = (0..5)
            .map(|number| queue.ready(0, number, now) - now)
            .collect();
        assert_eq!(ready, [ms(20), ms(20), ms(40), ms(40), ms(60)]);
        assert_eq!(queue.ready(0, 5, now + ms(100)), now + ms(120));
    }

    #[test]
    fn exponential_times_have_their_mean() {
        let queue = Queue::new(ServiceTime::Exponential(Duration::from_millis(5)), 1);
        let now = Instant::now();
        let last = (0..20_000).map(|number| queue.ready(1, number, now)).last();
        let mean_s = (last.unwrap() - now).as_secs_f64() / 20_000.0;
        assert!((0.0049..0.0051).contains(&mean_s), "{mean_s}");
    }

    #[test]
    fn a_limit_takes_its_rate_and_a_burst() {
        let limit = RateLimit::new(300.0);
        let now = Instant::now();
        let within = (0..1_000).filter(|ms| limit.takes(now + Duration::from_millis(*ms)));
        let count = within.count();
        assert!((328..=332).contains(&count), "{count}");
    }

    #[test]
    fn service_times_are_parsed() {
        let ms = Duration::from_millis(5);
        assert_eq!("5ms".parse(), Ok(ServiceTime::Fixed(ms)));
        assert_eq!("exponential:5ms".parse(), Ok(ServiceTime::Exponential(ms)));
        for bad in ["0", "normal:5ms", "exponential:", "soon"] {
            assert!(bad.parse::<ServiceTime>().is_err(), "{bad}");
        }
    }
}
