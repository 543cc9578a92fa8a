//! Whether the numbers of a run can be trusted: the one list of what makes it INVALID.
//!
//! Here: faults of the load generator and of the counts. Not here: what the service did, which is
//! graded in `grading`.

use std::time::Duration;

use crate::metrics::storage::adjustment::listed;
use crate::metrics::{Outcome, RunResult};
use crate::plan::Model;
use crate::units::{as_us, format_count, format_counted, format_duration};

/// The load may end this far from its plan whatever its length; us. A percentage alone would make a
/// one-second run INVALID because of a single late wake-up.
const WINDOW_SLACK_US: u64 = 100_000;

impl RunResult {
    /// Every cause that makes the run INVALID, each a phrase for people; empty for a valid run.
    pub fn invalid_because(&self) -> Vec<String> {
        let mut causes: Vec<String> = [self.panics(), self.local_faults(), self.broken_count()]
            .into_iter()
            .flatten()
            .collect();
        if !self.run.assume_healthy {
            causes.extend(self.timing_faults());
        }
        causes
    }

    /// The causes that depend on how fast this machine is; with `assume_healthy` they are warnings.
    fn timing_faults(&self) -> impl Iterator<Item = String> {
        self.wrong_window().into_iter().chain(self.concerns(true))
    }

    /// What a reader has to know of the load generator although the run is valid; phrases for
    /// people.
    pub fn warnings(&self) -> Vec<String> {
        let assumed = self.run.assume_healthy.then(|| {
            let text = "the load generator's health was not judged (--assume-healthy)".to_owned();
            std::iter::once(text).chain(self.timing_faults())
        });
        let debugged = self.run.debug.then(|| {
            "requests and responses were printed (--debug), which makes requests slower".to_owned()
        });
        let known = self.concerns(false).chain(self.broken_little());
        let known = self.failed_starts().into_iter().chain(known);
        let known = known.chain(self.dropped_rows());
        let options = debugged.into_iter().chain(assumed.into_iter().flatten());
        options.chain(known).collect()
    }

    /// Requests without a row in the file of `--samples`.
    fn dropped_rows(&self) -> Option<String> {
        let counts = self.run.samples.as_ref()?;
        let (file, dropped) = (&counts.file, format_count(counts.dropped));
        match &counts.failure {
            Some(failure) => Some(format!(
                "`{file}` could not be written: {failure}; {dropped} requests are not in it"
            )),
            None if counts.dropped == 0 => None,
            None => Some(format!(
                "{dropped} requests are not in `{file}`, because the disk was too slow"
            )),
        }
    }

    /// How the load was changed by hand, if it was: `2 users more than planned from 12s on`.
    pub fn adjusted(&self) -> Option<String> {
        self.run
            .is_adjusted()
            .then(|| listed(&self.run.adjustments))
    }

    /// Why the tear-down failed, if it did.
    pub fn failed_teardown(&self) -> Option<String> {
        let ending = self.run.ending.as_ref()?;
        let why = ending.failed_teardown.as_ref()?;
        Some(format!("`teardown` failed: {why}"))
    }

    fn failed_starts(&self) -> Option<String> {
        let count = self.run.failed_starts();
        (count > 0).then(|| {
            let count = format_count(count);
            let text = match self.run.load.model {
                Model::Closed => format!(
                    "users ended because their `on_start` failed: {count}; the load was that much \
                     lower"
                ),
                Model::Open { .. } => {
                    format!("arrivals dropped because the `on_start` of their user failed: {count}")
                }
            };
            self.with_causes_of_failed_starts(text)
        })
    }

    fn concerns(&self, decisive: bool) -> impl Iterator<Item = String> {
        let concerns = self.health_concerns().into_iter();
        concerns
            .filter(move |concern| concern.decisive == decisive)
            .map(|concern| concern.text)
    }

    /// When the load ended before its time, such as `after 7s of 20s`; `None` for a run without an end.
    pub fn stopped_after(&self) -> Option<String> {
        let (ending, load) = (self.run.ending.as_ref()?, &self.run.load);
        let unit_us = match ending.stopped_at_us {
            0..1_000_000 => 1_000,
            _ => 100_000,
        };
        let after = Duration::from_micros(ending.stopped_at_us / unit_us * unit_us);
        let after = format_duration(after);
        Some(match load.iterations {
            Some(iterations) => format!(
                "after {after}, before its {} were done",
                format_counted(iterations, "iteration")
            ),
            None => format!("after {after} of {}", format_duration(load.total())),
        })
    }

    /// Whether the load ran to its planned end: not stopped by a signal, not aborted, perfctl not killed.
    pub fn is_finished(&self) -> bool {
        let ending = self.run.ending.as_ref();
        ending.is_some_and(|ending| ending.signal.is_none() && ending.aborted.is_none())
    }

    /// That a limit of the scenario ended it early, if so: `aborted after 34s of 5m: error_rate above 20% for 10s`.
    pub fn aborted(&self) -> Option<String> {
        let limit = self.run.ending.as_ref()?.aborted.as_deref()?;
        Some(format!("aborted {}: {limit}", self.stopped_after()?))
    }

    /// perfctl itself failed in a user or a worker: part of the load is gone.
    fn panics(&self) -> Option<String> {
        let ending = self.run.ending.as_ref()?;
        if let Some(text) = &ending.dead_worker {
            return Some(format!(
                "a worker of perfctl died, which ended the run: {text}; this is a bug, please report it"
            ));
        }
        let text = ending.panic.as_deref()?;
        Some(format!(
            "perfctl itself failed in {} virtual {}: {text}; this is a bug, please report it",
            format_count(ending.totals.panics),
            if ending.totals.panics == 1 {
                "user"
            } else {
                "users"
            },
        ))
    }

