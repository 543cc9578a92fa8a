//! The report for a CI job's summary or a comment on a pull request.

use std::io::{self, Write};

use super::contents::{Focus, Report, Reporter};
use super::text::harmless;
use super::view;
use crate::metrics::Window;
use crate::units::{format_count, format_percent};

/// Writes the report as GitHub-flavoured Markdown.
pub(super) struct MarkdownReporter;

impl Reporter for MarkdownReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let grading = &report.grading;
        let has_no_verdict = view::has_no_verdict(report);
        let (says, reasons) = view::verdict(report);
        match has_no_verdict {
            true => writeln!(out, "## {}", escape(&view::summary(&report.result)))?,
            false => writeln!(out, "## {}: {}\n", grading.verdict.name(), escape(&says))?,
        }
        for reason in reasons.iter().filter(|_| !has_no_verdict) {
            writeln!(out, "- {}", escape(reason))?;
        }
        if let Some(step) = view::next_step(report) {
            writeln!(out, "- {}", escape(&step))?;
        }
        writeln!(out)?;
        for line in view::headline(&report.result) {
            writeln!(out, "{}  ", escape(&line))?;
        }
        runs(report, out)?;
        if report.focus == Focus::Run {
            slos(report, out)?;
            if view::is_quick_look(report) {
                quick_look(report, out)?;
            } else {
                endpoints(report, out)?;
                flows(report, out)?;
            }
            errors(report, out)?;
        }
        changes(report, out)?;
        writeln!(out, "\n### Notes\n")?;
        let weaknesses = report.comparison.iter().flat_map(|c| &c.warnings);
        for note in weaknesses.cloned().chain(view::notes(report)) {
            writeln!(out, "- {}", escape(&note))?;
        }
        Ok(())
    }
}

/// `text` as it is, whatever it contains: no markup, no mention of a user, no workflow command.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in harmless(text).replace("::", ":\u{200b}:").chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            // A zero-width space behind it keeps a name in a text from being notified.
            '@' => escaped.push_str("@\u{200b}"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Writes a table; the first column is text, the others are numbers unless in `left`.
fn table(
    header: &[&str],
    left: &[usize],
    rows: impl Iterator<Item = Vec<String>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.collect();
        format!("| {} |", cells.join(" | "))
    };
    writeln!(out, "{}", line(&mut header.iter().map(|t| escape(t))))?;
    let rules = (0..header.len()).map(|column| match column == 0 || left.contains(&column) {
        true => ":--".to_owned(),
        false => "--:".to_owned(),
    });
    writeln!(out, "{}", line(&mut { rules }))?;
    for row in rows {
        let cells = row.iter().map(|cell| escape(cell.trim_end()));
        writeln!(out, "{}", line(&mut { cells }))?;
    }
    Ok(())
}

fn slos(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if view::slos(report).next().is_none() {
        return Ok(());
    }
    let are_judged = view::are_judged(report);
    writeln!(out, "\n### SLOs: {}\n", view::compliance(report))?;
    let rows = view::slos(report).map(|criterion| {
        vec![
            view::criterion_name(criterion),
            view::bound(criterion),
            view::measured(criterion),
            match are_judged {
                true => criterion.severity.name().to_owned(),
                false => String::new(),
            },
            match report.grading.score {
                Some(_) => view::points_lost(criterion),
                None => String::new(),
            },
        ]
    });
    let header = ["SLO", "limit", "measured", "", "points lost"];
    table(&header, &[3], rows, out)
}

/// A row for each run, where there are several.
fn runs(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.runs.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Runs\n")?;
    let rows = report.runs.iter().map(|run| {
        let mut cells = vec![run.name.clone()];
        cells.extend(view::numbers(&run.summary));
        cells
    });
    table(&[&["run"], &view::NUMBERS[..]].concat(), &[], rows, out)
}

fn endpoints(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let total = report.result.summary(None, Window::Measured);
    let title = match report.runs.len() {
        0 => "Endpoints".to_owned(),
        runs => format!("Endpoints, last of {runs} runs"),
    };
    writeln!(out, "\n### {title}\n")?;
    let rows = view::endpoints(&report.result, &total).into_iter();
    table(&[&["name"], &view::NUMBERS[..]].concat(), &[], rows, out)
}

