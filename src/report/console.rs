//! The report for people: verdict and grade first, then why, 80 columns wide.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::contents::{Focus, Report};
use super::grid::{Grid, Paint};
use super::reporter::Reporter;
use super::text::{WIDTH, harmless, shorten, width, wrap};
use super::view;
use crate::comparison::{Comparison, Decision};
use crate::grading::{Criterion, Severity, Verdict};
use crate::metrics::Window;
use crate::units::format_count;

/// The maximum number of lines of an error's example.
const EXAMPLE_LINES: usize = 2;
/// The maximum number of reasons under the verdict.
const REASONS: usize = 6;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn color(color: AnsiColor) -> Style {
    color.on_default()
}

/// Writes the report for a terminal.
pub(super) struct ConsoleReporter;

impl Reporter for ConsoleReporter {
    fn report(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        verdict(report, out)?;
        writeln!(out)?;
        let [what, how] = view::headline(&report.result);
        writeln!(out, "{DIM}{}{DIM:#}", shorten(&harmless(&what), WIDTH))?;
        for line in parts(&harmless(&how)) {
            writeln!(out, "{DIM}{line}{DIM:#}")?;
        }
        if report.focus == Focus::Run {
            slos(report, out)?;
            endpoints(report, out)?;
            flows(report, out)?;
            phases(report, out)?;
            errors(report, out)?;
        }
        if let Some(comparison) = &report.comparison {
            changes(report, comparison, out)?;
        }
        section("Notes", "", out)?;
        let weaknesses = report.comparison.iter().flat_map(|c| &c.warnings);
        for note in weaknesses.cloned().chain(view::notes(report)) {
            paragraph("  - ", &note, out)?;
        }
        Ok(())
    }
}

