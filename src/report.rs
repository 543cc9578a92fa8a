//! Reports: a run, its grade and its comparison, as people and machines read them.
//!
//! Here: the [`Reporter`] trait, the table of formats, and one file per format; also the live
//! display. Not here: any judgement (`grading`, `comparison`) or where the output goes (`cli`).

mod console;
#[cfg(test)]
mod fixture;
mod grid;
mod json;
pub mod live;
mod markdown;
mod text;
mod view;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::comparison::Comparison;
use crate::grading::{Grading, Policy};
use crate::metrics::RunResult;

/// Everything a report is about.
#[derive(Debug, Clone)]
pub struct Report {
    /// The numbers.
    pub result: RunResult,
    /// What they are worth.
    pub grading: Grading,
    /// What changed against a baseline, if there was one.
    pub comparison: Option<Comparison>,
    /// Where the files of the run are, if they are known.
    pub directory: Option<PathBuf>,
    /// What stands in the foreground.
    pub focus: Focus,
}

/// What a report puts in the foreground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The run: grade, SLOs, endpoints.
    Run,
    /// The comparison: every row of it, and no grade.
    Comparison,
}

impl Report {
    /// Grades the run, with what the comparison found.
    pub fn new(result: RunResult, comparison: Option<Comparison>, policy: &Policy) -> Self {
        Self {
            grading: Grading::of(&result, comparison.as_ref(), policy),
            result,
            comparison,
            directory: None,
            focus: Focus::Run,
        }
    }
}

/// One format of report.
pub trait Reporter: Sync {
    /// Writes the report. `out` is expected to strip colours where they are not wanted, as
    /// anstream's writers do.
    ///
    /// # Errors
    /// When `out` fails.
    fn report(&self, report: &Report, out: &mut dyn Write) -> io::Result<()>;
}

/// A format, as `--format` names it.
pub struct Format {
    /// The name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// What writes it.
    pub reporter: &'static dyn Reporter,
}

/// All formats; the first one is the default.
pub const FORMATS: [Format; 3] = [
    Format {
        name: "console",
        purpose: "for people, 80 columns wide",
        reporter: &console::Console,
    },
    Format {
        name: "json",
        purpose: "for programs: every number, and the whole result",
        reporter: &json::Json,
    },
    Format {
        name: "markdown",
        purpose: "for the summary of a CI job, or a comment",
        reporter: &markdown::Markdown,
    },
];

/// `text` as reports show it: on one line, unable to steer a terminal or a CI system.
pub fn plain(text: &str) -> String {
    text::harmless(text)
}

/// The reporter of a format.
///
/// # Errors
/// A phrase that lists the formats, when there is none of this name.
pub fn by_name(name: &str) -> Result<&'static dyn Reporter, String> {
    let found = FORMATS.iter().find(|format| format.name == name);
    found.map(|format| format.reporter).ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        format!("`{name}` is no format; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::comparison::{Baseline, Statistical, Threshold, compare};

    #[test]
    fn formats_are_found_by_name() {
        for format in &FORMATS {
            assert!(by_name(format.name).is_ok());
        }
        let error = by_name("html5").err().unwrap();
        assert!(error.contains("console, json, markdown"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_damaged_result_that_passes_the_checks_can_be_reported(
            (path, with) in crate::metrics::fixture::damage(),
            spike in any::<bool>(),
        ) {
            let sound = if spike { fixture::spike() } else { fixture::failing() };
            let mut json = serde_json::to_value(&sound.result).unwrap();
            crate::metrics::fixture::mutate(&mut json, &path, &with);
            let read: Result<RunResult, _> = serde_json::from_value(json);
            if let Ok(result) = read && result.check().is_ok() {
                let baseline = Baseline::of(vec![sound.result]);
                let runs = std::slice::from_ref(&result);
                let statistical = Statistical::default();
                let _ = compare(&baseline, runs, &statistical);
                let comparison = compare(&baseline, runs, &Threshold::default()).ok();
                let report = Report::new(result, comparison, &Policy::default());
                for format in &FORMATS {
                    let mut out = Vec::new();
                    format.reporter.report(&report, &mut out).unwrap();
                    let text = String::from_utf8(out).unwrap();
                    let plain = anstream::adapter::strip_str(&text).to_string();
                    let wide = plain.lines().any(|line| text::width(line) > text::WIDTH);
                    prop_assert!(format.name != "console" || !wide, "{plain}");
                }
            }
        }
    }
}
