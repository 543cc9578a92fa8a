//! The regression gate: a decision for each endpoint and metric, with how certain it is.
//!
//! One baseline run cannot show how much equal runs vary, so the gate learns that from several
//! occasions, tests the logarithms of the metrics with a t test, keeps the false alarms of all of
//! them together within a budget (Benjamini and Hochberg 1995), and calls inconclusive what the
//! data cannot decide. Deterministic; nothing is resampled. `docs/regression-gate.md` describes it
//! in full. Here: which metrics are judged, and what is decided about each. Not here: the estimates
//! (`estimate`), the differences (`difference`, `error_rate`), what else changed (`attribution`).

mod attribution;
mod difference;
mod distribution;
mod error_rate;
mod estimate;
#[cfg(test)]
mod golden;
mod measurements;
mod noise;
mod outlook;

use self::difference::{Difference, LEAST_OCCASIONS};
use self::error_rate::Rates;
use self::estimate::{Estimate, mean_log};
use self::measurements::{Measurements, RunNumbers};
use super::gate::{Caller, Gate};
use super::occasion::occasions;
use super::row::{Decision, Row, metrics, scopes};
use crate::metrics::RunResult;
use crate::plan::{Direction, Metric};
use crate::units::{format_count, format_counted};

pub(super) use self::distribution::normal_quantile;
pub(crate) use self::distribution::{binomial_at_least, t_quantile};
pub(crate) use self::error_rate::wilson;
pub use noise::{Noise, PREDICTED_RUNS, Spread};

/// The budget of false alarms of a job over all endpoints and metrics.
pub(super) const ALPHA: f64 = 0.008;
/// How much of it is spent at a look at so many runs; one run alone never fails a job, since one
/// machine in ten is a bad one.
const LOOKS: [(usize, f64); 3] = [(1, 0.0), (3, 0.001), (5, 0.007)];
/// The risk at each look of calling unchanged what got worse by the tolerance.
const BETA: f64 = 0.025;
/// An error rate that rose by less never fails a job.
const ERROR_MARGIN: f64 = 0.001;
/// The rise of an error rate that must be ruled out to call it unchanged.
const ERROR_TOLERANCE: f64 = 0.005;
/// The full seconds that a phase must have, so that there are enough blocks to judge by.
pub(super) const LEAST_SECONDS: usize = 60;
/// How many response times must be above a percentile, in each run.
const SAMPLES_BEYOND: f64 = 100.0;

/// The gate and its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistical {
    /// Smaller changes never fail a job, such as 0.05.
    pub margin: f64,
    /// The change for the worse that must be ruled out to say "unchanged", such as 0.1.
    pub tolerance: f64,
    /// How the runs were made.
    pub design: Design,
    /// The command that compares.
    pub caller: Caller,
}

/// How runs were made, which decides what counts as an independent observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// On occasions, compared again when there are more runs: see [`occasions`].
    Occasions,
    /// Each run counts as an occasion; one look.
    EachRun,
    /// Both sides in turn on one occasion, so that they share its conditions; one look.
    SideBySide,
}

impl Default for Statistical {
    fn default() -> Self {
        Self {
            margin: 0.05,
            tolerance: 0.1,
            design: Design::Occasions,
            caller: Caller::Run,
        }
    }
}

impl Statistical {
    /// For two services run in turn, where smaller differences can be found.
    pub fn side_by_side() -> Self {
        Self {
            margin: 0.03,
            design: Design::SideBySide,
            caller: Caller::Ab,
            ..Self::default()
        }
    }

    /// The highest share of jobs of an unchanged build that may fail.
    pub fn budget(&self) -> f64 {
        ALPHA
    }

    /// What may be spent of the budget on this many candidate runs.
    fn alpha(&self, runs: usize) -> f64 {
        let spent = LOOKS.iter().rev().find(|(at, _)| runs >= *at);
        match self.design {
            Design::Occasions => spent.map_or(0.0, |(_, alpha)| *alpha),
            Design::EachRun | Design::SideBySide => ALPHA,
        }
    }
}

impl Gate for Statistical {
    fn tolerated_change(&self) -> f64 {
        self.margin
    }

