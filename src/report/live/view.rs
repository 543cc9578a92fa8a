//! How the dashboard is to look: what the terminal can do, and what was chosen with keys.
//!
//! Not here: what is shown (`board`), and where (`dashboard`).

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

use super::board::Order;
use crate::report::text::{shorten, width};

/// How the terminal is to be used, and what was chosen with keys.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) is_ascii: bool,
    pub(super) has_colors: bool,
    pub(super) order: Order,
    /// Whether the keys are explained.
    pub(super) is_help: bool,
    /// What the keys do.
    pub(super) keys: Keys,
    /// How far the run is: 0..=1, and in words.
    pub(super) progress: (f64, String),
    /// What happened last.
    pub(super) note: Option<String>,
}

/// What the keys for the load change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keys {
    /// They add and take users.
    #[default]
    Users,
    /// They take users and put them back, for this reason.
    FewerUsers(&'static str),
    /// They change the rate of arrivals.
    Rate,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// What a part of the text is, which decides how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// Less important.
    Faint,
    Heading,
    Good,
    Warning,
    Bad,
    P50,
    P95,
    P99,
}

impl View {
    pub(super) fn style(&self, tone: Tone) -> Style {
        let plain = Style::new();
        if !self.has_colors {
            return match tone {
                Tone::Heading => plain.add_modifier(Modifier::BOLD),
                Tone::Bad | Tone::Warning => plain.add_modifier(Modifier::BOLD),
                _ => plain,
            };
        }
        match tone {
            Tone::Plain => plain,
            Tone::Faint => plain.add_modifier(Modifier::DIM),
            Tone::Heading => plain.add_modifier(Modifier::BOLD),
            Tone::Good | Tone::P50 => plain.fg(Color::Green),
            Tone::Warning | Tone::P95 => plain.fg(Color::Yellow),
            Tone::Bad => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::P99 => plain.fg(Color::Red),
        }
    }

    pub(super) fn span(&self, tone: Tone, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.style(tone))
    }
}

/// Text in as many columns, at the right.
pub(super) fn right(text: &str, columns: usize) -> String {
    let text = shorten(text, columns);
    " ".repeat(columns.saturating_sub(width(&text))) + &text
}

/// Text in as many columns, at the left.
pub(super) fn left(text: &str, columns: usize) -> String {
    let text = shorten(text, columns);
    let room = columns.saturating_sub(width(&text));
    text + &" ".repeat(room)
}
