//! The numbers that the rules look at, taken from the result once.
//!
//! Not here: the rules.

use crate::grading::{Criterion, Grading};
use crate::metrics::{Cell, Outcome, RunResult, SparseHistogram, Summary, Window};
use crate::plan::Metric;

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
pub(super) struct Second<'a> {
    pub(super) phase: usize,
    /// From the start of the load; s.
    pub(super) at_s: u64,
    /// Of the requests that were due in it.
    cells: Vec<&'a Cell>,
}

impl Second<'_> {
    /// Adds its response times, as in tables, to others.
    pub(super) fn add_response_to(&self, response: &mut SparseHistogram) {
        for cell in &self.cells {
            response.merge(&cell.response);
            response.merge(&cell.censored);
        }
    }

    /// The longest response time; µs. `None` without any.
    pub(super) fn longest_us(&self) -> Option<u64> {
        let cells = self.cells.iter();
        let times = cells.flat_map(|cell| [&cell.response, &cell.censored]);
        let times = times.filter(|times| !times.is_empty());
        times.map(|times| times.max_us).max()
    }

    /// How many requests failed.
    pub(super) fn failures(&self) -> u64 {
        let cells = self.cells.iter();
        cells.map(|cell| cell.count(Outcome::is_failure)).sum()
    }
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

    /// The seconds of the measured phases in which requests of any endpoint were due, in order, with those of an endpoint
    /// (by position), or of all.
    pub(super) fn seconds(&self, endpoint: Option<usize>) -> impl Iterator<Item = Second<'a>> {
        let result = self.result;
        let measured = result.timeline.iter();
        let measured = measured.filter(|interval| {
            result.run.phases[interval.phase].measured && !interval.cells.is_empty()
        });
        measured.map(move |interval| Second {
            phase: interval.phase,
            at_s: result.second_of(interval),
            cells: match endpoint {
                None => result.request_cells(interval).collect(),
                Some(wanted) => {
                    let cells = interval.cells.iter();
                    let cells = cells.filter(|(position, _)| *position == wanted);
                    cells.map(|(_, cell)| cell).collect()
                }
            },
        })
    }

    /// Whether an SLO on such a metric is about the requests of an endpoint: of it alone, or of all.
    pub(super) fn has_slo(&self, endpoint: &str, is_such: impl Fn(&Metric) -> bool) -> bool {
        let mut slos = self.slos().filter(|slo| is_such(&slo.metric));
        slos.any(|slo| slo.scope.covers(endpoint, false))
    }
}
