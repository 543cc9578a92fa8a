//! The report for people: verdict and grade first, then why, as wide as the terminal.

mod capacity;
mod failures;
mod findings;
mod grid;
mod history;
mod levels;
mod names;
mod observed;
mod page;
mod quick_look;
mod traces;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::contents::{Focus, Report, Reporter};
use super::text::{harmless, shorten, wrap};
use super::view;
use crate::capacity::Study;
use crate::comparison::{Comparison, Decision};
use crate::grading::{Criterion, Severity};
use crate::history::History;
use crate::metrics::Window;
pub use failures::write_failures;
use grid::{Grid, Paint};
use page::{BOLD, DIM, Page, beside, color, paragraph, parts, section, table, verdict_color};

/// The maximum number of lines of an error's example.
const EXAMPLE_LINES: usize = 2;
/// The maximum number of reasons under the verdict.
const REASONS: usize = 6;

/// Writes a history for a terminal of so many columns.
pub(super) fn write_history(
    history: &History,
    columns: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    history::history(history, &mut Page { out, columns })
}

/// Writes the findings of a run with their reasoning, for people in so many columns.
///
/// # Errors
/// When `out` fails.
pub fn write_explanation(report: &Report, columns: usize, out: &mut dyn Write) -> io::Result<()> {
    findings::explanation(report, &mut Page { out, columns })
}

/// Writes a capacity for a terminal of so many columns.
pub(super) fn write_capacity(study: &Study, columns: usize, out: &mut dyn Write) -> io::Result<()> {
    capacity::capacity(study, &mut Page { out, columns })
}

/// Writes the report for a terminal.
pub(super) struct ConsoleReporter;

impl Reporter for ConsoleReporter {
    fn report(&self, report: &Report, columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let page = &mut Page { out, columns };
        match view::has_no_verdict(report) {
            true => quick_look::summary(report, page)?,
            false => verdict(report, page)?,
        }
        page.line("")?;
        let [what, how] = view::headline(&report.result);
        page.dimmed(&shorten(&harmless(&what), page.columns))?;
        for line in parts(&harmless(&how), page.text_columns()) {
            page.dimmed(&line)?;
        }
        runs(report, page)?;
        if report.focus == Focus::Run {
            slos(report, page)?;
            if view::is_quick_look(report) {
                quick_look::sections(report, page)?;
            } else {
                endpoints(report, page)?;
                flows(report, page)?;
                measures(report, page)?;
            }
            findings::findings(report, page)?;
            observed::observed(report, page)?;
            levels::levels(report, page)?;
            errors(report, page)?;
            traces::traces(report, page)?;
        }
        if let Some(comparison) = &report.comparison {
            changes(report, comparison, page)?;
        }
        section("Notes", "", page)?;
        let weaknesses = report.comparison.iter().flat_map(|c| &c.warnings);
        for note in weaknesses.cloned().chain(view::notes(report)) {
            paragraph("  - ", &note, page)?;
        }
        Ok(())
    }
}

fn verdict(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let grading = &report.grading;
    let style = verdict_color(grading.verdict).bold();
    let (says, reasons) = view::verdict(report);
    beside(
        (grading.verdict.name(), style),
        (&harmless(&says), BOLD),
        page,
    )?;
    for reason in reasons.iter().take(REASONS) {
        paragraph("  - ", reason, page)?;
    }
    if reasons.len() > REASONS {
        let more = reasons.len() - REASONS;
        paragraph("  - ", &format!("and {more} more"), page)?;
    }
    if let Some(step) = view::next_step(report) {
        paragraph("  > ", &step, page)?;
    }
    Ok(())
}

/// A row for each run, where there are several.
fn runs(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    if report.runs.is_empty() {
        return Ok(());
    }
    section("Runs", "", page)?;
    let mut grid = Grid::of_numbers(&view::NUMBERS);
    for run in &report.runs {
        let mut cells = vec![run.name.clone()];
        cells.extend(view::numbers(&run.summary));
        grid.row(cells, Paint::default());
    }
    table(grid, page)
}

