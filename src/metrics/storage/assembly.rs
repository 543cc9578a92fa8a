//! The lines of a journal, and the result that they add up to.
//!
//! Here: what a line is, and how each of them adds to the result. Not here: files (`journal`, `follow`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::windowed::WindowedNames;
use crate::metrics::{
    Cell, Commit, Ending, EndpointResult, FailureSamples, Interval, LiveWindows, Observation,
    RunInfo, RunResult, Starts, Traces, check_version,
};

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// The first line.
    Header {
        /// Version of the format.
        version: u32,
        /// What is run.
        run: Box<RunInfo>,
    },
    /// What ended in one second.
    Commit(Cow<'a, Commit>),
    /// What the service said of itself at one time.
    Observation(Observation),
    /// The last line of a run that perfctl itself ended.
    End(Ending),
}

/// A result being assembled.
pub(super) struct Assembly {
    windowed: WindowedNames,
    /// Without its seconds.
    result: RunResult,
    /// The windows so far, instead of the seconds, which need most of the room.
    windows: Option<LiveWindows>,
    timeline: BTreeMap<(usize, u64), BTreeMap<usize, Cell>>,
}

impl Assembly {
    fn new(run: RunInfo) -> Self {
        let phases = vec![Cell::default(); run.phases.len()];
        let endpoints = run
            .endpoints
            .iter()
            .map(|endpoint| EndpointResult {
                endpoint: endpoint.clone(),
                phases: phases.clone(),
            })
            .collect();
        Self {
            windowed: WindowedNames::of(&run.slos),
            windows: None,
            timeline: BTreeMap::new(),
            result: RunResult {
                format: RunResult::FORMAT.to_owned(),
                version: RunResult::VERSION,
                run,
                endpoints,
                timeline: Vec::new(),
                users: Vec::new(),
                health: Vec::new(),
                failure_samples: FailureSamples::default(),
                traces: Traces::default(),
                observations: Vec::new(),
            },
        }
    }

    /// Adds the line of this number, of which the first one is the header.
    ///
    /// # Errors
    /// Why the line cannot be there.
    pub(super) fn take(
        assembly: &mut Option<Self>,
        line: Line,
        number: usize,
    ) -> Result<(), String> {
        let Some(known) = assembly else {
            let Line::Header { version, run } = line else {
                return Err(format!("line {number} is out of place"));
            };
            check_version(version, RunResult::VERSION)?;
            *assembly = Some(Self::new(*run));
            return Ok(());
        };
        match line {
            Line::Header { .. } => return Err(format!("line {number} is out of place")),
            Line::Commit(commit) => known
                .add(commit.into_owned())
                .map_err(|why| format!("line {number}: {why}"))?,
            Line::Observation(one) => known.result.observations.push(one),
            Line::End(ending) => known.result.run.ending = Some(ending),
        }
        Ok(())
    }

    /// From the header on without the seconds.
    pub(super) fn forget_timeline(&mut self) {
        let run = &self.result.run;
        self.windows = Some(LiveWindows::new(&run.phases, &run.slos, &run.endpoints));
    }

    /// The windows so far, of a result without seconds.
    pub(super) fn windows(&self) -> Option<&LiveWindows> {
        self.windows.as_ref()
    }

    /// The result so far, without its seconds.
    pub(super) fn so_far(&self) -> &RunResult {
        &self.result
    }

    fn add(&mut self, commit: Commit) -> Result<(), String> {
        if let Some(windows) = &mut self.windows {
            windows.second(&commit);
        }
        let result = &mut self.result;
        result.users.push(commit.users);
        result.health.extend(commit.health);
        result.run.adjustments.extend(commit.adjustments);
        Starts::add(&mut result.run.starts, commit.starts);
        result.failure_samples.append(commit.failure_samples);
        if !commit.traces.is_empty() {
            result.traces.merge(commit.traces);
        }
        for endpoint in commit.rows {
            result.run.endpoints.push(endpoint.clone());
            let phases = vec![Cell::default(); result.run.phases.len()];
            result.endpoints.push(EndpointResult { endpoint, phases });
        }
        for entry in commit.cells {
            let total = result
                .endpoints
                .get_mut(entry.endpoint)
                .and_then(|endpoint| endpoint.phases.get_mut(entry.phase))
                .ok_or("it refers to an endpoint or phase that the run does not have")?;
            total.merge(&entry.cell);
            if self.windows.is_some() {
                continue;
            }
            self.timeline
                .entry((entry.phase, entry.second))
                .or_default()
                .entry(entry.endpoint)
                .or_default()
                .merge(&self.windowed.kept(entry.cell));
        }
        Ok(())
    }

    /// The result of all lines.
    pub(super) fn finish(self) -> RunResult {
        let timeline = self
            .timeline
            .into_iter()
            .map(|((phase, second), cells)| Interval {
                phase,
                second,
                cells: cells.into_iter().collect(),
            })
            .collect();
        RunResult {
            timeline,
            ..self.result
        }
    }
}
