//! Tests of the worst window.

use super::*;
use crate::metrics::analysis::observed::overall;
use crate::metrics::{
    ComponentCounts, Interval, Observation, ObservedInfo, ObservedValue, Outcome, SparseHistogram,
    Summary, fixture,
};
use crate::plan::{
    Direction, Extreme, ObservedNumber, ObservedPart, ObservedUnit, Percentile, Scale,
};
use proptest::prelude::*;

fn percentile(percent: f64) -> Metric {
    Metric::ResponseTime(Percentile::new(percent).unwrap())
}

/// A second with these response times, and failures.
fn cell(times: &[u64], failed: u64) -> Cell {
    let mut cell = Cell::default();
    let ok = times.len() as u64;
    for (outcome, count) in [(Outcome::Ok, ok), (Outcome::Http5xx, failed)] {
        if count > 0 {
            cell.outcomes.insert(outcome, count);
        }
    }
    cell.response = SparseHistogram::of(&mut times.to_vec());
    let counts = ComponentCounts {
        time: cell.response.clone(),
        hits: ok,
        misses: failed,
        ..ComponentCounts::default()
    };
    cell.components.insert("db".to_owned(), counts);
    cell
}

/// A run with 5 s of ramp, these measured seconds, and 3 s of a ramp after the first `split` of them.
fn run(seconds: &[Cell], split: usize) -> RunResult {
    let mut result = fixture::run(&[("a", &[])]);
    let phase = |start_s: usize, length_s: usize, measured| {
        let mut phase = result.run.phases[0].clone();
        phase.start_us = start_s as u64 * 1_000_000;
        phase.end_us = (start_s + length_s) as u64 * 1_000_000;
        phase.measured = measured;
        phase
    };
    let rest = seconds.len() - split;
    result.run.phases = vec![
        phase(0, 5, false),
        phase(5, split, true),
        phase(5 + split, 3, false),
        phase(8 + split, rest, true),
    ];
    result.run.ending.as_mut().unwrap().stopped_at_us = (8 + seconds.len() as u64) * 1_000_000;
    result.endpoints[0].phases = vec![Cell::default(); 4];
    let places = (0..split)
        .map(|second| (1, second))
        .chain((0..rest).map(|second| (3, second)));
    let interval = |((phase, second), cell): ((usize, usize), &Cell)| Interval {
        phase,
        second: second as u64,
        cells: vec![(0, cell.clone())],
    };
    let bad = cell(&[9_000_000], 9);
    let ramps = [(0, 2), (2, 1)].into_iter().zip([&bad, &bad]);
    let intervals = places.zip(seconds).chain(ramps).map(interval);
    result.timeline = intervals.collect();
    result
}

fn worst(result: &RunResult, metric: &Metric, window_s: u64) -> Option<WorstWindow> {
    result.worst_window(metric, &SloScope::Total, window_s)
}

#[test]
fn the_worst_window_is_measured_time_without_the_ramps() {
    let seconds: Vec<Cell> = (0..10)
        .map(|second| match second {
            3 => cell(&[100, 400], 0),
            4 => cell(&[300], 3),
            _ => cell(&[100], 0),
        })
        .collect();
    // The second 3 is the last one before the ramp, and 4 the first one after it.
    let result = run(&seconds, 4);
    let found = |metric: &Metric, window_s| {
        let worst = worst(&result, metric, window_s).unwrap();
        (worst.value, worst.start_s, worst.length_s)
    };
    assert_eq!(found(&percentile(50.0), 2), (300.0, 8.0, 2.0));
    assert_eq!(found(&Metric::MeanResponseTime, 2), (800.0 / 3.0, 8.0, 2.0));
    assert_eq!(found(&Metric::MaxResponseTime, 1), (400.0, 8.0, 1.0));
    assert_eq!(found(&Metric::ErrorRate, 2), (0.6, 12.0, 2.0));
    assert_eq!(found(&Metric::Availability, 1), (0.25, 12.0, 1.0));
    assert_eq!(found(&Metric::Throughput, 3), (1.0, 5.0, 3.0));
    let component = "db".to_owned();
    assert_eq!(
        found(&Metric::HitRatio { component }, 4),
        (4.0 / 7.0, 12.0, 4.0)
    );
    // Longer than the run: all of it.
    assert_eq!(found(&Metric::ErrorRate, 300), (3.0 / 14.0, 5.0, 10.0));
    let unknown = SloScope::Endpoint("b".into());
    assert_eq!(result.worst_window(&Metric::ErrorRate, &unknown, 5), None);
}

