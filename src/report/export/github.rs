//! The report as workflow commands of GitHub Actions, which become annotations of the job.

use std::io::{self, Write};

use super::{slo_sentence, slos, verdict};
use crate::comparison::Decision;
use crate::grading::{Severity, Verdict};
use crate::report::contents::{Report, Reporter};
use crate::report::text::{harmless, shorten};
use crate::report::view;

/// GitHub shows this many annotations of a kind for a step.
const MOST_OF_A_KIND: usize = 10;
/// The longest title; columns.
const TITLE_COLUMNS: usize = 100;
/// The longest line of a message; columns.
const LINE_COLUMNS: usize = 500;

/// Writes annotations: the verdict, SLOs that are missed, and regressions.
pub(crate) struct GithubReporter;

/// The kinds of annotations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Notice];

    /// The name of the workflow command.
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

struct Annotation {
    level: Level,
    title: String,
    lines: Vec<String>,
}

impl Reporter for GithubReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let all = annotations(report);
        for level in Level::ALL {
            let of_level: Vec<_> = all.iter().filter(|one| one.level == level).collect();
            let room = match of_level.len() > MOST_OF_A_KIND {
                true => MOST_OF_A_KIND - 1,
                false => MOST_OF_A_KIND,
            };
            for one in of_level.iter().take(room) {
                writeln!(out, "{}", command(level, &one.title, &one.lines))?;
            }
            if let Some(more @ 1..) = of_level.len().checked_sub(room) {
                let text = format!("and {more} more; the report of perfctl lists all of them");
                writeln!(out, "{}", command(level, "perfctl", &[text]))?;
            }
        }
        Ok(())
    }
}

fn annotations(report: &Report) -> Vec<Annotation> {
    let (verdict, lines) = verdict(report);
    let level = match verdict {
        None | Some(Verdict::Pass) => Level::Notice,
        Some(Verdict::Fail) => Level::Error,
        Some(Verdict::Inconclusive | Verdict::Invalid) => Level::Warning,
    };
    let title = match verdict {
        Some(verdict) => format!("perfctl: {}", verdict.name()),
        None => "perfctl".to_owned(),
    };
    let mut all = vec![Annotation {
        level,
        title,
        lines,
    }];
    for criterion in slos(report).filter(|criterion| !criterion.met) {
        let is_critical = criterion.severity == Severity::Critical && criterion.fails();
        all.push(Annotation {
            level: match is_critical {
                true => Level::Error,
                false => Level::Warning,
            },
            title: format!("SLO missed: {}", view::criterion_name(criterion)),
            lines: vec![slo_sentence(criterion)],
        });
    }
    let comparison = report.comparison.iter();
    let rows = comparison.flat_map(|comparison| &comparison.rows);
    for row in rows.filter(|row| row.decision == Decision::Regressed) {
        all.push(Annotation {
            level: Level::Error,
            title: format!("regression: {}, {}", row.place(), row.metric),
            lines: vec![row.sentence()],
        });
    }
    all
}

/// A workflow command that nothing in its texts can end, and that begins no other.
fn command(level: Level, title: &str, lines: &[String]) -> String {
    let escaped = |text: &str| text.replace('%', "%25");
    let title = escaped(&shorten(&harmless(title), TITLE_COLUMNS));
    let title = title.replace(':', "%3A").replace(',', "%2C");
    let lines = lines.iter();
    let lines: Vec<String> = lines
        .map(|line| escaped(&shorten(&harmless(line), LINE_COLUMNS)))
        .collect();
    format!("::{} title={title}::{}", level.name(), lines.join("%0A"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Metric, SloScope};
    use crate::report::fixture;
    use snapbox::{assert_data_eq, file};

    fn annotations(report: &Report) -> String {
        let mut out = Vec::new();
        GithubReporter.report(report, 80, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_failing_run_a_regression_and_a_quick_look() {
        let reports = [
            fixture::failing(),
            fixture::regressed(),
            fixture::passing(),
            fixture::invalid(),
            fixture::quick_look(),
        ];
        let text: Vec<String> = reports.iter().map(annotations).collect();
        assert_data_eq!(text.join("\n"), file!["../golden/annotations.txt"].raw());
    }

    #[test]
    fn github_gets_no_more_annotations_of_a_kind_than_it_shows() {
        let mut report = fixture::failing();
        let missed = report.grading.slos().find(|slo| !slo.met).unwrap().clone();
        for number in 0..30 {
            let mut slo = missed.clone();
            slo.metric = Metric::MaxResponseTime;
            slo.scope = SloScope::Endpoint(format!("endpoint {number}"));
            slo.severity = Severity::Critical;
            report.grading.criteria.push(slo);
        }
        let text = annotations(&report);
        let errors: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("::error"))
            .collect();
        assert_eq!(errors.len(), 10, "{text}");
        let verdict = ["FAIL", "30", "more"];
        assert!(
            errors[0].contains(verdict[0]),
            "the verdict is first: {text}"
        );
        assert!(errors[9].contains(verdict[2]), "{text}");
    }
}
