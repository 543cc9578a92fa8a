//! What else changed along with a regression: where the time went, which failures increased, and
//! which component of the service reported longer times.
//!
//! By means, since the means of the parts add up to that of the whole.

use std::collections::BTreeSet;

use crate::metrics::{Cell, Outcome, RunResult, SparseHistogram, Window};
use crate::plan::Metric;
use crate::units::{format_latency_us, trim_float};

/// A part is named where it makes up this share of the whole increase, or more.
const NOTABLE_SHARE: f64 = 0.2;
/// An outcome of failures is named where its share of the requests rose by this, or more.
const NOTABLE_POINTS: f64 = 0.001;

/// What changed for the endpoint (all together for `None`) in the measured phase of this number,
/// most important first; phrases such as `time to first byte +5.9 ms`.
pub(super) fn of(
    metric: &Metric,
    phase: usize,
    endpoint: Option<usize>,
    baseline: &[&RunResult],
    candidates: &[&RunResult],
) -> Vec<String> {
    let [before, now] = [baseline, candidates].map(|runs| merged(runs, phase, endpoint));
    let mut phrases = Vec::new();
    if *metric != Metric::ErrorRate {
        phrases.extend(times(&before, &now));
    }
    phrases.extend(outcomes(&before, &now));
    phrases
}

fn merged(runs: &[&RunResult], measured: usize, endpoint: Option<usize>) -> Cell {
    let mut cell = Cell::default();
    for run in runs {
        if let Some(phase) = run.measured_phases().nth(measured) {
            cell.merge(&run.cell(endpoint, Window::Phases(&[phase])));
        }
    }
    cell
}

/// The parts of the response time and the components of the service, each with its mean
/// contribution to a successful request.
fn times(before: &Cell, now: &Cell) -> Vec<String> {
    let whole = mean_us(&now.response) - mean_us(&before.response);
    let names: BTreeSet<&String> = before
        .components
        .keys()
        .chain(now.components.keys())
        .collect();
    let component = |cell: &Cell, name: &str| {
        let times = cell.components.get(name).map(|component| &component.time);
        times.map_or(0.0, |times| per_success(cell, times))
    };
    let parts = [
        ("connecting", connecting_us(now) - connecting_us(before)),
        ("time to first byte", waiting_us(now) - waiting_us(before)),
        (
            "download",
            mean_us(&now.download) - mean_us(&before.download),
        ),
        (
            "perfctl's own scheduling delay",
            mean_us(&now.scheduling_delay) - mean_us(&before.scheduling_delay),
        ),
    ];
    let parts = parts.map(|(name, us)| (name.to_owned(), us)).into_iter();
    let components = names.into_iter().map(|name| {
        let us = component(now, name) - component(before, name);
        (format!("component {name}"), us)
    });
    let mut moved: Vec<(String, f64)> = parts
        .chain(components)
        .filter(|(_, us)| whole > 0.0 && *us >= NOTABLE_SHARE * whole)
        .collect();
    moved.sort_by(|a, b| b.1.total_cmp(&a.1));
    let phrase = |(name, us): (String, f64)| format!("{name} +{}", format_latency_us(us));
    moved.into_iter().map(phrase).collect()
}

/// Outcomes of failures whose share of all requests rose.
fn outcomes(before: &Cell, now: &Cell) -> Vec<String> {
    let share = |cell: &Cell, outcome: Outcome| {
        let all = cell.count(Outcome::is_started);
        cell.count(|c| c == outcome) as f64 / all.max(1) as f64
    };
    let failures = Outcome::ALL
        .into_iter()
        .filter(|outcome| outcome.is_failure());
    let mut risen: Vec<(Outcome, f64)> = failures
        .map(|outcome| (outcome, share(now, outcome) - share(before, outcome)))
        .filter(|(_, rise)| *rise >= NOTABLE_POINTS)
        .collect();
    risen.sort_by(|a, b| b.1.total_cmp(&a.1));
    let phrase = |(outcome, rise): (Outcome, f64)| {
        format!("{} +{} pp", outcome.name(), trim_float(rise * 100.0, 2))
    };
    risen.into_iter().map(phrase).collect()
}

fn mean_us(times: &SparseHistogram) -> f64 {
    times.sum_us as f64 / times.count().max(1) as f64
}

fn per_success(cell: &Cell, times: &SparseHistogram) -> f64 {
    times.sum_us as f64 / cell.count(|outcome| outcome == Outcome::Ok).max(1) as f64
}

/// The mean per successful request, although few requests open a connection.
fn connecting_us(cell: &Cell) -> f64 {
    let steps = [&cell.dns, &cell.connect, &cell.tls];
    steps.iter().map(|step| per_success(cell, step)).sum()
}

/// Time to first byte, without the time for connecting.
fn waiting_us(cell: &Cell) -> f64 {
    mean_us(&cell.ttfb) - connecting_us(cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ComponentCounts, fixture};

    fn run(change: impl Fn(&mut Cell)) -> RunResult {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 40_000, 1_000)])]);
        let cell = result.endpoints[0].phases.last_mut().unwrap();
        cell.ttfb = SparseHistogram::of(&mut vec![38_000; 1_000]);
        cell.download = SparseHistogram::of(&mut vec![2_000; 1_000]);
        change(cell);
        result
    }

    fn moved(change: impl Fn(&mut Cell)) -> Vec<String> {
        of(
            &Metric::MeanResponseTime,
            0,
            None,
            &[&run(|_| {})],
            &[&run(change)],
        )
    }

    fn slower(cell: &mut Cell) {
        cell.response = SparseHistogram::of(&mut vec![46_000; 1_000]);
    }

    #[test]
    fn the_part_and_the_component_that_took_longer_are_named() {
        let found = moved(|cell| {
            slower(cell);
            cell.ttfb = SparseHistogram::of(&mut vec![43_900; 1_000]);
            let db = ComponentCounts {
                time: SparseHistogram::of(&mut vec![5_500; 1_000]),
                ..ComponentCounts::default()
            };
            cell.components.insert("db".into(), db);
        });
        assert_eq!(
            found,
            ["time to first byte +5.90 ms", "component db +5.50 ms"]
        );
        let found = moved(|cell| {
            slower(cell);
            cell.download = SparseHistogram::of(&mut vec![8_000; 1_000]);
        });
        assert_eq!(found, ["download +6.00 ms"]);
    }

    #[test]
    fn connecting_is_separated_from_waiting() {
        let found = moved(|cell| {
            slower(cell);
            cell.ttfb = SparseHistogram::of(&mut vec![44_000; 1_000]);
            cell.connect = SparseHistogram::of(&mut vec![60_000; 100]);
        });
        assert_eq!(found, ["connecting +6.00 ms"]);
    }

    #[test]
    fn failures_are_named_by_their_outcome() {
        let fail = |cell: &mut Cell| {
            cell.outcomes.insert(Outcome::Ok, 990);
            cell.outcomes.insert(Outcome::Http5xx, 10);
        };
        assert_eq!(moved(fail), ["http_5xx +1 pp"]);
        let of_errors = of(
            &Metric::ErrorRate,
            0,
            Some(0),
            &[&run(|_| {})],
            &[&run(|cell| {
                slower(cell);
                fail(cell);
            })],
        );
        assert_eq!(of_errors, ["http_5xx +1 pp"]);
    }
}
