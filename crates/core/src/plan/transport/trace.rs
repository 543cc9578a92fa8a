//! Which trace each request of a run belongs to: the header `traceparent` of W3C Trace Context, version 00.
//!
//! Here: what the scenario asks for, which requests are sampled, and the form of ids. Not here: the drawing of
//! ids (`engine`), the sending of the header (`protocol`), or which traces a report names (`metrics`).

use std::fmt;
use std::num::NonZeroU128;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::plan::value::data::mix;

/// How requests are traced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// The share of the requests whose trace the service is asked to record; above 0, at most 1.
    pub sampled: f64,
    /// The page of a trace, where [`Trace::PLACE`] stands for its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Trace {
    /// The header that names the trace of a request.
    pub const HEADER: &'static str = "traceparent";
    /// What stands in a URL for the id of a trace.
    pub const PLACE: &'static str = "{trace_id}";

    /// Whether the service is asked to record the trace of a request: the one with this number among those of
    /// a stream of random numbers. The same in each run with this seed.
    pub fn samples(&self, seed: u64, stream: u64, number: u64) -> bool {
        let numbers = [seed, stream, number].into_iter();
        let bits = numbers.fold(0, |bits, number| mix(bits ^ number));
        // As many bits as a number of this type holds.
        let share = (bits >> 11) as f64 / (1u64 << 53) as f64;
        share < self.sampled
    }
}

/// The trace that one request of the scenario belongs to, with the requests that its redirects ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// Its id.
    pub id: TraceId,
    /// That of the first request in it.
    span: u64,
    /// Whether the service is asked to record it.
    pub is_sampled: bool,
}

impl TraceContext {
    /// A trace with these numbers as its id and as that of its first span.
    pub fn new(id: u128, span: u64, is_sampled: bool) -> Self {
        // Zero is no id.
        let id = TraceId(NonZeroU128::new(id).unwrap_or(NonZeroU128::MIN));
        Self {
            id,
            span,
            is_sampled,
        }
    }

    /// The value of the header of the request that is sent after so many redirects, in ASCII: each of them is
    /// a span of its own.
    pub fn header(&self, redirects: u16) -> [u8; 55] {
        let step = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(redirects.into());
        // Zero is no id.
        let span = self.span.wrapping_add(step).max(1);
        let mut text = *b"00-tttttttttttttttttttttttttttttttt-ssssssssssssssss-00";
        write_hex(self.id.0.get(), &mut text[3..35]);
        write_hex(span.into(), &mut text[36..52]);
        text[54] = b'0' + u8::from(self.is_sampled);
        text
    }
}

/// Fills `digits` with the last hexadecimal digits of a number.
fn write_hex(mut number: u128, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

/// The id of a trace: 32 hexadecimal digits, not all of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for TraceId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
        let id = number.and_then(NonZeroU128::new).map(Self);
        id.ok_or_else(|| "not the id of a trace".to_owned())
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(context: &TraceContext, redirects: u16) -> String {
        String::from_utf8(context.header(redirects).to_vec()).unwrap()
    }

    #[test]
    fn a_header_is_one_of_version_00() {
        let id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
        let context = TraceContext::new(id, 0x00f0_67aa_0ba9_02b7, true);
        let first = header(&context, 0);
        let expected = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(first, expected);
        assert_eq!(first[3..35].parse(), Ok(context.id));
        let redirected = header(&context, 1);
        assert_eq!(redirected[..36], first[..36], "the same trace");
        assert_ne!(redirected[36..52], first[36..52], "another span");
        let least = format!("00-{:032x}-{:016x}-00", 1, 1);
        let zero = TraceContext::new(0, 0, false);
        assert_eq!(header(&zero, 0), least, "no id is zero");
    }

    #[test]
    fn a_seed_samples_the_same_requests_in_each_run_and_its_share_of_them() {
        let flags = |sampled: f64, seed: u64| {
            let trace = Trace { sampled, url: None };
            let numbers = (0..100).flat_map(|stream| (0..100).map(move |number| (stream, number)));
            let flags = numbers.map(|(stream, number)| trace.samples(seed, stream, number));
            flags.collect::<Vec<bool>>()
        };
        assert_eq!(flags(0.1, 1), flags(0.1, 1));
        assert_ne!(flags(0.1, 1), flags(0.1, 2));
        for seed in 1..20 {
            let sampled = flags(0.1, seed).into_iter().filter(|one| *one).count();
            // Within 3.3 standard deviations.
            assert!((900..1_100).contains(&sampled), "{sampled}");
        }
        assert!(flags(1.0, 1).into_iter().all(|is_sampled| is_sampled));
    }

    #[test]
    fn only_ids_are_read_back() {
        let zero = "0".repeat(32);
        for bad in [
            "",
            "abc",
            zero.as_str(),
            &format!("+{}", "1".repeat(31)),
            &"g".repeat(32),
        ] {
            assert!(bad.parse::<TraceId>().is_err(), "{bad}");
        }
        let id: TraceId = "0123456789abcdef0123456789ABCDEF".parse().unwrap();
        assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
    }
}
