//! The traces of the slowest and of failed requests, for people.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use crate::metrics::{RunResult, TraceInfo, TracedRequest, Traces};
use crate::plan::{Trace, TraceId};
use crate::report::text::harmless;
use crate::report::view::errors::error_name;
use crate::units::{format_counted, format_latency_us, format_percent, trim_float};

/// About how many of the slowest requests a short report shows; at least one of each endpoint, and as many
/// endpoints.
const SHOWN: usize = 10;

/// The titles of the columns before the id.
pub(crate) const TRACE_COLUMNS: [&str; 4] = ["", "endpoint", "response time", "at"];

/// A request whose trace is named.
pub(crate) struct TraceRow {
    /// Whether it was slow or how it failed, its endpoint, its response time, and when it was sent.
    pub(crate) cells: [String; 4],
    /// The id of its trace.
    pub(crate) id: String,
    /// The page of its trace; safe in attributes of HTML and in links of Markdown.
    pub(crate) link: Option<String>,
}

/// The slowest requests and the first that failed: all that are kept, or a few of each endpoint and kind; and how many
/// more there are.
pub(crate) fn traces(result: &RunResult, is_whole: bool) -> (Vec<TraceRow>, usize) {
    let Traces { slowest, failed } = &result.traces;
    let endpoints = slowest.chunk_by(|one, next| one.endpoint == next.endpoint);
    let of_each = match is_whole {
        true => usize::MAX,
        false => (SHOWN / endpoints.clone().count().max(1)).clamp(1, Traces::MAX_SLOWEST),
    };
    let most = if is_whole { usize::MAX } else { SHOWN };
    let slowest_shown = endpoints
        .flat_map(|all| all.iter().take(of_each))
        .take(most);
    let mut kinds = BTreeSet::new();
    let failed_shown = failed.iter().filter(|one| {
        let is_first = kinds.insert((one.endpoint, one.outcome, one.status));
        is_whole || is_first
    });
    let failed_shown = failed_shown.take(most);
    let slow = slowest_shown.map(|one| row(result, one, "slow".to_owned()));
    let rows = slow.chain(failed_shown.map(|one| {
        let what = error_name(one.outcome, None, None, one.status);
        row(result, one, what)
    }));
    let rows: Vec<TraceRow> = rows.collect();
    let rest = slowest.len() + failed.len() - rows.len();
    (rows, rest)
}

fn row(result: &RunResult, request: &TracedRequest, what: String) -> TraceRow {
    let started_s = trim_float(request.started_us as f64 / 1e6, 2);
    TraceRow {
        cells: [
            what,
            result.endpoints[request.endpoint].endpoint.name.clone(),
            format_latency_us(request.response_us as f64),
            format!("{started_s} s"),
        ],
        id: request.trace_id.to_string(),
        link: trace_link(result, request.trace_id),
    }
}

/// The page of a trace; `None` where the scenario names none.
pub(crate) fn trace_link(result: &RunResult, id: TraceId) -> Option<String> {
    let pattern = result.run.trace.as_ref()?.url.as_deref()?;
    // A stored run may hold anything.
    let (scheme, rest) = pattern.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let rest = rest.replace(Trace::PLACE, &id.to_string());
    let (host, rest) = ipv6_host(&rest).unwrap_or((String::new(), &rest));
    let mut link = format!("{scheme}://{host}");
    for byte in rest.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'/' | b'?' | b'#' | b'&' | b'=' | b'%' | b'+' | b',' => {
                link.push(byte.into());
            }
            b';' | b'$' => link.push(byte.into()),
            // Twice, it would be a command to some CI systems.
            b':' if !link.ends_with(':') => link.push(':'),
            byte if byte.is_ascii_alphanumeric() => link.push(byte.into()),
            byte => link.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(link)
}

/// The IPv6 address that a URL without its scheme begins with, in its brackets and without `::`, which would be a
/// command to some CI systems; and what follows it.
fn ipv6_host(url: &str) -> Option<(String, &str)> {
    let (address, rest) = url.strip_prefix('[')?.split_once(']')?;
    let groups = address.parse::<Ipv6Addr>().ok()?.segments();
    let groups = groups.map(|group| format!("{group:x}"));
    Some((format!("[{}]", groups.join(":")), rest))
}

/// What is said of the table: which requests were traced, and how many more there are.
pub(crate) fn traces_note(info: &TraceInfo, rest: usize) -> Option<String> {
    let sampled = match info.sampled < 1.0 {
        true => Some(format!(
            "{} of the requests were sampled; these are the slowest of them, and the first that failed",
            format_percent(info.sampled)
        )),
        false => None,
    };
    let rest = match rest {
        0 => None,
        rest => Some(format!(
            "{} in the JSON report",
            format_counted(rest as u64, "more trace")
        )),
    };
    let said: Vec<String> = sampled.into_iter().chain(rest).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Where a trace is found by its id, for a terminal.
pub(crate) fn trace_pattern(info: &TraceInfo) -> Option<String> {
    info.url.as_deref().map(harmless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_short_report_has_some_of_each_endpoint_and_one_of_each_failure() {
        let report = fixture::traced();
        let (rows, rest) = traces(&report.result, false);
        let cells: Vec<String> = rows.iter().map(|row| row.cells.join(", ")).collect();
        assert_eq!(cells[0], "slow, health, 905 ms, 1.5 s");
        assert_eq!(cells[5], "slow, list invoices, 905 ms, 1.5 s");
        assert_eq!(cells[10], "http_5xx 503, list invoices, 1.00 ms, 2 s");
        assert_eq!((cells.len(), rest), (11, 1));
        assert_eq!(traces(&report.result, true).0.len(), 12);
    }

    #[test]
    fn a_link_is_inert_whatever_the_stored_run_holds() {
        let mut report = fixture::traced();
        let mut link_of = |pattern: &str| {
            report.result.run.trace = Some(TraceInfo {
                sampled: 1.0,
                url: Some(pattern.to_owned()),
            });
            let id = "1".repeat(32).parse().unwrap();
            trace_link(&report.result, id)
        };
        let ones = "1".repeat(32);
        let good = format!("https://j:1/trace/{ones}?a=b");
        assert_eq!(link_of("https://j:1/trace/{trace_id}?a=b"), Some(good));
        let local = format!("http://[0:0:0:0:0:0:0:1]:16686/trace/{ones}");
        assert_eq!(link_of("http://[::1]:16686/trace/{trace_id}"), Some(local));
        let remote = format!("https://[2001:db8:0:0:0:0:0:a]/{ones}");
        assert_eq!(link_of("https://[2001:db8::a]/{trace_id}"), Some(remote));
        let no_address = link_of("http://[::error::]/").unwrap();
        assert_eq!(no_address, "http://%5B:%3Aerror:%3A%5D/");
        assert_eq!(link_of("javascript:alert(1)//{trace_id}"), None);
        let hostile = link_of("http://x/\" onclick=)|<b>\n::error::@y`é").unwrap();
        assert_eq!(
            hostile,
            "http://x/%22%20onclick=%29%7C%3Cb%3E%0A:%3Aerror:%3A%40y%60%C3%A9"
        );
    }

    #[test]
    fn what_is_not_sampled_is_said() {
        let info = |sampled| TraceInfo { sampled, url: None };
        assert_eq!(traces_note(&info(1.0), 0), None);
        assert_eq!(
            traces_note(&info(0.1), 1_234).unwrap(),
            "10% of the requests were sampled; these are the slowest of them, and the first that \
             failed; 1,234 more traces in the JSON report"
        );
    }
}
