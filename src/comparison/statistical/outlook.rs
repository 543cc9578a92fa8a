//! What more runs could do for a metric that is not decided.
//!
//! Nothing here decides anything: it tells a job when to stop, and people what to try. Not here: the
//! decision (`statistical`), and how the advice reads (`comparison`).

use super::difference::Difference;
use super::{BETA, Design, ERROR_MARGIN, Evidence, LOOKS, Question, Statistical, rejected};

/// What is known of a difference may still move by so many standard deviations of its runs.
const MOVES: f64 = 3.0;
/// The highest number of runs that is suggested to settle a question.
const MOST_RUNS: usize = 30;

impl Statistical {
    /// What more runs on the same occasions could do for the metrics that are not decided. In their
    /// favor: the difference moves their way by as much as it might, and so do all others.
    pub(super) fn foresee(&self, questions: &mut [Question], runs: usize) {
        let looks = LOOKS.iter().filter(|(at, _)| *at > runs);
        for &(at, alpha) in looks.filter(|_| self.design == Design::Occasions) {
            let evidence = questions.iter().filter_map(|q| q.evidence.as_ref());
            let p_values: Vec<f64> = evidence
                .map(|evidence| match evidence {
                    Evidence::Difference(difference) => difference.worst_of(at, MOVES).p_value(),
                    Evidence::Rates(rates) => rates.p_value(),
                })
                .collect();
            let mut alarms = rejected(&p_values, alpha).into_iter();
            for question in questions.iter_mut() {
                let Some(evidence) = &question.evidence else {
                    continue;
                };
                let is_alarm = alarms.next().unwrap_or_default();
                let (may_alarm, may_clear) = match evidence {
                    Evidence::Difference(difference) => {
                        let (worst, best) = (
                            difference.worst_of(at, MOVES),
                            difference.best_of(at, MOVES),
                        );
                        (
                            worst.log > self.margin.ln_1p(),
                            best.bounds(1.0 - BETA).1 < self.tolerance.ln_1p(),
                        )
                    }
                    // More requests always say more.
                    Evidence::Rates(_) => {
                        (question.row.change.unwrap_or_default() > ERROR_MARGIN, true)
                    }
                };
                let outlook = &mut question.row.outlook;
                outlook.may_alarm |= is_alarm && may_alarm;
                outlook.may_clear |= may_clear;
            }
        }
    }

    /// How many runs would settle it, if they vary as much as these do; side by side, of each service.
    pub(super) fn runs_to_settle(&self, difference: &Difference, runs: usize) -> Option<usize> {
        let tolerance = self.tolerance.ln_1p();
        let occasions = difference.occasions as usize;
        let settled = |per_occasion: usize| {
            let foreseen = difference.with_runs(per_occasion);
            let alarm = foreseen.log > self.margin.ln_1p()
                && foreseen.p_value() < self.alpha(per_occasion * occasions);
            alarm || foreseen.bounds(1.0 - BETA).1 < tolerance
        };
        let now = runs.div_ceil(occasions.max(1));
        let per_occasion = (now + 1..=MOST_RUNS).find(|per_occasion| settled(*per_occasion))?;
        Some(per_occasion * occasions)
    }
}
