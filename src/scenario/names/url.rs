//! Templates in URLs: what is filled in is percent-encoded for its place, what the author wrote stays.
//!
//! Here: which place a value has. Not here: which URLs there may be (`service::address`).

use super::Names;
use super::template::{Piece, as_parts, as_text};
use crate::error::Diagnostic;
use crate::plan::{Escape, Template, TemplatePart, push_written};
use crate::scenario::yaml::decode::Located;
use crate::scenario::yaml::findings::Findings;

impl Names<'_> {
    /// The template of a path or a whole URL; problems are reported.
    ///
    /// Values that are known now may also give the scheme and the host. Behind these, values are escaped.
    pub fn url(&self, text: &Located<String>, findings: &mut Findings) -> Template {
        let mut head = Some(String::new());
        let mut parts = Vec::new();
        let pieces = self.pieces(&text.value, text.at, findings);
        if let [Piece::Slot(_)] = pieces.as_slice() {
            // A link, which is a URL already.
            return Template::new(text.value.as_str(), as_parts(pieces, Escape::None));
        }
        for piece in pieces {
            let mut out = String::new();
            match piece {
                Piece::Written(text) => written(text, &mut head, &mut out),
                Piece::Quoted(text) => written(&text, &mut head, &mut out),
                Piece::Known(value) if head.is_some() => {
                    written(&as_text(value), &mut head, &mut out);
                }
                Piece::Known(value) => Escape::Url.push(&as_text(value), &mut out),
                Piece::Slot(slot) => {
                    let escape = match &mut head {
                        // Not allowed there, which is reported for the whole URL.
                        Some(head) => {
                            head.push('?');
                            Escape::None
                        }
                        None => Escape::Url,
                    };
                    parts.push(TemplatePart::Slot { slot, escape });
                }
            }
            if let Some(place) = out.find('#') {
                let diagnostic = Diagnostic::new("a fragment (`#...`) is never sent")
                    .help("remove it, or write `%23` for the character `#`");
                findings.report(Some(findings.inside(text.at, "#")), diagnostic);
                out.truncate(place);
            }
            parts.push(TemplatePart::Literal(out));
        }
        parts.retain(|part| !matches!(part, TemplatePart::Literal(text) if text.is_empty()));
        Template::new(text.value.as_str(), parts)
    }
}

/// Appends text to a URL. `head` is what there is of it, until scheme and host have ended.
fn written(text: &str, head: &mut Option<String>, out: &mut String) {
    for (i, c) in text.char_indices() {
        let Some(before) = head else {
            push_written(&text[i..], out);
            return;
        };
        let is_relative = before.is_empty() && c == '/';
        let has_scheme = ["http://", "https://"]
            .iter()
            .any(|scheme| before.starts_with(scheme));
        before.push(c);
        out.push(c);
        if is_relative || (has_scheme && matches!(c, '/' | '?')) {
            *head = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;
    use crate::plan::Scope;
    use crate::scenario::yaml::findings::Span;

    /// A URL that was written as `text`, with this value of `x` filled in.
    fn filled(text: &str, value: &str) -> String {
        let env = BTreeMap::from([("X".to_owned(), value.to_owned())]);
        let mut names = Names::new(&env);
        names.declare("x");
        let mut findings = Findings::default();
        let text = Located {
            value: text.to_owned(),
            at: Span::default(),
        };
        let template = names.url(&text, &mut findings);
        assert_eq!(findings.len(), 0);
        let mut filled = String::new();
        let mut scope = Scope {
            names: &["x".to_owned()],
            variables: &[Some(value.into())],
            shared: None,
            user_id: 1,
            iteration: 1,
            counters: &mut BTreeMap::new(),
            rng: &mut rand_chacha::ChaCha12Rng::seed_from_u64(1),
            request: None,
        };
        template.render(&mut scope, &mut filled).unwrap();
        filled
    }

    #[test]
    fn what_is_written_stays_and_what_is_filled_in_is_encoded() {
        for (text, value, expected) in [
            ("/a/{{ x }}?q={{ x }}&r=/#", "a/b&c", None),
            (
                "/a/{{ x }}?q={{ env.X }}",
                "a/b c",
                Some("/a/a%2Fb%20c?q=a%2Fb%20c"),
            ),
            ("/é {}/{{ '{{' }}\\", "", Some("/%C3%A9%20{}/{{%5C")),
            (
                "{{ env.X }}/{{ x }}",
                "http://h/a b",
                Some("http://h/a%20b/http%3A%2F%2Fh%2Fa%20b"),
            ),
            ("{{ env.X }}", "/a?b#", None),
            (
                "http://{{ env.X }}?{{ env.X }}",
                "h:8",
                Some("http://h:8?h%3A8"),
            ),
            (
                "/{{ x | raw }}/{{ x | urlencode }}/{{ x | upper }}",
                "a/b",
                Some("/a/b/a%2Fb/A%2FB"),
            ),
        ] {
            if let Some(expected) = expected {
                assert_eq!(filled(text, value), expected);
            } else {
                assert!(
                    std::panic::catch_unwind(|| filled(text, value)).is_err(),
                    "{text}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn no_value_changes_the_host_the_segments_or_the_parameters(
            start in prop::sample::select(vec!["", "http://good.example:81"]),
            value in prop_oneof![any::<String>(), "[/\\\\@:?#.%&=;+a-z ]{0,12}"],
        ) {
            for name in ["{{ x }}", "{{ env.X }}", "{{ x | default('y') }}"] {
                let text = format!("{start}/a/v{name}/{name}v/b?p={name}&q=1&{name}v=2");
                let url = filled(&text, &value);
                let url = match start {
                    "" => format!("http://service.example{url}"),
                    _ => url,
                };
                let url = url::Url::parse(&url).unwrap();
                let host = if start.is_empty() { "service.example" } else { "good.example" };
                prop_assert_eq!(url.host_str(), Some(host));
                prop_assert_eq!(url.path_segments().unwrap().count(), 4);
                prop_assert_eq!(url.query_pairs().count(), 3);
                prop_assert!(url.fragment().is_none() && url.username().is_empty());
                prop_assert_eq!(&url.query_pairs().next().unwrap().1, &value);
            }
        }
    }
}
