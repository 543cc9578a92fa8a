//! Tests of the change points: what is found, and how often chance alone is taken for a change.

use super::*;

/// The metrics of a history, which share the false alarms of all requests and those of the endpoints,
/// as in `history`.
const METRICS: usize = 5;
const LEVEL: f64 = 0.025 / METRICS as f64;
const ENDPOINT_LEVEL: f64 = 0.015 / METRICS as f64;

fn margin(before: f64) -> f64 {
    before * 0.01
}

fn found(values: &[f64]) -> Vec<usize> {
    change_points(values, LEVEL, margin)
}

fn normal(random: &mut ChaCha12Rng) -> f64 {
    normal_quantile(random.random::<f64>().clamp(1e-12, 1.0 - 1e-12))
}

/// A factor with a spread of 3%.
fn noise(random: &mut ChaCha12Rng) -> f64 {
    (0.03 * normal(random)).exp()
}

/// One in ten runs is up to twice as slow.
fn skewed(random: &mut ChaCha12Rng) -> f64 {
    let slow = if random.random::<f64>() < 0.1 {
        1.0 + random.random::<f64>()
    } else {
        1.0
    };
    noise(random) * slow
}

/// In how many of 1,000 series of so many runs `is_hit` holds for what is found.
fn series(
    runs: usize,
    value: impl Fn(usize, &mut ChaCha12Rng) -> f64,
    is_hit: impl Fn(&[usize]) -> bool,
) -> usize {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let hits = (0..1_000).filter(|_| {
        let values: Vec<f64> = (0..runs).map(|at| value(at, &mut random)).collect();
        is_hit(&found(&values))
    });
    hits.count()
}

/// How many of 1,000 histories of 30 equal runs have a change, in all requests or at an endpoint.
fn false_alarms(endpoints: usize, noise: fn(&mut ChaCha12Rng) -> f64) -> usize {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let of_endpoint = ENDPOINT_LEVEL / endpoints as f64;
    let levels = [LEVEL].into_iter().chain(vec![of_endpoint; endpoints]);
    let levels: Vec<f64> = levels.flat_map(|level| [level; METRICS]).collect();
    let alarms = (0..1_000).filter(|_| {
        let changes = levels.iter().map(|level| {
            let values: Vec<f64> = (0..30).map(|_| noise(&mut random)).collect();
            change_points(&values, *level, margin).len()
        });
        changes.sum::<usize>() > 0
    });
    alarms.count()
}

#[test]
fn at_most_five_in_a_hundred_histories_of_equal_runs_have_a_change() {
    for (endpoints, noise, name) in [
        (4, noise as fn(&mut ChaCha12Rng) -> f64, "normal"),
        (4, skewed, "skewed"),
    ] {
        let count = false_alarms(endpoints, noise);
        println!("{endpoints} endpoints, {name} noise: {count} of 1,000");
        assert!((20..=50).contains(&count), "{name}: {count}");
    }
}

#[test]
fn a_step_is_found_where_it_is() {
    let step = |factor: f64, from: usize| {
        let value = move |at: usize, random: &mut ChaCha12Rng| {
            noise(random) * if at >= from { factor } else { 1.0 }
        };
        let is_hit = move |found: &[usize]| matches!(found, [at] if at.abs_diff(from) <= 1);
        let count = series(30, value, is_hit);
        println!("{factor} from run {from} of 30 on: {count} of 1,000");
        count
    };
    // The figures of docs/history.md.
    for (factor, from, least) in [
        (1.15, 15, 950),
        (0.87, 15, 950),
        (1.10, 15, 900),
        (1.15, 24, 850),
        (1.15, 25, 0),
        (1.05, 15, 0),
    ] {
        assert!(step(factor, from) >= least, "{factor} {from}");
    }
}

#[test]
fn a_regression_and_its_repair_are_two_changes() {
    let slow = 10..20;
    let value = |at: usize, random: &mut ChaCha12Rng| {
        noise(random) * if slow.contains(&at) { 1.15 } else { 1.0 }
    };
    let is_hit = |found: &[usize]| matches!(found, [start, end] if start.abs_diff(10) <= 1 && end.abs_diff(20) <= 1);
    let count = series(30, value, is_hit);
    assert!(count >= 900, "{count}");
}

#[test]
fn one_outlier_equal_values_and_small_steps_are_no_change() {
    let mut values: Vec<f64> = (0..30).map(|i| 100.0 + f64::from(i * 7 % 11)).collect();
    values[29] = 900.0;
    assert_eq!(found(&values), [0; 0]);
    assert_eq!(found(&[5.0; 40]), [0; 0]);
    let step = |by: f64| -> Vec<f64> {
        (0..30)
            .map(|i| if i < 15 { 100.0 } else { 100.0 + by })
            .collect()
    };
    assert_eq!(found(&step(0.5)), [0; 0]);
    assert_eq!(found(&step(1.5)), [15]);
    assert_eq!(found(&[]), [0; 0]);
    // A damaged file may hold anything.
    let _ = found(&[f64::NAN; 30]);
    let _ = found(&[f64::INFINITY; 30]);
}

#[test]
fn of_a_long_history_the_newest_runs_are_tested() {
    let step = |at: usize| -> Vec<f64> {
        (0..300)
            .map(|i| if i < at { 100.0 } else { 120.0 } + f64::from(i as u32 * 7 % 11))
            .collect()
    };
    assert_eq!(found(&step(50)), [0; 0]);
    assert_eq!(found(&step(180)), [180]);
}

/// The table is that of the statistic: chance alone exceeds it as often as it says.
#[test]
fn chance_alone_exceeds_a_critical_value_as_often_as_it_says() {
    let mut random = ChaCha12Rng::seed_from_u64(2);
    for runs in [14, 20, 40] {
        let above = (0..2_000).filter(|_| {
            let values: Vec<f64> = (0..runs).map(|_| random.random()).collect();
            !split(&values, 0.01).is_empty()
        });
        let above = above.count();
        // 20 of 2,000, and three standard errors; of 14 runs, few orders are that rare.
        assert!(above <= 34 && (above >= 6 || runs == 14), "{runs}: {above}");
    }
}
