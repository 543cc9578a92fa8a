//! The style and the script of all pages, where they are, and how the content security policy of a page names
//! them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The style of all pages.
pub(super) const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The file with the style of a page that has none in itself.
pub(super) const STYLE_FILE: &str = "style.css";

/// Where the style of a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// In the page, together with the script.
    Inside,
    /// In a file beside it, for servers that forbid styles and scripts in pages. There is no script.
    Beside,
}

/// What a template needs for style and script.
#[derive(Serialize)]
pub(super) struct Looks {
    style: Option<&'static str>,
    style_file: &'static str,
    style_source: String,
    script: Option<&'static str>,
    script_source: String,
}

impl Looks {
    /// Those of a page.
    pub(super) fn of(style: Style) -> Self {
        let is_inside = style == Style::Inside;
        let source = |text: &str, beside: &str| match is_inside {
            true => format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text))),
            false => beside.to_owned(),
        };
        Self {
            style: is_inside.then_some(STYLE),
            style_file: STYLE_FILE,
            style_source: source(STYLE, "'self'"),
            script: is_inside.then_some(SCRIPT),
            script_source: source(SCRIPT, "'none'"),
        }
    }
}
