//! Named steps with arguments.
//!
//! Here: what `with` sets, and whether the steps use it. Not here: whether they lack anything (`data_flow`).

use std::collections::BTreeSet;

use super::index::Index;
use super::steps::cookies;
use super::steps::{StepCompiler, joined};
use crate::error::{Diagnostic, did_you_mean};
use crate::plan::{Condition, Endpoint, ListItem, Step, ThinkTime};
use crate::scenario::keys::flow::CallFile;
use crate::scenario::names::Names;
use crate::scenario::request::assign;
use crate::scenario::yaml::decode::list;
use crate::scenario::yaml::findings::Findings;

impl StepCompiler<'_> {
    /// The steps of a name with arguments; `None` where the tags leave nothing of them.
    pub(super) fn call(
        &mut self,
        file: &CallFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let with = assign::assignments(&file.with, self.names, findings);
        let name = file.step.get()?;
        let id = self.index.resolve(&name.value, name.at, findings)?;
        let before = findings.len();
        let mut steps = Vec::new();
        self.named(id, name.at, &joined(tags, &file.tags), &mut steps, findings);
        let is_whole = self.filter.include.is_empty() && self.filter.exclude.is_empty();
        if is_whole && findings.len() == before {
            self.check_arguments(file, &steps, findings);
        }
        (!steps.is_empty()).then_some(Step::Call { with, steps })
    }

    /// Reports arguments that the steps have no use for.
    fn check_arguments(&self, file: &CallFile, steps: &[Step], findings: &mut Findings) {
        let mut used = BTreeSet::new();
        collect(steps, (self.index, self.names), &mut used);
        let all = self.names.all();
        let used: BTreeSet<&str> = used
            .iter()
            .filter_map(|one| Some(all.get(*one)?.as_str()))
            .collect();
        let name = file.step.get().map_or("", |name| &name.value);
        for key in assign::keys(&file.with) {
            if used.contains(key.text.as_str()) || self.names.changing(&key.text).is_none() {
                continue;
            }
            let mut diagnostic = Diagnostic::new(format!("`{name}` does not use `{}`", key.text));
            if let Some(close) = did_you_mean(&key.text, used.iter().copied()) {
                diagnostic = diagnostic.label(format!("did you mean `{close}`?"));
            }
            let known = match used.is_empty() {
                true => "it uses no variables".to_owned(),
                false => format!("it uses {}", list(used.iter().copied())),
            };
            findings.report(Some(key.at), diagnostic.help(known));
        }
    }
}

/// Adds the variables that steps use.
pub(super) fn collect(
    steps: &[Step],
    (index, names): (&Index<'_>, &Names<'_>),
    used: &mut BTreeSet<usize>,
) {
    let of_request = |request: &usize, used: &mut BTreeSet<usize>| {
        if let Some((endpoint, _)) = &index.requests[*request].compiled {
            of_endpoint(endpoint, used);
        }
    };
    let of_item = |item: &ListItem, used: &mut BTreeSet<usize>| {
        used.extend(item.template().into_iter().flat_map(|one| one.variables()));
    };
    let of_condition = |condition: &Option<Condition>, used: &mut BTreeSet<usize>| {
        used.extend(condition.iter().flat_map(Condition::variables));
    };
    for step in steps {
        match step {
            Step::Request(request) => of_request(request, used),
            Step::Poll { until, .. } => of_endpoint(until, used),
            Step::Parallel { requests, .. } => {
                requests.iter().for_each(|one| of_request(one, used));
            }
            Step::ParallelEach { over, request, .. } => {
                of_item(over, used);
                of_request(request, used);
            }
            Step::Set(assignments) => {
                assignments.iter().for_each(|one| of_item(&one.value, used));
            }
            Step::Push(items) => items.iter().for_each(|one| of_item(&one.item, used)),
            Step::Call { with, steps } => {
                with.iter().for_each(|one| of_item(&one.value, used));
                collect(steps, (index, names), used);
            }
            Step::Fail(text) => used.extend(text.variables()),
            Step::Measure(measures) => {
                used.extend(measures.iter().flat_map(|one| one.value.variables()));
            }
            Step::Cookies(change) => {
                let values = cookies::values(change);
                used.extend(values.flat_map(|value| value.variables()));
            }
            // What it reads is not known before the run.
            Step::Run(_) => used.extend(0..names.all().len()),
            Step::Think(ThinkTime::Computed(wait)) => {
                if let Some((_, item)) = names.waits.borrow().get(*wait) {
                    of_item(item, used);
                }
            }
            Step::Stop(_) | Step::Think(_) => {}
            Step::Flow { steps, .. } => collect(steps, (index, names), used),
            Step::Repeat {
                condition, steps, ..
            }
            | Step::During {
                condition, steps, ..
            } => {
                of_condition(condition, used);
                collect(steps, (index, names), used);
            }
            Step::RepeatBy {
                over,
                condition,
                steps,
                ..
            } => {
                of_item(over, used);
                of_condition(condition, used);
                collect(steps, (index, names), used);
            }
            Step::Each {
                values,
                condition,
                steps,
                ..
            } => {
                values.iter().for_each(|one| of_item(one, used));
                of_condition(condition, used);
                collect(steps, (index, names), used);
            }
            Step::If {
                condition,
                then,
                otherwise,
            } => {
                used.extend(condition.variables());
                collect(then, (index, names), used);
                collect(otherwise, (index, names), used);
            }
            Step::Random(branches) => {
                for branch in branches {
                    collect(&branch.steps, (index, names), used);
                }
            }
        }
    }
}

fn of_endpoint(endpoint: &Endpoint, used: &mut BTreeSet<usize>) {
    used.extend(endpoint.templates().flat_map(|one| one.variables()));
    let conditions = endpoint.checks.iter().filter_map(|check| check.condition());
    used.extend(conditions.flat_map(Condition::variables));
}
