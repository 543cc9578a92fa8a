//! The verdict: passed, failed, inconclusive or INVALID, and its exit code.

use std::time::Duration;

use super::breakdown::{self, Breakdown, BreakdownKind};
use super::change::{Change, Finding};
use super::criterion::{Criterion, CriterionKind};
use super::flow_failures::{self, FlowFailures};
use super::policy::Policy;
use crate::error::Exit;
use crate::metrics::{Outcome, RunResult, Window};
use crate::plan::SloScope;
use crate::units::{format_counted, format_duration};

/// The verdict on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything required is met.
    Pass,
    /// Something required is not met.
    Fail,
    /// The data cannot decide it.
    Inconclusive,
    /// The load generator was at fault; the numbers say nothing about the service.
    Invalid,
}

impl Verdict {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Invalid => "INVALID",
        }
    }

    /// Its exit code.
    pub fn exit(self) -> Exit {
        match self {
            Self::Pass => Exit::Pass,
            Self::Fail => Exit::Failed,
            Self::Inconclusive | Self::Invalid => Exit::Inconclusive,
        }
    }
}

/// What a verdict follows from.
pub(super) struct Evidence<'a> {
    pub(super) result: &'a RunResult,
    /// Why the run is INVALID; empty for a valid one.
    pub(super) invalid: Vec<String>,
    pub(super) criteria: &'a [Criterion],
    pub(super) changes: &'a [Change],
    /// Whether there is a comparison that had too little data for every metric.
    pub(super) judges_nothing: bool,
    /// Why the run has nothing to grade, if so.
    pub(super) breakdown: Option<&'a Breakdown>,
}

/// A verdict and why.
pub(super) struct ReasonedVerdict {
    pub(super) verdict: Verdict,
    /// Most important first.
    pub(super) reasons: Vec<String>,
    /// Whether it fails for nothing but failed requests, which no SLO limits.
    pub(super) is_unasked: bool,
}

impl ReasonedVerdict {
    fn new(verdict: Verdict, reasons: Vec<String>) -> Self {
        Self {
            verdict,
            reasons,
            is_unasked: false,
        }
    }
}

/// The verdict and its reasons. The worst verdict wins; INVALID comes before all others. That the run
/// was stopped is said in any case.
pub(super) fn of(evidence: Evidence<'_>, policy: &Policy) -> ReasonedVerdict {
    let stopped = stopped_early(evidence.result);
    let failed_teardown = evidence.result.failed_teardown();
    let aborted = evidence.result.aborted();
    let is_disturbed = is_disturbed(evidence.result);
    let mut judgement = judge(evidence, policy);
    let fails = policy.fail_on.slo || policy.fail_on.errors;
    if let Some(failed) = failed_teardown.filter(|_| fails) {
        if !is_disturbed && judgement.verdict != Verdict::Invalid {
            judgement.verdict = Verdict::Fail;
        }
        judgement.is_unasked = false;
        judgement.reasons.push(failed);
    }
    if let Some(aborted) = aborted {
        if fails && !is_disturbed && judgement.verdict != Verdict::Invalid {
            judgement.verdict = Verdict::Fail;
        }
        judgement.is_unasked = false;
        judgement.reasons.retain(|reason| *reason != aborted);
        let at = match judgement.verdict {
            Verdict::Invalid => judgement.reasons.len(),
            _ => 0,
        };
        judgement.reasons.insert(at, aborted);
    } else if let Some(stopped) = stopped
        && !judgement.reasons.contains(&stopped)
    {
        judgement.reasons.push(stopped);
    }
    judgement
}

