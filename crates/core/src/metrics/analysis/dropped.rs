//! Arrivals that were never started: whose fault it was, and whether the load was delivered.
//!
//! Only those count that were due in a measured phase: users that still connect during the ramp may
//! miss arrivals, which affects no number that is graded. Not here: the generator's health otherwise
//! (`health`).

use std::cmp::Reverse;

use super::concern::Concern;
use crate::metrics::{Interval, Outcome, RunResult, Window};
use crate::plan::Model;
use crate::units::{format_count, format_counted};

/// The share of the single core of a worker from which on it has no time left.
pub(super) const WORKER_FULL: f64 = 0.95;
/// The share of planned arrivals that the generator may drop because it is late.
const DROPPED_LATE: f64 = 0.001;
/// A run that misses more than this share of its arrivals or users did not deliver its load.
const UNDELIVERED_SHARE: f64 = 0.01;
/// Of so many classes of users, it is said why their `on_start` failed.
const MOST_CLASSES: usize = 3;

impl RunResult {
    /// What is missing of the load, if it was not delivered: so many arrivals of the measured phases that were
    /// dropped, or so many users that ended before they sent anything. `None` for a load that was changed by hand.
    pub fn undelivered(&self) -> Option<String> {
        if self.run.is_adjusted() {
            return None;
        }
        let is_too_much =
            |missing: u64, planned: u64| missing as f64 > UNDELIVERED_SHARE * planned as f64;
        let (dropped, planned) = self.measured_arrivals();
        if is_too_much(dropped, planned) {
            let (dropped, planned) = (format_count(dropped), format_counted(planned, "arrival"));
            return Some(format!("{dropped} of {planned} dropped"));
        }
        let failed = match self.run.load.model {
            Model::Closed => self.run.failed_starts(),
            Model::Open { .. } => 0,
        };
        let users = failed.max(self.run.load.peak().ceil() as u64);
        is_too_much(failed, users).then(|| {
            let (failed, users) = (format_count(failed), format_counted(users, "user"));
            let text = format!("{failed} of {users} ended because their `on_start` failed");
            self.with_causes_of_failed_starts(text)
        })
    }

    /// A sentence about failed starts, and why they failed.
    pub(super) fn with_causes_of_failed_starts(&self, text: String) -> String {
        let causes = self.causes_of_failed_starts().into_iter();
        causes.fold(text, |text, cause| text + "; " + &cause)
    }

    /// Of each class of users whose `on_start` failed for some: `shopper: 6 of 6, the first: ...`; those in which
    /// most failed first.
    pub fn causes_of_failed_starts(&self) -> Vec<String> {
        let classes = self.run.starts.iter();
        let mut classes: Vec<_> = classes.filter(|(_, starts)| starts.failed > 0).collect();
        classes.sort_by_key(|(_, starts)| Reverse(starts.failed));
        let causes = classes
            .into_iter()
            .take(MOST_CLASSES)
            .map(|(class, starts)| {
                let [failed, ended] = [starts.failed, starts.ended].map(format_count);
                let why = starts.why.as_deref().unwrap_or("it was not said why");
                format!("{class}: {failed} of {ended}, the first: {why}")
            });
        causes.collect()
    }

    /// What a reader has to know of dropped arrivals.
    pub(super) fn dropped_concerns(&self) -> impl Iterator<Item = Concern> {
        let concerns = [
            self.dropped_late(),
            self.dropped_for_lack_of_users(),
            self.dropped_unmeasured(),
        ];
        concerns.into_iter().flatten()
    }

    /// Dropped and planned arrivals of the measured phases.
    fn measured_arrivals(&self) -> (u64, u64) {
        let count = |select: fn(Outcome) -> bool| self.count_in(None, Window::Measured, select);
        (count(is_dropped), count(|_| true))
    }

    fn dropped_late(&self) -> Option<Concern> {
        let (dropped, (_, planned)) = (self.dropped_by_generator(), self.measured_arrivals());
        (dropped > 0).then(|| Concern {
            decisive: dropped as f64 > planned as f64 * DROPPED_LATE,
            text: format!(
                "{} of {} {} dropped because the load generator could not keep up: try \
                 {}more `--workers`, a lower rate, or another machine",
                format_count(dropped),
                format_counted(planned, "arrival"),
                was(dropped),
                self.lighter_client()
            ),
        })
    }

    /// Dropped arrivals of the measured phases for which the service is not to blame: those that were
    /// late, and those in seconds in which a worker used all of its core, since it then had no time
    /// for its users either.
    fn dropped_by_generator(&self) -> u64 {
        let ending = self.run.ending.as_ref();
        let late = ending.map_or(0, |ending| ending.totals.dropped_late_measured);
        let is_busy = |interval: &&Interval| {
            let Some(phase) = self.run.phases.get(interval.phase) else {
                return false;
            };
            let health = self.health.get(self.second_of(interval) as usize);
            phase.measured && health.is_some_and(|second| second.busiest_worker_share > WORKER_FULL)
        };
        let busy = self.timeline.iter().filter(is_busy);
        let cells = busy.flat_map(|interval| self.request_cells(interval));
        let while_busy: u64 = cells.map(|cell| cell.count(is_dropped)).sum();
        late.max(while_busy)
    }

