//! The report for a CI job's summary or a comment on a pull request.
//!
//! Short enough for a comment, whatever the run: verdict, what changed, what was missed, one line of numbers. All
//! else is folded.

pub(super) mod section;

use std::io::{self, Write};

use self::section::{CELL, Section, escape, escape_within};
use super::contents::{Focus, Report, Reporter};
use super::view;
use crate::comparison::{Decision, Row};
use crate::grading::Criterion;
use crate::metrics::Window;
use crate::units::{format_count, format_counted, format_percent};

/// The first line, by which a CI job finds its comment to edit it in place.
const MARKER: &str = "<!-- perfctl-report -->";
/// Writes the report as GitHub-flavoured Markdown.
pub(super) struct MarkdownReporter;

impl Reporter for MarkdownReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{MARKER}")?;
        let sections = match (report.focus, view::is_quick_look(report)) {
            (Focus::Comparison, _) => vec![verdict(report), changes(report), runs(report)],
            (Focus::Run, true) => vec![
                verdict(report),
                quick_look(report),
                errors(report),
                traces(report),
            ],
            (Focus::Run, false) => vec![
                verdict(report),
                changes(report),
                total(report),
                slos(report),
                endpoints(report),
                flows(report),
                measures(report),
                findings(report),
                observed(report),
                levels(report),
                errors(report),
                traces(report),
                runs(report),
            ],
        };
        let sections = sections.into_iter().chain([notes(report)]);
        sections
            .filter(|section| !section.is_empty())
            .try_for_each(|section| write!(out, "{}", section.text))
    }
}

fn verdict(report: &Report) -> Section {
    let mut section = Section::default();
    if view::has_no_verdict(report) {
        section.line(&format!("## {}\n", escape(&view::summary(&report.result))));
    } else {
        let (says, reasons) = view::verdict(report);
        let name = report.grading.verdict.name();
        section.line(&format!("## {name}: {}\n", escape(&says)));
        let reasons = reasons.iter().map(|reason| format!("- {}", escape(reason)));
        section.lines(reasons, "reason");
    }
    if let Some(step) = view::next_step(report) {
        section.line(&format!("- {}", escape(&step)));
    }
    if !section.text.ends_with("\n\n") {
        section.line("");
    }
    for line in view::headline(&report.result) {
        section.line(&format!("{}  ", escape(&line)));
    }
    section
}

/// The SLOs that are missed, and folded, all of them.
fn slos(report: &Report) -> Section {
    let mut section = Section::default();
    if view::slos(report).next().is_none() {
        return section;
    }
    let are_judged = view::are_judged(report);
    let has_letters = view::slos(report).any(|criterion| criterion.grade.is_some());
    let cells = |criterion: &Criterion| {
        let mut cells = vec![
            view::criterion_name(criterion),
            view::bound(criterion),
            view::measured(criterion),
        ];
        cells.extend(has_letters.then(|| view::letter(criterion)));
        cells.extend([
            match are_judged {
                true => criterion.severity.name().to_owned(),
                false => String::new(),
            },
            match report.grading.score {
                Some(_) => view::points_lost(criterion),
                None => String::new(),
            },
        ]);
        cells
    };
    let mut header = vec!["SLO", "limit", "measured"];
    header.extend(has_letters.then_some("grade"));
    header.extend(["", "points lost"]);
    let left = [header.len() - 2];
    let title = format!("SLOs: {}", view::compliance(report));
    let missed = || view::slos(report).filter(|criterion| are_judged && !criterion.met);
    if missed().next().is_some() {
        section.line(&format!("\n### {title}\n"));
        section.table(&header, &left, missed().map(cells), "SLO");
    }
    if missed().count() < view::slos(report).count() {
        let mut within = Section::default();
        let rest = view::slos(report).filter(|criterion| !are_judged || criterion.met);
        within.table(&header, &left, rest.map(cells), "SLO");
        let title = match section.is_empty() {
            true => title,
            false => "SLOs that are met".to_owned(),
        };
        section.fold(&title, within);
    }
    let budgets = view::error_budgets(report);
    if !budgets.is_empty() {
        section.line("");
        let budgets = budgets.iter().map(|text| format!("- {}", escape(text)));
        section.lines(budgets, "error budget");
    }
    section
}

/// The numbers of all requests together, in one row.
fn total(report: &Report) -> Section {
    let mut section = Section::default();
    let total = report.result.summary(None, Window::Measured);
    let numbers = view::numbers(&total);
    section.line("");
    section.table(&view::NUMBERS, &[], std::iter::once(numbers), "row");
    section
}

/// A row for each run, where there are several.
fn runs(report: &Report) -> Section {
    let mut section = Section::default();
    if report.runs.is_empty() {
        return section;
    }
    let rows = report.runs.iter().map(|run| {
        let mut cells = vec![run.name.clone()];
        cells.extend(view::numbers(&run.summary));
        cells
    });
    let mut within = Section::default();
    within.table(&[&["run"], &view::NUMBERS[..]].concat(), &[], rows, "run");
    section.fold(&format!("Runs: {}", report.runs.len()), within);
    section
}

