//! Templates in URLs: what is filled in is percent-encoded for its place, what the author wrote stays.
//!
//! Here: which place a value has. Not here: which URLs there may be (`service::address`).

use super::Names;
use super::template::{Piece, as_text};
use crate::error::Diagnostic;
use crate::plan::{Escape, Template, TemplatePart, push_written};
use crate::scenario::yaml::decode::At;
use crate::scenario::yaml::findings::Findings;

impl Names<'_> {
    /// The template of a path or a whole URL; problems are reported.
    ///
    /// Values that are known now may also give the scheme and the host. Behind these, values are escaped.
    pub fn url(&self, text: &At<String>, findings: &mut Findings) -> Template {
        let mut head = Some(String::new());
        let mut parts = Vec::new();
        for piece in self.pieces(&text.value, text.at, findings) {
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