/// The mark of a criterion, grey where nothing is met or missed.
fn severity_paint(criterion: &Criterion, is_judged: bool) -> (&'static str, Paint) {
    let (mark, style) = match criterion.severity {
        Severity::Success => ("✓", color(AnsiColor::Green)),
        Severity::Close | Severity::Warning => ("!", color(AnsiColor::Yellow)),
        Severity::Critical => ("✗", color(AnsiColor::Red)),
    };
    let word = match criterion.severity {
        _ if !is_judged => "",
        Severity::Success => "",
        severity => severity.name(),
    };
    let paint = Paint {
        mark: if is_judged { style } else { DIM },
        word,
        ..Paint::default()
    };
    (mark, paint)
}

fn slos(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let graded = report.grading.score.is_some();
    let points = |criterion| match graded {
        true => view::points_lost(criterion),
        false => String::new(),
    };
    let are_judged = view::are_judged(report);
    let costly = view::slos(report).any(|c| !points(c).is_empty());
    let lost = if costly { "points lost" } else { "" };
    let has_letters = view::slos(report).any(|criterion| criterion.grade.is_some());
    let mut header = vec!["", "SLO", "limit", "measured"];
    header.extend(has_letters.then_some("grade"));
    header.extend(["", lost]);
    let severity = header.len() - 2;
    let mut grid = Grid::new(&header, &[0, 1, 4, severity], 1).optional(&[severity + 1, severity]);
    for criterion in view::slos(report) {
        let (mark, paint) = severity_paint(criterion, are_judged);
        let mut cells = vec![
            mark.to_owned(),
            view::criterion_name(criterion),
            view::bound(criterion),
            view::measured(criterion),
        ];
        cells.extend(has_letters.then(|| view::letter(criterion)));
        cells.extend([paint.word.to_owned(), points(criterion)]);
        grid.row(cells, paint);
    }
    if grid.is_empty() {
        return Ok(());
    }
    section("SLOs", &view::compliance(report), page)?;
    table(grid, page)?;
    let mut budgets = view::error_budgets(report).into_iter();
    budgets.try_for_each(|text| paragraph("  ", &text, page))
}

fn endpoints(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let total = report.result.summary(None, Window::Measured);
    section("Endpoints", &view::endpoints_aside(report, &total), page)?;
    let mut grid = Grid::of_numbers(&view::NUMBERS);
    let rows = view::endpoints(&report.result, &total);
    let last = rows.len() - 1;
    for (position, cells) in rows.into_iter().enumerate() {
        let row = if position == last { BOLD } else { Style::new() };
        let paint = Paint {
            row,
            ..Paint::default()
        };
        grid.row(cells, paint);
    }
    table(grid, page)?;
    for text in [view::traffic(&total), view::connecting(&total)]
        .into_iter()
        .flatten()
    {
        paragraph("  ", &text, page)?;
    }
    Ok(())
}

fn flows(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let flows = view::flows(&report.result);
    if flows.is_empty() {
        return Ok(());
    }
    section("Flows", "", page)?;
    let mut grid = Grid::of_numbers(&view::FLOW_NUMBERS);
    for cells in flows {
        grid.row(cells, Paint::default());
    }
    table(grid, page)
}

/// What the scenario measured itself.
fn measures(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let measures = view::measures(&report.result);
    if measures.is_empty() {
        return Ok(());
    }
    section("Measures", "", page)?;
    let mut grid = Grid::of_numbers(&view::MEASURE_NUMBERS);
    for cells in measures {
        grid.row(cells, Paint::default());
    }
    table(grid, page)
}

fn errors(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let (rows, rest) = view::error_table(&report.result);
    if rows.is_empty() {
        return Ok(());
    }
    section("Errors", "", page)?;
    let counts: Vec<(u64, u64)> = rows.iter().map(|(counts, _, _)| *counts).collect();
    let mut grid = Grid::new(&["requests", "error type", "endpoint"], &[1, 2], 2).on_one_line();
    for (count, (_, [what, endpoint], example)) in view::counts(&counts).into_iter().zip(rows) {
        let paint = Paint {
            row: color(AnsiColor::Red),
            ..Paint::default()
        };
        let what = shorten(&harmless(&what), page.columns / 2);
        grid.row(vec![count, what, endpoint], paint);
        if let Some(example) = example {
            grid.below(example_lines(&example, page));
        }
    }
    table(grid, page)?;
    for sentence in rest.into_iter().chain(view::samples_note(report)) {
        paragraph("  ", &sentence, page)?;
    }
    Ok(())
}