    fn name(&self) -> &'static str {
        match self.design {
            Design::SideBySide => "side_by_side",
            Design::Occasions | Design::EachRun => "statistical",
        }
    }

    fn caller(&self) -> Caller {
        self.caller
    }

    fn is_side_by_side(&self) -> bool {
        self.design == Design::SideBySide
    }

    fn least_measured_s(&self) -> usize {
        LEAST_SECONDS
    }

    fn next_look(&self, runs: usize) -> Option<usize> {
        let mut looks = LOOKS.iter().map(|(at, _)| *at);
        looks.find(|at| *at > runs && self.design == Design::Occasions)
    }

    fn judge(&self, baseline: &[RunResult], candidates: &[RunResult]) -> Vec<Row> {
        let Some(first) = candidates.first() else {
            return Vec::new();
        };
        let sides = Sides {
            baseline: Measurements::of(baseline),
            candidates: Measurements::of(candidates),
            occasions: [self.occasions(baseline), self.occasions(candidates)],
        };
        let mut questions = self.decide(&sides, first);
        let [baseline, candidates] =
            [baseline, candidates].map(|runs| runs.iter().collect::<Vec<_>>());
        for question in &mut questions {
            question.explain(&baseline, &candidates);
        }
        questions.into_iter().map(|question| question.row).collect()
    }

    fn weaknesses(&self, baseline: &[RunResult]) -> Vec<String> {
        let count = self.occasions(baseline).len();
        if self.design == Design::SideBySide || count >= LEAST_OCCASIONS {
            return Vec::new();
        }
        let few = match count {
            1 => "all its runs are from one occasion".to_owned(),
            n => format!("its runs are from {n} occasions"),
        };
        vec![format!(
            "the baseline is provisional: {few}, which cannot show how much occasions differ; at \
             least {LEAST_OCCASIONS} are needed, 5 for normal use, 10 are recommended"
        )]
    }
}

/// The runs of both sides, and their occasions.
struct Sides {
    baseline: Measurements,
    candidates: Measurements,
    occasions: [Vec<Vec<usize>>; 2],
}

/// A metric that may be judged, and the evidence about it.
struct Question {
    row: Row,
    phase: usize,
    endpoint: Option<usize>,
    evidence: Option<Evidence>,
}

impl Question {
    /// Adds what else changed, if it is a regression.
    fn explain(&mut self, baseline: &[&RunResult], candidates: &[&RunResult]) {
        if self.row.decision == Decision::Regressed {
            self.row.moved_with = attribution::of(
                &self.row.metric,
                self.phase,
                self.endpoint,
                baseline,
                candidates,
            );
        }
    }
}

/// The evidence about a metric that is judged.
enum Evidence {
    /// Signed so that more is worse.
    Difference(Difference),
    Rates(Rates),
}

impl Evidence {
    fn p_value(&self) -> f64 {
        match self {
            Self::Difference(difference) => difference.p_value(),
            Self::Rates(rates) => rates.p_value(),
        }
    }

    fn p_value_of_improvement(&self) -> f64 {
        match self {
            Self::Difference(difference) => difference.mirrored().p_value(),
            Self::Rates(rates) => rates.mirrored().p_value(),
        }
    }
}

impl Statistical {
    fn occasions(&self, runs: &[RunResult]) -> Vec<Vec<usize>> {
        match self.design {
            Design::Occasions => occasions(runs),
            Design::EachRun | Design::SideBySide => one_each(runs.len()),
        }
    }

    /// All questions about a phase: of all endpoints together, then of each.
    fn questions(&self, sides: &Sides, phase: usize, run: &RunResult) -> Vec<Question> {
        let several = sides.candidates.phases() > 1;
        let mut questions = Vec::new();
        for (endpoint, scope) in scopes(run) {
            for (metric, required) in metrics(run.run.load.model) {
                if !is_judged(&metric, endpoint, run) {
                    continue;
                }
                let mut row = Row::new(scope.clone(), metric);
                row.phase = several.then(|| sides.candidates.phase_name(phase));
                row.required = required;
                let evidence = self.evidence(&mut row, sides, phase, endpoint);
                questions.push(Question {
                    row,
                    phase,
                    endpoint,
                    evidence,
                });
            }
        }
        leave_total_to_endpoints(&mut questions);
        questions
    }

