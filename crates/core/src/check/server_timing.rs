//! What a service reports of its components, in the `Server-Timing` of a response.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTiming<'a> {
    /// Such as `db`: 1 to 40 characters of `[A-Za-z0-9_-]`.
    pub name: &'a str,
    /// Its `dur`; µs, at most 30 days.
    pub duration_us: Option<u64>,
    /// Its `desc`, when that is `hit` (true) or `miss` (false).
    pub hit: Option<bool>,
    /// How often the component was used, when its `desc` is `n=37`; at most a million.
    pub count: Option<u64>,
    /// Its `desc`, when the name says that this is which instance of the service responded: 1 to 40
    /// characters of `[A-Za-z0-9._:-]`.
    pub instance: Option<&'a str>,
}

/// Reads `Server-Timing`. Lenient: entries without a usable name are skipped, as is everything else
/// that makes no sense; at most 16 entries are taken. Allocates nothing.
pub fn components(headers: &HeaderMap) -> impl Iterator<Item = ServerTiming<'_>> {
    // Most responses have no headers, since nothing needs them.
    let values = (!headers.is_empty()).then(|| headers.get_all(&SERVER_TIMING));
    let entries = values.into_iter().flatten();
    let entries = entries.flat_map(|value| split_unquoted(value.as_bytes(), b','));
    entries.filter_map(component).take(MAX_COMPONENTS)
}

fn component(entry: &[u8]) -> Option<ServerTiming<'_>> {
    let mut parts = split_unquoted(entry, b';');
    let name = parts.next()?.trim_ascii();
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let is_name = (1..=MAX_COMPONENT_NAME).contains(&name.len()) && name.iter().all(is_part);
    let name = str::from_utf8(name).ok().filter(|_| is_name)?;
    let (mut duration_us, mut hit) = (None, None);
    let (mut count, mut instance) = (None, None);
    for part in parts {
        let Some(equals) = part.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (key, value) = (part[..equals].trim_ascii(), unquoted(&part[equals + 1..]));
        // As browsers do: of a parameter given twice, the first counts.
        if key.eq_ignore_ascii_case(b"dur") {
            duration_us = duration_us.or_else(|| milliseconds_as_us(str::from_utf8(value).ok()?));
        } else if key.eq_ignore_ascii_case(b"desc") {
            hit = hit.or(match value {
                v if v.eq_ignore_ascii_case(b"hit") => Some(true),
                v if v.eq_ignore_ascii_case(b"miss") => Some(false),
                _ => None,
            });
            if hit.is_none()
                && count.is_none()
                && let Ok(value) = str::from_utf8(value)
            {
                count = uses(value);
                instance = instance.or_else(|| instance_named(name, value));
            }
        }
    }
    Some(ServerTiming {
        name,
        duration_us,
        hit,
        count,
        instance,
    })
}

/// A value without the quotes around it.
fn unquoted(value: &[u8]) -> &[u8] {
    let mut value = value.trim_ascii();
    while let [b'"', inner @ ..] | [inner @ .., b'"'] = value {
        value = inner;
    }
    value.trim_ascii()
}

/// The number in `n=37`.
fn uses(text: &str) -> Option<u64> {
    let number = text.strip_prefix("n=")?.parse().ok()?;
    (number <= MAX_COUNT).then_some(number)
}

/// The instance that an entry with this name and `desc` is about.
fn instance_named<'a>(name: &str, desc: &'a str) -> Option<&'a str> {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    let is_instance = INSTANCES.iter().any(|one| name.eq_ignore_ascii_case(one))
        && (1..=MAX_COMPONENT_NAME).contains(&desc.len())
        && desc.bytes().all(is_good);
    is_instance.then_some(desc)
}

fn milliseconds_as_us(text: &str) -> Option<u64> {
    let us = text.parse::<f64>().ok()? * 1e3;
    let range = 0.0..=units::MAX_DURATION.as_micros() as f64;
    range.contains(&us).then(|| us.round() as u64)
}

/// The pieces of `text` between separators that stand outside of double quotes.
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = end_of_piece(text, separator) else {
            return rest.take();
        };
        rest = Some(&text[end + 1..]);
        Some(&text[..end])
    })
}

/// Where the first separator outside of double quotes is.
fn end_of_piece(text: &[u8], separator: u8) -> Option<usize> {
    // Most texts have no quotes, and are so short that a plain loop is the fastest.
    let start = (text.iter()).position(|byte| *byte == separator || *byte == b'"')?;
    let (mut quoted, mut escaped) = (false, false);
    let ends = text[start..].iter().position(|byte| {
        let ends = *byte == separator && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        ends
    });
    Some(start + ends?)
}