    /// For a killed run the cause is not known, so the likelier one is named.
    fn dropped_for_lack_of_users(&self) -> Option<Concern> {
        let (dropped, _) = self.measured_arrivals();
        let dropped = dropped.saturating_sub(self.dropped_by_generator());
        let Model::Open { max_users } = self.run.load.model else {
            return None;
        };
        let (_, failed_starts) = self.arrivals_without_start();
        let dropped = dropped.saturating_sub(failed_starts);
        (dropped > 0).then(|| Concern {
            decisive: false,
            text: format!(
                "{} {} dropped because no virtual user was free: the service was too slow for this \
                 rate, or `max_users` ({}) is too low",
                format_counted(dropped, "arrival"),
                was(dropped),
                format_count(max_users.into())
            ),
        })
    }

    /// Arrivals that were dropped because the `on_start` of their user failed, outside of and in the
    /// measured phases. They have a note of their own.
    fn arrivals_without_start(&self) -> (u64, u64) {
        let of_classes = self.run.starts.values();
        let measured = of_classes.map(|starts| starts.failed_measured).sum();
        (self.run.failed_starts().saturating_sub(measured), measured)
    }

    /// What was dropped in ramps and the warm-up, which affects no number that is graded.
    fn dropped_unmeasured(&self) -> Option<Concern> {
        let (dropped, planned) = self.measured_arrivals();
        let (failed_starts, _) = self.arrivals_without_start();
        let dropped = self
            .count(is_dropped)
            .saturating_sub(dropped + failed_starts);
        let planned = self.count(|_| true).saturating_sub(planned);
        let late = self.run.ending.as_ref().map_or(0, |ending| {
            let totals = ending.totals;
            totals
                .dropped_late
                .saturating_sub(totals.dropped_late_measured)
        });
        let because = match late {
            0 => String::new(),
            late => format!(
                " ({} because the load generator was late)",
                format_count(late)
            ),
        };
        (dropped > 0).then(|| Concern {
            decisive: false,
            text: format!(
                "{} of {} in ramps and warm-up {} dropped{because}, which does not affect \
                 the measured numbers: a longer ramp gives users time to connect",
                format_count(dropped),
                format_counted(planned, "arrival"),
                was(dropped),
            ),
        })
    }
}

fn is_dropped(outcome: Outcome) -> bool {
    outcome == Outcome::Dropped
}

