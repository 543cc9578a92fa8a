//! The criteria of a grade: what counts in the score, and with which share.
//!
//! Here: how SLOs and changes against a baseline become criteria. Not here: what a miss of a limit
//! is worth (`score`).

use std::time::Duration;

use super::change::{Change, Finding};
use super::flow_failures;
use super::measurement::Measurement;
use super::score::{self, Severity};
use crate::metrics::{LiveWindows, RunResult, Window, WorstWindow};
use crate::plan::{Metric, Slo, SloScope};
use crate::units::format_duration;

/// One thing that counts in the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// An SLO's name as its author spelled it, or the metric compared to the baseline.
    pub name: String,
    /// Whether it is an SLO or a change against the baseline.
    pub kind: CriterionKind,
    /// Which endpoint, or all of them.
    pub scope: SloScope,
    /// Which metric.
    pub metric: Metric,
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// The limit beyond which a miss is CRITICAL and fails the verdict; `None` where every miss does.
    pub critical: Option<f64>,
    /// The value, in the metric's unit; `None` without data, which never meets the limit.
    pub value: Option<f64>,
    /// Why there is no value, where that is known.
    pub missing: Option<String>,
    /// The length of the window of which the worst one counts; s. `None` for the measured time as a whole.
    pub window_s: Option<u64>,
    /// The window that counts.
    pub window: Option<WorstWindow>,
    /// The letter of its own that the value has; `None` without such letters, and without a value.
    pub grade: Option<String>,
    /// Whether the value is within the limit; for a change, whether it is no regression.
    pub met: bool,
    /// How badly it is missed.
    pub severity: Severity,
    /// 0..=100.
    pub score: f64,
    /// Weight in the total score.
    pub weight: f64,
    /// How many points of the total score it costs.
    pub points_lost: f64,
    /// Counts in the score but cannot fail the verdict.
    pub advisory: bool,
    /// Whether it is a budget, whose violation is listed by itself.
    pub budget: bool,
}

/// What kind of criterion it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CriterionKind {
    /// An SLO of the scenario, the profile or the command line.
    Slo,
    /// No regression against the baseline.
    Baseline,
}

impl Criterion {
    /// A criterion without data; its share of the total score is set later.
    fn new(kind: CriterionKind, name: String, scope: SloScope, metric: Metric, limit: f64) -> Self {
        Self {
            name,
            kind,
            scope,
            metric,
            limit,
            critical: None,
            value: None,
            missing: None,
            window_s: None,
            window: None,
            grade: None,
            met: false,
            severity: Severity::Critical,
            score: 0.0,
            weight: 1.0,
            points_lost: 0.0,
            advisory: false,
            budget: false,
        }
    }

    /// What this SLO makes of what was measured so far: as a whole, or in the worst window where it has windows. Its
    /// share of a total score is not known.
    pub fn so_far(slo: &Slo, whole: Option<f64>, window: Option<WorstWindow>) -> Self {
        let measurement = match slo.window_s {
            Some(_) => Measurement::windowed(window),
            None => Measurement::whole(whole),
        };
        slo_criterion(slo, slo.scope.clone(), measurement)
    }

    /// Whether it fails the verdict.
    pub fn fails(&self) -> bool {
        let is_warning = self.critical.is_some() && self.severity == Severity::Warning;
        !self.met && !self.advisory && !is_warning
    }

    /// The name after that of the endpoint, as in `list invoices: p95`, and with what tells it from others,
    /// as in `p95 in the worst 5m` and `p95 (budget)`.
    pub fn full_name(&self) -> String {
        let name = match &self.scope {
            SloScope::Total => self.name.clone(),
            SloScope::Endpoint(endpoint) => format!("{endpoint}: {}", self.name),
        };
        let window = self.window_s.filter(|_| !self.has_cut_window());
        let window = window.map(|window_s| {
            let length = format_duration(Duration::from_secs(window_s));
            format!(" in the worst {length}")
        });
        let budget = if self.budget { " (budget)" } else { "" };
        format!("{name}{}{budget}", window.unwrap_or_default())
    }

    /// By how much a budget is exceeded, as a share of it; `None` if it is not, without data, and if it is 0.
    pub fn violation_share(&self) -> Option<f64> {
        let value = self.value.filter(|_| self.budget && !self.met)?;
        let share = (value - self.limit).abs() / self.limit;
        share.is_finite().then_some(share)
    }

    /// Whether less was measured than its window is long, so that the value is that of all of it.
    pub fn has_cut_window(&self) -> bool {
        let window = self.window_s.zip(self.window);
        // A run is never stopped, and nothing is observed, to the millisecond.
        window.is_some_and(|(wanted_s, window)| window.length_s.round() < wanted_s as f64)
    }
}

