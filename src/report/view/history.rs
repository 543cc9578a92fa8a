//! The texts of a history: what a series is of, its rows, and what changed.

use crate::history::{ChangePoint, HistoryRun, Series, history_metrics};
use crate::plan::{Direction, Metric};
use crate::units::{format_counted, trim_float};

/// The titles of a run's numbers, behind those of the run itself.
pub(crate) const HISTORY_NUMBERS: [&str; 5] = ["p50", "p95", "p99", "rate", "errors"];

/// `shop · load · https://shop.example`.
pub(crate) fn history_title(series: &Series) -> String {
    let run = &series.newest().info;
    let endpoint = series.endpoint.map_or_else(String::new, |endpoint| {
        format!(" · {}", series.endpoints()[endpoint].name)
    });
    format!(
        "{} · {} · {}{endpoint}",
        run.scenario, run.profile, run.service
    )
}

/// How many runs there are, and from when to when.
pub(crate) fn history_span(series: &Series) -> String {
    let runs = format_counted(series.runs.len() as u64, "run");
    let left_out = series.runs.len() - series.counted().count();
    let left_out = match left_out {
        0 => String::new(),
        1 => ", 1 of which does not count".to_owned(),
        n => format!(", {n} of which do not count"),
    };
    match series.runs.as_slice() {
        [only] => format!("1 run, {} UTC{left_out}", only.started()),
        [first, .., last] => format!(
            "{runs}, {} to {} UTC{left_out}",
            first.started(),
            last.started()
        ),
        [] => runs,
    }
}

/// Why it is not one series with the one before.
pub(crate) fn history_predecessor(series: &Series) -> Option<String> {
    let (id, why) = series.predecessor.as_ref()?;
    Some(format!(
        "not compared with earlier runs: `{id}` {}",
        why.join(", and ")
    ))
}

/// The numbers of a run, under [`HISTORY_NUMBERS`].
pub(crate) fn history_numbers(series: &Series, run: &HistoryRun) -> Vec<String> {
    let numbers = history_metrics()
        .into_iter()
        .zip(run.numbers(series.endpoint));
    let texts = numbers
        .map(|(metric, value)| value.map_or_else(|| "-".to_owned(), |value| metric.format(value)));
    texts.collect()
}

/// The runs that do not count, and why.
pub(crate) fn history_faults(series: &Series) -> Vec<String> {
    let runs = series.runs.iter().filter(|run| !run.counts());
    let texts = runs.map(|run| {
        format!(
            "{} (`{}`) does not count: it {}",
            run.started(),
            run.info.id,
            run.faults.join(", and ")
        )
    });
    texts.collect()
}

/// What changed with one run.
pub(crate) struct ChangedRun {
    /// The date and the build, and what else changed with it.
    pub(crate) heading: String,
    /// A line for the changes of all requests or of an endpoint in one direction, and whether it is for the
    /// worse.
    pub(crate) lines: Vec<(bool, String)>,
}

/// What changed, by run, oldest first.
pub(crate) fn history_changes(series: &Series) -> Vec<ChangedRun> {
    let runs = series.changes.chunk_by(|a, b| a.run == b.run);
    let changed = runs.filter_map(|changes| {
        let run = changes.first()?.run;
        let alike =
            changes.chunk_by(|a, b| (a.endpoint, a.is_worse()) == (b.endpoint, b.is_worse()));
        let lines = alike.filter_map(|alike| {
            let first = alike.first()?;
            let way = if first.is_worse() { "worse" } else { "better" };
            let of = first.endpoint.map_or_else(String::new, |endpoint| {
                format!(" `{}`", series.endpoints()[endpoint].name)
            });
            let texts: Vec<String> = alike.iter().map(change_text).collect();
            Some((first.is_worse(), format!("{way}:{of} {}", texts.join(", "))))
        });
        Some(ChangedRun {
            heading: heading(series, run),
            lines: lines.collect(),
        })
    });
    changed.collect()
}

fn heading(series: &Series, position: usize) -> String {
    let run = &series.runs[position];
    let build = match &run.info.build {
        Some(build) => format!("build {build}"),
        None => format!("`{}`", run.info.id),
    };
    let suspects = match series.suspects(position).as_slice() {
        [] => String::new(),
        suspects => format!(" ({} changed too)", suspects.join(" and ")),
    };
    format!("{}, {build}{suspects}", run.started())
}

/// `p95 447 µs to 519 µs (+16.1%)`.
fn change_text(change: &ChangePoint) -> String {
    let name = match change.metric {
        Metric::Throughput => "rate".to_owned(),
        Metric::ErrorRate => "errors".to_owned(),
        ref metric => metric.to_string(),
    };
    let by = match change.metric {
        Metric::ErrorRate => String::new(),
        _ if change.before <= 0.0 => String::new(),
        _ => {
            let share = change.after / change.before - 1.0;
            let sign = if share > 0.0 { "+" } else { "" };
            format!(" ({sign}{}%)", trim_float(share * 100.0, 1))
        }
    };
    let [before, after] = change.metric.format_apart(change.before, change.after);
    format!("{name} {before} to {after}{by}")
}

/// What the test found, where there is no change to tell of.
pub(crate) fn history_finding(series: &Series) -> Option<String> {
    match &series.untested {
        Some(why) => Some(why.clone()),
        None if series.changes.is_empty() => Some("no change points".to_owned()),
        None => None,
    }
}

/// A word for a metric of a history, and which way is better.
pub(crate) fn history_direction(metric: &Metric) -> &'static str {
    match metric.direction() {
        Direction::AtMost => "lower is better",
        Direction::AtLeast => "higher is better",
    }
}
