//! What a service reports of its components, in the `Server-Timing` of a response.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use crate::units;

/// The most entries taken from the `Server-Timing` of one response.
pub(super) const MAX_COMPONENTS: usize = 16;
/// The longest component name, in characters.
pub(super) const MAX_COMPONENT_NAME: usize = 40;

/// The highest number of uses of a component by one response.
const MAX_COUNT: u64 = 1_000_000;
/// The names of entries that say which instance of the service responded.
const INSTANCES: [&str; 5] = ["worker", "instance", "pod", "node", "replica"];

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
    /// How often the component was used, when its `desc` is `n=37`; at most a million.
    pub count: Option<u64>,
    /// Its `desc`, when the name says that this is which instance of the service responded: 1 to 40
    /// characters of `[A-Za-z0-9._:-]`.
    pub instance: Option<String>,
}

/// Reads `Server-Timing`. Lenient: entries without a usable name are skipped, as is everything else
/// that makes no sense; at most 16 entries are taken. Allocates nothing when the header is absent.
pub fn components(headers: &HeaderMap) -> Vec<ServerTiming> {
    let mut components = Vec::new();
    if headers.is_empty() {
        return components;
    }
    for value in headers.get_all(&SERVER_TIMING) {
        let text = match str::from_utf8(value.as_bytes()) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(value.as_bytes()),
        };
        let room = MAX_COMPONENTS - components.len();
        if text.contains('"') {
            let entries = split_unquoted(&text, ',');
            let found = entries.filter_map(|entry| component(split_unquoted(entry, ';')));
            components.extend(found.take(room));
        } else {
            let entries = text.split(',');
            let found = entries.filter_map(|entry| component(entry.split(';')));
            components.extend(found.take(room));
        }
    }
    components
}

/// The component that an entry is about, by its parts.
fn component<'a>(mut parts: impl Iterator<Item = &'a str>) -> Option<ServerTiming> {
    let name = parts.next()?.trim_ascii();
    let is_name = (1..=MAX_COMPONENT_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !is_name {
        return None;
    }
    let (mut duration_us, mut hit) = (None, None);
    let (mut count, mut instance) = (None, None);
    for part in parts {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        let (key, mut value) = (key.trim_ascii(), value.trim_ascii());
        if value.starts_with('"') || value.ends_with('"') {
            value = value.trim_matches('"').trim_ascii();
        }
        // As browsers do: of a parameter given twice, the first counts.
        if key.eq_ignore_ascii_case("dur") {
            duration_us = duration_us.or_else(|| milliseconds_as_us(value));
        } else if key.eq_ignore_ascii_case("desc") {
            hit = hit.or(match value {
                v if v.eq_ignore_ascii_case("hit") => Some(true),
                v if v.eq_ignore_ascii_case("miss") => Some(false),
                _ => None,
            });
            if hit.is_none() && count.is_none() {
                count = uses(value);
                instance = instance.or_else(|| instance_named(name, value));
            }
        }
    }
    Some(ServerTiming {
        name: name.to_owned(),
        duration_us,
        hit,
        count,
        instance,
    })
}

/// The number in `n=37`.
fn uses(text: &str) -> Option<u64> {
    let number = text.strip_prefix("n=")?.parse().ok()?;
    (number <= MAX_COUNT).then_some(number)
}

/// The instance that an entry with this name and `desc` is about.
fn instance_named(name: &str, desc: &str) -> Option<String> {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    let is_instance = INSTANCES.iter().any(|one| name.eq_ignore_ascii_case(one))
        && (1..=MAX_COMPONENT_NAME).contains(&desc.len())
        && desc.bytes().all(is_good);
    is_instance.then(|| desc.to_owned())
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
