//! A request and its response on lines, as curl prints them.
//!
//! Not here: what is hidden in them (`check`), or how the lines are styled.

use crate::metrics::{BodyText, ExchangeText, MessageText};
use crate::report::text::harmless;
use crate::units::{format_bytes, format_counted};

/// A line of a request or response, safe for any terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeLine {
    /// Whether it is a request line or a status line.
    pub is_first: bool,
    /// The line, behind `> ` if it was sent, and `< ` if it was received.
    pub text: String,
}

/// How much of each body is shown.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Lines.
    pub lines: usize,
    /// Characters.
    pub characters: usize,
}

impl BodyLimits {
    /// All there is.
    pub const NONE: Self = Self {
        lines: usize::MAX,
        characters: usize::MAX,
    };
}

/// What was sent, and then what was received.
pub fn exchange_lines(exchange: &ExchangeText, limits: BodyLimits) -> Vec<ExchangeLine> {
    let mut lines = Vec::new();
    message(&mut lines, '>', &exchange.request, limits);
    if let Some(response) = &exchange.response {
        message(&mut lines, '<', response, limits);
    }
    lines
}

fn message(lines: &mut Vec<ExchangeLine>, mark: char, of: &MessageText, limits: BodyLimits) {
    let mut push = |is_first, text: &str| {
        let text = format!("{mark} {}", harmless(text));
        let text = text.trim_end().to_owned();
        lines.push(ExchangeLine { is_first, text });
    };
    push(true, &of.line);
    of.headers.iter().for_each(|header| push(false, header));
    if of.unkept_headers > 0 {
        let more = format_counted(of.unkept_headers, "more header field");
        push(false, &format!("... ({more})"));
    }
    if let Some(body) = &of.body {
        push(false, "");
        for line in body_lines(body, limits) {
            push(false, &line);
        }
    }
}

fn body_lines(body: &BodyText, limits: BodyLimits) -> Vec<String> {
    let note = body.note.iter().map(|note| format!("({note})"));
    let mut lines: Vec<String> = note.collect();
    let mut room = limits.characters;
    let mut is_cut = body.is_cut;
    let text = body.text.as_deref().unwrap_or_default();
    for (number, line) in text.lines().enumerate() {
        if number == limits.lines || room == 0 {
            is_cut = true;
            break;
        }
        let shown: String = line.chars().take(room).collect();
        is_cut |= shown.len() < line.len();
        room -= shown.chars().count().min(room);
        lines.push(shown);
    }
    if is_cut {
        lines.push(format!("... ({} in all)", format_bytes(body.size_bytes)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, bytes: u64, limits: BodyLimits) -> Vec<String> {
        let body = BodyText {
            size_bytes: bytes,
            text: Some(text.to_owned()),
            is_cut: false,
            note: None,
        };
        body_lines(&body, limits)
    }

    #[test]
    fn a_body_is_cut_by_its_lines_and_its_characters() {
        let limits = BodyLimits {
            lines: 20,
            characters: 1_000,
        };
        let long = shown(&"x\n".repeat(100), 200, limits);
        assert_eq!(long.len(), 21);
        assert_eq!(long.last().unwrap(), "... (200 B in all)");
        let wide = shown(&"y".repeat(5_000), 5_000, limits);
        assert_eq!((wide[0].len(), wide.len()), (1_000, 2));
        assert_eq!(shown(&"x\n".repeat(100), 200, BodyLimits::NONE).len(), 100);
    }

    #[test]
    fn what_a_service_sends_is_inert() {
        let exchange = ExchangeText {
            redirects: 0,
            request: MessageText {
                line: "GET / HTTP/1.1".to_owned(),
                ..MessageText::default()
            },
            response: Some(MessageText {
                line: "HTTP/1.1 500".to_owned(),
                headers: vec!["x: \u{1b}[2J\u{202e}".to_owned()],
                unkept_headers: 2,
                body: Some(BodyText {
                    size_bytes: 9,
                    text: Some("::error::a\n##[group]\n".to_owned()),
                    is_cut: false,
                    note: None,
                }),
            }),
        };
        let lines = exchange_lines(&exchange, BodyLimits::NONE);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "> GET / HTTP/1.1",
                "< HTTP/1.1 500",
                "< x: \\u{1b}[2J\\u{202e}",
                "< ... (2 more header fields)",
                "<",
                "< : :error::a",
                "< # #[group]",
            ]
        );
    }
}