/// The SLOs in their order. The limit on failed requests is also one on flows that fail although their requests
/// succeed: those that miss it follow it. Windows are as [`Measurement::of`] says.
pub(super) fn slo_criteria(result: &RunResult, windows: Option<&LiveWindows>) -> Vec<Criterion> {
    let total = result.summary(None, Window::Measured);
    let for_flows = limit_for_flows(&result.run.slos);
    let mut criteria = Vec::new();
    for (position, slo) in result.run.slos.iter().enumerate() {
        let measurement = Measurement::of((result, windows), &total, (position, slo));
        criteria.push(slo_criterion(slo, slo.scope.clone(), measurement));
        if for_flows != Some(position) {
            continue;
        }
        // Their value is that of the measured time as a whole.
        let slo = Slo {
            window_s: None,
            ..slo.clone()
        };
        let flows = flow_failures::unlimited(result).into_iter();
        let missed = flows.filter_map(|flow| {
            let value = flow.count as f64 / flow.finished.max(1) as f64;
            let value = Measurement::whole(Some(value));
            let criterion = slo_criterion(&slo, SloScope::Endpoint(flow.flow), value);
            (!criterion.met).then_some(criterion)
        });
        criteria.extend(missed);
    }
    criteria
}

/// The position of the limit on the failures of all requests that flows have, too: of several an SLO rather than a
/// budget, and one without a window, as flows have none.
fn limit_for_flows(slos: &[Slo]) -> Option<usize> {
    let limits = slos
        .iter()
        .enumerate()
        .filter(|(_, slo)| (&slo.scope, &slo.metric) == (&SloScope::Total, &Metric::ErrorRate));
    let preferred = limits.min_by_key(|(_, slo)| (slo.budget, slo.window_s.is_some()));
    preferred.map(|(position, _)| position)
}

/// What this SLO makes of a value.
fn slo_criterion(slo: &Slo, scope: SloScope, measurement: Measurement) -> Criterion {
    let mut criterion = Criterion::new(
        CriterionKind::Slo,
        slo.name.clone(),
        scope,
        slo.metric.clone(),
        slo.limit,
    );
    criterion.weight = slo.weight;
    criterion.advisory = slo.advisory;
    criterion.budget = slo.budget;
    criterion.critical = slo.critical;
    criterion.missing = measurement.missing;
    criterion.window = measurement.window;
    criterion.window_s = slo.window_s;
    if let Some(value) = measurement.value {
        let is_within = |limit| slo.metric.direction().is_met(limit, value);
        criterion.value = Some(value);
        criterion.met = is_within(slo.limit);
        let miss = score::times_pair(&slo.metric, slo.limit, slo.critical, value);
        criterion.score = score::of_miss(criterion.met, miss);
        criterion.severity = match slo.critical {
            Some(critical) if !criterion.met && is_within(critical) => Severity::Warning,
            Some(_) if !criterion.met => Severity::Critical,
            _ => Severity::of(criterion.met, miss),
        };
        let mut grades = slo.grades.iter();
        let letter = grades.find(|grade| is_within(grade.limit));
        let letter = letter.map_or("F", |grade| &grade.letter);
        criterion.grade = (!slo.grades.is_empty()).then(|| letter.to_owned());
    }
    criterion
}

/// One criterion per metric, however many endpoints there are: its worst regression counts like an
/// SLO missed by as much.
pub(super) fn baseline_criteria(changes: &[Change]) -> Vec<Criterion> {
    let mut criteria: Vec<Criterion> = Vec::new();
    for change in changes.iter().filter(|c| c.finding != Finding::Undecided) {
        let met = change.finding == Finding::Unchanged;
        let miss = score::times_limit(&change.metric, change.reference, change.value);
        let mut criterion = Criterion::new(
            CriterionKind::Baseline,
            change.metric.to_string(),
            change.scope.clone(),
            change.metric.clone(),
            change.reference,
        );
        criterion.value = Some(change.value);
        criterion.met = met;
        criterion.score = score::of_miss(met, miss);
        criterion.severity = Severity::of(met, miss);
        match criteria.iter_mut().find(|c| c.metric == change.metric) {
            None => criteria.push(criterion),
            Some(worst) if criterion.score < worst.score || (worst.met && !met) => {
                *worst = criterion;
            }
            Some(_) => {}
        }
    }
    criteria
}

/// The weight of a criterion; an invalid one counts as 0.
fn weight(criterion: &Criterion) -> f64 {
    if criterion.weight.is_finite() {
        criterion.weight.max(0.0)
    } else {
        0.0
    }
}

/// The sum of all weights, or `None` when there is nothing to grade.
pub(super) fn total_weight(criteria: &[Criterion]) -> Option<f64> {
    let sum: f64 = criteria.iter().map(weight).sum();
    (sum > 0.0 && sum.is_finite()).then_some(sum)
}

