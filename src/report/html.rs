//! The report as a page: one file, offline, whose charts need no script.
//!
//! Here: the page and its charts. Not here: the numbers and the sentences (`view`).

mod axis;
mod bins;
mod changes;
mod curve;
mod frame;
mod heatmap;
mod history;
mod levels;
mod page;
mod svg;
mod timeline;

use std::io::{self, Write};

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use self::history::HistoryPage;
use self::page::Page;
use super::contents::{Report, Reporter};
use crate::history::History;

/// The template of the page. Its name makes minijinja escape what it shows.
const TEMPLATE: (&str, &str) = ("page.html", include_str!("html/page.html"));
/// The template of a history.
const HISTORY: (&str, &str) = ("history.html", include_str!("html/history.html"));

/// Writes the report as a page.
pub(super) struct HtmlReporter;

impl Reporter for HtmlReporter {
    fn report(&self, report: &Report, _columns: usize, out: &mut dyn Write) -> io::Result<()> {
        write_page(TEMPLATE, Page::of(report), out)
    }
}

/// Writes a history as a page.
pub(super) fn write_history(history: &History, out: &mut dyn Write) -> io::Result<()> {
    write_page(HISTORY, HistoryPage::of(history), out)
}

fn write_page(
    (name, template): (&str, &str),
    page: impl Serialize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut environment = Environment::new();
    environment
        .add_template(name, template)
        .and_then(|()| environment.get_template(name)?.render(Serde(page)))
        .map_err(io::Error::other)
        .and_then(|page| out.write_all(page.as_bytes()))
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
        ];
        for report in reports {
            let page = page(&report);
            assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
            assert!(page.ends_with("</html>"), "{page}");
            for tag in ["svg", "table", "details", "figure", "section", "text", "td"] {
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
}
