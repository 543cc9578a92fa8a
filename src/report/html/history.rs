//! The history of runs as a page: a chart of each metric over the runs, and the table of the runs.

use serde::Serialize;

use super::chart::axis::Axis;
use super::chart::frame::{DataTable, Frame, Mark};
use super::chart::svg::{GRAY, GREEN, P50, P95, P99, RED};
use super::chart::svg::{Pen, WIDTH, coordinate, line};
use super::looks::{Looks, Style};
use super::page::class_of;
use crate::history::{ChangePoint, History, HistoryRun, METRICS, Series, history_metrics};
use crate::plan::Metric;
use crate::report::text::{harmless, shorten};
use crate::report::view;
use crate::units::format_count;

/// The labels below a chart.
const LABELS: usize = 4;
/// The most characters of a build.
const BUILD: usize = 40;
/// The scale of error rates goes at least this far; a share.
const LEAST_ERRORS: f64 = 0.01;
/// The endpoints with changes that get a chart.
const CHARTED: usize = 10;
/// The most series on a page.
const SERIES: usize = 20;

/// Everything that the template shows. All texts are escaped there, but for the charts.
#[derive(Serialize)]
pub(super) struct HistoryPage {
    looks: Looks,
    title: String,
    series: Vec<SeriesPart>,
    left_out: Option<String>,
    unreadable: Vec<String>,
}

#[derive(Serialize)]
struct SeriesPart {
    title: String,
    span: String,
    predecessor: Option<String>,
    changes: Vec<ChangePart>,
    finding: Option<String>,
    charts: Vec<String>,
    header: Vec<&'static str>,
    rows: Vec<Row>,
    faults: Vec<String>,
}

/// What changed with one run.
#[derive(Serialize)]
struct ChangePart {
    heading: String,
    lines: Vec<ChangeLine>,
}