/// The example of an error, on a few lines.
fn example_lines(example: &str, page: &Page<'_>) -> Vec<String> {
    let mut lines = wrap("      e.g. ", &harmless(example), page.text_columns());
    if lines.len() > EXAMPLE_LINES {
        lines.truncate(EXAMPLE_LINES);
        let last = lines.pop().unwrap_or_default();
        lines.push(shorten(&(last + "…"), page.text_columns()));
    }
    lines
}

fn changes(report: &Report, comparison: &Comparison, page: &mut Page<'_>) -> io::Result<()> {
    let aside = match report.focus {
        Focus::Run => view::comparison_sentence(report),
        Focus::Comparison => String::new(),
    };
    section("Baseline", &aside, page)?;
    let mut header = view::change_headers(comparison);
    header.insert(0, "");
    let last = header.len() - 1;
    header[last] = "";
    // Without a decision, the mark in front still shows it.
    let range = header.iter().position(|title| *title == "between");
    let optional: Vec<usize> = range.into_iter().chain([last, 3]).collect();
    let mut grid = Grid::new(&header, &[0, 1, 2, last], 1);
    grid = grid.optional(&optional).on_one_line();
    for row in view::rows(report, comparison) {
        let (mark, style) = match row.decision {
            Decision::Regressed => ("✗", color(AnsiColor::Red)),
            Decision::Improved => ("✓", color(AnsiColor::Green)),
            Decision::Unchanged => ("=", Style::new()),
            Decision::Inconclusive => ("?", color(AnsiColor::Yellow)),
        };
        let mut cells = vec![mark.to_owned()];
        cells.extend(view::change_cells(row, comparison));
        let word = match row.decision {
            Decision::Regressed | Decision::Improved => row.decision.name(),
            _ => "",
        };
        let paint = Paint {
            mark: style,
            word,
            ..Paint::default()
        };
        grid.row(cells, paint);
    }
    table(grid, page)?;
    for remark in view::comparison_remarks(report) {
        paragraph("  - ", &remark, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SparseHistogram;
    use crate::report::fixture;
    use crate::report::text::{DEFAULT_COLUMNS, width};
    use snapbox::{assert_data_eq, file};

    /// The report without its colors. No line is wider than a terminal, and there are no control
    /// characters except those of the colors.
    fn console(report: &Report) -> String {
        console_of(report, DEFAULT_COLUMNS)
    }

    fn console_of(report: &Report, columns: usize) -> String {
        let mut out = Vec::new();
        ConsoleReporter.report(report, columns, &mut out).unwrap();
        let colored = String::from_utf8(out).unwrap();
        let plain = anstream::adapter::strip_str(&colored).to_string();
        for line in plain.lines() {
            assert!(width(line) <= columns, "{} columns: {line}", width(line));
            assert!(!line.trim_start().starts_with("::"), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        plain
    }

    #[test]
    fn a_long_text_beside_a_title_continues_below_it() {
        let aside = "1 run against 1 run: 4 regressed, 3 unchanged, 1 inconclusive, 7 not judged";
        let mut out = Vec::new();
        let page = &mut Page {
            out: &mut out,
            columns: 80,
        };
        section("Baseline", aside, page).unwrap();
        let colored = String::from_utf8(out).unwrap();
        let plain = anstream::adapter::strip_str(&colored).to_string();
        let wanted = "\nBaseline  1 run against 1 run: 4 regressed, 3 unchanged, 1 inconclusive, 7 not\n\
                      \x20         judged\n";
        assert_eq!(plain, wanted);
    }

    #[test]
    fn endpoints_can_be_told_apart_in_any_width() {
        let names = ["invoices", "receipts", "payments"]
            .map(|what| format!("GET /api/v1/tenants/acme/{what}/7/lines"));
        let requests: crate::metrics::fixture::Requests<'_> =
            &[(crate::metrics::Outcome::Ok, 41_000, 500)];
        let endpoints = [0, 1, 2].map(|i: usize| (names[i].as_str(), requests));
        let result = crate::metrics::fixture::run(&endpoints);
        let report = fixture::report(result, None);
        let wide = console_of(&report, 200);
        assert!(names.iter().all(|name| wide.contains(name)), "{wide}");
        assert_data_eq!(console_of(&report, 50), file!["golden/narrow.txt"].raw());
        for columns in [40, 50, 80, 100] {
            let text = console_of(&report, columns);
            let parts = ["invoices", "receipts", "payments"];
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn a_passing_run() {
        assert_data_eq!(
            console(&fixture::passing()),
            file!["golden/passing.txt"].raw()
        );
    }

    #[test]
    fn errors_are_told_apart_and_those_of_the_ramp_are_counted() {
        assert_data_eq!(
            console(&fixture::many_errors()),
            file!["golden/many_errors.txt"].raw()
        );
    }

    #[test]
    fn a_failing_run() {
        assert_data_eq!(
            console(&fixture::failing()),
            file!["golden/failing.txt"].raw()
        );
    }

    #[test]
    fn a_run_with_a_baseline() {
        assert_data_eq!(
            console(&fixture::regressed()),
            file!["golden/regressed.txt"].raw()
        );
    }

    #[test]
    fn a_comparison_alone() {
        let mut report = fixture::regressed();
        report.focus = Focus::Comparison;
        assert_data_eq!(console(&report), file!["golden/comparison.txt"].raw());
    }

    #[test]
    fn an_invalid_run_says_so_first() {
        let text = console(&fixture::invalid());
        assert!(text.starts_with("INVALID"), "{text}");
        assert!(!text.contains("of 100"), "no grade: {text}");
        assert_data_eq!(text, file!["golden/invalid.txt"].raw());
    }

    /// Green and red say that something is met or missed.
    #[test]
    fn the_marks_of_a_run_that_is_not_judged_are_grey() {
        let colored = |report: &Report| {
            let mut out = Vec::new();
            ConsoleReporter
                .report(report, DEFAULT_COLUMNS, &mut out)
                .unwrap();
            let text = String::from_utf8(out).unwrap();
            let is_mark = |line: &&str| ["✓", "✗", "!  "].iter().any(|mark| line.contains(mark));
            let marks: Vec<String> = text.lines().filter(is_mark).map(str::to_owned).collect();
            assert!(!marks.is_empty());
            marks
        };
        let is_colored = |line: &String| {
            ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[33m"]
                .iter()
                .any(|c| line.contains(c))
        };
        assert!(colored(&fixture::failing()).iter().all(is_colored));
        assert!(!colored(&fixture::invalid()).iter().any(is_colored));
    }

    #[test]
    fn a_run_without_samples() {
        assert_data_eq!(console(&fixture::empty()), file!["golden/empty.txt"].raw());
    }

    #[test]
    fn a_spike_in_an_open_model() {
        assert_data_eq!(console(&fixture::spike()), file!["golden/spike.txt"].raw());
    }

    #[test]
    fn a_quick_look_in_any_width() {
        let report = fixture::quick_look();
        assert_data_eq!(console(&report), file!["golden/quick-look.txt"].raw());
        for columns in [40, 60, 200] {
            assert!(console_of(&report, columns).contains("503 Service Unavailable"));
        }
        let mut graded = fixture::quick_look();
        graded.result.run.slos = fixture::passing().result.run.slos;
        let text = console(&fixture::report(graded.result, None));
        assert!(text.starts_with("FAIL  grade"), "{text}");
    }

    #[test]
    fn names_that_are_long_wide_or_hostile() {
        assert_data_eq!(
            console(&fixture::hostile()),
            file!["golden/hostile.txt"].raw()
        );
    }

    #[test]
    fn connection_times_are_shown_if_connections_were_opened() {
        let mut report = fixture::passing();
        assert!(!console(&report).contains("connecting"));
        let phases = &mut report.result.endpoints[0].phases;
        let cell = phases.last_mut().unwrap();
        cell.connect = SparseHistogram::of(&mut [300, 350]);
        cell.tls = SparseHistogram::of(&mut [4_000, 5_000]);
        cell.reused = 1_000;
        let line = "connecting p95: connect 350 µs, tls 5.00 ms; connections reused 1,000 times";
        let text = console(&report);
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn verdicts_are_colored() {
        let mut out = Vec::new();
        ConsoleReporter
            .report(&fixture::failing(), DEFAULT_COLUMNS, &mut out)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("\u{1b}[1m\u{1b}[31mFAIL\u{1b}[0m"),
            "{text:?}"
        );
    }
}
