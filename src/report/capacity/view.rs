//! What a search for the capacity found, in sentences and rows.
//!
//! Not here: the formats (`capacity`).

use std::time::Duration;

use crate::capacity::{LevelPoint, Outcome, Study, Unit};
use crate::units::{format_duration, format_latency_us, format_percent, format_rate, trim_float};

/// The titles of the table of levels.
pub(crate) const LEVEL_COLUMNS: [&str; 9] = [
    "level",
    "",
    "held",
    "successes/s",
    "p50",
    "p95",
    "p99",
    "errors",
    "in flight",
];
/// The title of the column that is there only with a fit.
pub(crate) const UTILIZATION: &str = "utilization";

/// What a search found, in a sentence.
pub(crate) fn headline(study: &Study) -> String {
    let level = |level: f64| study.unit.format(level);
    let found = match &study.outcome {
        Outcome::Found(one) | Outcome::Open(one) => {
            let first = study.limiting().unwrap_or_default();
            let interval = interval(study, one.low, one.high);
            format!(
                "the capacity is {} ({interval}); {first} gives way first",
                level(one.level)
            )
        }
        Outcome::AtLeast(held) => {
            format!(
                "every SLO holds at {}; perfctl did not go higher",
                level(*held)
            )
        }
        Outcome::Generator(Some(held), at) => format!(
            "the capacity is at least {}: at {}, the load generator was the limit",
            level(*held),
            level(*at)
        ),
        Outcome::Generator(None, at) => {
            format!("the load generator was the limit at {} already", level(*at))
        }
        Outcome::Below(lowest) => {
            format!("the capacity is below {}, the lowest level", level(*lowest))
        }
        Outcome::Unknown { held, missed } => {
            let known = match (held, missed) {
                (Some(held), _) => format!("every SLO held up to {}", level(*held)),
                (None, Some(missed)) => {
                    format!("an SLO is missed at {} already", level(*missed))
                }
                (None, None) => "nothing was found".to_owned(),
            };
            let end = match study.signal {
                Some(_) => "",
                None if study.is_ended_by_silence() => ", and then nothing was measured",
                None => ", and then the time was over",
            };
            known + end
        }
    };
    match study.signal {
        Some(_) => format!("stopped: {found}"),
        None => found,
    }
}

/// `between 164/s and 176/s`.
fn interval(study: &Study, low: f64, high: f64) -> String {
    let [low, high] = match study.unit {
        Unit::Rate => [low, high].map(format_rate),
        Unit::Users => [low.floor(), high.ceil()].map(|users| trim_float(users, 0)),
    };
    format!("between {low} and {high}")
}

/// What follows from it, each a sentence.
pub(crate) fn consequences(study: &Study) -> Vec<String> {
    let level = |level: f64| study.unit.format(level);
    let mut sentences = Vec::new();
    if let Some(capacity) = study.capacity() {
        sentences.push(match capacity.confirmed {
            Some(confirmed) => {
                let held_s = held_s(study, confirmed);
                format!(
                    "confirmed: at {}, every SLO was met for {} s",
                    level(confirmed),
                    trim_float(held_s, 0)
                )
            }
            None => "not confirmed by a long hold: the capacity may be lower".to_owned(),
        });
        if let Outcome::Open(_) = study.outcome {
            sentences.push(open_because(study));
        }
    }
    if let Some(required) = study.required() {
        let what = match study.at_least {
            Some(_) => "required",
            None => "today's load",
        };
        sentences.push(match study.headroom() {
            Some(headroom) => format!(
                "headroom: {} times today's load ({})",
                trim_float(headroom, 2),
                level(study.today.unwrap_or(required))
            ),
            None => format!("{what}: {}", level(required)),
        });
        if let (Some(at_least), Some(_)) = (study.at_least, study.headroom()) {
            sentences.push(format!("required: {}", level(at_least)));
        }
    }
    if let Outcome::Below(lowest) = study.outcome {
        let at_lowest = study.levels.iter().rfind(|point| point.level == lowest);
        let missed = at_lowest.map(|point| point.missed.join(", "));
        if let Some(missed) = missed.filter(|missed| !missed.is_empty()) {
            sentences.push(format!("missed at {}: {missed}", level(lowest)));
        }
    }
    if let Some(knee) = study.knee() {
        let p95 = knee.response_us.p95;
        sentences.push(format!(
            "knee: {} ({} successes, p95 {}): beyond it, response times rise more than throughput",
            level(knee.level),
            format_rate(knee.rate_per_s),
            p95.map_or_else(|| "-".to_owned(), format_latency_us)
        ));
    }
    let moved = study.moved();
    if !moved.is_empty() {
        let moved = moved
            .iter()
            .map(|one| format!("{} {} -> {}", one.from.name, one.from.text, one.to.text));
        let moved: Vec<String> = moved.collect();
        sentences.push(format!("moved with it: {}", moved.join(", ")));
    }
    sentences.push(scalability(study));
    sentences
}

