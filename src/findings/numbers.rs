//! The numbers that the rules look at, taken from the result once.
//!
//! Not here: the rules.

use crate::grading::{Criterion, Grading};
use crate::metrics::{Cell, Outcome, RunResult, SparseHistogram, Summary, Window};

/// The numbers of a run.
pub(super) struct Numbers<'a> {
    pub(super) result: &'a RunResult,
    grading: &'a Grading,
    /// The endpoints, without flows.
    pub(super) endpoints: Vec<EndpointNumbers<'a>>,
    /// All requests of the measured phases.
    pub(super) total: Cell,
    /// The same, summed up.
    pub(super) summary: Summary,
}

/// The numbers of one endpoint in the measured phases.
pub(super) struct EndpointNumbers<'a> {
    pub(super) position: usize,
    pub(super) name: &'a str,
    pub(super) cell: Cell,
    pub(super) summary: Summary,
}

/// One second of a measured phase.
pub(super) struct Second {
    pub(super) phase: usize,
    /// From the start of the load; s.
    pub(super) at_s: u64,
    /// Response times, as in tables.
    pub(super) response: SparseHistogram,
    pub(super) failures: u64,
}

impl<'a> Numbers<'a> {
    pub(super) fn of(result: &'a RunResult, grading: &'a Grading) -> Self {
        let window_s = result.window_s(Window::Measured);
        let endpoints = result.endpoints.iter().enumerate();
        let endpoints = endpoints
            .filter(|(_, endpoint)| !endpoint.endpoint.is_flow)
            .map(|(position, endpoint)| {
                let cell = result.cell(Some(position), Window::Measured);
                EndpointNumbers {
                    position,
                    name: &endpoint.endpoint.name,
                    summary: Summary::of(&cell, window_s),
                    cell,
                }
            });
        let total = result.cell(None, Window::Measured);
        Self {
            result,
            grading,
            endpoints: endpoints.collect(),
            summary: Summary::of(&total, window_s),
            total,
        }
    }

    /// The SLOs.
    pub(super) fn slos(&self) -> impl Iterator<Item = &'a Criterion> {
        self.grading.slos()
    }

    /// The SLOs that are missed by a value.
    pub(super) fn missed(&self) -> impl Iterator<Item = (&'a Criterion, f64)> {
        let missed = self.slos().filter(|slo| !slo.met);
        missed.filter_map(|slo| Some((slo, slo.value?)))
    }

    /// The numbers of an endpoint, or of all requests; `None` for a flow.
    pub(super) fn summary_of(&self, endpoint: Option<&str>) -> Option<&Summary> {
        let Some(name) = endpoint else {
            return Some(&self.summary);
        };
        let mut endpoints = self.endpoints.iter();
        let found = endpoints.find(|one| one.name == name);
        found.map(|one| &one.summary)
    }

    /// The seconds of the measured phases in which requests of an endpoint (by position), or of any, were due, in
    /// order.
    pub(super) fn seconds(&self, endpoint: Option<usize>) -> Vec<Second> {
        let result = self.result;
        let measured = result.timeline.iter();
        let measured = measured.filter(|interval| result.run.phases[interval.phase].measured);
        let seconds = measured.filter_map(|interval| {
            let is_wanted = |position: usize| match endpoint {
                Some(wanted) => position == wanted,
                None => !result.endpoints[position].endpoint.is_flow,
            };
            let mut second = Second {
                phase: interval.phase,
                at_s: result.second_of(interval),
                response: SparseHistogram::default(),
                failures: 0,
            };
            let mut cells = interval.cells.iter().peekable();
            cells.peek()?;
            for (_, cell) in cells.filter(|(position, _)| is_wanted(*position)) {
                second.response.merge(&cell.response);
                second.response.merge(&cell.censored);
                second.failures += cell.count(Outcome::is_failure);
            }
            Some(second)
        });
        seconds.collect()
    }
}
