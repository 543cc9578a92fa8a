//! The capacity for programs, a format of its own. Units are those of the JSON report.

use std::io::{self, Write};

use serde::Serialize;

use crate::capacity::{LevelPoint, Outcome, Purpose, Study, Unit, Usl};
use crate::report::text::JsonWriter;

/// Identifies the format.
const FORMAT: &str = "perfctl-capacity";
/// Rises when a field is renamed or removed, or changes its meaning or unit.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct CapacityObject<'a> {
    format: &'static str,
    version: u32,
    scenario: &'a str,
    profile: &'a str,
    service: &'a str,
    verdict: String,
    /// How the search ended.
    outcome: &'static str,
    /// Of all levels.
    unit: &'static str,
    arrivals: Option<&'static str>,
    capacity: Option<f64>,
    interval: Option<[f64; 2]>,
    confirmed: Option<f64>,
    limiting_slo: Option<&'a str>,
    /// Up to where every SLO certainly holds, if the capacity is not known.
    holds: Option<f64>,
    today: Option<f64>,
    at_least: Option<f64>,
    headroom: Option<f64>,
    knee: Option<f64>,
    moved: Vec<MovedEntry>,
    universal_scalability_law: Option<Usl>,
    /// Why there is no such fit.
    no_fit_because: Option<String>,
    slos: &'a [String],
    notes: Vec<String>,
    elapsed_s: f64,
    budget_s: f64,
    /// In the order of the search.
    levels: Vec<LevelEntry<'a>>,
}

#[derive(Serialize)]
struct MovedEntry {
    name: String,
    from: String,
    to: String,
    /// `None` from 0.
    factor: Option<f64>,
}

#[derive(Serialize)]
struct LevelEntry<'a> {
    level: f64,
    purpose: &'static str,
    verdict: &'static str,
    held_s: f64,
    missed: &'a [String],
    successes_per_s: f64,
    p50_response_time_ms: Option<f64>,
    p95_response_time_ms: Option<f64>,
    p99_response_time_ms: Option<f64>,
    error_rate_percent: Option<f64>,
    dropped: u64,
    in_flight: f64,
    utilization_percent: Option<f64>,
    /// The directory of the run, in `levels/`.
    run: &'a str,
}

pub(super) fn write(study: &Study, out: &mut dyn Write) -> io::Result<()> {
    let capacity = study.capacity();
    let fit = study.usl();
    let peak = fit.as_ref().ok().map(|fit| fit.peak_per_s);
    let moved = study.moved().into_iter().map(|moved| MovedEntry {
        factor: Some(moved.to.value / moved.from.value).filter(|factor| factor.is_finite()),
        name: moved.from.name,
        from: moved.from.text,
        to: moved.to.text,
    });
    let object = CapacityObject {
        format: FORMAT,
        version: VERSION,
        scenario: &study.scenario,
        profile: &study.profile,
        service: &study.service,
        verdict: study.verdict().name().to_lowercase(),
        outcome: match study.outcome {
            Outcome::Found(_) => "found",
            Outcome::Open(_) => "open",
            Outcome::AtLeast(_) => "at_least",
            Outcome::Generator(..) => "generator_limit",
            Outcome::Below(_) => "below",
            Outcome::Unknown { .. } => "unknown",
        },
        unit: match study.unit {
            Unit::Rate => "per_s",
            Unit::Users => "users",
        },
        arrivals: study.arrivals,
        capacity: capacity.map(|one| one.level),
        interval: capacity.map(|one| [one.low, one.high]),
        confirmed: capacity.and_then(|one| one.confirmed),
        limiting_slo: study.limiting(),
        holds: match study.outcome {
            Outcome::AtLeast(held) => Some(held),
            Outcome::Generator(held, _) | Outcome::Unknown { held, .. } => held,
            _ => None,
        },
        today: study.today,
        at_least: study.at_least,
        headroom: study.headroom(),
        knee: study.knee().map(|point| point.level),
        moved: moved.collect(),
        universal_scalability_law: fit.as_ref().ok().copied(),
        no_fit_because: fit.as_ref().err().cloned(),
        slos: &study.slos,
        notes: super::view::notes(study),
        elapsed_s: study.elapsed_s,
        budget_s: study.budget_s,
        levels: study
            .levels
            .iter()
            .map(|point| level(point, peak))
            .collect(),
    };
    let mut json = JsonWriter(out);
    serde_json::to_writer_pretty(&mut json, &object)?;
    writeln!(json)
}

fn level(point: &LevelPoint, peak_per_s: Option<f64>) -> LevelEntry<'_> {
    let ms = |us: Option<f64>| us.map(|us| us / 1e3);
    LevelEntry {
        level: point.level,
        purpose: match point.purpose {
            Purpose::Bracket => "bracket",
            Purpose::Narrow => "narrow",
            Purpose::Confirm => "confirm",
        },
        verdict: point.verdict.name(),
        held_s: point.held_s,
        missed: &point.missed,
        successes_per_s: point.rate_per_s,
        p50_response_time_ms: ms(point.response_us.p50),
        p95_response_time_ms: ms(point.response_us.p95),
        p99_response_time_ms: ms(point.response_us.p99),
        error_rate_percent: point.error_rate.map(|share| share * 100.0),
        dropped: point.dropped,
        in_flight: point.in_flight,
        utilization_percent: peak_per_s.map(|peak| point.rate_per_s / peak * 100.0),
        run: &point.directory,
    }
}
