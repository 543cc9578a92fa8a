//! The keys of `observe`: what is observed of the service while the load goes on.
//!
//! Not here: what the keys mean (`service::observe`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::yaml::decode::{At, Decode, OneOrMany, Pairs, parse};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::{mapping, words};
use crate::scenario::yaml::tree::Node;

mapping! {
    /// What to observe of the service during the load, besides its responses.
    ObserveFile {
        /// Pages in the text format of Prometheus or OpenMetrics: URLs such as `http://localhost:9100/metrics`, or paths of the service such as `/metrics`.
        prometheus: OneOrMany<At<String>>,
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