fn quick_look(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let result = &report.result;
    if let Some(spread) = view::spread(result) {
        writeln!(out, "\n### Response times: {}\n", escape(&spread))?;
        let (names, values): (Vec<String>, Vec<String>) =
            view::percentiles(result).into_iter().unzip();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        table(&names, &[], std::iter::once(values), out)?;
        writeln!(out)?;
        let rows = view::histogram(result).into_iter().map(|row| {
            vec![
                row.range,
                format_count(row.count),
                format_percent(row.share),
            ]
        });
        table(&["range", "requests", "share"], &[], rows, out)?;
    }
    writeln!(out, "\n### Status codes\n")?;
    let rows = view::statuses(result).into_iter().map(Vec::from);
    table(&["status", "requests", "share"], &[], rows, out)?;
    writeln!(out, "\n### Connections\n")?;
    writeln!(out, "{}", escape(&view::connections(result)))
}

fn flows(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let rows = view::flows(&report.result);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Flows\n")?;
    table(
        &[&["name"], &view::FLOW_NUMBERS[..]].concat(),
        &[],
        rows.into_iter(),
        out,
    )
}

fn errors(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (rows, rest) = view::error_table(&report.result);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Errors\n")?;
    let counts: Vec<(u64, u64)> = rows.iter().map(|(counts, _, _)| *counts).collect();
    let rows = view::counts(&counts).into_iter().zip(rows);
    let rows = rows.map(|(count, (_, [what, endpoint], example))| {
        vec![what, endpoint, count, example.unwrap_or_default()]
    });
    let header = ["error type", "endpoint", "requests", "example"];
    table(&header, &[1, 3], rows, out)?;
    for sentence in rest.into_iter().chain(view::samples_note(report)) {
        writeln!(out, "\n{}", escape(&sentence))?;
    }
    Ok(())
}

fn changes(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let Some(comparison) = &report.comparison else {
        return Ok(());
    };
    let sentence = view::comparison_sentence(report);
    writeln!(out, "\n### Baseline: {}\n", escape(&sentence))?;
    let rows = view::rows(report, comparison).into_iter();
    let cells = rows.map(|row| view::change_cells(row, comparison));
    let header = view::change_headers(comparison);
    table(&header, &[1, header.len() - 1], cells, out)?;
    for remark in view::comparison_remarks(report) {
        writeln!(out, "\n{}", escape(&remark))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    fn markdown(report: &Report) -> String {
        let mut out = Vec::new();
        MarkdownReporter.report(report, 80, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_passing_run() {
        assert_data_eq!(
            markdown(&fixture::passing()),
            file!["golden/passing.md"].raw()
        );
    }

    #[test]
    fn errors_are_told_apart_and_those_of_the_ramp_are_counted() {
        assert_data_eq!(
            markdown(&fixture::many_errors()),
            file!["golden/many_errors.md"].raw()
        );
    }

    #[test]
    fn a_failing_run_with_a_baseline() {
        assert_data_eq!(
            markdown(&fixture::regressed()),
            file!["golden/regressed.md"].raw()
        );
    }

    #[test]
    fn a_quick_look() {
        assert_data_eq!(
            markdown(&fixture::quick_look()),
            file!["golden/quick-look.md"].raw()
        );
    }

    #[test]
    fn hostile_names_stay_text() {
        let text = markdown(&fixture::hostile());
        assert!(
            !text.contains("<script>") && !text.contains("::error"),
            "{text}"
        );
        assert!(
            !text.contains('\u{1b}') && !text.contains("@admin"),
            "{text}"
        );
        for line in text.lines().filter(|line| line.contains("hostile")) {
            let bars = line.matches('|').count() - line.matches("\\|").count();
            assert!([0, 5, 6, 9].contains(&bars), "{bars}: {line}");
        }
        assert_data_eq!(text, file!["golden/hostile.md"].raw());
    }
}
