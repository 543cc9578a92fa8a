//! The elements of an HTML body. Bodies are read as browsers read them, so that nothing is not HTML; but work
//! is bounded, whatever a service sends: the parser takes time by the square of the depth and of the number of
//! attributes, and nothing else bounds that.

use std::time::{Duration, Instant};

use html5ever::driver::{self, ParseOpts, Parser};
use html5ever::tendril::TendrilSink;
use html5ever::tree_builder::TreeBuilderOpts;
use scraper::{ElementRef, Html, HtmlTreeSink};

use crate::plan::CssSelector;
use crate::units::format_duration;

/// The deepest nesting. Browsers nest no deeper.
const MAX_DEPTH: usize = 512;
/// The most elements, texts and comments.
const MAX_NODES: usize = 500_000;
/// The most text that is taken at once; bytes. Elements within each other repeat theirs.
const MAX_TEXT: usize = 10_000_000;
/// The longest time for reading a body, and for looking for a selector.
const MAX_TIME: Duration = Duration::from_secs(2);
/// How much is read between two looks at depth and time; bytes.
const CHUNK: usize = 4 << 10;

/// A body as elements.
pub(super) struct HtmlDocument(Html);

impl HtmlDocument {
    /// Reads a body.
    ///
    /// # Errors
    /// What is too much of it, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::parse_within(text, MAX_TIME)
    }

    fn parse_within(mut text: &str, time: Duration) -> Result<Self, String> {
        let opts = ParseOpts {
            tree_builder: TreeBuilderOpts {
                // Nothing runs scripts, so what stands in `<noscript>` counts.
                scripting_enabled: false,
                ..TreeBuilderOpts::default()
            },
            ..ParseOpts::default()
        };
        let mut parser = driver::parse_document(HtmlTreeSink::new(Html::new_document()), opts);
        let started = Instant::now();
        while !text.is_empty() {
            let chunk;
            let ends = CHUNK.min(text.len())..=text.len();
            let end = ends.into_iter().find(|end| text.is_char_boundary(*end));
            (chunk, text) = text.split_at(end.unwrap_or(text.len()));
            parser.process(chunk.into());
            check(&parser)?;
            check_time(started, time)?;
        }
        Ok(Self(parser.finish()))
    }

    /// The text within each element that a selector finds, without the space around it; or the attribute of this
    /// lower-case name of those that have it. In the order of the body, at most `most`.
    ///
    /// # Errors
    /// What is too much, for people.
    pub(super) fn values(
        &self,
        selector: &CssSelector,
        attribute: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, String> {
        let started = Instant::now();
        let mut length = 0;
        let mut values = Vec::new();
        for element in self.0.tree.nodes().filter_map(ElementRef::wrap) {
            if values.len() == most {
                break;
            }
            check_time(started, MAX_TIME)?;
            if !selector.selector().matches(&element) {
                continue;
            }
            let value = match attribute {
                Some(name) => element.attr(name).map(str::to_owned),
                None => Some(element.text().collect::<String>().trim().to_owned()),
            };
            let Some(value) = value else { continue };
            length += value.len();
            if length > MAX_TEXT {
                return Err("the elements have more than 10 MB of text".to_owned());
            }
            values.push(value);
        }
        Ok(values)
    }
}

/// Whether what was read so far is not too much. The last node is as deep as the elements that are open.
fn check(parser: &Parser<HtmlTreeSink>) -> Result<(), String> {
    let html = parser.tokenizer.sink.sink.0.borrow();
    let nodes = html.tree.values().len();
    if nodes > MAX_NODES {
        return Err(format!("it has more than {MAX_NODES} elements and texts"));
    }
    let last = html.tree.nodes().next_back();
    let depth = last.map_or(0, |node| node.ancestors().take(MAX_DEPTH + 1).count());
    match depth > MAX_DEPTH {
        true => Err(format!(
            "its elements are nested more than {MAX_DEPTH} deep"
        )),
        false => Ok(()),
    }
}