    /// Fills in the numbers of a metric; `None` when they are not enough to judge by.
    fn evidence(
        &self,
        row: &mut Row,
        sides: &Sides,
        phase: usize,
        endpoint: Option<usize>,
    ) -> Option<Evidence> {
        let numbers =
            [&sides.baseline, &sides.candidates].map(|side| side.numbers(phase, endpoint));
        if row.metric == Metric::ErrorRate {
            return self.rates(row, sides, &numbers);
        }
        let estimates = numbers
            .each_ref()
            .map(|side| side.iter().map(|run| run.estimate(&row.metric)).collect());
        let [Some(before), Some(now)]: [Option<Vec<Estimate>>; 2] = estimates else {
            row.reason = "no data".into();
            return None;
        };
        let difference = match self.design {
            Design::SideBySide => Difference::side_by_side(&before, &now),
            Design::Occasions | Design::EachRun => Difference::between(
                &grouped(&sides.occasions[0], &before),
                &grouped(&sides.occasions[1], &now),
            ),
        };
        // So that both values agree with the change: where occasions have unequal numbers of runs,
        // the plain mean of the runs would not.
        let before = mean_log(&before);
        row.baseline = Some(before.exp());
        row.value = Some((before + difference.log).exp());
        row.reference = row.baseline;
        row.change = Some(difference.log.exp_m1());
        let all = || numbers.iter().copied().flatten();
        if let Some(lack) = lack(&row.metric, all()) {
            row.reason = lack;
            return None;
        }
        let (low, high) = difference.bounds(1.0 - BETA);
        row.range = Some((low.exp_m1(), high.exp_m1()));
        let detectable = difference.detectable(ALPHA, self.margin.ln_1p());
        row.detectable = Some(detectable.exp_m1());
        Some(Evidence::Difference(match row.metric.direction() {
            Direction::AtMost => difference,
            Direction::AtLeast => difference.mirrored(),
        }))
    }

    fn rates(
        &self,
        row: &mut Row,
        sides: &Sides,
        numbers: &[&[RunNumbers]; 2],
    ) -> Option<Evidence> {
        let [before, now] = numbers.map(|side| {
            let errors: Vec<_> = side.iter().map(|run| run.errors).collect();
            errors
        });
        let rates = Rates::between(
            &grouped(&sides.occasions[0], &before),
            &grouped(&sides.occasions[1], &now),
        );
        (row.baseline, row.value) = (rates.before(), rates.now());
        let (Some(before), Some(now)) = (row.baseline, row.value) else {
            row.reason = "no data".into();
            return None;
        };
        row.reference = Some(before + ERROR_MARGIN);
        row.change = Some(now - before);
        let all = || numbers.iter().copied().flatten();
        if let Some(lack) = lack(&row.metric, all()) {
            row.reason = lack;
            return None;
        }
        row.range = Some(rates.bounds(1.0 - BETA));
        // With too few requests it can be found worse, but never called unchanged: it must not
        // leave every job inconclusive.
        row.required &= rates.can_tell(ERROR_TOLERANCE, 1.0 - BETA);
        Some(Evidence::Rates(rates))
    }

    /// All questions about both sides, decided together. `first` is a run of the candidate.
    fn decide(&self, sides: &Sides, first: &RunResult) -> Vec<Question> {
        let phases = 0..sides.candidates.phases();
        let questions: Vec<Question> = phases
            .flat_map(|phase| self.questions(sides, phase, first))
            .collect();
        let runs = sides.occasions[1].iter().map(Vec::len).sum();
        let p_values = |of: fn(&Evidence) -> f64| -> Vec<f64> {
            let evidence = questions.iter().filter_map(|q| q.evidence.as_ref());
            evidence.map(of).collect()
        };
        let (worse, better) = (
            p_values(Evidence::p_value),
            p_values(Evidence::p_value_of_improvement),
        );
        let alpha = self.alpha(runs);
        let mut regressed = rejected(&worse, alpha).into_iter();
        let mut improved = rejected(&better, alpha).into_iter();
        let mut suspect = rejected(&worse, ALPHA).into_iter();
        let mut next = || {
            let next = (regressed.next(), improved.next(), suspect.next());
            let (Some(regressed), Some(improved), Some(suspect)) = next else {
                return Rejections::default();
            };
            Rejections {
                regressed,
                improved,
                suspect,
            }
        };
        let mut questions: Vec<Question> = questions
            .into_iter()
            .map(|mut question| {
                match &question.evidence {
                    Some(evidence) => self.settle(&mut question.row, evidence, next(), runs),
                    None => question.row.required = false,
                }
                question
            })
            .collect();
        self.foresee(&mut questions, runs);
        questions
    }

