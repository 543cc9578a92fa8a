//! When arrivals are due: a pure function of the load, without a clock. Not here: the level itself (`plan`), and
//! which users run at a level (`user_schedule`).
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
//!
//! The arrivals of a Poisson process are due when N(t) passes the sums of exponential steps of
//! mean 1 (the time change of an inhomogeneous Poisson process; E. Çinlar, "Introduction to
//! Stochastic Processes", 1975, chapter 4.7), so that ramps are right without thinning.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::metrics::Adjustment;
use crate::plan::{Arrivals, Load, Segment};

/// The stream of random numbers of a Poisson process: above the streams of all users.
const STREAM: u64 = u64::MAX;

/// Rounding errors of the integral are smaller than this; arrivals.
const ROUNDING: f64 = 1e-6;

/// When the arrivals of an open model are due.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// What was planned from the last adjustment on, which is in force there.
    planned: Vec<Segment>,
    adjustment: Adjustment,
    /// Each with the integral of the rate before it.
    segments: Vec<(Segment, f64)>,
    /// How many of them are before the last adjustment, so that none changes them.
    settled: usize,
    /// The integral of the rate over the whole load.
    whole: f64,
    arrivals: Arrivals,
    seed: u64,
    most: u64,
}

impl Schedule {
    /// The schedule of a load whose level is a rate per second. `seed` decides when the arrivals of a
    /// Poisson process are due; evenly spaced arrivals do not depend on it.
    pub fn new(load: &Load, seed: u64) -> Self {
        let mut schedule = Self {
            planned: load.segments(),
            adjustment: Adjustment::NONE,
            segments: Vec::new(),
            settled: 0,
            whole: 0.0,
            arrivals: load.arrivals,
            seed,
            most: load.iterations.unwrap_or(u64::MAX),
        };
        schedule.follow(&load.segments());
        schedule
    }

    /// From its time on, follows this adjustment, which is not before those that it knows. What that costs does not
    /// grow with them: workers do it while they measure.
    pub(crate) fn adjust(&mut self, adjustment: &Adjustment) {
        let at = adjustment.at_us as f64 / 1e6;
        let parts: Vec<_> = self.planned.iter().map(|one| one.split(at)).collect();
        let before: Vec<_> = parts.iter().filter_map(|[before, _]| *before).collect();
        self.segments.truncate(self.settled);
        self.follow(&before);
        self.settled = self.segments.len();
        self.planned = parts.iter().filter_map(|[_, after]| *after).collect();
        self.adjustment = *adjustment;
        self.follow(&self.planned.clone());
    }

    /// Adds what was planned next, with the rate that the last adjustment gives it.
    fn follow(&mut self, planned: &[Segment]) {
        let area = |one: &Segment| one.length * (one.from + one.to) / 2.0;
        let last = self.segments.last();
        let mut before = last.map_or(0.0, |(last, before)| before + area(last));
        for one in planned {
            let segment = Segment {
                from: self.adjustment.rate_per_s(one.from),
                to: self.adjustment.rate_per_s(one.to),
                ..*one
            };
            self.segments.push((segment, before));
            before += area(&segment);
        }
        // So that rounding errors add no arrival at the very end.
        self.whole = before - ROUNDING;
    }

