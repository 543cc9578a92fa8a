//! What a service reports of its components, in the `Server-Timing` of a response.

use http::{HeaderMap, HeaderName};

use crate::units;

/// The most entries taken from the `Server-Timing` of one response.
pub(super) const MAX_COMPONENTS: usize = 16;
/// The longest component name, in characters.
pub(super) const MAX_COMPONENT_NAME: usize = 40;

/// The header in which a service reports how long its components took.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What a service reported of one of its components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTiming {
    /// Such as `db`: 1 to 40 characters of `[A-Za-z0-9_-]`.
    pub name: String,
    /// Its `dur`; µs, at most 30 days.
    pub duration_us: Option<u64>,
    /// Its `desc`, when that is `hit` (true) or `miss` (false).
    pub hit: Option<bool>,
}

/// Reads `Server-Timing`. Lenient: entries without a usable name are skipped, as is everything else
/// that makes no sense; at most 16 entries are taken. Allocates nothing when the header is absent.
pub fn components(headers: &HeaderMap) -> Vec<ServerTiming> {
    let mut components = Vec::new();
    if headers.is_empty() {
        return components;
    }
    for value in headers.get_all(&SERVER_TIMING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let room = MAX_COMPONENTS - components.len();
        components.extend(split_unquoted(&text, ',').filter_map(component).take(room));
    }
    components
}

fn component(entry: &str) -> Option<ServerTiming> {
    let mut parts = split_unquoted(entry, ';');
    let name = parts.next()?.trim();
    let is_name = (1..=MAX_COMPONENT_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !is_name {
        return None;
    }
    let (mut duration_us, mut hit) = (None, None);
    for part in parts {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim().trim_matches('"').trim());
        // As browsers do: of a parameter given twice, the first counts.
        if key.eq_ignore_ascii_case("dur") {
            duration_us = duration_us.or_else(|| milliseconds_as_us(value));
        } else if key.eq_ignore_ascii_case("desc") {
            hit = hit.or(match value {
                v if v.eq_ignore_ascii_case("hit") => Some(true),
                v if v.eq_ignore_ascii_case("miss") => Some(false),
                _ => None,
            });
        }
    }
    Some(ServerTiming {
        name: name.to_owned(),
        duration_us,
        hit,
    })
}

fn milliseconds_as_us(text: &str) -> Option<u64> {
    let us = text.parse::<f64>().ok()? * 1e3;
    let range = 0.0..=units::MAX_DURATION.as_micros() as f64;
    range.contains(&us).then(|| us.round() as u64)
}

/// The pieces of `text` between separators that stand outside of double quotes.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let ends = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
}
