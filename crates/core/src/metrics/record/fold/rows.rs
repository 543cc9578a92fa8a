//! In which row of the statistics each position of samples is counted, and of which class users are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::metrics::{Cell, CommitCell, EndpointInfo, FailureSamples, NewSubject, Starts, Tick};
use crate::plan::{CheckName, Endpoint, Plan};

/// How many rows get their names from templates; everything else of these counts as `other`.
pub(super) const MAX_TEMPLATED: usize = 200;

/// The rows of a run, and who counts in them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The checks of each endpoint.
    checks: Vec<Vec<CheckName>>,
    /// What is counted of flows that failed.
    flow_checks: Vec<CheckName>,
    /// The row of each endpoint and flow; empty where their positions are their rows.
    planned: Vec<usize>,
    /// Positions that came up during the run: their endpoints and their rows.
    further: BTreeMap<usize, (usize, usize)>,
    /// The method of each endpoint, where there are rows that templates name.
    methods: Vec<&'static str>,
    /// The rows so far.
    infos: Vec<EndpointInfo>,
    /// Their positions.
    by_name: BTreeMap<String, usize>,
    templated: BTreeSet<usize>,
    /// The names of the user classes.
    classes: Vec<String>,
}

impl Rows {
    /// Each endpoint and flow in a row of its own.
    pub(super) fn new(checks: Vec<Vec<CheckName>>, flow_checks: Vec<CheckName>) -> Self {
        Self {
            checks,
            flow_checks,
            ..Self::default()
        }
    }

    /// Flows may fail with these texts, too.
    pub(super) fn fail_with(&mut self, texts: &[Arc<str>]) {
        let names = texts.iter().map(|text| CheckName::Key(text.to_string()));
        self.flow_checks.extend(names);
    }

    /// As this plan has it.
    pub(super) fn plan(&mut self, plan: &Plan) {
        let classes = plan.classes.iter();
        self.classes = classes.map(|class| class.name.clone()).collect();
        let rows = plan.rows();
        let is_same = |(position, row): (usize, &usize)| position == *row;
        let has_templates = plan.endpoints.iter().any(Endpoint::is_row_templated);
        if has_templates || !rows.iter().enumerate().all(is_same) {
            self.planned = rows;
            let methods = plan.endpoints.iter();
            self.methods = methods.map(|one| one.method.as_str()).collect();
            self.infos = EndpointInfo::all(plan);
            let names = self.infos.iter().enumerate();
            self.by_name = names.map(|(row, info)| (info.name.clone(), row)).collect();
        }
    }

    /// How the `on_start` of users ended by what all workers handed over, by the names of their classes.
    pub(super) fn starts(&self, ticks: &mut [Tick]) -> BTreeMap<String, Starts> {
        let mut all = BTreeMap::new();
        for tick in ticks {
            let of_tick = std::mem::take(&mut tick.starts).into_iter();
            let named = of_tick
                .filter_map(|(class, starts)| Some((self.classes.get(class)?.clone(), starts)));
            Starts::add(&mut all, named);
        }
        all
    }

    /// Takes in what came up in this second; the rows that are new.
    pub(super) fn learn(&mut self, subjects: Vec<NewSubject>) -> Vec<EndpointInfo> {
        let before = self.infos.len();
        for subject in subjects {
            let endpoint = usize::from(subject.endpoint);
            // Where what has no room and no name is counted.
            let other = self.planned.get(endpoint).copied().unwrap_or(endpoint);
            let known = self.by_name.get(&subject.name).copied();
            let row = match known.filter(|row| !self.infos[*row].is_flow) {
                Some(row) => row,
                None if known.is_some() || self.templated.len() >= MAX_TEMPLATED => other,
                None => {
                    let row = self.infos.len();
                    self.infos.push(EndpointInfo {
                        name: subject.name.clone(),
                        method: (self.methods.get(endpoint))
                            .map_or_else(String::new, |method| (*method).to_owned()),
                        is_flow: false,
                        is_templated: true,
                    });
                    self.by_name.insert(subject.name, row);
                    self.templated.insert(row);
                    row
                }
            };
            self.further
                .insert(subject.position.into(), (endpoint, row));
        }
        self.infos[before..].to_vec()
    }

    /// The checks of what has this position: an endpoint, or a flow.
    pub(super) fn checks(&self, position: usize) -> &[CheckName] {
        let endpoint = self
            .further
            .get(&position)
            .map_or(position, |(endpoint, _)| *endpoint);
        self.checks.get(endpoint).unwrap_or(&self.flow_checks)
    }

    /// Whether what has this position is a request.
    pub(super) fn is_request(&self, position: usize) -> bool {
        position < self.checks.len() || self.further.contains_key(&position)
    }

    /// The row of what has this position.
    pub(super) fn row(&self, position: usize) -> usize {
        match self.further.get(&position) {
            Some((_, row)) => *row,
            None => self.planned.get(position).copied().unwrap_or(position),
        }
    }

    /// The cells of the rows, which were those of positions so far.
    pub(super) fn of_rows(
        &self,
        cells: Vec<CommitCell>,
        samples: &mut FailureSamples,
    ) -> Vec<CommitCell> {
        if self.planned.is_empty() {
            return cells;
        }
        for sample in &mut samples.kept {
            sample.endpoint = self.row(sample.endpoint);
        }
        let mut rows: BTreeMap<(usize, u64, usize), Cell> = BTreeMap::new();
        for entry in cells {
            let key = (entry.phase, entry.second, self.row(entry.endpoint));
            rows.entry(key).or_default().merge(&entry.cell);
        }
        let entries = rows.into_iter();
        let entries = entries.map(|((phase, second, endpoint), cell)| CommitCell {
            phase,
            second,
            endpoint,
            cell,
        });
        entries.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Recorder;
    use crate::plan::Model;
    use crate::plan::fixture::{load, plan};

    /// As a journal has them, whose end is missing if perfctl is killed.
    #[test]
    fn the_starts_of_a_second_are_those_of_all_workers_by_class() {
        let plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
        let mut rows = Rows::default();
        rows.plan(&plan);
        let mut ticks = [["first", "second"], ["third", "fourth"]].map(|reasons| {
            let recorder = Recorder::default();
            recorder.start_succeeded(0);
            for (why, is_measured) in reasons.into_iter().zip([true, false]) {
                recorder.start_failed(0, is_measured, || why.to_owned());
            }
            recorder.take()
        });
        let starts = rows.starts(&mut ticks);
        let wanted = Starts {
            ended: 6,
            failed: 4,
            failed_measured: 2,
            why: Some("first".to_owned()),
        };
        assert_eq!(starts, [(plan.classes[0].name.clone(), wanted)].into());
    }
}
