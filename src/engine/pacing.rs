//! When users run and when arrivals are due: pure functions of the load, without a clock.
//!
//! The level of a load, users or arrivals per second, is piecewise linear in time: each stage is a
//! ramp from the level before it and then a constant. Users follow the level itself, arrivals its
//! integral, both in closed form:
//!
//! ```text
//! level      ______        arrivals N(t) = integral of the level up to t
//!          /       \_____  arrival k is due when N(t) = k
//!  ______/                 on a ramp from a to b over d seconds, s seconds in:
//!  0     ramp  hold  t       N = n0 + a s + (b - a) s^2 / (2 d)
//! ```

use std::time::Duration;

use crate::plan::Load;

/// A stretch of time in which the level changes evenly. Times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    start: f64,
    length: f64,
    from: f64,
    to: f64,
}

/// The segments of a load, in order; jumps have no segment of their own.
fn segments(load: &Load) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut start = 0.0;
    let mut level = 0.0;
    for (i, stage) in load.stages.iter().enumerate() {
        let warmup = if i == 0 { load.warmup } else { Duration::ZERO };
        let ramp = (stage.ramp, level);
        let hold = (stage.duration + warmup, stage.target);
        for (length, from) in [ramp, hold] {
            let length = length.as_secs_f64();
            if length > 0.0 {
                segments.push(Segment {
                    start,
                    length,
                    from,
                    to: stage.target,
                });
                start += length;
            }
        }
        level = stage.target;
    }
    segments
}

/// A stretch of time in which a virtual user runs, from the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserSpan {
    /// The user's number, from 0.
    pub user: u64,
    /// When it starts.
    pub start: Duration,
    /// When it starts no further iteration.
    pub until: Duration,
}

/// When each user of a closed load runs, ordered by start: user u (from 0) runs while the level
/// is above u. A user that comes back has several spans.
pub fn user_spans(load: &Load) -> Vec<UserSpan> {
    let segments = segments(load);
    let end = load.total().as_secs_f64();
    let seconds = |s: f64| Duration::from_secs_f64(s.max(0.0));
    let mut spans = Vec::new();
    for user in 0..load.peak().ceil() as u64 {
        let threshold = user as f64;
        let mut since: Option<f64> = None;
        for segment in &segments {
            let Segment {
                start,
                length,
                from,
                to,
            } = *segment;
            // Where a changing level passes the threshold; a constant one starts with a jump.
            let crossing = if from == to {
                start
            } else {
                start + length * ((threshold - from) / (to - from)).clamp(0.0, 1.0)
            };
            let above = to > threshold;
            match since {
                None if above => since = Some(crossing),
                Some(began) if !above => {
                    spans.push(UserSpan {
                        user,
                        start: seconds(began),
                        until: seconds(crossing),
                    });
                    since = None;
                }
                _ => {}
            }
        }
        if let Some(began) = since {
            spans.push(UserSpan {
                user,
                start: seconds(began),
                until: seconds(end),
            });
        }
    }
    spans.sort_by_key(|span| (span.start, span.user));
    spans
}

/// The schedule of an open load.
#[derive(Debug, Clone)]
pub struct Arrivals {
    /// Each with the arrivals due before it.
    segments: Vec<(Segment, f64)>,
    total: u64,
}

impl Arrivals {
    /// The arrivals of a load whose level is a rate per second.
    pub fn new(load: &Load) -> Self {
        let mut before = 0.0;
        let mut with_counts = Vec::new();
        for segment in segments(load) {
            with_counts.push((segment, before));
            before += segment.length * (segment.from + segment.to) / 2.0;
        }
        // The tolerance keeps a sum that is whole but for rounding from gaining an arrival at the
        // very end.
        let scheduled = (before - 1e-6).ceil().max(0.0) as u64;
        let total = load
            .iterations
            .map_or(scheduled, |most| most.min(scheduled));
        Self {
            segments: with_counts,
            total,
        }
    }

