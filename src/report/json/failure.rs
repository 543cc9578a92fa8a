//! The failed requests in the JSON report that were kept with what was sent and received.

use serde::Serialize;

use super::unit::ms;
use crate::metrics::{ExchangeText, FailureSample, Outcome, RunResult};

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
            exchange: &sample.exchange,
        }
    }
}
