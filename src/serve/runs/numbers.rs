//! The numbers of runs as JSON: always those of the JSON report.
//!
//! Here: what is kept of runs that are over, and which parts of a report are sent. Not here: which runs there are (`runs`),
//! and the run that goes on (`live`).

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::grading::Policy;
use crate::metrics::{RunDir, RunResult, read_result};
use crate::report::{DEFAULT_COLUMNS, Report, by_name};

/// How many whole reports are kept.
const MAX_REPORTS: usize = 4;
/// How many short ones are kept.
const MAX_SUMMARIES: usize = 1_000;

/// What of the summary of an endpoint is shown; there may be hundreds of endpoints.
const SHOWN_OF_ENDPOINTS: [&str; 4] = ["successes", "failures", "successes_per_s", "response_ms"];

/// A report of a run that is over.
pub(crate) struct EndedRun {
    /// The JSON report.
    pub report: Value,
    /// What the list of runs says.
    summary: Value,
    /// What is shown of the run itself.
    pub facts: Value,
    pub generator: Value,
}

/// What has been read, by the name of the run and when it was written.
pub(crate) struct Cache {
    reports: ComputedValues<Arc<EndedRun>>,
    summaries: ComputedValues<Value>,
    /// In the words of Locust.
    locust: ComputedValues<Value>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            reports: ComputedValues::new(MAX_REPORTS),
            summaries: ComputedValues::new(MAX_SUMMARIES),
            locust: ComputedValues::new(1),
        }
    }
}

/// Where a value is, once it is there.
type Slot<T> = Arc<Mutex<Option<T>>>;

/// Values that take a while, each computed once however many ask at the same time. Who asks for another one does not
/// wait.
struct ComputedValues<T> {
    /// The one that was asked for last at the end.
    slots: Mutex<Vec<(Key, Slot<T>)>>,
    most: usize,
}

impl<T: Clone> ComputedValues<T> {
    fn new(most: usize) -> Self {
        Self {
            slots: Mutex::default(),
            most,
        }
    }

    fn get(&self, key: Key, compute: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let slot = {
            let mut slots = locked(&self.slots);
            let known = slots.iter().position(|(one, _)| *one == key);
            let slot = known.map_or_else(Slot::default, |at| slots.remove(at).1);
            slots.push((key, slot.clone()));
            if slots.len() > self.most {
                slots.remove(0);
            }
            slot
        };
        let mut value = locked(&slot);
        if let Some(value) = &*value {
            return Ok(value.clone());
        }
        let computed = compute()?;
        *value = Some(computed.clone());
        Ok(computed)
    }

    /// The value, if somebody has asked for it; waits until it is there.
    fn known(&self, key: &Key) -> Option<T> {
        let slots = locked(&self.slots);
        let slot = slots.iter().find(|(one, _)| one == key)?.1.clone();
        drop(slots);
        locked(&slot).clone()
    }
}

/// What was computed before a panic is whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a run, and when its result was written, in seconds and their billionths.
type Key = (String, Option<(i64, i64)>);

fn key(run: &RunDir) -> Key {
    let metadata = std::fs::metadata(run.result());
    let written = metadata.map(|metadata| (metadata.mtime(), metadata.mtime_nsec()));
    (run.id().to_owned(), written.ok())
}

impl Cache {
    /// The report of a run that is over.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn report(&self, run: &RunDir) -> Result<Arc<EndedRun>, Error> {
        self.reports.get(key(run), || EndedRun::read(run))
    }

    /// What the list says of a run that is over. Whole reports are not kept for it, since a list has many.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn summary(&self, run: &RunDir) -> Result<Value, Error> {
        let key = key(run);
        let report = |key: &Key| match self.reports.known(key) {
            Some(report) => Ok(report),
            None => EndedRun::read(run),
        };
        let summary = || Ok(report(&key)?.summary.clone());
        self.summaries.get(key.clone(), summary)
    }

    /// What `view` makes of the result of a run that is over, in the words of Locust.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn locust(
        &self,
        run: &RunDir,
        view: impl FnOnce(&RunResult) -> Value,
    ) -> Result<Value, Error> {
        let read = || Ok(view(&read_result(run.path())?));
        self.locust.get(key(run), read)
    }
}

impl EndedRun {
    fn read(run: &RunDir) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self::of(read_result(run.path())?)))
    }

    fn of(result: RunResult) -> Self {
        let (facts, generator) = (facts(&result), generator(&result));
        let policy = Policy::of_run(&result.run);
        let report = json_report(&Report::of_stored(result, None, &policy, None));
        let mut summary = json!({"id": facts["id"], "state": "ended"});
        for name in [
            "scenario",
            "profile",
            "service",
            "build",
            "started_at",
            "elapsed_s",
        ] {
            summary[name] = facts[name].clone();
        }
        for name in [
            "verdict",
            "grade",
            "health_score",
            "total_requests",
            "error_rate_percent",
            "p95_response_time_ms",
        ] {
            summary[name] = report[name].clone();
        }
        Self {
            report,
            summary,
            facts,
            generator,
        }
    }
}

