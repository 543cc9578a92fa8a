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

    /// Checks whether the line of this number, of which the first one is the header, can be [taken](Self::take).
    ///
    /// # Errors
    /// Why the line cannot be there.
    pub(super) fn check(assembly: Option<&Self>, line: &Line, number: usize) -> Result<(), String> {
        match (assembly, line) {
            (None, Line::Header { version, .. }) => check_version(*version, RunResult::VERSION),
            (None, _) | (Some(_), Line::Header { .. }) => {
                Err(format!("line {number} is out of place"))
            }
            (Some(known), Line::Commit(commit)) if !known.knows_all_of(commit) => Err(format!(
                "line {number}: it refers to an endpoint or phase that the run does not have"
            )),
            (Some(_), _) => Ok(()),
        }
    }

    /// Whether all cells are of rows and phases that there are.
    fn knows_all_of(&self, commit: &Commit) -> bool {
        let rows = self.result.endpoints.len() + commit.rows.len();
        let phases = self.result.run.phases.len();
        let mut cells = commit.cells.iter();
        cells.all(|entry| entry.endpoint < rows && entry.phase < phases)
    }

    /// Adds a line that was [checked](Self::check).
    pub(super) fn take(assembly: &mut Option<Self>, line: Line) {
        match (assembly, line) {
            (assembly, Line::Header { run, .. }) => *assembly = Some(Self::new(*run)),
            (Some(known), Line::Commit(commit)) => known.add(commit.into_owned()),
            (Some(known), Line::Observation(one)) => known.result.observations.push(one),
            (Some(known), Line::End(ending)) => known.end(ending),
            (None, _) => {}
        }
    }

    fn end(&mut self, ending: Ending) {
        if let Some(windows) = &mut self.windows {
            windows.end(Some(ending.stopped_at_us));
        }
        self.result.run.stopped_at_us = None;
        self.result.run.ending = Some(ending);
    }

    /// No line follows.
    pub(super) fn cut_off(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.end(None);
        }
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

    fn add(&mut self, commit: Commit) {
        if let Some(windows) = &mut self.windows {
            windows.second(&commit);
        }
        let result = &mut self.result;
        result.users.push(commit.users);
        result.health.extend(commit.health);
        result.run.adjustments.extend(commit.adjustments);
        result.run.stopped_at_us = commit.stopped_at_us;
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
            result.endpoints[entry.endpoint].phases[entry.phase].merge(&entry.cell);
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
