//! Stalls that come back at regular times.
//!
//! Here: which seconds are stalls, and whether their distance is regular. Not here: slow endpoints (`latency`).

use crate::comparison::binomial_at_least;
use crate::findings::finding::Finding;
use crate::findings::numbers::Numbers;
use crate::findings::rule::Rule;
use crate::metrics::median;
use crate::plan::{FindingSeverity, Scale};
use crate::units::{format_latency_us, trim_float};

/// A stall is so many times as long as the longest response of a usual second, and longer by this; µs.
const STALL: (f64, f64) = (2.0, 50_000.0);
/// And it is so many times the median absolute deviation away from it.
const DEVIATIONS: f64 = 6.0;
/// The fewest stalls.
const FEWEST: usize = 5;
/// How many periods there may be between the first and the last stall, for each stall after the first.
const FEWER: f64 = 0.75;
/// The most of them, where stalls are missing.
const MORE: f64 = 1.25;
/// The probability of a regularity by chance below which it is one.
const CHANCE: f64 = 0.01;
/// The shortest period; s.
const SHORTEST_S: f64 = 3.0;
/// In how long a time a stall is due; s.
const WIDTH_S: f64 = 1.5;
/// How far its middle may be from where the first stall says; s.
const PLACES: [f64; 3] = [-0.5, 0.0, 0.5];

/// A regular distance of stalls.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Period {
    /// s.
    length_s: f64,
    /// The probability of as much regularity by chance.
    chance: f64,
}

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let seconds = numbers.seconds(None);
    let maxima: Vec<(u64, f64)> = seconds
        .filter_map(|second| Some((second.at_s, second.longest_us()? as f64)))
        .collect();
    let Some((stalls, usual_us)) = stalls(&maxima) else {
        return Vec::new();
    };
    let Some(period) = period(&stalls) else {
        return Vec::new();
    };
    let of_stalls = maxima.iter().filter(|(at_s, _)| stalls.contains(at_s));
    let typical_us = median(&of_stalls.map(|(_, max_us)| *max_us).collect::<Vec<_>>());
    let text = format!(
        "every {} s, requests take up to {} instead of {}: {} stalls",
        trim_float(period.length_s, 1),
        format_latency_us(typical_us),
        format_latency_us(usual_us),
        stalls.len(),
    );
    let severity = match typical_us < 1e6 {
        true => FindingSeverity::Medium,
        false => FindingSeverity::High,
    };
    let finding = Finding::new(Rule::PeriodicStalls, severity, text)
        .with("period_s", period.length_s, Scale::Number)
        .with("stalls", stalls.len() as f64, Scale::Number)
        .with("longest_response", typical_us, Scale::Time)
        .with("usual_longest_response", usual_us, Scale::Time)
        .against(
            "probability_by_chance",
            (period.chance, CHANCE),
            Scale::Share,
        )
        .within(
            stalls
                .first()
                .copied()
                .zip(stalls.last().map(|last| last + 1)),
        );
    vec![finding]
}

/// The seconds in which stalls begin, and the longest response of a usual second; `None` for too few.
fn stalls(maxima: &[(u64, f64)]) -> Option<(Vec<u64>, f64)> {
    let all: Vec<f64> = maxima.iter().map(|(_, max_us)| *max_us).collect();
    let usual_us = median(&all);
    let deviations: Vec<f64> = all.iter().map(|max_us| (max_us - usual_us).abs()).collect();
    let deviation_us = median(&deviations);
    let least_us = (STALL.0 * usual_us)
        .max(usual_us + STALL.1)
        .max(usual_us + DEVIATIONS * deviation_us);
    let mut begun: Vec<u64> = Vec::new();
    let mut last = None;
    for (at_s, _) in maxima.iter().filter(|(_, max_us)| *max_us > least_us) {
        // What was due in the second before a stall may still wait for its end.
        if last.is_none_or(|last| *at_s > last + 1) {
            begun.push(*at_s);
        }
        last = Some(*at_s);
    }
    (begun.len() >= FEWEST).then_some((begun, usual_us))
}