/// Why the interval is wider than asked for.
fn open_because(study: &Study) -> String {
    if study.is_ended_by_generator() {
        return "the search ended early because levels were INVALID again and again: the load generator needs a machine with less other work"
            .to_owned();
    }
    if study.is_ended_by_silence() {
        return "the search ended early because nothing was measured again and again: see the notes"
            .to_owned();
    }
    if study.signal.is_some() {
        return "the interval is wider than asked for: the search was stopped".to_owned();
    }
    let budget = format_duration(Duration::from_secs_f64(study.budget_s.round()));
    format!(
        "the interval is wider than asked for: give it more time (`--budget`, now {budget}), or accept a wider one \
         (`--precision`)"
    )
}

/// How long the longest hold at a level was; s.
fn held_s(study: &Study, level: f64) -> f64 {
    let points = study.levels.iter().filter(|point| point.level == level);
    points.map(|point| point.held_s).fold(0.0, f64::max)
}

fn scalability(study: &Study) -> String {
    let fit = match study.usl() {
        Ok(fit) => fit,
        Err(why) => return format!("no fit of the Universal Scalability Law: {why}"),
    };
    let [low, high] = fit.peak_interval_per_s.map(format_rate);
    let at = match fit.peak_concurrency {
        Some(at) => format!(" at {} requests in flight", trim_float(at, 1)),
        None => String::new(),
    };
    format!(
        "Universal Scalability Law: at most {} (between {low} and {high}){at}; contention {}, crosstalk {}",
        format_rate(fit.peak_per_s),
        format_percent(fit.contention),
        format_percent(fit.crosstalk)
    )
}

/// The cells of a level, below [`LEVEL_COLUMNS`]; and its utilization with the highest throughput of a fit.
pub(crate) fn level_row(study: &Study, point: &LevelPoint, peak_per_s: Option<f64>) -> Vec<String> {
    let time = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), format_latency_us);
    let mut row = vec![
        study.unit.format(point.level),
        point.verdict.name().to_owned(),
        format!("{} s", trim_float(point.held_s, 0)),
        trim_float(
            point.rate_per_s,
            if point.rate_per_s < 100.0 { 1 } else { 0 },
        ),
        time(point.response_us.p50),
        time(point.response_us.p95),
        time(point.response_us.p99),
        point
            .error_rate
            .map_or_else(|| "-".to_owned(), format_percent),
        trim_float(point.in_flight, if point.in_flight < 10.0 { 2 } else { 0 }),
    ];
    row.extend(
        peak_per_s.map(|peak| format_percent((point.rate_per_s / peak * 1e3).round() / 1e3)),
    );
    row
}

/// How the search was made, in a line.
pub(crate) fn method(study: &Study) -> String {
    let took = format_duration(Duration::from_secs_f64(study.elapsed_s.round()));
    let mut parts = vec![study.scenario.clone(), study.service.clone()];
    parts.extend(
        study
            .arrivals
            .map(|arrivals| format!("{arrivals} arrivals")),
    );
    parts.push(format!("took {took}"));
    parts.join(" · ")
}

/// What a reader has to know.
pub(crate) fn notes(study: &Study) -> Vec<String> {
    let unseen = study.unseen.iter();
    let unseen = unseen.map(|name| {
        format!("`{name}` had no data at any level, so that it is not known to be met")
    });
    unseen
        .chain(study.left_out.iter().cloned())
        .chain(study.notes.iter().cloned())
        .collect()
}