    /// How many arrivals there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When arrival `k`, from 0, is due; `None` after the last.
    pub fn due(&self, k: u64) -> Option<Duration> {
        if k >= self.total {
            return None;
        }
        let next = self
            .segments
            .partition_point(|(_, before)| *before <= k as f64);
        let (segment, before) = self.segments.get(next.checked_sub(1)?)?;
        let Segment {
            start,
            length,
            from,
            to,
        } = *segment;
        let wanted = k as f64 - before;
        let slope = (to - from) / length;
        // The root of from s + slope s^2 / 2 = wanted, in the form that does not cancel.
        let root = (from * from + 2.0 * slope * wanted).max(0.0).sqrt();
        let into = if from + root > 0.0 {
            2.0 * wanted / (from + root)
        } else {
            0.0
        };
        Some(Duration::from_secs_f64(start + into.clamp(0.0, length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Model, Stage};
    use proptest::prelude::*;

    fn load(stages: &[(f64, f64, f64)]) -> Load {
        Load {
            model: Model::Open { max_users: 10 },
            stages: stages
                .iter()
                .map(|(target, ramp, duration)| Stage {
                    name: "s".into(),
                    target: *target,
                    ramp: Duration::from_secs_f64(*ramp),
                    duration: Duration::from_secs_f64(*duration),
                })
                .collect(),
            warmup: Duration::ZERO,
            graceful_stop: Duration::ZERO,
            iterations: None,
        }
    }

    fn running(spans: &[UserSpan], at: f64) -> usize {
        let at = Duration::from_secs_f64(at);
        spans
            .iter()
            .filter(|s| s.start <= at && at < s.until)
            .count()
    }

    #[test]
    fn users_follow_ramps_jumps_and_returns() {
        // 10 users in 5 s, hold 10 s; jump to 30, hold 5 s; down to 4 in 2 s, hold 3 s.
        let spans = user_spans(&load(&[
            (10.0, 5.0, 10.0),
            (30.0, 0.0, 5.0),
            (4.0, 2.0, 3.0),
        ]));
        let cases = [
            (0.0, 1),
            (0.6, 2),
            (4.6, 10),
            (14.9, 10),
            (15.0, 30),
            (19.9, 30),
            (21.0, 17),
            (22.1, 4),
            (24.9, 4),
            (25.0, 0),
        ];
        for (at, users) in cases {
            assert_eq!(running(&spans, at), users, "at {at} s");
        }
    }

    #[test]
    fn a_user_that_comes_back_has_two_spans() {
        let spans = user_spans(&load(&[(2.0, 0.0, 1.0), (1.0, 0.0, 1.0), (2.0, 0.0, 1.0)]));
        let of_second: Vec<_> = spans.iter().filter(|s| s.user == 1).collect();
        assert_eq!(of_second.len(), 2);
        assert_eq!(of_second[1].start, Duration::from_secs(2));
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_and_exact() {
        let arrivals = Arrivals::new(&load(&[(5000.0, 0.0, 60.0)]));
        assert_eq!(arrivals.total(), 300_000);
        assert_eq!(arrivals.due(0), Some(Duration::ZERO));
        assert_eq!(arrivals.due(5000), Some(Duration::from_secs(1)));
        assert_eq!(arrivals.due(300_000), None);
    }

    #[test]
    fn a_ramp_from_nothing_follows_the_square() {
        // 0 to 100/s in 10 s: N(t) = 5 t^2, so arrival 125 is due at 5 s.
        let arrivals = Arrivals::new(&load(&[(100.0, 10.0, 0.0)]));
        assert_eq!(arrivals.total(), 500);
        let at = arrivals.due(125).unwrap().as_secs_f64();
        assert!((at - 5.0).abs() < 1e-9, "{at}");
    }

    proptest! {
        #[test]
        fn every_second_has_its_integral_of_arrivals(
            stages in prop::collection::vec((1.0f64..500.0, 0.0f64..20.0, 0.5f64..20.0), 1..5),
        ) {
            let load = load(&stages);
            let arrivals = Arrivals::new(&load);
            let dues: Vec<f64> = (0..arrivals.total())
                .map(|k| arrivals.due(k).unwrap().as_secs_f64())
                .collect();
            prop_assert!(dues.is_sorted());
            let segments = segments(&load);
            let integral = |t: f64| -> f64 {
                segments.iter().map(|s| {
                    let into = (t - s.start).clamp(0.0, s.length);
                    s.from * into + (s.to - s.from) / s.length * into * into / 2.0
                }).sum()
            };
            let total = load.total().as_secs_f64();
            prop_assert!((arrivals.total() as f64 - integral(total)).abs() <= 1.0);
            for second in 1..total as usize {
                let seen = dues.partition_point(|due| *due < second as f64) as f64;
                prop_assert!((seen - integral(second as f64)).abs() <= 1.0 + 1e-6);
            }
        }

        #[test]
        fn the_number_of_users_is_the_level_at_any_time(
            stages in prop::collection::vec((1u32..60, 0u32..20, 1u32..20), 1..5),
            at in 0.0f64..1.0,
        ) {
            let stages: Vec<_> = stages.iter()
                .map(|(u, r, d)| (f64::from(*u), f64::from(*r), f64::from(*d)))
                .collect();
            let load = load(&stages);
            let spans = user_spans(&load);
            let at = at * load.total().as_secs_f64() * 0.999;
            let level = segments(&load).iter().rev()
                .find(|s| s.start <= at)
                .map_or(0.0, |s| s.from + (s.to - s.from) * (at - s.start) / s.length);
            let users = running(&spans, at) as f64;
            prop_assert!((users - level).abs() <= 1.0 + 1e-6, "{users} for {level}");
        }
    }
}
