//! The report as JUnit XML: a test case for the verdict, for each SLO, and for each metric that is compared
//! with the baseline.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use super::{slo_sentence, slos, verdict};
use crate::comparison::{Decision, Row};
use crate::grading::{Criterion, Verdict};
use crate::metrics::Window;
use crate::report::contents::{Report, Reporter};
use crate::report::text::harmless;
use CaseOutcome::{Failed, Passed, Skipped};

/// Writes the report as JUnit XML.
pub(crate) struct JunitReporter;

impl Reporter for JunitReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let run = &report.result.run;
        let name = format!("{}, {}", run.scenario, run.profile);
        let mut suite = TestSuite::new(harmless(&name));
        let length_s = report.result.window_s(Window::Measured);
        suite.set_time(Duration::try_from_secs_f64(length_s).unwrap_or_default());
        suite.add_test_case(verdict_case(report));
        suite.add_test_cases(slos(report).map(slo_case));
        let comparison = report.comparison.iter();
        let rows = comparison.flat_map(|comparison| &comparison.rows);
        suite.add_test_cases(rows.map(baseline_case));
        let mut junit = Junit::new("perfctl");
        junit.add_test_suite(suite);
        let text = junit.to_string().map_err(io::Error::other)?;
        let text = without_skipped(&text);
        out.write_all(text.as_bytes())
    }
}

/// The text without an attribute of its root that the schema of Jenkins does not allow: its xUnit plugin refuses the
/// whole file for that.
fn without_skipped(text: &str) -> String {
    let root = text.find("<testsuites").unwrap_or(0);
    let end = text[root..].find('>').map_or(root, |end| root + end);
    let tag = &text[root..end];
    let attribute = tag
        .split_inclusive(' ')
        .find(|one| one.starts_with("skipped=\""));
    let tag = attribute.map_or_else(|| tag.to_owned(), |one| tag.replace(one, ""));
    format!("{}{tag}{}", &text[..root], &text[end..])
}

fn verdict_case(report: &Report) -> TestCase {
    let (verdict, mut lines) = verdict(report);
    if let (Some(verdict), Some(first)) = (verdict, lines.first_mut()) {
        *first = format!("{}: {first}", verdict.name());
    }
    let outcome = match verdict {
        None | Some(Verdict::Pass) => Passed,
        Some(Verdict::Fail) => Failed(NonSuccessKind::Failure),
        Some(Verdict::Inconclusive | Verdict::Invalid) => Failed(NonSuccessKind::Error),
    };
    case("perfctl", "verdict", outcome, &lines)
}

/// An advisory SLO never fails, and neither does a warning.
fn slo_case(criterion: &Criterion) -> TestCase {
    let outcome = match (criterion.met, criterion.fails()) {
        (true, _) => Passed,
        (false, false) => Skipped,
        (false, true) => Failed(NonSuccessKind::Failure),
    };
    let name = criterion.full_name();
    case("perfctl.slo", &name, outcome, &[slo_sentence(criterion)])
}

/// A metric about which nothing can be said is skipped: the verdict fails if that matters.
fn baseline_case(row: &Row) -> TestCase {
    let outcome = match row.decision {
        Decision::Regressed => Failed(NonSuccessKind::Failure),
        Decision::Inconclusive => Skipped,
        Decision::Improved | Decision::Unchanged => Passed,
    };
    let name = format!("{}: {}", row.place(), row.metric);
    case("perfctl.baseline", &name, outcome, &[row.sentence()])
}

/// How a test case ended.
enum CaseOutcome {
    Passed,
    Skipped,
    Failed(NonSuccessKind),
}

/// A test case with what it says: the first line is the message, all of them are the details.
fn case(class: &str, name: &str, outcome: CaseOutcome, lines: &[String]) -> TestCase {
    let lines: Vec<String> = lines.iter().map(|line| harmless(line)).collect();
    let (message, details) = (lines.first().cloned().unwrap_or_default(), lines.join("\n"));
    let (status, output) = match outcome {
        Passed => (TestCaseStatus::success(), Some(details)),
        Skipped => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(message);
            (status, None)
        }
        Failed(kind) => {
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(message).set_description(details);
            (status, None)
        }
    };
    let mut case = TestCase::new(harmless(name), status);
    case.set_classname(class).set_time(Duration::ZERO);
    if let Some(output) = output {
        case.set_system_out(output);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    fn junit(report: &Report) -> String {
        let mut out = Vec::new();
        JunitReporter.report(report, 80, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_failing_run() {
        let text = junit(&fixture::failing());
        assert_data_eq!(text, file!["../golden/failing.junit.xml"].raw());
    }

    #[test]
    fn a_run_that_is_slower_than_its_baseline() {
        let text = junit(&fixture::regressed());
        assert_data_eq!(text, file!["../golden/regressed.junit.xml"].raw());
    }

    #[test]
    fn an_invalid_run_is_an_error_and_judges_nothing() {
        let text = junit(&fixture::invalid());
        assert!(
            text.contains("tests=\"1\" skipped=\"0\" errors=\"1\""),
            "{text}"
        );
        assert!(!text.contains("perfctl.slo"), "{text}");
    }

    #[test]
    fn a_quick_look_has_no_verdict_to_fail() {
        let text = junit(&fixture::quick_look());
        assert!(
            text.contains("tests=\"1\" skipped=\"0\" errors=\"0\" failures=\"0\""),
            "{text}"
        );
        assert!(text.contains("successes/s"), "{text}");
    }
}
