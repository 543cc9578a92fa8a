//! The keys of `observe` and `trace`: what is observed of the service while the load goes on, and which requests it
//! can be asked about afterwards.
//!
//! Not here: what the keys mean (`service::observe`, `service::trace`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{Decode, Located, OneOrMany, Pairs, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;
use crate::units::parse_ratio;

mapping! {
    /// What to observe of the service during the load, besides its responses.
    ObserveFile {
        /// Pages in the text format of Prometheus or OpenMetrics: URLs such as `http://localhost:9100/metrics`, or paths of the service such as `/metrics`.
        prometheus: OneOrMany<Located<String>>,
        /// What to keep of these pages, by its name in reports: a metric such as `db_pool_in_use` or `http_requests_total{status="500"}`, or a ratio of two, with ` / ` between them.
        metrics: Pairs<String>,
        /// Time between observations, at least `1s`. Defaults to `5s`.
        every: Duration,
        /// Machine whose processes are observed: `local`, this one. Needs `process`, `pid` or `cgroup`.
        host: ObservedHost,
        /// Name of the processes to observe.
        process: String,
        /// Number of the process to observe.
        pid: ProcessId,
        /// Path of the control group to observe, such as `/system.slice/web.service`.
        cgroup: String,
    }
}

mapping! {
    /// Tracing of requests. The share alone needs no mapping.
    TraceFile or sampled {
        /// Requests whose trace the service is asked to record: `true` for all, a share such as `10%`, or `false` for no tracing. Defaults to `true`.
        sampled: SampledShare,
        /// Page of a trace, for links in reports, such as `https://jaeger.example.org/trace/{trace_id}`.
        url: Located<String>,
    }
}

/// The share of requests that are sampled; 0 for no tracing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SampledShare(pub f64);

impl Decode for SampledShare {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let what = "`true`, `false` or a share such as `10%`";
        parse(what, node, findings, |text| match text {
            "true" => Ok(Self(1.0)),
            "false" => Ok(Self(0.0)),
            _ => match parse_ratio(text) {
                Ok(share) if share > 0.0 => Ok(Self(share)),
                _ => Err(format!(
                    "`{text}` is not a share of the requests: write `true`, `false`, or a share above 0% such as `10%`"
                )),
            },
        })
    }

    fn schema() -> Value {
        json!({"type": ["boolean", "string", "number"], "examples": [true, "10%"]})
    }
}

/// The number of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId(pub u32);

impl Decode for ProcessId {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        parse("the number of a process", node, findings, |text| {
            let number = text.parse().ok().filter(|number| *number > 0);
            number
                .map(Self)
                .ok_or_else(|| format!("`{text}` is not the number of a process"))
        })
    }

    fn schema() -> Value {
        json!({"type": "integer", "minimum": 1})
    }
}

/// The machine whose processes are observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObservedHost {
    /// The machine that perfctl runs on.
    Local,
}

words! {
    ObservedHost {
        "local" => Self::Local,
    }
}
