//! What failed: which error types at which endpoints, how often, and an example of each.

use serde::Serialize;

use crate::metrics::{FailureCount, FailureSample, Outcome, RunResult};
use crate::units::format_counted;

/// The most rows of a table for people.
const MAX_ROWS: usize = 20;

/// Failures of one endpoint that ended in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ErrorRow {
    error_type: Outcome,
    endpoint: String,
    /// Of their responses; `None` without one.
    status: Option<u16>,
    /// The `fail_with` of the check that failed.
    key: Option<String>,
    /// What the check that failed is about, where it has no `fail_with`; what failed in a flow.
    check: Option<String>,
    /// In the measured phases.
    requests: u64,
    /// In ramps, the warm-up, and after the load.
    unmeasured_requests: u64,
    /// What happened to one of them, and what its response says.
    example: Option<String>,
}

impl ErrorRow {
    /// What [`error_name`] says.
    pub(super) fn what(&self) -> String {
        let (key, check) = (self.key.as_deref(), self.check.as_deref());
        error_name(self.error_type, key, check, self.status)
    }

    /// How many requests there were, measured or not.
    pub(super) fn count(&self) -> u64 {
        self.requests + self.unmeasured_requests
    }

    /// What it counts.
    pub(super) fn kind(&self) -> FailureKind<'_> {
        FailureKind {
            endpoint: &self.endpoint,
            error_type: self.error_type,
            status: self.status,
            key: self.key.as_deref(),
            check: self.check.as_deref(),
        }
    }
}

/// What tells the rows apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FailureKind<'a> {
    pub(super) endpoint: &'a str,
    error_type: Outcome,
    pub(super) status: Option<u16>,
    key: Option<&'a str>,
    check: Option<&'a str>,
}

impl<'a> FailureKind<'a> {
    /// That of a failed request of the run.
    pub(super) fn of(result: &'a RunResult, sample: &'a FailureSample) -> Self {
        Self {
            endpoint: &result.endpoints[sample.endpoint].endpoint.name,
            error_type: sample.outcome,
            status: sample.status,
            key: sample.key.as_deref(),
            check: sample.check.as_deref(),
        }
    }
}

/// The error type with the status, the check or the scenario's name of the failure.
pub(crate) fn error_name(
    error_type: Outcome,
    key: Option<&str>,
    check: Option<&str>,
    status: Option<u16>,
) -> String {
    let name = error_type.name();
    match (key, check, status) {
        (Some(key), _, _) => format!("{key} ({name})"),
        (None, Some("status"), Some(status)) => format!("{name} {status}"),
        (None, Some(check), _) => format!("{name} {check}"),
        (None, None, Some(status)) => format!("{name} {status}"),
        (None, None, None) => name.to_owned(),
    }
}

/// What failed, with an example: `http_4xx 422, e.g. 422: qty must be an integer`.
pub(crate) fn error_text(failures: &FailureCount) -> String {
    let (key, check) = (failures.key.as_deref(), failures.check.as_deref());
    let name = error_name(failures.outcome, key, check, failures.status);
    let status = failures.status.map(|status| format!("status {status}"));
    match message(failures).filter(|example| Some(example) != status.as_ref()) {
        Some(example) => format!("{name}, e.g. {example}"),
        None => name,
    }
}

/// All error types of all endpoints in the whole run, and of flows that failed without a failed request, the most frequent first.
pub(crate) fn errors(result: &RunResult) -> Vec<ErrorRow> {
    let mut rows = Vec::new();
    for endpoint in &result.endpoints {
        // Of this endpoint alone: failures are alike only within one.
        let mut of_endpoint: Vec<(ErrorRow, &FailureCount)> = Vec::new();
        for (phase, cell) in result.run.phases.iter().zip(&endpoint.phases) {
            let failures = cell.failure_counts.iter();
            let is_error = |outcome: Outcome| outcome.is_failure() || outcome.is_local();
            // A flow that failed with one of its requests is told by that.
            let is_shown = |one: &&FailureCount| {
                is_error(one.outcome)
                    && (!endpoint.endpoint.is_flow || one.check.is_some() || one.key.is_some())
            };
            for failures in failures.filter(is_shown) {
                let position = of_endpoint
                    .iter()
                    .position(|(_, first)| first.is_like(failures))
                    .unwrap_or_else(|| {
                        let name = &endpoint.endpoint.name;
                        of_endpoint.push((row(name, failures), failures));
                        of_endpoint.len() - 1
                    });
                let row = &mut of_endpoint[position].0;
                match phase.measured {
                    true => row.requests += failures.count,
                    false => row.unmeasured_requests += failures.count,
                }
                if row.example.is_none() {
                    row.example = message(failures);
                }
            }
        }
        rows.extend(of_endpoint.into_iter().map(|(row, _)| row));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.count()));
    rows
}

/// A row for failures like these, not counted yet.
fn row(endpoint: &str, failures: &FailureCount) -> ErrorRow {
    ErrorRow {
        error_type: failures.outcome,
        endpoint: endpoint.to_owned(),
        status: failures.status,
        key: failures.key.clone(),
        check: failures.check.clone(),
        requests: 0,
        unmeasured_requests: 0,
        example: None,
    }
}

/// What happened to one of them, and what its response says, such as `422: qty must be an integer`.
fn message(failures: &FailureCount) -> Option<String> {
    let text = failures.example.as_deref()?;
    let Some(excerpt) = &failures.excerpt else {
        return Some(text.to_owned());
    };
    let is_of_status = matches!(failures.outcome, Outcome::Http4xx | Outcome::Http5xx)
        || failures.check.as_deref() == Some("status");
    if !is_of_status {
        return Some(format!("{text}; the response: {excerpt}"));
    }
    let bare = failures.status.map(|status| format!("status {status}"));
    match bare.as_deref() == Some(text) {
        true => Some(format!("{}: {excerpt}", &text["status ".len()..])),
        false => Some(format!("{text}: {excerpt}")),
    }
}

/// The rows of a table for people: how many requests in and outside of the measured phases, what
/// failed, at which endpoint, and an example. The rest, if there is any, in a sentence.
pub(crate) type ErrorTable = (
    Vec<((u64, u64), [String; 2], Option<String>)>,
    Option<String>,
);

/// The errors of a run as a table for people.
pub(crate) fn error_table(result: &RunResult) -> ErrorTable {
    let all = errors(result);
    let cut_off = all.get(MAX_ROWS..).unwrap_or_default();
    let rest = (!cut_off.is_empty()).then(|| {
        let sum = cut_off.iter().map(ErrorRow::count);
        let (kinds, sum) = (cut_off.len() as u64, sum.sum());
        format!(
            "and {} with {} in total; the JSON report has all of them",
            format_counted(kinds, "more kind"),
            format_counted(sum, "request")
        )
    });
    let rows = all.into_iter().take(MAX_ROWS);
    let rows = rows.map(|row| {
        let what = row.what();
        let counts = (row.requests, row.unmeasured_requests);
        (counts, [what, row.endpoint], row.example)
    });
    (rows.collect(), rest)
}

/// The text of a failure with this outcome, behind the name of its endpoint.
pub(super) fn example(result: &RunResult, outcome: Outcome) -> Option<String> {
    result.requests().find_map(|endpoint| {
        let mut cells = endpoint.phases.iter();
        let text = cells.find_map(|cell| cell.failure_counts.example(outcome))?;
        Some(format!("{}: {text}", endpoint.endpoint.name))
    })
}
