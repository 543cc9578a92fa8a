//! Which trace each request of a run belongs to: the header `traceparent` of W3C Trace Context, version 00.
//!
//! Here: what the scenario asks for, and the ids, which are pure functions of the plan. Not here: the
//! sending of the header (`protocol`), or which traces a report names (`metrics`).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU128;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// How requests are traced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// The share of the requests whose trace the service is asked to record; above 0, at most 1.
    pub sampled: f64,
    /// The page of a trace, where [`Trace::PLACE`] stands for its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Tells the ids of this run from those of any other.
    #[serde(skip)]
    run: [u64; 2],
}

impl Trace {
    /// The header that names the trace of a request.
    pub const HEADER: &'static str = "traceparent";
    /// What stands in a URL for the id of a trace.
    pub const PLACE: &'static str = "{trace_id}";

    /// Of a run that begins now.
    pub fn new(sampled: f64, url: Option<String>) -> Self {
        // Each of these has keys of its own.
        let run = [(), ()].map(|()| RandomState::new().hash_one(()));
        Self { sampled, url, run }
    }

    /// The same in another run, whose ids are those of no other.
    pub fn anew(&self) -> Self {
        Self::new(self.sampled, self.url.clone())
    }

    /// The trace of a request: the one with this number among those of a stream of random numbers. Whether
    /// it is sampled depends on the seed; its id depends on the run, too.
    pub fn context(&self, seed: u64, stream: u64, number: u64) -> TraceContext {
        let digest = hash([self.run[0], self.run[1], stream, number]);
        let at =
            |from: usize| u64::from_be_bytes(digest[from..from + 8].try_into().unwrap_or([1; 8]));
        let id = u128::from(at(0)) << 64 | u128::from(at(8));
        TraceContext {
            id: TraceId(NonZeroU128::new(id).unwrap_or(NonZeroU128::MIN)),
            span: at(16),
            is_sampled: self.sampled >= 1.0 || share(seed, stream, number) < self.sampled,
        }
    }
}

/// Evenly distributed from 0 to 1.
fn share(seed: u64, stream: u64, number: u64) -> f64 {
    let digest = hash([seed, stream, number]);
    let bits = u64::from_be_bytes(digest[..8].try_into().unwrap_or_default());
    // As many bits as a number of this type holds.
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn hash<const N: usize>(numbers: [u64; N]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for number in numbers {
        hasher.update(number.to_be_bytes());
    }
    hasher.finalize().into()
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
    /// The length of [`Self::header`]; bytes.
    pub const HEADER_LENGTH: usize = 55;

    /// The value of the header of the request that is sent after so many redirects: each of them is a span
    /// of its own.
    pub fn header(&self, redirects: u16) -> String {
        let step = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(redirects.into());
        // Zero is no id.
        let span = self.span.wrapping_add(step).max(1);
        let flags = u8::from(self.is_sampled);
        format!("00-{}-{span:016x}-{flags:02x}", self.id)
    }
}

/// The id of a trace: 32 hexadecimal digits, not all of them zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(NonZeroU128);

impl TraceId {
    /// Where the trace is shown, by a URL in which [`Trace::PLACE`] stands for its id.
    pub fn url(self, pattern: &str) -> String {
        pattern.replace(Trace::PLACE, &self.to_string())
    }
}

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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_header_is_one_of_version_00() {
        let trace = Trace::new(1.0, None);
        let context = trace.context(1, 2, 3);
        let header = context.header(0);
        assert_eq!(header.len(), TraceContext::HEADER_LENGTH);
        let parts: Vec<&str> = header.split('-').collect();
        let [version, id, span, flags] = parts[..] else {
            panic!("{header}")
        };
        assert_eq!((version, flags), ("00", "01"));
        assert_eq!((id.len(), span.len()), (32, 16));
        assert_eq!(id.parse(), Ok(context.id));
        let redirected = context.header(1);
        assert_eq!(redirected[..36], header[..36], "the same trace");
        assert_ne!(redirected[36..52], header[36..52], "another span");
    }

    #[test]
    fn no_id_is_zero_and_no_two_are_equal() {
        let context = TraceContext {
            id: TraceId(NonZeroU128::MIN),
            span: 0,
            is_sampled: false,
        };
        let least = format!("00-{:032x}-{:016x}-00", 1, 1);
        assert_eq!(context.header(0), least);
        let runs = [Trace::new(1.0, None), Trace::new(1.0, None)];
        let mut ids = BTreeSet::new();
        for run in runs {
            for stream in 0..20 {
                ids.extend((0..20).map(|number| run.context(0, stream, number).id.to_string()));
            }
        }
        assert_eq!(ids.len(), 2 * 20 * 20);
    }

    #[test]
    fn a_seed_samples_the_same_requests_in_each_run_and_its_share_of_them() {
        let flags = |seed: u64| {
            let trace = Trace::new(0.1, None);
            let numbers = 0..10_000;
            let flags = numbers.map(|number| trace.context(seed, 7, number).is_sampled);
            flags.collect::<Vec<bool>>()
        };
        assert_eq!(flags(1), flags(1));
        assert_ne!(flags(1), flags(2));
        let sampled = flags(1)
            .into_iter()
            .filter(|is_sampled| *is_sampled)
            .count();
        assert!((900..1_100).contains(&sampled), "{sampled}");
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
        assert_eq!(
            id.url("https://jaeger/trace/{trace_id}?x"),
            "https://jaeger/trace/0123456789abcdef0123456789abcdef?x"
        );
    }
}