fn check_time(started: Instant, most: Duration) -> Result<(), String> {
    match started.elapsed() > most {
        true => Err(format!("it takes more than {}", format_duration(most))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<!doctype html><title>Shop</title>
        <form><input type=hidden name=csrf value='a&amp;b'><input name=q></form>
        <noscript><p class=js>no script</p></noscript>
        <table><tr class=row><td>1<td><a href=/a?x=1&y=2>First <b>item</b>\n</a>
        <tr class='row last'><td>2<td><a href=/b>Second</a></table>";

    fn values(html: &str, selector: &str, attribute: Option<&str>) -> Vec<String> {
        let selector = CssSelector::new(selector).unwrap();
        let document = HtmlDocument::parse(html).unwrap();
        document.values(&selector, attribute, 100).unwrap()
    }

    #[test]
    fn elements_are_found_as_in_a_browser() {
        for (selector, attribute, expected) in [
            ("title", None, &["Shop"][..]),
            ("input[name=csrf]", Some("value"), &["a&b"]),
            ("input", Some("name"), &["csrf", "q"]),
            ("input", Some("value"), &["a&b"]),
            (
                "tr.row > td:nth-child(2) a",
                None,
                &["First item", "Second"],
            ),
            ("tbody a[href^='/a']", Some("href"), &["/a?x=1&y=2"]),
            (".last td:first-child, .js", None, &["no script", "2"]),
            ("tr:not(.last) ~ tr a", None, &["Second"]),
            (".none", None, &[]),
        ] {
            assert_eq!(values(PAGE, selector, attribute), expected, "{selector}");
        }
        assert_eq!(values("no \u{e9}lement", "body", None), ["no \u{e9}lement"]);
        let limited = HtmlDocument::parse(PAGE).unwrap();
        let selector = CssSelector::new("td").unwrap();
        assert_eq!(limited.values(&selector, None, 1).unwrap(), ["1"]);
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for bad in [
            "",
            "input[",
            "a >",
            "::before",
            "a:visible",
            "//a",
            &"a ".repeat(501),
        ] {
            assert!(CssSelector::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hostile_bodies_take_a_bounded_time_and_no_stack() {
        let formatting: String = (0..2_000).map(|i| format!("<p><b id={i}>")).collect();
        for (html, why) in [
            ("<div>".repeat(100_000), "512 deep"),
            ("<ul><li>".repeat(100_000), "512 deep"),
            ("<b>".repeat(100_000), "512 deep"),
            ("<table><tr><td>".repeat(100_000), "512 deep"),
            ("<svg><g>".repeat(100_000), "512 deep"),
            (formatting, "more than 500000"),
            ("<br>".repeat(MAX_NODES + 2_000), "more than 500000"),
        ] {
            let parsed = HtmlDocument::parse_within(&html, Duration::MAX);
            let error = parsed.err().unwrap_or_default();
            assert!(error.contains(why), "{}: {error}", &html[..10]);
        }
        let attributes = format!("<a {}>", "x ".repeat(10_000));
        let parsed = HtmlDocument::parse_within(&attributes, Duration::ZERO);
        assert!(parsed.err().unwrap().contains("takes more than"));
        let nested = format!("{}{}", "<div>".repeat(500), "x".repeat(30_000));
        let document = HtmlDocument::parse(&nested).unwrap();
        let all = CssSelector::new("div").unwrap();
        assert!(document.values(&all, None, usize::MAX).is_err());
        assert_eq!(document.values(&all, None, 2).unwrap().len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(html in "(<[/!?]?|>|</?(table|tr|b|a|p|svg|template|select|script|math)>|[a-z =\"'&;\u{0}é-]){0,60}") {
            let _ = HtmlDocument::parse(&html).map(|document| {
                let selector = CssSelector::new("*").unwrap();
                document.values(&selector, None, usize::MAX)
            });
        }
    }
}
