//! The report as a page: one file, offline, whose charts need no script.
//!
//! Here: the page and its charts. Not here: the numbers and the sentences (`view`).

mod chart;
mod findings;
mod history;
mod limits;
mod looks;
mod page;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use self::history::HistoryPage;
use self::limits::Limits;
use self::looks::{STYLE, STYLE_FILE, Style};
use self::page::Page;
use super::contents::{Report, Reporter};
use super::text::markup;
use crate::error::Error;
use crate::history::History;
use crate::metrics::write_file;

/// The template of the page. Its name makes minijinja escape what it shows.
const TEMPLATE: (&str, &str) = ("page.html", include_str!("html/page.html"));
/// The template of a history.
const HISTORY: (&str, &str) = ("history.html", include_str!("html/history.html"));
/// What the heads of both have in common.
const HEAD: (&str, &str) = ("head.html", include_str!("html/head.html"));
/// The size of a page, above which less of the details is shown.
const MAX_BYTES: usize = 500_000;

/// Writes the report as a page.
pub(super) struct HtmlReporter;

impl Reporter for HtmlReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        write_page(report, Style::Inside, out)
    }
}

/// The files of a report as a page in this folder.
pub fn page_paths(folder: &Path) -> [PathBuf; 2] {
    ["index.html", STYLE_FILE].map(|name| folder.join(name))
}

/// Writes the report as a page with its style in a file beside it, for servers that forbid styles in pages.
///
/// # Errors
/// If a file cannot be written.
pub fn write_page_folder(report: &Report, folder: &Path) -> Result<(), Error> {
    let [page, style] = page_paths(folder);
    write_file(&style, |out| out.write_all(STYLE.as_bytes()))?;
    write_file(&page, |out| write_page(report, Style::Beside, out))
}

/// A sentence as markup: what stands between backticks is code.
fn sentence(text: &str) -> String {
    let mut html = String::new();
    let mut parts = text.split('`').peekable();
    let mut is_code = false;
    while let Some(part) = parts.next() {
        // A backtick that nothing ends is one.
        if is_code && parts.peek().is_none() {
            html.push('`');
            is_code = false;
        }
        let part = markup(part);
        match is_code {
            true => html.extend(["<code>", &part, "</code>"]),
            false => html += &part,
        }
        is_code = !is_code;
    }
    html
}

fn write_page(report: &Report, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let pages = Limits::ALL.map(|limits| move || Page::of(report, style, limits));
    write_first_small(TEMPLATE, pages, out)
}

/// Writes a history as a page.
pub(super) fn write_history(history: &History, out: &mut dyn Write) -> io::Result<()> {
    write_first_small(HISTORY, [|| HistoryPage::of(history)], out)
}