#[test]
fn what_a_phase_ends_with_is_no_window_of_its_own() {
    let mut seconds = vec![cell(&[100; 10], 0); 4];
    seconds[3] = cell(&[900], 1);
    let mut result = run(&seconds, 4);
    // 0.1 s of the last second, with the last few requests.
    result.run.phases[1].end_us -= 900_000;
    result.run.phases.truncate(2);
    result.endpoints[0].phases.truncate(2);
    let found = |metric: &Metric, window_s| {
        let worst = worst(&result, metric, window_s).unwrap();
        (worst.value, worst.start_s, worst.length_s)
    };
    assert_eq!(found(&Metric::ErrorRate, 1), (1.0 / 12.0, 7.0, 1.1));
    assert_eq!(found(&Metric::Throughput, 1), (10.0, 5.0, 1.0));
    assert_eq!(found(&percentile(95.0), 1), (900.0, 7.0, 1.1));
    assert_eq!(found(&percentile(50.0), 1), (100.0, 5.0, 1.0));
    assert_eq!(found(&Metric::ErrorRate, 4), (1.0 / 32.0, 5.0, 3.1));
    let counted: Vec<_> = windows(&[5, 1, 1, 5], 5).collect();
    assert_eq!(counted, [0..1, 0..2, 0..3, 3..4]);
    assert_eq!(windows(&[2, 1], 5).last(), Some(0..2));
    assert_eq!(windows(&[], 5).count(), 0);
}

#[test]
fn a_window_without_requests_is_a_rate_of_0_and_has_no_percentile() {
    let seconds = [cell(&[100], 0), Cell::default(), cell(&[200], 0)];
    let result = run(&seconds, 2);
    assert_eq!(worst(&result, &Metric::Throughput, 1).unwrap().value, 0.0);
    assert_eq!(worst(&result, &percentile(95.0), 1).unwrap().value, 200.0);
    let mut empty = result.clone();
    empty.timeline.clear();
    assert_eq!(worst(&empty, &Metric::Throughput, 1), None);
}

#[test]
fn windows_of_what_is_observed_are_made_of_observations() {
    let mut result = run(&vec![Cell::default(); 20], 20);
    result.run.observed = vec![ObservedInfo {
        name: "pool".into(),
        source: "pool".into(),
        unit: ObservedUnit::Number,
    }];
    result.observations = [9.0, 1.0, 2.0, 4.0, 1.0]
        .iter()
        .zip(0..)
        .map(|(level, at)| Observation {
            at_ms: at * 5_000,
            length_ms: if at == 0 { 0 } else { 5_000 },
            values: vec![(0, ObservedValue::Level(*level))],
            failures: Vec::new(),
        })
        .collect();
    let wanted = |direction| ObservedNumber {
        name: "pool".into(),
        part: None,
        extreme: None::<Extreme>,
        scale: Scale::Share,
        direction,
    };
    let found = |direction, window_s| {
        let worst = result
            .worst_observed_window(&wanted(direction), window_s)
            .unwrap();
        (worst.value, worst.start_s, worst.length_s)
    };
    // The first one that has a length is one of the ramp.
    assert_eq!(found(Direction::AtMost, 5), (4.0, 10.0, 5.0));
    assert_eq!(found(Direction::AtMost, 7), (3.0, 5.0, 10.0));
    assert_eq!(found(Direction::AtLeast, 10), (2.5, 10.0, 10.0));
    assert_eq!(found(Direction::AtMost, 60), (7.0 / 3.0, 5.0, 15.0));
    // One that is a little early is a window all the same.
    let mut early = result.clone();
    early.observations[3].at_ms -= 2;
    early.observations[3].length_ms -= 2;
    let worst = early.worst_observed_window(&wanted(Direction::AtMost), 5);
    assert_eq!(worst.unwrap().value, 4.0);
    // No more than the part of them that was measured.
    result.run.phases[1].start_us = 7_000_000;
    result.run.phases[1].end_us = 18_000_000;
    let cut = result
        .worst_observed_window(&wanted(Direction::AtMost), 12)
        .unwrap();
    assert_eq!(
        (cut.value, cut.start_s, cut.length_s),
        (7.0 / 3.0, 7.0, 11.0)
    );
}

