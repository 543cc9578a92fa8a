//! The runs there are.
//!
//! A run is looked up by its name among those that are stored; no name ever becomes part of a path.

pub(super) mod live;
pub(super) mod numbers;
pub(super) mod views;

use std::net::SocketAddr;

use serde_json::{Value, json};

use self::numbers::without_series;
use super::answer::Problem;
use super::server::Server;
use super::start::{PreparedRun, StartRequest};
use super::supervisor::{ActiveRun, Cancellation, PastRun, QueuedRun, SupervisorState};
use crate::metrics::{RunDir, stored_runs};

/// A run, as far as it has come.
pub(super) enum RunState {
    /// It waits, at this place from 1.
    Queued(Box<QueuedRun>, usize),
    /// It goes on; by this server if there is more to say of it.
    Running(RunDir, Option<Box<ActiveRun>>),
    /// It has a result.
    Ended(RunDir),
    /// It was killed, and has none.
    Unfinished(RunDir),
    /// It came to nothing.
    Past(Box<PastRun>),
}

impl Server {
    /// The run of this name.
    pub(super) fn find(&self, id: &str) -> Result<RunState, Problem> {
        // Until its process has ended, even if there is a result: it may be telling others of it.
        let going_on = self.supervisor.kept(|kept| {
            if let Some(active) = kept.active.as_ref().filter(|active| active.id == id) {
                let directory = RunDir::open(&self.options.results.join(&active.id));
                return Some(RunState::Running(directory, Some(Box::new(active.clone()))));
            }
            let at = kept.queue.iter().position(|queued| queued.id == id)?;
            Some(RunState::Queued(Box::new(kept.queue[at].clone()), at + 1))
        });
        if let Some(known) = going_on {
            return Ok(known);
        }
        // At last: there may be thousands, and streams ask all the time.
        let runs = stored_runs(&self.options.results)?;
        if let Some(run) = runs.into_iter().find(|run| run.id() == id) {
            return Ok(match run.result().exists() {
                true => RunState::Ended(run),
                false if run.is_locked() => RunState::Running(run, None),
                false => RunState::Unfinished(run),
            });
        }
        let past = self.supervisor.kept(|kept| {
            let past = kept.past.iter().find(|past| past.id == id);
            past.map(|past| RunState::Past(Box::new(past.clone())))
        });
        past.ok_or_else(Problem::no_run)
    }

    /// Starts a run, or lets it wait. Returns its name, and its place among those that wait.
    pub(super) fn begin(
        &self,
        request: StartRequest,
        prepared: &PreparedRun,
        peer: SocketAddr,
    ) -> Result<(String, Option<usize>), Problem> {
        let supervisor = &self.supervisor;
        supervisor.start(request, prepared, &self.options, peer)
    }

    /// Ends a run, or lets it wait no longer. Returns what has become of it.
    pub(super) fn end(&self, id: &str, peer: SocketAddr) -> Result<&'static str, Problem> {
        Ok(match self.supervisor.cancel(id, peer)? {
            Some(Cancellation::Queued) => "cancelled",
            Some(Cancellation::Running) => "stopping",
            Some(Cancellation::Before) => self.find(id)?.state(),
            None => match self.find(id)? {
                RunState::Running(..) => {
                    let why = "another program has started this run";
                    return Err(Problem::conflict(why).help("press Ctrl-C there"));
                }
                other => other.state(),
            },
        })
    }

    /// The newest run that is over.
    pub(super) fn newest(&self) -> Result<RunDir, Problem> {
        let runs = stored_runs(&self.options.results)?;
        let mut ended = runs.into_iter().filter(|run| run.result().exists());
        ended.next().ok_or_else(Problem::no_run)
    }

    /// What is known of a run, and its numbers.
    pub(super) fn show(&self, known: &RunState) -> Result<Value, Problem> {
        let mut shown = match known {
            RunState::Ended(run) => {
                let ended = self.cache.report(run)?;
                let mut shown = ended.facts.clone();
                shown["generator"] = ended.generator.clone();
                shown["report"] = without_series(ended.report.clone());
                shown
            }
            RunState::Running(run, _) | RunState::Unfinished(run) => {
                let is_over = matches!(known, RunState::Unfinished(_));
                match self.live.numbers(run, is_over)? {
                    None => json!({"id": run.id()}),
                    Some(numbers) => {
                        let mut shown = numbers.facts.clone();
                        shown["generator"] = numbers.generator.clone();
                        shown["report"] = numbers.report.clone();
                        shown
                    }
                }
            }
            RunState::Queued(queued, place) => json!({
                "id": queued.id,
                "scenario": queued.request.scenario,
                "profile": queued.request.profile(),
                "place": place,
            }),
            RunState::Past(past) => json!({
                "id": past.id,
                "scenario": past.request.scenario,
                "profile": past.request.profile(),
                "why": past.why,
            }),
        };
        shown["state"] = json!(known.state());
        if let RunState::Running(_, active) = known {
            shown["can_be_cancelled"] = json!(active.is_some());
            shown["is_cancelled"] = json!(active.as_ref().is_some_and(|one| one.is_cancelled));
        }
        Ok(shown)
    }

    /// The newest runs, and how many there are.
    pub(super) fn list(&self, last: usize) -> Result<Value, Problem> {
        let (mut listed, past, active) = self.supervisor.kept(listed);
        let runs = stored_runs(&self.options.results)?;
        let count = runs.len();
        for run in runs {
            if listed.len() >= last {
                break;
            }
            if active.as_deref() == Some(run.id()) {
                continue;
            }
            listed.push(match run.result().exists() {
                true => self.cache.summary(&run).unwrap_or_else(
                    |error| json!({"id": run.id(), "state": "unreadable", "why": error.to_string()}),
                ),
                false => {
                    let state = match run.is_locked() {
                        true => "running",
                        false => "unfinished",
                    };
                    json!({"id": run.id(), "state": state})
                }
            });
        }
        listed.truncate(last);
        Ok(json!({"runs": listed, "count": count, "without_result": past}))
    }
}

/// The runs that wait and the one that goes on, those that came to nothing, and the name of the one that goes on.
fn listed(kept: &SupervisorState) -> (Vec<Value>, Vec<Value>, Option<String>) {
    let entry = |id: &str, state: &str, request: &StartRequest| {
        json!({
            "id": id,
            "state": state,
            "scenario": request.scenario,
            "profile": request.profile(),
        })
    };
    let queued = kept.queue.iter().rev();
    let queued = queued.map(|one| entry(&one.id, "queued", &one.request));
    let active = kept.active.iter();
    let active = active.map(|one| entry(&one.id, "running", &one.request));
    let past = kept.past.iter().rev().map(|one| {
        let mut past = entry(&one.id, one.state(), &one.request);
        past["why"] = json!(one.why);
        past
    });
    let name = kept.active.as_ref().map(|active| active.id.clone());
    (queued.chain(active).collect(), past.collect(), name)
}

impl RunState {
    /// In a word.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Queued(..) => "queued",
            Self::Running(..) => "running",
            Self::Ended(_) => "ended",
            Self::Unfinished(_) => "unfinished",
            Self::Past(past) => past.state(),
        }
    }
}