/// What was run.
pub(crate) fn facts(result: &RunResult) -> Value {
    let run = &result.run;
    let ending = run.ending.as_ref();
    let phases = run.phases.iter().map(|phase| {
        json!({
            "name": phase.name,
            "start_s": phase.start_us as f64 / 1e6,
            "end_s": phase.end_us as f64 / 1e6,
            "measured": phase.measured,
        })
    });
    json!({
        "id": run.id,
        "scenario": run.scenario,
        "profile": run.profile,
        "environment": run.environment,
        "service": run.service,
        "build": run.build,
        "started_at": run.started_at,
        "planned_s": run.load.iterations.is_none().then(|| run.load.total().as_secs_f64()),
        "elapsed_s": ending.map_or(result.users.len() as f64, |ending| ending.drained_at_us as f64 / 1e6),
        "adjusted": result.adjusted(),
        "phases": phases.collect::<Vec<_>>(),
    })
}

/// How the load generator is: `good`, `warning` where it may have disturbed the numbers, `bad` where it has.
pub(crate) fn generator(result: &RunResult) -> Value {
    let (faults, warnings) = (result.invalid_because(), result.warnings());
    let state = match (faults.is_empty(), warnings.is_empty()) {
        (false, _) => "bad",
        (true, false) => "warning",
        (true, true) if result.health.is_empty() => "unknown",
        (true, true) => "good",
    };
    let texts: Vec<String> = faults.into_iter().chain(warnings).collect();
    json!({"state": state, "texts": texts})
}

/// The JSON report.
pub(crate) fn json_report(report: &Report) -> Value {
    let mut text = Vec::new();
    let written = by_name("json").map(|format| {
        let reporter = format.reporter;
        reporter.report(report, DEFAULT_COLUMNS, &mut text)
    });
    match written {
        Ok(Ok(())) => serde_json::from_slice(&text).unwrap_or_default(),
        // Nothing that is written to memory fails.
        _ => Value::Null,
    }
}

/// A report without what the page takes from elsewhere or does not show.
pub(crate) fn without_series(mut report: Value) -> Value {
    let remove = |of: &mut Map<String, Value>, names: &[&str]| {
        of.retain(|name, _| !names.contains(&name.as_str()));
    };
    if let Some(fields) = report.as_object_mut() {
        remove(
            fields,
            &[
                "time_series",
                "phases",
                "observed",
                "traces",
                "levels",
                "left_out",
            ],
        );
        let endpoints = fields.get_mut("endpoints").and_then(Value::as_array_mut);
        for endpoint in endpoints.into_iter().flatten() {
            if let Some(endpoint) = endpoint.as_object_mut() {
                remove(endpoint, &["time_series"]);
                if let Some(Value::Object(summary)) = endpoint.get_mut("summary") {
                    summary.retain(|name, _| SHOWN_OF_ENDPOINTS.contains(&name.as_str()));
                }
            }
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn key(name: &str) -> Key {
        (name.to_owned(), None)
    }

    #[test]
    fn a_value_is_computed_once_for_all_who_ask_and_holds_up_nobody_else() {
        let computed = ComputedValues::new(3);
        let count = AtomicUsize::new(0);
        let slowly = || {
            count.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(50));
            Ok(7)
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(computed.get(key("a"), slowly).unwrap(), 7));
            }
            // Also from within: another key has a lock of its own.
            let nested = || computed.get(key("c"), || Ok(9));
            assert_eq!(computed.get(key("b"), nested).unwrap(), 9);
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(computed.known(&key("d")), None);
        let wrong = || Err(Error::usage("no"));
        assert!(computed.get(key("d"), wrong).is_err());
        assert_eq!(computed.get(key("d"), || Ok(3)).unwrap(), 3);
        assert_eq!(computed.known(&key("d")), Some(3));
        assert_eq!(computed.slots.lock().unwrap().len(), 3);
    }

    #[test]
    fn a_value_whose_computation_panics_is_computed_anew() {
        let computed = ComputedValues::new(2);
        thread::scope(|scope| {
            let panicking = scope.spawn(|| computed.get(key("a"), || panic!("a bug")));
            assert!(panicking.join().is_err());
        });
        assert_eq!(computed.known(&key("a")), None);
        assert_eq!(computed.get(key("a"), || Ok(1)).unwrap(), 1);
        assert_eq!(computed.get(key("b"), || Ok(2)).unwrap(), 2);
    }
}