/// The distance at which stalls come back: a part of the time from the first stall to the last one, so that it need
/// not be whole seconds. As chance may have made the first or the last, those beside them are tried, too.
fn period(stalls: &[u64]) -> Option<Period> {
    let last = stalls.len() - 1;
    let inner = [(0, last - 1), (1, last), (1, last - 1)];
    let [first, second] = [&[(0, last)][..], &inner].map(|ends| period_between(stalls, ends));
    let found = [first?, second?].into_iter();
    let best = found.min_by(|a, b| a.chance.total_cmp(&b.chance))?;
    // Half of the chance for each.
    (best.chance < CHANCE / 2.0 && best.length_s >= SHORTEST_S).then_some(best)
}

/// The distance that fits best, whose first and last stall are one of `ends`. Counted are the other stalls that
/// begin when they are due, give or take a little. Where stalls begin at random, that is a binomial count; its
/// probability is multiplied by the number of distances and places that were tried (Bonferroni).
fn period_between(stalls: &[u64], ends: &[(usize, usize)]) -> Option<Period> {
    let others = stalls.len() as u64 - 2;
    // Some may be missing, and some may be others.
    let most = stalls.len() as f64 - 1.0;
    let cycles = (most * FEWER).ceil() as u64..=(most * MORE) as u64;
    let tried = (cycles.clone().count() * PLACES.len() * ends.len()) as f64;
    let candidates = ends.iter().flat_map(|(first, last)| {
        let (first_s, span) = (stalls[*first], stalls[*last] - stalls[*first]);
        let lengths = cycles
            .clone()
            .map(move |cycles| span as f64 / cycles as f64);
        lengths.flat_map(move |length_s| PLACES.map(|place| (first_s as f64 + place, length_s)))
    });
    let found = candidates.map(|(start_s, length_s)| {
        let is_due = |at_s: &&u64| {
            let since = **at_s as f64 - start_s;
            (since - (since / length_s).round() * length_s).abs() <= WIDTH_S / 2.0
        };
        // Both ends are due in any case.
        let due = stalls.iter().filter(is_due).count() as u64;
        let one = binomial_at_least(due.saturating_sub(2), others, WIDTH_S / length_s);
        Period {
            length_s,
            chance: (one * tried).min(1.0),
        }
    });
    found.min_by(|a, b| a.chance.total_cmp(&b.chance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    fn found(is_stall: impl Fn(u64) -> bool, seconds: u64) -> Option<Period> {
        let maxima: Vec<(u64, f64)> = (0..seconds)
            .map(|at_s| (at_s, if is_stall(at_s) { 300_000.0 } else { 20_000.0 }))
            .collect();
        period(&stalls(&maxima)?.0)
    }

    #[test]
    fn regular_stalls_have_their_period_and_random_ones_have_none() {
        for length_s in [5, 7, 10] {
            let found = found(|at_s| at_s % length_s == 3, 60).unwrap();
            assert!((found.length_s - length_s as f64).abs() < 0.3, "{found:?}");
        }
        // A timer that drifts by half a second.
        let drifting =
            |at_s: u64| (at_s * 2).is_multiple_of(15) || (at_s * 2 + 1).is_multiple_of(15);
        assert!(found(drifting, 90).is_some());
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let alarms = (0..1_000).filter(|_| {
            let stalls: Vec<bool> = (0..60).map(|_| rng.random::<f64>() < 0.15).collect();
            found(|at_s| stalls[at_s as usize], 60).is_some()
        });
        let alarms = alarms.count();
        assert!(alarms <= 10, "{alarms} of 1000");
    }

    #[test]
    fn four_stalls_and_small_ones_are_none() {
        assert_eq!(found(|at_s| at_s % 15 == 3, 60), None);
        let maxima: Vec<(u64, f64)> = (0..60)
            .map(|at_s| (at_s, if at_s % 5 == 0 { 60_000.0 } else { 20_000.0 }))
            .collect();
        assert!(stalls(&maxima).is_none());
    }
}
