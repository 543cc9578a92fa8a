//! Reports: a run, its grade and its comparison, for people and for programs.
//!
//! Here: the table of formats, one file per format, and the live display. Formats that CI systems and
//! other tools read are in `export`. Not here: any judgment
//! (`grading`, `comparison`), or where the output goes (`cli`).

mod capacity;
mod console;
mod contents;
mod export;
#[cfg(test)]
mod fixture;
mod html;
mod json;
pub mod live;
mod markdown;
#[cfg(test)]
mod sense;
mod text;
mod view;

use std::fmt;
use std::io::{self, Write};

use crate::history::History;

pub use capacity::{CAPACITY_FORMATS, capacity_line, write_capacity};
pub use console::{write_explanation, write_failures};
pub use contents::{DerivedFigures, Focus, LEAST_COLUMNS, Report, ReportedRun, Reporter};
pub use export::{
    LocustCsv, LocustState, RunSamples, SampleLog, locust_csv_paths, locust_requests,
    write_locust_csv,
};
pub use html::{page_paths, write_page_folder};
pub(crate) use text::JsonWriter;
pub use text::{DEFAULT_COLUMNS, is_ascii_wanted, on_screen, terminal_columns, wrap};
pub use view::{BodyLimits, ExchangeLine, exchange_lines};

/// A format that `--format` and `--write` accept.
pub struct ReportFormat {
    /// The name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Its type over HTTP.
    pub media_type: &'static str,
    /// How the names of its files end, without the point.
    pub extension: &'static str,
    /// What writes it.
    pub reporter: &'static dyn Reporter,
}

impl fmt::Debug for ReportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All formats; the first one is the default.
pub const FORMATS: &[ReportFormat] = &[
    ReportFormat {
        name: "console",
        purpose: "for people, as wide as the terminal, or 80 columns",
        media_type: "text/plain; charset=utf-8",
        extension: "txt",
        reporter: &console::ConsoleReporter,
    },
    ReportFormat {
        name: "json",
        purpose: "for programs: the summary in at most 2 MB; every second with `--full`",
        media_type: "application/json",
        extension: "json",
        reporter: &json::JsonReporter,
    },
    ReportFormat {
        name: "markdown",
        purpose: "for the summary of a CI job, or a comment",
        media_type: "text/markdown; charset=utf-8",
        extension: "md",
        reporter: &markdown::MarkdownReporter,
    },
    ReportFormat {
        name: "html",
        purpose: "a page with charts, in one file",
        media_type: "text/html; charset=utf-8",
        extension: "html",
        reporter: &html::HtmlReporter,
    },
    ReportFormat {
        name: "junit",
        purpose: "JUnit XML: a test case for the verdict, each SLO and each compared metric",
        media_type: "application/xml",
        extension: "xml",
        reporter: &export::JunitReporter,
    },
    ReportFormat {
        name: "github",
        purpose: "annotations of a GitHub Actions job",
        media_type: "text/plain; charset=utf-8",
        extension: "txt",
        reporter: &export::GithubReporter,
    },
    ReportFormat {
        name: "gitlab",
        purpose: "OpenMetrics text for GitLab's metrics reports",
        media_type: "text/plain; charset=utf-8",
        extension: "txt",
        reporter: &export::GitlabReporter,
    },
    ReportFormat {
        name: "taurus",
        purpose: "Taurus XML for the Performance plugin of Jenkins",
        media_type: "application/xml",
        extension: "xml",
        reporter: &export::TaurusReporter,
    },
    ReportFormat {
        name: "k6",
        purpose: "the summary of k6, which GitLab's load performance reports read",
        media_type: "application/json",
        extension: "json",
        reporter: &export::K6Reporter,
    },
    ReportFormat {
        name: "locust",
        purpose: "the statistics of Locust as JSON, which it prints with `--json`",
        media_type: "application/json",
        extension: "json",
        reporter: &export::LocustReporter,
    },
    ReportFormat {
        name: "series-csv",
        purpose: "a row for each second and endpoint, for spreadsheets, pandas and gnuplot",
        media_type: "text/csv; charset=utf-8",
        extension: "csv",
        reporter: &export::SeriesCsvReporter,
    },
    ReportFormat {
        name: "series-json",
        purpose: "the same as lines of JSON, for jq",
        media_type: "application/x-ndjson",
        extension: "jsonl",
        reporter: &export::SeriesJsonReporter,
    },
    ReportFormat {
        name: "hlog",
        purpose: "a histogram for each second and endpoint, for the tools of HdrHistogram",
        media_type: "text/plain; charset=utf-8",
        extension: "txt",
        reporter: &export::HlogReporter,
    },
    ReportFormat {
        name: "hgrm",
        purpose: "the distribution of response times, for the plotters of HdrHistogram",
        media_type: "text/plain; charset=utf-8",
        extension: "txt",
        reporter: &export::HgrmReporter,
    },
];

/// The formats of a history; the first one is the default.
pub const HISTORY_FORMATS: [&str; 3] = ["console", "json", "html"];

/// Writes a history in one of [`HISTORY_FORMATS`], for people in at most `columns`.
///
/// # Errors
/// When `out` fails, or there is no such format.
pub fn write_history(
    history: &History,
    format: &str,
    columns: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        "console" => console::write_history(history, columns, out),
        "json" => json::write_history(history, out),
        "html" => html::write_history(history, out),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// `text` as reports show it: on one line, and without anything that could control a terminal or a
/// CI system.
pub fn plain(text: &str) -> String {
    text::harmless(text)
}

/// The format with this name.
///
/// # Errors
/// A phrase that lists the formats, if there is none with this name.
pub fn by_name(name: &str) -> Result<&'static ReportFormat, String> {
    let found = FORMATS.iter().find(|format| format.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        format!("unknown format `{name}`; known: {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::comparison::{Baseline, Statistical, Threshold, compare};
    use crate::history::{HistoryRun, series_of};
    use crate::metrics::RunResult;

    #[test]
    fn formats_are_found_by_name() {
        for format in FORMATS {
            assert!(by_name(format.name).is_ok());
        }
        let error = by_name("html5").err().unwrap();
        assert!(error.contains("console, json, markdown, html"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_damaged_result_that_passes_the_checks_can_be_reported(
            (path, with) in crate::metrics::fixture::damage(),
            spike in any::<bool>(),
            other in 0..FORMATS.len(),
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
                let report = fixture::report(result, comparison);
                let runs = baseline.runs.iter().chain([&report.result]);
                let runs = runs.map(|run| HistoryRun::of("x".into(), run.clone()));
                let history = History {
                    series: series_of(runs.collect(), None, 9),
                    unreadable: Vec::new(),
                };
                for format in HISTORY_FORMATS {
                    write_history(&history, format, DEFAULT_COLUMNS, &mut Vec::new()).unwrap();
                }
                let directory = tempfile::tempdir().unwrap();
                write_locust_csv(&report.result, &directory.path().join("x"), true).unwrap();
                // One besides those that are read most: all of them would take a minute.
                for format in FORMATS[..2].iter().chain([&FORMATS[other]]) {
                    let mut out = Vec::new();
                    format.reporter.report(&report, DEFAULT_COLUMNS, &mut out).unwrap();
                    let text = String::from_utf8(out).unwrap();
                    let plain = anstream::adapter::strip_str(&text).to_string();
                    let wide = plain.lines().any(|line| text::width(line) > DEFAULT_COLUMNS);
                    prop_assert!(format.name != "console" || !wide, "{plain}");
                }
            }
        }
    }
}