fn was(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Cell, HealthSample, Starts, fixture};

    /// `(INVALID, warnings)`.
    fn judged(result: &RunResult) -> (Vec<String>, Vec<String>) {
        (result.invalid_because(), result.warnings())
    }

    fn open(requests: fixture::Requests<'_>) -> RunResult {
        let mut result = fixture::run(&[("a", requests)]);
        result.run.load.model = Model::Open { max_users: 10 };
        result
    }

    #[test]
    fn a_dropped_arrival_has_a_cause_and_only_the_generators_own_is_invalid() {
        let dropped = |late: u64| {
            let requests: fixture::Requests<'_> =
                &[(Outcome::Ok, 1_000, 9_980), (Outcome::Dropped, 0, 20)];
            let mut result = open(requests);
            let totals = &mut result.run.ending.as_mut().unwrap().totals;
            (totals.dropped_late, totals.dropped_late_measured) = (late, late);
            judged(&result)
        };
        let (because, warnings) = dropped(0);
        assert!(because.is_empty());
        assert!(warnings[0].contains("20 arrivals were dropped because no virtual user"));
        let (because, warnings) = dropped(10);
        assert_eq!((because.len(), warnings.len()), (0, 2), "0.1 %");
        let (because, warnings) = dropped(11);
        assert_eq!((because.len(), warnings.len()), (1, 1));
        assert!(because[0].contains("11 of 10,000"), "{because:?}");
    }

    /// Those have a note of their own, and nobody else is blamed for them; for the others, the service is.
    #[test]
    fn arrivals_of_users_that_could_not_start_are_told_apart_from_those_without_a_user() {
        let warnings = |failed: u64, measured: u64| {
            let mut result = open(&[(Outcome::Ok, 1_000, 900), (Outcome::Dropped, 0, 100)]);
            let ramp: &mut Cell = &mut result.endpoints[0].phases[0];
            ramp.outcomes.insert(Outcome::Dropped, 20);
            let totals = &mut result.run.ending.as_mut().unwrap().totals;
            totals.planned += 20;
            let starts = Starts {
                ended: 1_000,
                failed,
                failed_measured: measured,
                why: None,
            };
            result.run.starts = [("a".to_owned(), starts)].into();
            judged(&result).1
        };
        let starts = |warnings: &[String], text: &str| warnings.iter().any(|w| w.starts_with(text));
        let some = warnings(45, 30);
        assert!(starts(
            &some,
            "arrivals dropped because the `on_start` of their user failed: 45"
        ));
        assert!(
            starts(&some, "70 arrivals were dropped because no virtual user"),
            "{some:?}"
        );
        assert!(
            starts(&some, "5 of 20 arrivals in ramps and warm-up were dropped"),
            "{some:?}"
        );
        assert_eq!(warnings(120, 100).len(), 1, "{:?}", warnings(120, 100));
    }

    /// A worker that has no time for its users cannot blame the service for having no free one.
    #[test]
    fn arrivals_dropped_while_a_worker_is_saturated_are_the_generators_fault() {
        let dropped = |share: f64, seconds: std::ops::Range<usize>| {
            let mut result = open(&[(Outcome::Ok, 1_000, 9_900), (Outcome::Dropped, 0, 100)]);
            result.health = (0..13)
                .map(|second| HealthSample {
                    busiest_worker_share: if seconds.contains(&second) {
                        share
                    } else {
                        0.5
                    },
                    ..HealthSample::default()
                })
                .collect();
            judged(&result)
        };
        let is_generator = |text: &String| text.contains("the load generator could not keep up");
        let is_service = |text: &String| text.contains("no virtual user was free");
        let (because, warnings) = dropped(0.95, 0..13);
        assert!(
            !because.iter().chain(&warnings).any(is_generator),
            "{because:?} {warnings:?}"
        );
        assert!(warnings.iter().any(is_service), "{warnings:?}");
        // 3 of the 10 s: 30 of the 100.
        let (because, warnings) = dropped(0.99, 4..7);
        assert!(
            because.iter().any(|text| text.contains("30 of 10,000")),
            "{because:?}"
        );
        assert!(
            warnings.iter().any(|text| text.starts_with("70 ")),
            "{warnings:?}"
        );
        let (because, warnings) = dropped(0.99, 0..13);
        assert!(because.iter().any(is_generator) && !warnings.iter().any(is_service));
    }

    /// Users that still connect during the ramp miss arrivals, and the measured phase has none of that.
    #[test]
    fn what_is_dropped_before_the_measured_phase_is_a_warning_whatever_the_cause() {
        let dropped = |late: u64, share: f64| {
            let mut result = open(&[(Outcome::Ok, 1_000, 1_000)]);
            let ramp: &mut Cell = &mut result.endpoints[0].phases[0];
            ramp.outcomes.insert(Outcome::Dropped, 900);
            let health = HealthSample {
                busiest_worker_share: share,
                ..HealthSample::default()
            };
            result.health = vec![health; 2];
            let totals = &mut result.run.ending.as_mut().unwrap().totals;
            totals.planned += 900;
            totals.dropped_late = late;
            result
        };
        for (late, share) in [(0, 0.5), (900, 0.5), (0, 1.0), (900, 1.0)] {
            let result = dropped(late, share);
            let (because, warnings) = judged(&result);
            assert_eq!(because, [""; 0], "{late} {share}");
            assert_eq!(result.undelivered(), None);
            let warning = &warnings[0];
            assert!(
                warning.starts_with("900 of 900 arrivals in ramps and warm-up were dropped"),
                "{warning}"
            );
            assert_eq!(
                warning.contains("(900 because the load generator was late)"),
                late > 0
            );
        }
        let mut measured = dropped(900, 0.5);
        let totals = &mut measured.run.ending.as_mut().unwrap().totals;
        totals.dropped_late_measured = 2;
        assert_eq!(judged(&measured).0.len(), 1, "2 of 1,000 are above 0.1 %");
    }

    #[test]
    fn users_whose_start_failed_are_missing_from_the_load() {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        assert_eq!(result.undelivered(), None);
        result
            .run
            .load
            .stages
            .iter_mut()
            .for_each(|stage| stage.level = 200.0);
        let starts = |class: &str, failed, why: &str| {
            let starts = Starts {
                ended: 100,
                failed,
                failed_measured: 0,
                why: Some(why.to_owned()),
            };
            (class.to_owned(), starts)
        };
        let visitor = || starts("visitor", 2, "step `log in` ended as http_4xx");
        result.run.starts = [visitor(), starts("guest", 0, "")].into();
        assert_eq!(result.undelivered(), None);
        let shopper = starts("shopper", 1, "step `cart` ended as reset");
        result.run.starts = [visitor(), shopper].into();
        let wanted = "3 of 200 users ended because their `on_start` failed; visitor: 2 of 100, the first: step \
            `log in` ended as http_4xx; shopper: 1 of 100, the first: step `cart` ended as reset";
        assert_eq!(result.undelivered().as_deref(), Some(wanted));
        // That of a killed run is known, too.
        result.run.ending = None;
        assert_eq!(result.undelivered().as_deref(), Some(wanted));
        assert!(result.warnings()[0].starts_with("users ended because their `on_start` failed: 3"));
    }
}
