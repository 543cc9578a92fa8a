//! What Locust responds to `/stats/requests`: the numbers of a run so far, as its page polls them.
//!
//! What counts is that of Locust's CSV files (`locust`). Times are rounded to whole milliseconds, as in Locust.

use serde_json::{Map, Value, json};

use super::cell;
use super::locust::{
    AGGREGATED, LocustRow, Numbers, average_size, length_s, per_s, places, started_at, whole,
};
use crate::metrics::{Cell, Outcome, RecentSeconds, RunResult};
use crate::plan::Percentile;
use crate::report::view;

/// No more rows than this, as in Locust.
const MAX_ROWS: usize = 500;

/// What a run is doing, in the words of Locust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocustState {
    /// None was started.
    Ready,
    /// It sets up, or its load is not measured yet.
    Spawning,
    /// It is measured.
    Running,
    /// It was asked to end.
    Stopping,
    /// It is over.
    Stopped,
}

impl LocustState {
    fn text(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Spawning => "spawning",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// The numbers of a run and of its last seconds; of none, all are 0.
pub fn locust_requests(state: LocustState, run: Option<(&RunResult, &RecentSeconds)>) -> Value {
    let is_open = !matches!(state, LocustState::Ready | LocustState::Stopped);
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    let mut total = Row::default();
    let mut users = 0;
    if let Some((result, recent)) = run {
        users = result
            .users
            .last()
            .copied()
            .filter(|_| is_open)
            .unwrap_or(0);
        for place in places(result) {
            let whole = whole(result, place.endpoint);
            let row = Row::of(result, recent, &place, &whole);
            let Some(endpoint) = place.endpoint else {
                total = row;
                continue;
            };
            if row.all.requests > 0 {
                rows.push(row.json(&place));
            }
            let seen = |outcome| recent.seen(endpoint, outcome).unwrap_or_default();
            errors.extend(self::errors(result, &place, &whole, seen));
        }
    }
    rows.truncate(MAX_ROWS);
    errors.truncate(MAX_ROWS);
    rows.push(total.json(&LocustRow {
        endpoint: None,
        method: "",
        name: AGGREGATED,
    }));
    let fail_ratio = total.all.failures as f64 / total.all.requests.max(1) as f64;
    json!({
        "stats": rows,
        "errors": errors,
        "current_rps": total.current_per_s(total.current.requests),
        "current_fail_per_sec": total.current_per_s(total.current.failures),
        "total_rps": total.per_s(total.all.requests),
        "total_fail_per_sec": total.per_s(total.all.failures),
        "fail_ratio": fail_ratio,
        "current_response_time_percentiles": {
            "response_time_percentile_0.5": percentile_ms(&total.current, 50.0),
            "response_time_percentile_0.95": percentile_ms(&total.current, 95.0),
        },
        "state": state.text(),
        "user_count": users,
    })
}

/// The numbers of an endpoint, or of all.
#[derive(Default)]
struct Row {
    all: Numbers,
    current: Numbers,
    length_s: f64,
    current_s: f64,
    /// Bytes.
    average_size: f64,
}

impl Row {
    /// `whole` is everything counted there.
    fn of(result: &RunResult, recent: &RecentSeconds, place: &LocustRow<'_>, whole: &Cell) -> Self {
        let current = match place.endpoint {
            Some(endpoint) => recent.cell(endpoint),
            None => {
                let mut all = Cell::default();
                let endpoints = result.endpoints.iter().enumerate();
                let endpoints = endpoints.filter(|(_, endpoint)| !endpoint.endpoint.is_flow);
                endpoints.for_each(|(endpoint, _)| all.merge(&recent.cell(endpoint)));
                all
            }
        };
        Self {
            all: Numbers::of(whole),
            current: Numbers::of(&current),
            length_s: length_s(result),
            current_s: recent.length_s() as f64,
            average_size: average_size(whole),
        }
    }

    fn per_s(&self, count: u64) -> f64 {
        per_s(count, self.length_s)
    }

    fn current_per_s(&self, count: u64) -> f64 {
        per_s(count, self.current_s)
    }

    fn json(&self, place: &LocustRow<'_>) -> Value {
        let times = &self.all.times;
        let whole_ms = |us: f64| (us / 1e3).round();
        let mut row = Map::new();
        for (name, value) in [
            ("method", json!(cell(place.method))),
            ("name", json!(cell(place.name))),
            ("num_requests", json!(self.all.requests)),
            ("num_failures", json!(self.all.failures)),
            ("min_response_time", json!(whole_ms(times.min_us as f64))),
            ("max_response_time", json!(whole_ms(times.max_us as f64))),
            (
                "current_rps",
                json!(self.current_per_s(self.current.requests)),
            ),
            (
                "current_fail_per_sec",
                json!(self.current_per_s(self.current.failures)),
            ),
            (
                "avg_response_time",
                json!(times.mean().unwrap_or(0.0) / 1e3),
            ),
            ("median_response_time", percentile_ms(&self.all, 50.0)),
            ("total_rps", json!(self.per_s(self.all.requests))),
            ("total_fail_per_sec", json!(self.per_s(self.all.failures))),
            (
                "response_time_percentile_0.95",
                percentile_ms(&self.all, 95.0),
            ),
            (
                "response_time_percentile_0.99",
                percentile_ms(&self.all, 99.0),
            ),
            ("avg_content_length", json!(self.average_size)),
        ] {
            row.insert(name.to_owned(), value);
        }
        Value::Object(row)
    }
}

/// In whole ms; 0 without times, as in Locust.
fn percentile_ms(numbers: &Numbers, percent: f64) -> Value {
    let percentile = Percentile::new(percent).map(|one| numbers.times.percentiles(&[one]));
    let us = percentile.unwrap_or_default().first().copied();
    json!((us.unwrap_or(0.0) / 1e3).round() as u64)
}

/// Each kind of failure of an endpoint, of which it has `whole`. By error type, `seen` tells the first and the last second,
/// since results keep no more by second.
fn errors(
    result: &RunResult,
    place: &LocustRow<'_>,
    whole: &Cell,
    seen: impl Fn(Outcome) -> (u64, u64),
) -> Vec<Value> {
    let started_s = started_at(result).as_millisecond() as f64 / 1e3;
    let failures = whole.failure_counts.iter();
    let failures = failures.filter(|failures| failures.outcome.is_failure());
    let errors = failures.map(|failures| {
        let (first, last) = seen(failures.outcome);
        json!({
            "method": cell(place.method),
            "name": cell(place.name),
            "error": cell(&view::error_text(failures)),
            "occurrences": failures.count,
            "first_seen": started_s + first as f64,
            "last_seen": started_s + last as f64,
        })
    });
    errors.collect()
}