/// Writes the first of these pages that is small enough, or the last one.
fn write_first_small<T: Serialize>(
    (name, template): (&str, &str),
    pages: impl IntoIterator<Item = impl FnOnce() -> T>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut environment = Environment::new();
    environment.add_filter("sentence", |text: &str| {
        Value::from_safe_string(sentence(text))
    });
    let page = environment.add_template(HEAD.0, HEAD.1).and_then(|()| {
        environment.add_template(name, template)?;
        let template = environment.get_template(name)?;
        let mut written = String::new();
        for page in pages {
            written = template.render(Serde(page()))?;
            if written.len() <= MAX_BYTES {
                break;
            }
        }
        Ok(written)
    });
    page.map_err(io::Error::other)
        .and_then(|page| out.write_all(page.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Example, Outcome, Tick, fixture as metrics};
    use crate::plan::{Metric, Stage};
    use crate::report::fixture;
    use crate::units::format_counted;

    fn page(report: &Report) -> String {
        let mut out = Vec::new();
        HtmlReporter.report(report, 80, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn findings_that_only_repeat_an_slo_are_not_on_the_page() {
        let mut result = metrics::run(&[("a", &[(Outcome::Ok, 400_000, 100)])]);
        result.run.slos = vec![
            metrics::slo("mean", Metric::MeanResponseTime, 300_000.0),
            metrics::slo("throughput_rps", Metric::Throughput, 1_000.0),
        ];
        let page = page(&fixture::report(result, None));
        assert!(page.contains("<code>high_latency</code>"));
        assert!(page.contains("mean: 400 ms (threshold 300 ms)"), "{page}");
        assert!(!page.contains("low_throughput"));
    }

    #[test]
    fn every_kind_of_run_has_a_page_in_which_nothing_is_left_open() {
        let reports = [
            fixture::passing(),
            fixture::failing(),
            fixture::regressed(),
            fixture::invalid(),
            fixture::empty(),
            fixture::spike(),
            fixture::observed(),
            fixture::hostile(),
            fixture::many_errors(),
            fixture::with_samples(fixture::many_errors()),
        ];
        for report in reports {
            let page = page(&report);
            assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
            assert!(page.ends_with("</html>"), "{page}");
            for tag in [
                "svg", "table", "details", "figure", "section", "text", "td", "pre",
            ] {
                let opened = page.matches(&format!("<{tag}")).count();
                let ends = page.matches(&format!("</{tag}>")).count();
                assert_eq!(opened, ends, "{tag}");
            }
            assert!(
                !page.contains("NaN") && !page.contains("undefined"),
                "{page}"
            );
        }
    }

    /// A run of this length: each endpoint gets a request from time to time, of which one in seven fails, with a
    /// text of its own.
    fn long(endpoints: usize, seconds: u64, every_s: u64) -> Report {
        let names: Vec<String> = (0..endpoints)
            .map(|i| format!("GET /api/v2/tenants/orders/{i:04}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut tick = Tick::default();
        for second in 0..seconds {
            let in_turn = (0..endpoints as u64).filter(|i| (second + i).is_multiple_of(every_s));
            for endpoint in in_turn {
                let outcome = match (second + endpoint) % 7 {
                    0 => Outcome::Http5xx,
                    _ => Outcome::Ok,
                };
                let response_us = 2_000 + (second * 7919 + endpoint * 104_729) % 90_000;
                let mut sample =
                    metrics::sample(endpoint as u16, outcome, second * 1_000_000, response_us);
                if outcome != Outcome::Ok {
                    sample.status = NonZeroU16::new(500 + (second % 90) as u16);
                    tick.examples.push(Example {
                        endpoint: sample.endpoint,
                        cause: sample.cause(),
                        texts: format!("no stock of {second} in {endpoint}: {}", "x".repeat(1_000))
                            .into(),
                    });
                }
                tick.samples.push(sample);
            }
        }
        let stage = Stage {
            ramp: Duration::ZERO,
            duration: Duration::from_secs(seconds),
            ..metrics::stage()
        };
        fixture::report(metrics::of_stages(&names, vec![stage], tick), None)
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_else_is_markup() {
        for (text, expected) in [
            (
                "use `--rate`, or `a<b`",
                "use <code>--rate</code>, or <code>a&lt;b</code>",
            ),
            ("a ` b", "a ` b"),
            ("``", "<code></code>"),
            ("<b>`<i>", "&lt;b&gt;`&lt;i&gt;"),
            ("", ""),
        ] {
            assert_eq!(sentence(text), expected);
        }
    }

    #[test]
    fn a_page_stays_small_however_much_there_is_to_show() {
        // The last one has more than 10,000 texts of errors.
        for (endpoints, seconds, every_s) in [(20, 4 * 3_600, 10), (1_000, 20, 1), (110, 700, 1)] {
            let page = page(&long(endpoints, seconds, every_s));
            let size = page.len();
            assert!(
                size < 500_000,
                "{endpoints} endpoints, {seconds} s: {size} bytes"
            );
        }
    }

    #[test]
    fn traces_that_are_left_out_are_counted() {
        let mut report = fixture::traced();
        let failed = report.result.traces.failed[0];
        report.result.traces.failed = vec![failed; 5_000];
        let all = 5_000 + report.result.traces.slowest.len();
        let page = page(&report);
        let shown = page.matches("data-title=\"trace\"").count();
        assert!((1..all).contains(&shown), "{shown}");
        let left_out = format_counted((all - shown) as u64, "more trace");
        assert!(page.contains(&left_out), "{left_out}");
    }

    #[test]
    fn failed_requests_are_folded_escaped_and_bounded() {
        let mut report = fixture::with_samples(fixture::many_errors());
        let without = page(&fixture::many_errors()).len();
        let with = page(&report);
        assert!(with.contains("&lt;script&gt;alert"), "{with}");
        assert!(!with.contains("<script>alert"), "{with}");
        assert!(!with.contains(['\u{202e}', '\u{1b}']), "{with}");
        assert!(with.contains("http_4xx 422: GET create order"), "{with}");
        let sample = report.result.failure_samples.kept[0].clone();
        let samples = (0..3_000).map(|number| {
            let mut sample = sample.clone();
            sample.endpoint = number % 3;
            let response = sample.exchange.response.as_mut().unwrap();
            response.headers = vec!["<".repeat(1_000); 4];
            sample
        });
        report.result.failure_samples.kept = samples.collect();
        let size = page(&report).len();
        assert!(size < without + 70_000, "{size} without {without}");
    }
}