fn paragraph(first: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    for line in wrap(first, &harmless(text)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// `text` in lines that break only between its parts: a time or a seed must stay whole.
fn parts(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split(" · ") {
        match lines.last_mut() {
            Some(line) if width(line) + width(" · ") + width(part) <= WIDTH => {
                *line += &format!(" · {part}");
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

fn section(title: &str, aside: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    if aside.is_empty() {
        return writeln!(out, "{BOLD}{title}{BOLD:#}");
    }
    let mut lines = wrap(&format!("{title}  "), aside).into_iter();
    let first = lines.next().unwrap_or_default();
    let beside = first.strip_prefix(title).unwrap_or_default();
    writeln!(out, "{BOLD}{title}{BOLD:#}{DIM}{beside}{DIM:#}")?;
    for line in lines {
        writeln!(out, "{DIM}{line}{DIM:#}")?;
    }
    Ok(())
}

fn table(grid: Grid, out: &mut dyn Write) -> io::Result<()> {
    for line in grid.lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn verdict(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let grading = &report.grading;
    let style = match grading.verdict {
        Verdict::Pass => color(AnsiColor::Green),
        Verdict::Fail => color(AnsiColor::Red),
        Verdict::Inconclusive => color(AnsiColor::Yellow),
        Verdict::Invalid => color(AnsiColor::Magenta),
    }
    .bold();
    let says = match (report.focus, grading.verdict) {
        (_, Verdict::Invalid) => "no grade: the numbers say nothing about the service".into(),
        (Focus::Comparison, _) => view::comparison_sentence(report),
        (Focus::Run, _) => view::grade(report),
    };
    let name = grading.verdict.name();
    writeln!(out, "{style}{name}{style:#}  {BOLD}{says}{BOLD:#}")?;
    for reason in grading.reasons.iter().take(REASONS) {
        paragraph("  - ", reason, out)?;
    }
    if grading.reasons.len() > REASONS {
        let more = grading.reasons.len() - REASONS;
        paragraph("  - ", &format!("and {more} more"), out)?;
    }
    if let (Focus::Run, Some(next)) = (report.focus, &grading.next) {
        let text = format!("for {}: {}", next.letter.name(), next.how);
        paragraph("  > ", &text, out)?;
    }
    Ok(())
}

fn severity_paint(criterion: &Criterion) -> (&'static str, Paint) {
    let (mark, style) = match criterion.severity {
        Severity::Success => ("✓", color(AnsiColor::Green)),
        Severity::Close | Severity::Warning => ("!", color(AnsiColor::Yellow)),
        Severity::Critical => ("✗", color(AnsiColor::Red)),
    };
    let word = match criterion.severity {
        Severity::Success => "",
        severity => severity.name(),
    };
    let paint = Paint {
        mark: style,
        word,
        ..Paint::default()
    };
    (mark, paint)
}

fn slos(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let graded = report.grading.score.is_some();
    let points = |criterion| match graded {
        true => view::points_lost(criterion),
        false => String::new(),
    };
    let costly = report.grading.slos().any(|c| !points(c).is_empty());
    let lost = if costly { "points lost" } else { "" };
    let header = ["", "SLO", "limit", "measured", "", lost];
    let mut grid = Grid::new(&header, &[0, 1, 4], 1);
    for criterion in report.grading.slos() {
        let (mark, paint) = severity_paint(criterion);
        let cells = vec![
            mark.to_owned(),
            view::criterion_name(criterion),
            view::bound(criterion),
            view::measured(criterion),
            paint.word.to_owned(),
            points(criterion),
        ];
        grid.row(cells, paint);
    }
    if grid.is_empty() {
        return Ok(());
    }
    section("SLOs", &view::compliance(report), out)?;
    table(grid, out)
}

fn endpoints(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let total = report.result.summary(None, Window::Measured);
    section(
        "Endpoints",
        &format!(
            "{} requests{}",
            format_count(total.requests),
            view::error_share(&total)
        ),
        out,
    )?;
    let mut grid = Grid::new(&[&["name"], &view::NUMBERS[..]].concat(), &[0], 0);
    for (name, summary) in view::endpoints(&report.result) {
        let mut cells = vec![name];
        cells.extend(view::numbers(&summary));
        grid.row(cells, Paint::default());
    }
    let mut cells = vec!["Total".to_owned()];
    cells.extend(view::numbers(&total));
    let bold = Paint {
        row: BOLD,
        ..Paint::default()
    };
    grid.row(cells, bold);
    table(grid, out)?;
    for text in [view::traffic(&total), view::connecting(&total)]
        .into_iter()
        .flatten()
    {
        paragraph("  ", &text, out)?;
    }
    Ok(())
}

fn flows(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let flows = view::flows(&report.result);
    if flows.is_empty() {
        return Ok(());
    }
    section("Flows", "", out)?;
    let mut grid = Grid::new(&[&["name"], &view::FLOW_NUMBERS[..]].concat(), &[0], 0);
    for cells in flows {
        grid.row(cells, Paint::default());
    }
    table(grid, out)
}

fn phases(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let phases = view::phases(&report.result);
    if phases.is_empty() {
        return Ok(());
    }
    section("Phases", "", out)?;
    let mut grid = Grid::new(&[&["name"], &view::NUMBERS[..]].concat(), &[0], 0);
    for (name, measured, summary) in phases {
        let mut cells = vec![name];
        cells.extend(view::numbers(&summary));
        let row = if measured { Style::new() } else { DIM };
        let paint = Paint {
            row,
            ..Paint::default()
        };
        grid.row(cells, paint);
    }
    table(grid, out)
}

fn errors(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let errors = view::errors(&report.result);
    if errors.is_empty() {
        return Ok(());
    }
    section("Errors", "in the whole run", out)?;
    let red = color(AnsiColor::Red);
    for (count, what, example) in errors {
        let count = format_count(count);
        writeln!(out, "  {red}{count} x {}{red:#}", harmless(&what))?;
        let Some(example) = example else { continue };
        let mut lines = wrap("      e.g. ", &harmless(&example));
        if lines.len() > EXAMPLE_LINES {
            lines.truncate(EXAMPLE_LINES);
            let last = lines.pop().unwrap_or_default();
            lines.push(shorten(&(last + "…"), WIDTH));
        }
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn changes(report: &Report, comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let aside = match report.focus {
        Focus::Run => view::comparison_sentence(report),
        Focus::Comparison => String::new(),
    };
    section("Baseline", &aside, out)?;
    let mut header = view::change_headers(comparison);
    header.insert(0, "");
    let last = header.len() - 1;
    header[last] = "";
    let mut grid = Grid::new(&header, &[0, 1, 2, last], 1);
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
    table(grid, out)?;
    for remark in view::comparison_remarks(report) {
        paragraph("  - ", &remark, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SparseHistogram;
    use crate::report::fixture;
    use crate::report::text::width;
    use snapbox::{assert_data_eq, file};

    /// The report without its colors. No line is wider than a terminal, and there are no control
    /// characters except those of the colors.
    fn console(report: &Report) -> String {
        let mut out = Vec::new();
        ConsoleReporter.report(report, &mut out).unwrap();
        let colored = String::from_utf8(out).unwrap();
        let plain = anstream::adapter::strip_str(&colored).to_string();
        for line in plain.lines() {
            assert!(width(line) <= WIDTH, "{} columns: {line}", width(line));
            assert!(!line.trim_start().starts_with("::"), "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        plain
    }

    #[test]
    fn a_long_text_beside_a_title_continues_below_it() {
        let aside = "1 run against 1 run: 4 regressed, 3 unchanged, 1 inconclusive, 7 not judged";
        let mut out = Vec::new();
        section("Baseline", aside, &mut out).unwrap();
        let colored = String::from_utf8(out).unwrap();
        let plain = anstream::adapter::strip_str(&colored).to_string();
        let wanted = "\nBaseline  1 run against 1 run: 4 regressed, 3 unchanged, 1 inconclusive, 7 not\n\
                      \x20         judged\n";
        assert_eq!(plain, wanted);
    }

    #[test]
    fn a_passing_run() {
        assert_data_eq!(
            console(&fixture::passing()),
            file!["golden/passing.txt"].raw()
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

    #[test]
    fn a_run_without_samples() {
        assert_data_eq!(console(&fixture::empty()), file!["golden/empty.txt"].raw());
    }

    #[test]
    fn a_spike_in_an_open_model() {
        assert_data_eq!(console(&fixture::spike()), file!["golden/spike.txt"].raw());
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
            .report(&fixture::failing(), &mut out)
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("\u{1b}[1m\u{1b}[31mFAIL\u{1b}[0m"),
            "{text:?}"
        );
    }
}