    /// Number, from 0, and time of each arrival of shard i of n, in order: the arrivals
    /// k = i mod n of one sequence, whatever n.
    pub fn of_shard(&self, shard: (u64, u64)) -> impl Iterator<Item = (u64, Duration)> + '_ {
        let arrivals = self.integrals_of_shard(shard);
        arrivals.map_while(|(k, integral)| Some((k, self.time_of(integral)?)))
    }

    /// Number, from 0, of each arrival of shard i of n, in order, and the integral of the rate at which it is due,
    /// whatever the rate.
    pub(crate) fn integrals_of_shard(
        &self,
        (shard, shards): (u64, u64),
    ) -> impl Iterator<Item = (u64, f64)> + use<> {
        let mut rng = ChaCha12Rng::seed_from_u64(self.seed);
        rng.set_stream(STREAM);
        let mut reached = 0.0;
        let arrivals = self.arrivals;
        (0..self.most)
            .map(move |k| {
                reached = match arrivals {
                    Arrivals::Uniform => k as f64,
                    // From 0 exclusive, so that the logarithm is finite.
                    Arrivals::Poisson => reached - (1.0 - rng.random::<f64>()).ln(),
                };
                (k, reached)
            })
            .filter(move |(k, _)| k % shards == shard)
    }

    /// When the integral of the rate reaches this value; `None` when it never does.
    pub(crate) fn time_of(&self, integral: f64) -> Option<Duration> {
        if integral >= self.whole {
            return None;
        }
        let after = |integral| {
            let reached = |(_, before): &(Segment, f64)| *before <= integral;
            self.segments.partition_point(reached)
        };
        // An arrival that is due when a pause begins is due when the pause ends. Rounding errors must
        // not put it back before the pause.
        let (integral, next) = match self.segments.get(after(integral)) {
            Some((next, before)) if next.is_pause() && *before - integral < ROUNDING => {
                (*before, after(*before))
            }
            _ => (integral, after(integral)),
        };
        let (segment, before) = self.segments.get(next.checked_sub(1)?)?;
        let Segment {
            start,
            length,
            from,
            to,
            ..
        } = *segment;
        let wanted = integral - before;
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
                .map(|(level, ramp, duration)| Stage {
                    name: "s".into(),
                    level: *level,
                    ramp: Duration::from_secs_f64(*ramp),
                    duration: Duration::from_secs_f64(*duration),
                    classes: Vec::new(),
                })
                .collect(),
            warmup: Duration::ZERO,
            stop_timeout: Duration::ZERO,
            iterations: None,
            throttle: None,
            arrivals: Arrivals::Uniform,
            shape: None,
        }
    }

    fn poisson(stages: &[(f64, f64, f64)]) -> Load {
        Load {
            arrivals: Arrivals::Poisson,
            ..load(stages)
        }
    }

    /// All arrivals, in seconds.
    fn dues(load: &Load, seed: u64) -> Vec<f64> {
        let schedule = Schedule::new(load, seed);
        let all = schedule.of_shard((0, 1));
        all.map(|(_, due)| due.as_secs_f64()).collect()
    }

    /// Levels with their ramps and durations; many of them are pauses.
    fn stages() -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
        // Where a pause begins, an arrival is due most often when levels and times are round.
        let round = |most: u32, by: f64| (1..most).prop_map(move |n| f64::from(n) / by);
        let level = prop_oneof![Just(0.0), round(500, 1.0), 1.0f64..500.0];
        let ramp = prop_oneof![Just(0.0), round(200, 10.0), 0.0f64..20.0];
        let duration = prop_oneof![round(200, 10.0), 0.5f64..20.0];
        prop::collection::vec((level, ramp, duration), 1..6)
    }

    /// The integral of the rate up to `t`.
    fn integral(segments: &[Segment], t: f64) -> f64 {
        let parts = segments.iter().map(|s| {
            let into = (t - s.start).clamp(0.0, s.length);
            s.from * into + (s.to - s.from) / s.length * into * into / 2.0
        });
        parts.sum()
    }

    #[test]
    fn a_constant_rate_is_evenly_spaced_and_exact() {
        let dues = dues(&load(&[(5000.0, 0.0, 60.0)]), 0);
        assert_eq!(dues.len(), 300_000);
        assert_eq!((dues[0], dues[5000]), (0.0, 1.0));
    }

    fn adjustment(at_s: f64, rate_percent: u32, is_paused: bool) -> Adjustment {
        Adjustment {
            at_us: (at_s * 1e6) as u64,
            rate_percent,
            is_paused,
            ..Adjustment::NONE
        }
    }

    #[test]
    fn a_rate_that_is_changed_by_hand_is_followed_from_then_on() {
        // 100/s for 10 s; 150/s from 2 s on, nothing from 4 s to 7 s, 50/s until the end.
        let schedule = Schedule::new(&load(&[(100.0, 0.0, 10.0)]), 0);
        let planned: Vec<_> = schedule.of_shard((0, 1)).collect();
        let adjusted = |adjustments: &[Adjustment]| {
            let mut schedule = Schedule::new(&load(&[(100.0, 0.0, 10.0)]), 0);
            adjustments.iter().for_each(|one| schedule.adjust(one));
            schedule
        };
        let schedule = adjusted(&[
            adjustment(2.0, 150, false),
            adjustment(4.0, 150, true),
            adjustment(7.0, 50, false),
        ]);
        let dues: Vec<_> = schedule.of_shard((0, 1)).collect();
        assert_eq!(dues[..201], planned[..201], "what was before stays");
        let within = |from: f64, to: f64| {
            let due = |(_, due): &&(u64, Duration)| (from..to).contains(&due.as_secs_f64());
            dues.iter().filter(due).count()
        };
        let counts = [
            within(2.0, 3.0),
            within(3.0, 4.0),
            within(4.0, 7.0),
            within(7.0, 8.0),
        ];
        assert_eq!(counts, [150, 150, 0, 50]);
        assert_eq!(dues.len(), 200 + 300 + 150);
        // The numbers go on without a gap, in any number of shards.
        let halves = [0, 1].map(|shard| schedule.of_shard((shard, 2)).collect::<Vec<_>>());
        let mut halves = halves.concat();
        halves.sort();
        assert_eq!(halves, dues);
        assert_eq!(
            adjusted(&[adjustment(4.0, 100, true)]).time_of(400.0),
            None,
            "nothing comes in a pause without an end"
        );
    }

    #[test]
    fn a_ramp_is_changed_where_it_is() {
        // 0 to 100/s in 10 s, doubled in its middle: 125 arrivals, then 2 x 375.
        let mut schedule = Schedule::new(&load(&[(100.0, 10.0, 0.0)]), 0);
        schedule.adjust(&adjustment(5.0, 200, false));
        assert_eq!(schedule.of_shard((0, 1)).count(), 125 + 750);
    }

    #[test]
    fn a_rate_that_is_held_is_the_same_on_ramps_and_in_pauses_of_the_plan() {
        // 0 to 100/s in 10 s, nothing for 5 s, 50/s for 5 s; held at 30/s from 10 s on, and 7.5/s from 18 s on.
        let load = load(&[(100.0, 10.0, 0.0), (0.0, 0.0, 5.0), (50.0, 0.0, 5.0)]);
        let adjusted = |adjustments: &[Adjustment]| {
            let mut schedule = Schedule::new(&load, 0);
            adjustments.iter().for_each(|one| schedule.adjust(one));
            schedule.of_shard((0, 1)).count()
        };
        let held = |at_s, rate| Adjustment {
            held_rate_per_s: Some(rate),
            ..adjustment(at_s, 200, false)
        };
        let count = adjusted(&[held(10.0, 30.0), held(18.0, 7.5)]);
        assert_eq!(count, 500 + 8 * 30 + 15);
        assert_eq!(adjusted(&[held(0.0, 30.0)]), 600);
    }

    #[test]
    fn an_adjustment_costs_no_more_after_many_others() {
        let mut schedule = Schedule::new(&load(&[(100.0, 0.0, 100.0), (10.0, 0.0, 10.0)]), 0);
        // 1,000 of them between 10 s and 20 s: half of the time twice as much, and half of it nothing.
        for number in 0..1_000 {
            let at_s = 10.0 + f64::from(number) * 0.01;
            let is_paused = number % 2 == 1;
            schedule.adjust(&adjustment(at_s, 200, is_paused));
            let anew = schedule.segments.len() - schedule.settled;
            assert_eq!((schedule.planned.len(), anew), (2, 2));
        }
        schedule.adjust(&adjustment(20.0, 100, false));
        assert_eq!(
            schedule.of_shard((0, 1)).count(),
            1_000 + 1_000 + 8_000 + 100
        );
    }

    #[test]
    fn a_ramp_from_nothing_follows_the_square() {
        // 0 to 100/s in 10 s: N(t) = 5 t^2, so arrival 125 is due at 5 s.
        let dues = dues(&load(&[(100.0, 10.0, 0.0)]), 0);
        assert_eq!(dues.len(), 500);
        assert!((dues[125] - 5.0).abs() < 1e-9, "{}", dues[125]);
    }

    #[test]
    fn a_load_pauses_at_a_level_of_0_and_goes_on_where_it_stopped() {
        // 10/s for 1 s, a pause of 5 s, 10/s for 1 s, and a pause at the end.
        let levels = [
            (10.0, 0.0, 1.0),
            (0.0, 0.0, 5.0),
            (10.0, 0.0, 1.0),
            (0.0, 0.0, 3.0),
        ];
        let dues = dues(&load(&levels), 0);
        assert_eq!(
            (dues.len(), dues[9], dues[10], dues[19]),
            (20, 0.9, 6.0, 6.9)
        );
        // 1.1 s at 50/s is a little more than 55 in binary fractions, and arrival 55 is the 56th.
        let levels = [(50.0, 0.0, 1.1), (0.0, 0.0, 1.0)].repeat(3);
        let dues = self::dues(&load(&levels), 0);
        assert_eq!(dues.len(), 165);
        for (due, expected) in dues.iter().step_by(55).zip([0.0, 2.1, 4.2]) {
            assert!((due - expected).abs() < 1e-6, "{due} for {expected}");
        }
    }

    #[test]
    fn a_ramp_to_0_and_back_is_the_mirror_of_itself() {
        // 0 to 100/s in 10 s, back to 0 in 10 s: 1,000 arrivals, half of them in each.
        let dues = dues(&load(&[(100.0, 10.0, 0.0), (0.0, 10.0, 5.0)]), 0);
        assert_eq!(
            (dues.len(), dues.partition_point(|due| *due < 10.0)),
            (1_000, 500)
        );
        for (up, down) in dues.iter().skip(1).zip(dues.iter().rev()) {
            assert!((up + down - 20.0).abs() < 1e-6, "{up} {down}");
        }
    }

    #[test]
    fn a_poisson_process_depends_on_its_seed_alone() {
        let load = poisson(&[(50.0, 2.0, 10.0)]);
        assert_eq!(dues(&load, 7), dues(&load, 7));
        assert_ne!(dues(&load, 7), dues(&load, 8));
        let mut limited = load.clone();
        limited.iterations = Some(20);
        assert_eq!(dues(&limited, 7), dues(&load, 7)[..20]);
    }

    proptest! {
        #[test]
        fn shards_share_out_one_sequence(shards in 1u64..9, seed: u64, is_poisson: bool) {
            let mut load = load(&[(60.0, 3.0, 5.0)]);
            load.arrivals = if is_poisson { Arrivals::Poisson } else { Arrivals::Uniform };
            let schedule = Schedule::new(&load, seed);
            let mut all: Vec<_> = (0..shards)
                .flat_map(|shard| schedule.of_shard((shard, shards)).collect::<Vec<_>>())
                .collect();
            all.sort_unstable();
            prop_assert_eq!(all, schedule.of_shard((0, 1)).collect::<Vec<_>>());
        }

        /// Counts per second have the rate as their mean and as their variance. With 400 seconds
        /// the mean is within 5 standard errors, and so is the ratio of the two.
        #[test]
        fn poisson_counts_have_mean_and_variance_of_the_rate(
            seed: u64,
            rate in 5.0f64..200.0,
        ) {
            let seconds = 400;
            let mut counts = vec![0.0; seconds];
            for due in dues(&poisson(&[(rate, 0.0, seconds as f64)]), seed) {
                counts[due as usize] += 1.0;
            }
            let n = seconds as f64;
            let mean = counts.iter().sum::<f64>() / n;
            let squares = counts.iter().map(|count| (count - mean).powi(2));
            let variance = squares.sum::<f64>() / (n - 1.0);
            prop_assert!((mean - rate).abs() < 5.0 * (rate / n).sqrt(), "{mean} for {rate}");
            let ratio = variance / mean;
            prop_assert!((ratio - 1.0).abs() < 5.0 * (2.0 / n).sqrt() + 1.0 / n.sqrt(), "{ratio}");
        }

        /// On ramps too: measured by the integral of the rate, the steps are exponential of mean
        /// 1 (Kolmogorov-Smirnov, at one in a million).
        #[test]
        fn poisson_arrivals_follow_the_integral_of_ramps(seed: u64, to in 100.0f64..1000.0) {
            let load = poisson(&[(to, 10.0, 2.0), (50.0, 10.0, 0.0)]);
            let segments = load.segments();
            let reached: Vec<f64> =
                dues(&load, seed).into_iter().map(|due| integral(&segments, due)).collect();
            let mut steps: Vec<f64> = reached.windows(2).map(|w| w[1] - w[0]).collect();
            steps.sort_by(f64::total_cmp);
            let n = steps.len() as f64;
            let distance = steps.iter().enumerate().map(|(i, step)| {
                let expected = 1.0 - (-step).exp();
                (expected - i as f64 / n).abs().max((expected - (i + 1) as f64 / n).abs())
            }).fold(0.0, f64::max);
            prop_assert!(distance < 2.7 / n.sqrt(), "{distance} of {n}");
        }

        #[test]
        fn every_second_has_its_integral_of_arrivals(stages in stages()) {
            let load = load(&stages);
            let dues = dues(&load, 0);
            prop_assert!(dues.is_sorted());
            let segments = load.segments();
            let total = load.total().as_secs_f64();
            prop_assert!((dues.len() as f64 - integral(&segments, total)).abs() <= 1.0);
            for second in 1..total as usize {
                let seen = dues.partition_point(|due| *due < second as f64) as f64;
                let planned = integral(&segments, second as f64);
                prop_assert!((seen - planned).abs() <= 1.0 + 1e-6);
            }
        }

        #[test]
        fn nothing_arrives_in_a_pause(stages in stages(), seed: u64, is_poisson: bool) {
            let mut load = load(&stages);
            load.arrivals = if is_poisson { Arrivals::Poisson } else { Arrivals::Uniform };
            let dues = dues(&load, seed);
            prop_assert!(dues.is_sorted());
            for pause in load.segments().iter().filter(|segment| segment.is_pause()) {
                // Times of arrivals are whole nanoseconds.
                let until = pause.start + pause.length - 2e-9;
                let inside = |due: &&f64| (pause.start - 2e-9..until).contains(*due);
                prop_assert_eq!(dues.iter().find(inside), None, "{:?}", pause);
            }
        }
    }
}
