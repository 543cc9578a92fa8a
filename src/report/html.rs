//! The report as a page: one file, offline, whose charts need no script.
//!
//! Here: the page and its charts. Not here: the numbers and the sentences (`view`).

mod axis;
mod bins;
mod changes;
mod curve;
mod frame;
mod heatmap;
mod page;
mod svg;
mod timeline;

use std::io::{self, Write};

use minijinja::Environment;
use minijinja::value::Serde;

use self::page::Page;
use super::contents::{Report, Reporter};

/// The template of the page. Its name makes minijinja escape what it shows.
const TEMPLATE: (&str, &str) = ("page.html", include_str!("html/page.html"));
/// Writes the report as a page.
pub(super) struct HtmlReporter;

impl Reporter for HtmlReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        let mut environment = Environment::new();
        let (name, template) = TEMPLATE;
        environment
            .add_template(name, template)
            .and_then(|()| {
                let template = environment.get_template(name)?;
                let mut page = Page::of(report);
                let rendered = template.render(Serde(&page))?;
                if report.result.failure_samples.kept.is_empty() {
                    return Ok(rendered);
                }
                page.add_failures(&report.result, rendered.len());
                template.render(Serde(&page))
            })
            .map_err(io::Error::other)
            .and_then(|page| out.write_all(page.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn page(report: &Report) -> String {
        let mut out = Vec::new();
        HtmlReporter.report(report, 80, &mut out).unwrap();
        String::from_utf8(out).unwrap()
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
