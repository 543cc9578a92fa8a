//! A search that is over, for tests.

use super::evidence::Evidence;
use super::search::{Capacity, Outcome, Purpose};
use super::study::{Gauge, LevelPoint, LevelVerdict, Study, Unit};
use crate::metrics::Latency;

/// A level of a queue with one server of 200/s.
pub(crate) fn point(level: f64, verdict: LevelVerdict) -> LevelPoint {
    let mean_us = 1e6 / (200.0 - level.min(195.0));
    let times = |factor: f64| Some(mean_us * factor);
    LevelPoint {
        level,
        purpose: Purpose::Bracket,
        held_s: 5.0,
        verdict,
        missed: match verdict {
            LevelVerdict::Missed => vec!["p95".into()],
            _ => Vec::new(),
        },
        rate_per_s: level.min(198.0),
        response_us: Latency {
            count: 1_000,
            mean: times(1.0),
            p50: times(0.69),
            p95: times(3.0),
            p99: times(4.6),
            ..Latency::default()
        },
        error_rate: Some(0.0),
        dropped: 0,
        in_flight: level.min(198.0) * mean_us / 1e6,
        gauges: vec![Gauge {
            name: "db p95".into(),
            value: mean_us,
            text: format!("{mean_us:.0} us"),
        }],
        directory: format!("level-{level}"),
    }
}

/// A capacity of 170/s, between 162/s and 177/s.
pub(crate) fn capacity() -> Capacity {
    Capacity {
        level: 170.0,
        low: 162.0,
        high: 177.0,
        limiting: 0,
        confirmed: Some(163.0),
    }
}

/// The search for it, with a rate that has to hold today.
pub(crate) fn study(outcome: Outcome, today: Option<f64>) -> Study {
    let holds = [10.0, 20.0, 40.0, 80.0, 160.0].map(|level| point(level, LevelVerdict::Holds));
    let mut confirmed = point(163.0, LevelVerdict::Holds);
    (confirmed.purpose, confirmed.held_s) = (Purpose::Confirm, 60.0);
    let others = [
        point(320.0, LevelVerdict::Missed),
        point(172.0, LevelVerdict::Close),
        confirmed,
    ];
    Study {
        scenario: "shop".into(),
        profile: "peak".into(),
        service: "http://shop.example".into(),
        unit: Unit::Rate,
        arrivals: Some("poisson"),
        slos: vec!["p95".into(), "error_rate".into()],
        unseen: Vec::new(),
        left_out: vec![
            "`throughput_rps` is not searched for: throughput follows from the load".into(),
        ],
        outcome,
        levels: holds.into_iter().chain(others).collect(),
        today,
        at_least: None,
        notes: Vec::new(),
        elapsed_s: 312.4,
        budget_s: 1_200.0,
        signal: None,
    }
}

/// Evidence of a level that is so many standard deviations above a limit.
pub(crate) fn evidence(deviations: f64) -> Evidence {
    Evidence {
        excess: Some(deviations),
        spread: 1.0,
        expected: 5.0,
        is_missed: deviations > 0.0,
    }
}
