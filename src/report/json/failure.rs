//! Single requests in the JSON report: the failed ones that were kept with what was sent and received, and those whose
//! traces are named.

use serde::Serialize;

use super::unit::ms;
use super::unit::percent;
use crate::metrics::{ExchangeText, FailureSample, Outcome, RunResult, TracedRequest};
use crate::plan::TraceId;
use crate::report::view;

/// A failed request, with what was sent and received.
#[derive(Serialize)]
pub(super) struct FailureSampleEntry<'a> {
    error_type: Outcome,
    endpoint: &'a str,
    method: &'a str,
    status: Option<u16>,
    key: Option<&'a str>,
    check: Option<&'a str>,
    /// From the start of the load.
    started_ms: Option<f64>,
    response_ms: Option<f64>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
    #[serde(flatten)]
    exchange: &'a ExchangeText,
}

impl<'a> FailureSampleEntry<'a> {
    /// All of a run, in the order in which they ended.
    pub(super) fn all(result: &'a RunResult) -> Vec<Self> {
        let samples = result.failure_samples.kept.iter();
        samples.map(|sample| Self::of(result, sample)).collect()
    }

    fn of(result: &'a RunResult, sample: &'a FailureSample) -> Self {
        let endpoint = &result.endpoints[sample.endpoint].endpoint;
        Self {
            error_type: sample.outcome,
            endpoint: &endpoint.name,
            method: &endpoint.method,
            status: sample.status,
            key: sample.key.as_deref(),
            check: sample.check.as_deref(),
            started_ms: ms(Some(sample.started_us as f64)),
            response_ms: ms(Some(sample.response_us as f64)),
            text: &sample.text,
            trace_id: sample.trace_id,
            exchange: &sample.exchange,
        }
    }
}

/// The requests whose traces are named.
#[derive(Serialize)]
pub(super) struct TracesEntry<'a> {
    /// Of the requests.
    sampled_percent: Option<f64>,
    /// By endpoint, the slowest first.
    pub(super) slowest: Vec<TraceEntry<'a>>,
    /// The first of each endpoint and kind.
    pub(super) failed: Vec<TraceEntry<'a>>,
}

/// A request whose trace is named.
#[derive(Serialize)]
pub(super) struct TraceEntry<'a> {
    endpoint: &'a str,
    method: &'a str,
    outcome: Outcome,
    status: Option<u16>,
    /// From the start of the load.
    started_ms: Option<f64>,
    response_ms: Option<f64>,
    trace_id: TraceId,
    url: Option<String>,
}

impl<'a> TracesEntry<'a> {
    /// All of a run; `None` if it traced nothing.
    pub(super) fn of(result: &'a RunResult) -> Option<Self> {
        let info = result.run.trace.as_ref()?;
        let entries = |all: &[TracedRequest]| all.iter().map(|one| entry(result, one)).collect();
        Some(Self {
            sampled_percent: percent(Some(info.sampled)),
            slowest: entries(&result.traces.slowest),
            failed: entries(&result.traces.failed),
        })
    }
}

fn entry<'a>(result: &'a RunResult, request: &TracedRequest) -> TraceEntry<'a> {
    let endpoint = &result.endpoints[request.endpoint].endpoint;
    TraceEntry {
        endpoint: &endpoint.name,
        method: &endpoint.method,
        outcome: request.outcome,
        status: request.status,
        started_ms: ms(Some(request.started_us as f64)),
        response_ms: ms(Some(request.response_us as f64)),
        trace_id: request.trace_id,
        url: view::trace_link(result, request.trace_id),
    }
}