/// A run with these observations of a second each.
fn observing(values: Vec<ObservedValue>) -> RunResult {
    let mut result = run(&vec![Cell::default(); values.len()], values.len());
    result.run.observed = vec![ObservedInfo {
        name: "pool".into(),
        source: "pool".into(),
        unit: ObservedUnit::Number,
    }];
    let observation = |(at, value): (usize, ObservedValue)| Observation {
        at_ms: 6_000 + at as u64 * 1_000,
        length_ms: 1_000,
        values: vec![(0, value)],
        failures: Vec::new(),
    };
    result.observations = values.into_iter().enumerate().map(observation).collect();
    result
}

proptest! {
    #[test]
    fn moving_a_window_of_observations_finds_what_each_window_says(
        levels in prop::collection::vec((-3i32..3, 0u32..4), 1..60),
        window_s in 1usize..70,
        kind in 0usize..3,
        is_low in any::<bool>(),
    ) {
        let value = |(a, b): &(i32, u32)| match kind {
            0 => ObservedValue::Level(0.1 * f64::from(*a)),
            1 => ObservedValue::Ratio { of: f64::from(*a) / 3.0, to: 0.1 + f64::from(*b) },
            _ => ObservedValue::Distribution {
                sum: f64::from(*a),
                buckets: vec![(0.1, f64::from(*b)), (f64::from(a + 4), 1.0)],
                above: 0.5,
            },
        };
        let values: Vec<ObservedValue> = levels.iter().map(value).collect();
        let part = (kind == 2).then_some(ObservedPart::P95);
        let wanted = ObservedNumber {
            name: "pool".into(),
            part,
            extreme: None,
            scale: Scale::Share,
            direction: if is_low { Direction::AtLeast } else { Direction::AtMost },
        };
        let found = observing(values.clone()).worst_observed_window(&wanted, window_s as u64);
        let windows = values.windows(window_s.min(values.len())).filter_map(|window| {
            let weighted: Vec<_> = window.iter().map(|value| (1_000.0, value)).collect();
            overall(&weighted, part.map(ObservedPart::name))
        });
        let worst = match is_low {
            true => windows.fold(f64::INFINITY, f64::min),
            false => windows.fold(f64::NEG_INFINITY, f64::max),
        };
        match found {
            // Thirds that cancel each other leave what their order of addition rounds.
            Ok(found) => prop_assert!(
                (found.value - worst).abs() <= 1e-12,
                "{} {worst}", found.value
            ),
            Err(why) => prop_assert!(!worst.is_finite(), "{why}: {worst}"),
        }
    }

    #[test]
    fn moving_a_window_finds_what_each_window_says(
        seconds in prop::collection::vec(
            (prop::collection::vec(0u64..3_000_000, 0..4), 0u64..3),
            1..30,
        ),
        window_s in 1usize..40,
        percent in 1.0f64..100.0,
    ) {
        let cells: Vec<Cell> = seconds.iter().map(|(times, failed)| cell(times, *failed)).collect();
        let result = run(&cells, cells.len() / 2);
        for metric in [percentile(percent), Metric::MeanResponseTime, Metric::ErrorRate] {
            let windows = cells.windows(window_s.min(cells.len()));
            let values = windows.filter_map(|window| {
                let mut all = Cell::default();
                window.iter().for_each(|cell| all.merge(cell));
                Summary::of(&all, 1.0).value(&metric)
            });
            let wanted = values.fold(None, |worst: Option<f64>, value| {
                Some(worst.map_or(value, |worst| worst.max(value)))
            });
            let found = worst(&result, &metric, window_s as u64).map(|worst| worst.value);
            match (found, wanted) {
                // Of two windows in one bucket, the first is taken.
                (Some(found), Some(wanted)) => {
                    prop_assert!(found <= wanted && found >= wanted * 0.999, "{metric}: {found} {wanted}");
                }
                (found, wanted) => prop_assert_eq!(found, wanted),
            }
        }
    }
}
