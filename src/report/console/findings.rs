//! The section of findings, and the explanation of each.

use std::io;

use anstyle::{AnsiColor, Style};

use super::page::{BOLD, Page, color, paragraph, section};
use crate::findings::{Finding, Rule, recommendations};
use crate::plan::FindingSeverity;
use crate::report::contents::Report;
use crate::report::text::{harmless, wrap};
use crate::report::view;

/// The findings, a line each; nothing if there are none.
pub(super) fn findings(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let found = view::findings(report);
    if found.is_empty() {
        return Ok(());
    }
    section("Findings", view::FINDINGS_ASIDE, page)?;
    for finding in &found {
        let word = finding.severity.name();
        beside(word, severity_style(finding.severity), &finding.text, page)?;
    }
    Ok(())
}

/// A word in its color in a column of its own, and a text beside it.
fn beside(word: &str, style: Style, text: &str, page: &mut Page<'_>) -> io::Result<()> {
    let first = format!("  {word:<8}  ");
    let lines = wrap(&first, &harmless(text), page.text_columns());
    for (number, line) in lines.iter().enumerate() {
        match line.strip_prefix(first.trim_end()).filter(|_| number == 0) {
            Some(rest) => page.line(&format!("  {style}{word}{style:#}{rest}"))?,
            None => page.line(line)?,
        }
    }
    Ok(())
}

fn severity_style(severity: FindingSeverity) -> Style {
    match severity {
        FindingSeverity::Critical => color(AnsiColor::Red).bold(),
        FindingSeverity::High => color(AnsiColor::Red),
        FindingSeverity::Medium => color(AnsiColor::Yellow),
        FindingSeverity::Low => Style::new(),
    }
}

/// Each rule that found something, with its findings and their numbers; then what to do, the most urgent first.
pub(super) fn explanation(report: &Report, page: &mut Page<'_>) -> io::Result<()> {
    let found = report.findings();
    let run = &report.result.run;
    page.dimmed(&harmless(&run.id))?;
    if found.is_empty() {
        let text = match report.result.invalid_because().is_empty() {
            true => "No findings: none of the rules applies to this run.",
            false => {
                "No findings: the run is INVALID, and its numbers say nothing about the service."
            }
        };
        return paragraph("", text, page);
    }
    let mut rules: Vec<Rule> = Vec::new();
    for finding in &found {
        if !rules.contains(&finding.rule) {
            rules.push(finding.rule);
        }
    }
    for rule in rules {
        page.line("")?;
        page.line(&format!("{BOLD}{}{BOLD:#}", rule.name()))?;
        paragraph("  rule   ", rule.condition(), page)?;
        paragraph("  means  ", rule.meaning(), page)?;
        for finding in found.iter().filter(|finding| finding.rule == rule) {
            explain(finding, page)?;
        }
    }
    section("Recommendations", "the most urgent first", page)?;
    for (number, one) in recommendations(&found).iter().enumerate() {
        let (priority, effort) = (one.priority.name(), one.effort.name());
        let first = format!("{:>3}. ", number + 1);
        paragraph(&first, &format!("{} ({})", one.text, one.rule.name()), page)?;
        page.dimmed(&format!("     priority {priority}, effort {effort}"))?;
        for improvement in &one.expected_improvements {
            paragraph("     ", improvement, page)?;
        }
    }
    Ok(())
}

/// A finding with its numbers.
fn explain(finding: &Finding, page: &mut Page<'_>) -> io::Result<()> {
    let severity = finding.severity;
    beside(
        severity.name(),
        severity_style(severity),
        &finding.text,
        page,
    )?;
    const INDENT: &str = "              ";
    for evidence in &finding.evidence {
        paragraph(INDENT, &evidence.to_string(), page)?;
    }
    if let Some(seconds) = finding.seconds_text() {
        paragraph(INDENT, &format!("seconds {seconds}"), page)?;
    }
    if let Some(improvement) = &finding.improvement {
        paragraph(INDENT, improvement, page)?;
    }
    Ok(())
}