    /// The decision of a metric that is judged.
    fn settle(&self, row: &mut Row, evidence: &Evidence, rejected: Rejections, runs: usize) {
        let (effect, upper, margin, tolerance) = match evidence {
            Evidence::Difference(difference) => (
                difference.log,
                difference.bounds(1.0 - BETA).1,
                self.margin.ln_1p(),
                self.tolerance.ln_1p(),
            ),
            Evidence::Rates(rates) => (
                row.change.unwrap_or_default(),
                rates.bounds(1.0 - BETA).1,
                ERROR_MARGIN,
                ERROR_TOLERANCE,
            ),
        };
        if rejected.regressed && effect > margin {
            row.decision = Decision::Regressed;
        } else if rejected.suspect && effect > margin {
            // Not certain enough to fail the job, but too suspicious to pass it.
            row.required = true;
            row.reason = "it looks worse".into();
            if let Evidence::Difference(difference) = evidence {
                row.outlook.runs = self.runs_to_settle(difference, runs);
            }
        } else if rejected.improved && -effect > margin {
            row.decision = Decision::Improved;
        } else if upper < tolerance {
            row.decision = Decision::Unchanged;
        } else {
            match evidence {
                Evidence::Difference(difference) => {
                    row.outlook.runs = self.runs_to_settle(difference, runs);
                }
                Evidence::Rates(_) => {
                    row.reason = "an increase of 0.5 percentage points cannot be ruled out".into();
                }
            }
        }
    }
}

/// The hypotheses rejected for one metric.
#[derive(Debug, Clone, Copy, Default)]
struct Rejections {
    regressed: bool,
    improved: bool,
    suspect: bool,
}

/// How often one endpoint was called depends on the draw, not on the service; and if there is only
/// one endpoint, all together are the same.
fn is_judged(metric: &Metric, endpoint: Option<usize>, run: &RunResult) -> bool {
    match (metric, endpoint) {
        (Metric::Throughput, endpoint) => endpoint.is_none(),
        (_, None) => run.requests().count() > 1,
        (_, Some(_)) => true,
    }
}

/// All endpoints together are required only where no endpoint can be judged by itself: their
/// mixture may have a median that jumps between two of them.
fn leave_total_to_endpoints(questions: &mut [Question]) {
    let judged: Vec<Metric> = questions
        .iter()
        .filter(|q| q.endpoint.is_some() && q.evidence.is_some() && q.row.required)
        .map(|q| q.row.metric.clone())
        .collect();
    for question in questions.iter_mut().filter(|q| q.endpoint.is_none()) {
        question.row.required &= !judged.contains(&question.row.metric);
    }
}

/// What one of the runs has too little of to judge this metric, if so.
fn lack<'a>(metric: &Metric, runs: impl Iterator<Item = &'a RunNumbers>) -> Option<String> {
    let beyond = match metric {
        Metric::ResponseTime(percentile) => 1.0 - percentile.quantile(),
        Metric::MeanResponseTime => 1.0,
        _ => 0.0,
    };
    let (mut seconds, mut count) = (usize::MAX, u64::MAX);
    for run in runs {
        seconds = seconds.min(run.seconds);
        count = count.min(run.count);
    }
    if seconds < LEAST_SECONDS {
        return Some(format!(
            "{seconds} full seconds, {LEAST_SECONDS} are needed"
        ));
    }
    // A little slack, since 2000 * (1 - 0.95) is not quite 100 in binary.
    (count as f64 * beyond + 1e-9 < SAMPLES_BEYOND && beyond > 0.0).then(|| {
        format!(
            "{} per run, {} are needed",
            format_counted(count, "request"),
            format_count((SAMPLES_BEYOND / beyond).round() as u64)
        )
    })
}

/// So many runs, each an occasion of its own.
fn one_each(runs: usize) -> Vec<Vec<usize>> {
    (0..runs).map(|run| vec![run]).collect()
}

/// The values of the runs by occasion.
fn grouped<T: Copy>(occasions: &[Vec<usize>], runs: &[T]) -> Vec<Vec<T>> {
    let runs_of = |occasion: &Vec<usize>| occasion.iter().map(|&run| runs[run]).collect();
    occasions.iter().map(runs_of).collect()
}

/// Which of the hypotheses are rejected, so that at most `alpha` of all rejections are false
/// (Benjamini and Hochberg 1995).
fn rejected(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut sorted = p_values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let share = |rank: usize| alpha * (rank + 1) as f64 / sorted.len() as f64;
    let largest = (0..sorted.len())
        .rev()
        .find(|&rank| sorted[rank] <= share(rank));
    let bound = largest.map(|rank| sorted[rank]);
    p_values
        .iter()
        .map(|p| alpha > 0.0 && bound.is_some_and(|bound| *p <= bound))
        .collect()
}

#[cfg(test)]
mod tests;