fn judge(evidence: Evidence<'_>, policy: &Policy) -> ReasonedVerdict {
    let Evidence {
        result,
        invalid,
        criteria,
        changes,
        judges_nothing,
        breakdown,
    } = evidence;
    if !invalid.is_empty() {
        return ReasonedVerdict::new(Verdict::Invalid, invalid);
    }
    if is_disturbed(result) {
        return ReasonedVerdict::new(Verdict::Inconclusive, doubts(result));
    }
    let fail_on = policy.fail_on;
    let missed: Vec<&Criterion> = criteria
        .iter()
        .filter(|criterion| criterion.kind == CriterionKind::Slo && fail_on.slo)
        .filter(|criterion| criterion.fails())
        .collect();
    let broken = |kinds: &[BreakdownKind]| breakdown.filter(|b| kinds.contains(&b.kind));
    if let Some(nothing) = broken(&[BreakdownKind::Nothing, BreakdownKind::NothingAfterFailures]) {
        let failed = nothing.kind == BreakdownKind::NothingAfterFailures;
        // A run that was stopped before might still have measured something.
        let fails = result.is_finished()
            && (!missed.is_empty() || failed && (fail_on.slo || fail_on.errors));
        let verdict = match fails {
            true => Verdict::Fail,
            false => Verdict::Inconclusive,
        };
        return ReasonedVerdict::new(verdict, vec![nothing.text.clone()]);
    }
    // Endpoints before the total: they are more specific.
    let of = |finding| {
        let is_total = |change: &&Change| change.scope == SloScope::Total;
        let found = || {
            changes
                .iter()
                .filter(move |change| change.finding == finding)
        };
        let endpoints = found().filter(move |change| !is_total(change));
        let all = endpoints.chain(found().filter(is_total));
        all.filter(|_| fail_on.regression)
            .map(|change| change.sentence.clone())
    };
    let regressions: Vec<String> = of(Finding::Regressed).collect();
    let failures = broken(&[BreakdownKind::Failures]);
    if let Some(failures) = failures.filter(|_| fail_on.slo || fail_on.errors) {
        // What the failures did to the SLOs says the same again.
        let is_unasked = missed.is_empty() && regressions.is_empty() && !fail_on.errors;
        return ReasonedVerdict {
            is_unasked,
            ..ReasonedVerdict::new(Verdict::Fail, vec![failures.text.clone()])
        };
    }
    let mut reasons: Vec<String> = missed.iter().map(|miss| describe_miss(miss)).collect();
    // The first limit on failures that is missed says what they mostly are, and so does that of each flow.
    let mut causes = None;
    let limits = missed.iter().zip(&mut reasons);
    for (miss, reason) in limits.filter(|(miss, _)| miss.metric.is_of_failures()) {
        let (flows, of_requests) = causes.get_or_insert_with(|| {
            let of_requests = breakdown::cause(result, Window::Measured);
            (flow_failures::unlimited(result), of_requests)
        });
        let mut flows = flows.iter();
        let flow = flows.find(|flow| miss.scope.endpoint() == Some(flow.flow.as_str()));
        let cause = flow.map(FlowFailures::cause).or_else(|| of_requests.take());
        if let Some(cause) = cause {
            *reason += &format!("; most often {cause}");
        }
    }
    reasons.extend(regressions);
    let failed_requests = result.count(Outcome::is_failure);
    if fail_on.errors && failed_requests > 0 {
        reasons.push(format!(
            "{} failed",
            format_counted(failed_requests, "request")
        ));
    }
    if !reasons.is_empty() {
        return ReasonedVerdict::new(Verdict::Fail, reasons);
    }
    let mut open = doubts(result);
    open.extend(of(Finding::Undecided));
    if judges_nothing && fail_on.regression {
        open.push("the comparison has too little data to judge any metric".into());
    }
    if !open.is_empty() {
        return ReasonedVerdict::new(Verdict::Inconclusive, open);
    }
    let reasons = match (failures, criteria) {
        (Some(failures), _) => vec![failures.text.clone()],
        (None, []) => vec!["no SLOs defined, and no baseline given".into()],
        _ => Vec::new(),
    };
    ReasonedVerdict::new(Verdict::Pass, reasons)
}

/// Why the run is inconclusive by itself, whatever the criteria.
pub(super) fn doubts(result: &RunResult) -> Vec<String> {
    let mut open = Vec::new();
    if is_printed(result) {
        let text =
            "not judged, since printing requests and responses (--debug) disturbs the numbers";
        open.push(text.to_owned());
    }
    if let Some(how) = result.adjusted() {
        open.push(format!(
            "not judged, since the load was changed by hand: {how}"
        ));
    }
    if result.count_in(None, Window::Measured, Outcome::is_started) == 0 {
        open.push("no request was measured".to_owned());
    }
    open.extend(stopped_early(result));
    if let Some(missing) = result.undelivered() {
        open.push(format!("the load was not delivered: {missing}"));
    }
    open
}

/// Whether the numbers are those of another load than the planned one, or of a trial that was printed.
fn is_disturbed(result: &RunResult) -> bool {
    is_printed(result) || result.run.is_adjusted()
}

/// Whether requests and responses were printed. A quick look has no verdict anyway.
fn is_printed(result: &RunResult) -> bool {
    result.run.debug && !result.run.quick_look
}

/// That the run was ended before its time, if so: `stopped after 7s of 20s`.
fn stopped_early(result: &RunResult) -> Option<String> {
    let Some(ending) = &result.run.ending else {
        let text = "perfctl was killed during the run; the last second may be missing";
        return Some(text.into());
    };
    match ending.signal {
        Some(_) => Some(format!("stopped {}", result.stopped_after()?)),
        None => result.aborted(),
    }
}

fn describe_miss(criterion: &Criterion) -> String {
    let Criterion { metric, limit, .. } = criterion;
    let name = criterion.full_name();
    let (limit, what) = match criterion.critical {
        Some(critical) => (critical, "critical limit"),
        None => (*limit, "limit"),
    };
    match (criterion.value, &criterion.missing) {
        (None, None) => format!("{name}: no data"),
        (None, Some(reason)) => format!("{name}: no data: {reason}"),
        (Some(value), _) => {
            let [value, limit] = metric.format_apart(value, limit);
            let window = criterion.window.filter(|_| !criterion.has_cut_window());
            let window = window.map(|window| {
                let start = Duration::from_secs_f64(window.start_s.max(0.0).round());
                format!(", from {} on,", format_duration(start))
            });
            let window = window.unwrap_or_default();
            format!("{name}{window} is {value}, the {what} is {limit}")
        }
    }
}

#[cfg(test)]
mod tests;