#[derive(Serialize)]
struct ChangeLine {
    class: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Row {
    class: &'static str,
    verdict_class: &'static str,
    cells: Vec<String>,
}

impl HistoryPage {
    /// The page of a history. The series with the newest run comes first, since a page is read from the top.
    pub(super) fn of(history: &History) -> Self {
        let series = history.series.iter().rev().take(SERIES).enumerate();
        let left_out = history.series.len().saturating_sub(SERIES) as u64;
        let title = match history.series.as_slice() {
            [only] => view::history_title(only),
            _ => format!("{} series of runs", history.series.len()),
        };
        Self {
            looks: Looks::of(Style::Inside),
            title: harmless(&title),
            series: series.map(|(at, one)| SeriesPart::of(one, at)).collect(),
            left_out: (left_out > 0)
                .then(|| format!("{} older series are left out", format_count(left_out))),
            unreadable: history
                .unreadable
                .iter()
                .map(|text| harmless(text))
                .collect(),
        }
    }
}

impl SeriesPart {
    fn of(series: &Series, number: usize) -> Self {
        let header = [
            &["started", "build", "verdict", "grade"],
            &view::HISTORY_NUMBERS[..],
        ];
        let changes = view::history_changes(series).into_iter();
        let changes = changes.map(|run| ChangePart {
            heading: harmless(&run.heading),
            lines: run
                .lines
                .into_iter()
                .map(|(is_worse, text)| ChangeLine {
                    class: if is_worse { "bad" } else { "good" },
                    text: harmless(&text),
                })
                .collect(),
        });
        let rows = series.runs.iter().enumerate().rev();
        let rows = rows.map(|(position, run)| row(series, position, run));
        Self {
            title: harmless(&view::history_title(series)),
            span: view::history_span(series),
            predecessor: view::history_predecessor(series).map(|text| harmless(&text)),
            changes: changes.collect(),
            finding: view::history_finding(series),
            charts: charts(series, number),
            header: header.concat(),
            rows: rows.collect(),
            faults: view::history_faults(series)
                .iter()
                .map(|text| harmless(text))
                .collect(),
        }
    }
}

fn row(series: &Series, position: usize, run: &HistoryRun) -> Row {
    let changes = series.changes.iter().any(|change| change.run == position);
    let mark = if changes { " ◆" } else { "" };
    let cells = [
        format!("{}{mark}", run.started()),
        build(run),
        run.verdict.name().to_owned(),
        run.letter.map_or("-", |letter| letter.name()).to_owned(),
    ];
    let cells = cells.into_iter().chain(view::history_numbers(series, run));
    Row {
        class: if run.counts() { "" } else { "soft" },
        verdict_class: class_of(run.verdict),
        cells: cells.map(|cell| harmless(&cell)).collect(),
    }
}

/// The build of a run, short enough for a table.
fn build(run: &HistoryRun) -> String {
    shorten(&harmless(run.info.build.as_deref().unwrap_or("-")), BUILD)
}

/// The charts of the numbers of the series, then the response times of endpoints that changed.
fn charts(series: &Series, number: usize) -> Vec<String> {
    let id = |name: &str| format!("s{number}-{name}");
    let of = series.endpoint;
    let mut charts = vec![
        chart(
            series,
            of,
            (&id("latency"), "Response time"),
            &[(0, P50), (1, P95), (2, P99)],
        ),
        chart(
            series,
            of,
            (&id("rate"), "Successes per second"),
            &[(3, P50)],
        ),
        chart(
            series,
            of,
            (&id("errors"), "Error rate"),
            &[(4, Pen { dashes: "", ..RED })],
        ),
    ];
    let mut endpoints: Vec<usize> = series.changes.iter().filter_map(|c| c.endpoint).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    endpoints.retain(|endpoint| Some(*endpoint) != of);
    charts.extend(endpoints.into_iter().take(CHARTED).map(|endpoint| {
        let title = format!(
            "Response time of {}",
            harmless(&series.endpoints()[endpoint].name)
        );
        let id = id(&format!("endpoint-{endpoint}"));
        chart(
            series,
            Some(endpoint),
            (&id, &title),
            &[(0, P50), (1, P95), (2, P99)],
        )
    }));
    charts.into_iter().flatten().collect()
}

/// A chart of these metrics (by position) over the runs, at equal distances. `None` without data.
fn chart(
    series: &Series,
    endpoint: Option<usize>,
    (id, title): (&str, &str),
    lines: &[(usize, Pen)],
) -> Option<String> {
    let metrics: [_; METRICS] = history_metrics();
    let numbers: Vec<[Option<f64>; METRICS]> = series
        .runs
        .iter()
        .map(|run| run.numbers(endpoint))
        .collect();
    let of_metric = |metric: usize| numbers.iter().filter_map(move |run| run[metric]);
    let values: Vec<f64> = lines
        .iter()
        .flat_map(|(metric, _)| of_metric(*metric))
        .collect();
    let highest = values.iter().copied().reduce(f64::max)?;
    let (first, _) = *lines.first()?;
    let axis = match lines.len() {
        1 if metrics[first] == Metric::ErrorRate => Axis::linear(highest.max(LEAST_ERRORS)),
        1 => Axis::linear(highest),
        _ => Axis::log(values)?,
    };
    let mut frame = Frame::new(id, &format!("{title}, by run"), 160);
    let height = frame.height();
    frame.y_axis(&axis, |value| metrics[first].format(value));
    let count = series.runs.len() as f64;
    let share = |run: usize| (run as f64 + 0.5) / count;
    let every = series.runs.len().div_ceil(LABELS);
    // `2026-11-26 22:12`: the times of one day, or the days.
    let mut days = series.runs.iter().map(|run| run.started());
    let first_day: String = days.next()?.chars().take(10).collect();
    let is_one_day = days.all(|started| started.starts_with(&first_day));
    let runs = series.runs.iter().enumerate().step_by(every);
    frame.x_labels(runs.map(|(at, run)| {
        let started = run.started();
        let label = match is_one_day {
            true => started.chars().skip(11).collect(),
            false => started.chars().take(10).collect(),
        };
        (share(at), label)
    }));
    let shown = |change: &&ChangePoint| {
        change.endpoint == endpoint
            && lines
                .iter()
                .any(|(metric, _)| metrics[*metric] == change.metric)
    };
    let mut changed: Vec<(usize, bool)> = series
        .changes
        .iter()
        .filter(shown)
        .map(|change| (change.run, change.is_worse()))
        .collect();
    changed.dedup();
    for (name, pen, wanted) in [("got worse", RED, true), ("got better", GREEN, false)] {
        let here = changed.iter().filter(|(_, is_worse)| *is_worse == wanted);
        let path: String = here
            .map(|(run, _)| format!("M{} 0v{height}", coordinate(*run as f64 / count * WIDTH)))
            .collect();
        frame.line(name, pen, &path);
    }
    for (metric, pen) in lines {
        let at = |run: usize| numbers[run][*metric].map(|value| axis.y(value, height));
        let points = (0..series.runs.len()).map(|run| {
            let y = at(run).filter(|_| series.runs[run].counts())?;
            Some((share(run) * WIDTH, y))
        });
        frame.line(view::HISTORY_NUMBERS[*metric], *pen, &line(points));
        for (run, _) in series
            .runs
            .iter()
            .enumerate()
            .filter(|(_, run)| !run.counts())
        {
            if let Some(y) = at(run) {
                frame.mark(share(run), y, GRAY, Mark::Triangle);
            }
        }
    }
    let header = ["run", "build"].into_iter().chain(
        lines
            .iter()
            .map(|(metric, _)| view::HISTORY_NUMBERS[*metric]),
    );
    frame.table(DataTable {
        header: header.map(str::to_owned).collect(),
        rows: series
            .runs
            .iter()
            .zip(&numbers)
            .map(|(run, numbers)| {
                let cells = lines.iter().map(|(metric, _)| {
                    numbers[*metric]
                        .map_or_else(|| "-".to_owned(), |value| metrics[*metric].format(value))
                });
                [run.started(), build(run)]
                    .into_iter()
                    .chain(cells)
                    .collect()
            })
            .collect(),
    });
    frame.crosshair();
    let found = match changed.len() {
        0 => "no change point".to_owned(),
        1 => "1 change point".to_owned(),
        n => format!("{n} change points"),
    };
    let left_out = match series.runs.iter().all(HistoryRun::counts) {
        true => "",
        false => "; triangles are runs that do not count",
    };
    Some(frame.figure(&format!(
        "{found}; {}{left_out}",
        view::history_direction(&metrics[first])
    )))
}

#[cfg(test)]
mod tests {
    use crate::history::fixture;
    use crate::report::html::write_history;

    #[test]
    fn a_page_has_its_charts_and_nothing_hostile_does_anything() {
        let mut out = Vec::new();
        write_history(&fixture::history(), &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        for part in [
            "s0-latency-t",
            "s0-rate-t",
            "s0-errors-t",
            "got worse",
            "&lt;b&gt;",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        for hostile in [
            "<b>\\u",
            "<script>\\u",
            "<i>",
            "\u{1b}",
            "\u{202e}",
            "NaN",
            " style=",
            "src=",
            "href=",
        ] {
            assert!(!page.contains(hostile), "{hostile}: {page}");
        }
        assert_eq!(page.matches("<script>").count(), 1);
        for tag in [
            "svg", "table", "details", "figure", "section", "li", "td", "span",
        ] {
            let opened = page.matches(&format!("<{tag}")).count();
            let ends = page.matches(&format!("</{tag}>")).count();
            assert!(opened >= ends && ends > 0, "{tag}: {opened} {ends}");
        }
        assert!(page.len() < 150_000, "{}", page.len());
    }
}