    fn local_faults(&self) -> Option<String> {
        let counts: Vec<String> = Outcome::ALL
            .into_iter()
            .filter(|outcome| outcome.is_local() && *outcome != Outcome::Internal)
            .map(|outcome| (outcome, self.count(|c| c == outcome)))
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| format!("{} x {}", format_count(count), outcome.name()))
            .collect();
        (!counts.is_empty()).then(|| {
            format!(
                "this machine ran out of resources ({}): try fewer users, or raise the limits",
                counts.join(", ")
            )
        })
    }

    /// The samples must account for every start that the workers counted, and each of them must
    /// have a time: no sample was lost, and no value was too large to be recorded.
    fn broken_count(&self) -> Option<String> {
        self.lost_samples().or_else(|| self.lost_times())
    }

    fn lost_times(&self) -> Option<String> {
        let cells = || self.requests().flat_map(|endpoint| &endpoint.phases);
        let times = cells().map(|cell| {
            let ended = [&cell.response, &cell.censored, &cell.failed];
            ended.iter().map(|part| part.count()).sum::<u64>()
        });
        let (times, ended): (u64, u64) = (times.sum(), self.count(Outcome::is_started));
        (times != ended).then(|| {
            format!(
                "the counts do not add up: of {} that ended, {} have a time",
                format_counted(ended, "request"),
                format_count(times)
            )
        })
    }

    fn lost_samples(&self) -> Option<String> {
        let totals = self.run.ending.as_ref()?.totals;
        let planned = self.count(|_| true);
        let started = self.count(Outcome::is_started);
        (totals.planned != planned || totals.started != started).then(|| {
            format!(
                "the counts do not add up: workers planned {} and started {}, the samples show {} \
                 and {}",
                format_count(totals.planned),
                format_count(totals.started),
                format_count(planned),
                format_count(started)
            )
        })
    }

    fn wrong_window(&self) -> Option<String> {
        let ending = self.run.ending.as_ref()?;
        let is_early = ending.out_of_data
            || ending.stopped_by_scenario
            || ending.decided
            || ending.aborted.is_some();
        if ending.signal.is_some() || is_early || self.run.load.iterations.is_some() {
            return None;
        }
        let planned_us = as_us(self.run.load.total());
        let off_us = ending.stopped_at_us.abs_diff(planned_us);
        (off_us > (planned_us / 100).max(WINDOW_SLACK_US)).then(|| {
            let length = |us| format_duration(Duration::from_micros(us));
            format!(
                "the load lasted {} instead of {}",
                length(ending.stopped_at_us),
                length(planned_us)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{Outcome, SparseHistogram, fixture};

    #[test]
    fn an_unhealthy_generator_can_be_assumed_healthy_but_not_a_broken_count() {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 10)])]);
        result.run.ending.as_mut().unwrap().stopped_at_us *= 2;
        assert_eq!(result.invalid_because().len(), 1);
        result.run.assume_healthy = true;
        assert!(result.invalid_because().is_empty());
        let warnings = result.warnings().join("; ");
        assert!(warnings.contains("--assume-healthy"), "{warnings}");
        assert!(warnings.contains("the load lasted"), "{warnings}");
        result.run.ending.as_mut().unwrap().totals.planned += 1;
        assert_eq!(result.invalid_because().len(), 1);
    }

    #[test]
    fn a_sound_run_is_valid() {
        let result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        assert_eq!(result.invalid_because(), Vec::<String>::new());
        assert!(result.is_finished());
    }

    #[test]
    fn each_cause_makes_it_invalid() {
        let local = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100), (Outcome::LocalFd, 10, 2)])]);
        assert!(local.invalid_because()[0].contains("2 x local_fd"));

        let mut lost = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        lost.run.ending.as_mut().unwrap().totals.planned += 1;
        assert!(lost.invalid_because()[0].contains("planned 101"));

        let mut dropped = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        dropped.endpoints[0].phases[1].response = SparseHistogram::of(&mut [1_000; 99]);
        assert!(dropped.invalid_because()[0].contains("99 have a time"));

        // Of 12 s, 1% is 120 ms, which is more than the slack of a short run.
        for stopped_at_us in [11_881_000, 12_119_000] {
            let mut late = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
            late.run.ending.as_mut().unwrap().stopped_at_us = stopped_at_us;
            assert_eq!(late.invalid_because(), [""; 0], "{stopped_at_us}");
        }
        for stopped_at_us in [11_800_000, 12_200_000] {
            let mut late = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
            late.run.ending.as_mut().unwrap().stopped_at_us = stopped_at_us;
            assert_eq!(late.invalid_because().len(), 1, "{stopped_at_us}");
        }
    }

    #[test]
    fn a_run_stopped_on_purpose_may_be_short() {
        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        let ending = result.run.ending.as_mut().unwrap();
        ending.stopped_at_us = 5_000_000;
        ending.signal = Some(2);
        assert!(result.invalid_because().is_empty());
        assert!(!result.is_finished());

        let mut result = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        result.run.ending.as_mut().unwrap().stopped_at_us = 5_000_000;
        result.run.load.iterations = Some(100);
        assert!(result.invalid_because().is_empty());
    }
}