fn endpoints(report: &Report) -> Section {
    let mut section = Section::default();
    let total = report.result.summary(None, Window::Measured);
    let rows = view::endpoints(&report.result, &total);
    let mut title = format!("Endpoints: {}", report.result.requests().count());
    if !report.runs.is_empty() {
        title.push_str(", of the last run");
    }
    let mut within = Section::default();
    let header = [&["name"], &view::NUMBERS[..]].concat();
    within.table(&header, &[], rows.into_iter(), "endpoint");
    section.fold(&title, within);
    section
}

fn quick_look(report: &Report) -> Section {
    let mut section = Section::default();
    let result = &report.result;
    if let Some(spread) = view::spread(result) {
        section.line(&format!("\n### Response times: {}\n", escape(&spread)));
        let (names, values): (Vec<String>, Vec<String>) =
            view::percentiles(result).into_iter().unzip();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        section.table(&names, &[], std::iter::once(values), "row");
        section.line("");
        let rows = view::histogram(result).into_iter().map(|row| {
            vec![
                row.range,
                format_count(row.count),
                format_percent(row.share),
            ]
        });
        section.table(&["range", "requests", "share"], &[], rows, "row");
    }
    section.line("\n### Status codes\n");
    let rows = view::statuses(result).into_iter().map(Vec::from);
    section.table(&["status", "requests", "share"], &[], rows, "status");
    section.line("\n### Connections\n");
    section.line(&escape(&view::connections(result)));
    section
}

fn flows(report: &Report) -> Section {
    let mut section = Section::default();
    let rows = view::flows(&report.result);
    if rows.is_empty() {
        return section;
    }
    let title = format!("Flows: {}", rows.len());
    let mut within = Section::default();
    let header = [&["name"], &view::FLOW_NUMBERS[..]].concat();
    within.table(&header, &[], rows.into_iter(), "flow");
    section.fold(&title, within);
    section
}

/// What the scenario measured itself.
fn measures(report: &Report) -> Section {
    let mut section = Section::default();
    let rows = view::measures(&report.result);
    if rows.is_empty() {
        return section;
    }
    let title = format!("Measures: {}", rows.len());
    let mut within = Section::default();
    let header = [&["name"], &view::MEASURE_NUMBERS[..]].concat();
    within.table(&header, &[], rows.into_iter(), "measure");
    section.fold(&title, within);
    section
}

/// What the numbers say about the service.
fn findings(report: &Report) -> Section {
    let mut section = Section::default();
    let found = view::findings(report);
    if found.is_empty() {
        return section;
    }
    section.line("\n**Findings**\n");
    let lines = found
        .iter()
        .map(|one| format!("- {}: {}", one.severity.name(), escape(&one.text)));
    section.lines(lines, "finding");
    section
}

/// What the service said of itself.
fn observed(report: &Report) -> Section {
    let mut section = Section::default();
    let rows = view::observed(&report.result);
    let unobserved = view::unobserved(&report.result);
    if rows.is_empty() && unobserved.is_empty() {
        return section;
    }
    let title = format!("Observed: {}", rows.len());
    let mut within = Section::default();
    if !rows.is_empty() {
        let header = [&["name"], &view::OBSERVED_NUMBERS[..]].concat();
        within.table(&header, &[], rows.into_iter(), "row");
        within.line("");
    }
    let sentences = unobserved.iter().map(|text| format!("- {}", escape(text)));
    within.lines(sentences, "sentence");
    section.fold(&title, within);
    section
}

/// What the run did at each level of its load.
fn levels(report: &Report) -> Section {
    let mut section = Section::default();
    let Some(found) = report.result.load_levels() else {
        return section;
    };
    let (rows, left_out) = view::levels(&report.result, &found);
    let title = format!("Levels: {}", rows.len());
    let mut within = Section::default();
    let header = [&["name", "load"], &view::LEVEL_NUMBERS[..]].concat();
    within.table(&header, &[], rows.into_iter(), "level");
    if let Some(sentence) = left_out {
        within.line(&format!("\n{}", escape(&sentence)));
    }
    section.fold(&title, within);
    section
}

fn errors(report: &Report) -> Section {
    let mut section = Section::default();
    let (rows, rest) = view::error_table(&report.result);
    if rows.is_empty() {
        return section;
    }
    let kinds = rows.len() as u64;
    let title = match &rest {
        Some(_) => format!("Errors: the {kinds} most frequent"),
        None => format!("Errors: {}", format_counted(kinds, "kind")),
    };
    let counts: Vec<(u64, u64)> = rows.iter().map(|(counts, _, _)| *counts).collect();
    let rows = view::counts(&counts).into_iter().zip(rows);
    let rows = rows.map(|(count, (_, [what, endpoint], example))| {
        vec![what, endpoint, count, example.unwrap_or_default()]
    });
    let header = ["error type", "endpoint", "requests", "example"];
    let mut within = Section::default();
    within.table(&header, &[1, 3], rows, "kind");
    for sentence in rest.into_iter().chain(view::samples_note(report)) {
        within.line(&format!("\n{}", escape(&sentence)));
    }
    section.fold(&title, within);
    section
}