/// Sets how many points each criterion costs.
pub(super) fn share_out(criteria: &mut [Criterion]) {
    let Some(sum) = total_weight(criteria) else {
        return;
    };
    for criterion in criteria {
        criterion.points_lost = (100.0 - criterion.score) * (weight(criterion) / sum);
    }
}

/// The weighted mean of the scores.
pub(super) fn total(criteria: &[Criterion]) -> Option<f64> {
    total_weight(criteria)?;
    let lost: f64 = criteria.iter().map(|c| c.points_lost).sum();
    Some((100.0 - lost).clamp(0.0, 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grading::{Grading, Policy, Verdict};
    use crate::metrics::{
        FailureCount, FailureCounts, Observation, ObservedInfo, ObservedValue, Outcome, fixture,
    };
    use crate::plan::{
        Direction, Extreme, GradeLimit, ObservedNumber, ObservedPart, ObservedUnit, Percentile,
        Scale,
    };

    fn p95() -> Metric {
        Metric::ResponseTime(Percentile::new(95.0).unwrap())
    }

    #[test]
    fn the_limit_on_failed_requests_is_one_on_flows_that_fail_by_themselves() {
        let run = |own: u64, of_requests: u64| {
            let outcomes = [
                (Outcome::Ok, 1_000, 100 - own - of_requests),
                (Outcome::CheckFailed, 1_000, own + of_requests),
            ];
            let mut result =
                fixture::run(&[("pay", &[(Outcome::Ok, 1_000, 100)]), ("buy", &outcomes)]);
            result.run.endpoints[1].is_flow = true;
            let flow = &mut result.endpoints[1];
            flow.endpoint.is_flow = true;
            for phase in &mut flow.phases {
                phase.failure_counts = FailureCounts::default();
                if phase.outcomes.is_empty() {
                    continue;
                }
                for (count, key) in [(own, Some("sold out".to_owned())), (of_requests, None)] {
                    phase.failure_counts.add(FailureCount {
                        outcome: Outcome::CheckFailed,
                        status: None,
                        example: key.clone(),
                        key,
                        check: None,
                        count,
                        excerpt: None,
                    });
                }
            }
            result.run.slos = vec![fixture::slo("error_rate", Metric::ErrorRate, 0.01)];
            let totals = &mut result.run.ending.as_mut().unwrap().totals;
            (totals.planned, totals.started) = (100, 100);
            result
        };
        let names = |result: &RunResult| -> Vec<String> {
            let criteria = slo_criteria(result, None);
            let missed = criteria.iter().filter(|criterion| !criterion.met);
            missed.map(Criterion::full_name).collect()
        };
        assert_eq!(names(&run(1, 0)), [""; 0]);
        assert_eq!(names(&run(2, 0)), ["buy: error_rate"]);
        // Its requests count for themselves.
        assert_eq!(names(&run(1, 50)), [""; 0]);
        let grading = Grading::of(&run(2, 0), None, &Policy::default());
        assert_eq!(grading.verdict, Verdict::Fail);
        let wanted = "buy: error_rate is 2%, the limit is 1%; most often sold out (2 of 100 runs)";
        assert_eq!(grading.reasons, [wanted]);
        // A limit of its own comes first.
        let mut own = run(2, 0);
        own.run.slos.push(Slo {
            scope: SloScope::Endpoint("buy".into()),
            ..fixture::slo("error_rate", Metric::ErrorRate, 0.05)
        });
        assert_eq!(names(&own), [""; 0]);
        // A limit with a window is one of the measured time for flows, and an SLO comes before a budget.
        let mut windowed = run(2, 0);
        windowed.run.slos[0].window_s = Some(5);
        let criteria = slo_criteria(&windowed, None);
        assert_eq!(
            (criteria[0].window_s, criteria[1].window_s),
            (Some(5), None)
        );
        assert_eq!(names(&windowed), ["buy: error_rate"]);
        let mut budget = run(2, 0);
        budget.run.slos.insert(0, budget.run.slos[0].clone());
        (budget.run.slos[0].budget, budget.run.slos[0].limit) = (true, 0.0);
        assert_eq!(names(&budget), ["buy: error_rate"]);
        let all = run(100, 0);
        let grading = Grading::of(&all, None, &Policy::default());
        assert_eq!(
            grading.reasons,
            ["all 100 flows failed: buy: sold out (100 of 100 runs)"]
        );
    }

    #[test]
    fn a_window_is_cut_where_less_was_measured_than_it_is_long() {
        let kind = CriterionKind::Slo;
        let mut slo = Criterion::new(kind, "p95".into(), SloScope::Total, p95(), 1.0);
        slo.window_s = Some(60);
        for (length_s, is_cut) in [(60.8, false), (59.998, false), (59.2, true), (5.0, true)] {
            slo.window = Some(WorstWindow {
                value: 1.0,
                start_s: 0.0,
                length_s,
            });
            assert_eq!(slo.has_cut_window(), is_cut, "{length_s}");
            let is_named = slo.full_name() == "p95 in the worst 1m";
            assert_eq!(is_named, !is_cut, "{length_s}");
        }
    }

    #[test]
    fn a_warning_does_not_fail_and_a_letter_is_that_of_the_first_limit_that_holds() {
        let graded = |p95_us: u64| {
            let mut result = fixture::run(&[("a", &[(Outcome::Ok, p95_us, 100)])]);
            let mut slo = fixture::slo("p95", p95(), 100.0);
            slo.critical = Some(200.0);
            let grade = |(letter, limit): (&str, f64)| GradeLimit {
                letter: letter.to_owned(),
                limit,
            };
            slo.grades = [("A", 50.0), ("B", 120.0)].map(grade).into();
            result.run.slos = vec![slo];
            let grading = Grading::of(&result, None, &Policy::default());
            let slo = &grading.criteria[0];
            let letter = slo.grade.clone().unwrap();
            (grading.verdict, slo.severity, slo.score, letter)
        };
        let (pass, fail) = (Verdict::Pass, Verdict::Fail);
        assert_eq!(graded(50), (pass, Severity::Success, 100.0, "A".into()));
        assert_eq!(graded(51), (pass, Severity::Success, 100.0, "B".into()));
        assert_eq!(graded(120), (pass, Severity::Warning, 40.0, "B".into()));
        assert_eq!(graded(200), (pass, Severity::Warning, 0.0, "F".into()));
        assert_eq!(graded(201), (fail, Severity::Critical, 0.0, "F".into()));
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 120, 100)])]);
        result.run.slos = vec![fixture::slo("p95", p95(), 100.0)];
        result.run.slos[0].critical = Some(200.0);
        let compliance = Grading::of(&result, None, &Policy::default()).compliance();
        assert_eq!(
            (compliance.targets_close, compliance.targets_failing),
            (1, 0)
        );
    }

    #[test]
    fn what_is_observed_is_graded_and_what_is_not_has_a_reason() {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 100, 100)])]);
        let info = |name: &str| ObservedInfo {
            name: name.to_owned(),
            source: name.to_owned(),
            unit: ObservedUnit::Number,
        };
        result.run.observed = vec![info("pool"), info("cache")];
        let end_us = result.run.phases[1].end_us;
        let observation = |level, at_ms| Observation {
            at_ms,
            length_ms: 1_000,
            values: vec![(0, ObservedValue::Level(level))],
            failures: vec![(1, "status 503".to_owned())],
        };
        let at_ms = end_us / 1_000;
        result.observations = vec![observation(0.5, at_ms - 1_000), observation(0.9, at_ms)];
        let number = |name: &str, part, extreme| {
            Metric::Observed(ObservedNumber {
                name: name.to_owned(),
                part,
                extreme,
                scale: Scale::Share,
                direction: Direction::AtMost,
            })
        };
        result.run.slos = [
            (number("pool", None, None), 0.8),
            (number("pool", None, Some(Extreme::Max)), 0.8),
            (number("pool", Some(ObservedPart::P95), None), 0.8),
            (number("cache", None, None), 0.8),
            (number("other", None, None), 0.8),
        ]
        .map(|(metric, limit)| fixture::slo(&metric.to_string(), metric, limit))
        .into();
        let grading = Grading::of(&result, None, &Policy::default());
        assert_eq!(grading.criteria[0].value, Some(0.7));
        assert_eq!(
            grading.reasons,
            [
                "observed_pool_max is 90%, the limit is 80%",
                "observed_pool_p95: no data: it is a single number, without percentiles",
                "observed_cache: no data: status 503",
                "observed_other: no data: it was not observed in this run",
            ]
        );
    }

    #[test]
    fn the_worst_regression_of_a_metric_counts_once() {
        let change = |endpoint: &str, value, finding| Change {
            scope: SloScope::Endpoint(endpoint.into()),
            metric: p95(),
            reference: 100_000.0,
            value,
            finding,
            sentence: String::new(),
        };
        let criteria = baseline_criteria(&[
            change("a", 90_000.0, Finding::Unchanged),
            change("b", 150_000.0, Finding::Regressed),
            change("c", 120_000.0, Finding::Regressed),
            change("d", 900_000.0, Finding::Undecided),
        ]);
        assert_eq!(criteria.len(), 1);
        assert_eq!(criteria[0].full_name(), "b: p95");
        assert_eq!(criteria[0].score, 50.0);
    }
}