/// The traces of some requests, as links where the scenario says to which pages.
fn traces(report: &Report) -> Section {
    let mut section = Section::default();
    let Some(info) = &report.result.run.trace else {
        return section;
    };
    let (rows, rest) = view::traces(&report.result, false);
    if rows.is_empty() {
        return section;
    }
    let title = format!("Traces: {}", rows.len());
    let mut within = Section::default();
    within.line("| | endpoint | response time | at | trace |");
    within.line("| :-- | :-- | --: | --: | :-- |");
    let lines = rows.into_iter().map(|row| {
        let cells = row.cells.map(|cell| escape_within(CELL, &cell)).join(" | ");
        let trace = match row.link {
            Some(link) => format!("[{}]({link})", row.id),
            None => row.id,
        };
        format!("| {cells} | {trace} |")
    });
    within.lines(lines, "trace");
    if let Some(note) = view::traces_note(info, rest) {
        within.line(&format!("\n{}", escape(&note)));
    }
    section.fold(&title, within);
    section
}

/// What changed since the baseline, and folded, what did not. Where nothing did, a sentence.
fn changes(report: &Report) -> Section {
    let mut section = Section::default();
    let Some(comparison) = &report.comparison else {
        return section;
    };
    let rows = view::rows(report, comparison);
    let header = view::change_headers(comparison);
    let left = [1, header.len() - 1];
    let is_changed = |row: &&&Row| match row.decision {
        Decision::Regressed | Decision::Improved => true,
        Decision::Inconclusive => row.required,
        Decision::Unchanged => false,
    };
    let sentence = escape(&view::comparison_sentence(report));
    let mut changed = rows.iter().filter(is_changed).peekable();
    if changed.peek().is_some() {
        section.line(&format!("\n### Baseline: {sentence}\n"));
        let cells = changed.map(|row| view::change_cells(row, comparison));
        section.table(&header, &left, cells, "change");
    } else {
        section.line(&format!("\nBaseline: {sentence}"));
    }
    let mut within = Section::default();
    let mut rest = rows.iter().filter(|row| !is_changed(row)).peekable();
    if rest.peek().is_some() {
        let cells = rest.map(|row| view::change_cells(row, comparison));
        within.table(&header, &left, cells, "metric");
    }
    for remark in view::comparison_remarks(report) {
        within.line(&format!("\n{}", escape(&remark)));
    }
    section.fold("Metrics without a change", within);
    section
}

fn notes(report: &Report) -> Section {
    let mut section = Section::default();
    let weaknesses = report.comparison.iter().flat_map(|c| &c.warnings);
    let notes = weaknesses.cloned().chain(view::notes(report));
    let mut within = Section::default();
    within.lines(notes.map(|note| format!("- {}", escape(&note))), "note");
    section.fold("Notes", within);
    section
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
    fn a_comment_is_never_too_long() {
        let long = "<|".repeat(50_000);
        for names in [
            (0..1_000).map(|i| format!("GET /resource/{i}")).collect(),
            (0..8).map(|i| format!("{long}{i}")).collect::<Vec<_>>(),
        ] {
            let mut report = fixture::large(&names);
            report.result.run.scenario = long.clone();
            let text = markdown(&report);
            assert!(text.chars().count() < 65_536, "{}", text.chars().count());
            assert!(text.starts_with("<!-- perfctl-report -->\n## FAIL"));
            assert_eq!(
                text.matches("<details>").count(),
                text.matches("</details>").count()
            );
            assert!(text.contains(" more SLOs; `perfctl report` shows them") || names.len() < 10);
        }
    }

    #[test]
    fn a_comparison_without_a_change_is_one_sentence() {
        let result = fixture::passing().result;
        let runs = std::slice::from_ref(&result);
        let baseline = crate::comparison::Baseline::of(runs.to_vec());
        let gate = crate::comparison::Threshold::default();
        let comparison = crate::comparison::compare(&baseline, runs, &gate).unwrap();
        let text = markdown(&fixture::report(result, Some(comparison)));
        let open = regex::Regex::new("(?s)<details>.*?</details>").unwrap();
        let open = open.replace_all(&text, "");
        assert!(
            open.contains("\nBaseline: 1 run against 1 run: 14 unchanged"),
            "{open}"
        );
        assert!(
            !open.contains("###") && open.lines().filter(|line| !line.is_empty()).count() <= 8,
            "{open}"
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
