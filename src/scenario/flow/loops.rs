//! From loops as written to those of a plan.
//!
//! Not here: any other step (`steps`).

use super::steps::{ITEM, StepCompiler, joined};
use crate::error::Diagnostic;
use crate::plan::Step;
use crate::scenario::keys::flow::{DuringFile, RepeatFile, Repetitions};
use crate::scenario::request::assign;
use crate::scenario::yaml::findings::Findings;

impl StepCompiler<'_> {
    pub(super) fn repeat(
        &mut self,
        file: &RepeatFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let steps = self.steps(file.steps.get(), &joined(tags, &file.tags), findings);
        let condition = match file.condition.get() {
            Some(text) => Some(self.names.condition(&text.value, findings)?),
            None => None,
        };
        let step = match &file.repeat.get()?.value {
            Repetitions::Count(0) => {
                let at = file.repeat.get().map(|times| times.at);
                findings.report(at, Diagnostic::new("`repeat` must be at least 1"));
                return None;
            }
            Repetitions::Count(times) => Step::Repeat {
                times: *times,
                variable: (file.variable.get()).and_then(|name| self.names.changing(name)),
                condition,
                steps,
            },
            Repetitions::Computed(value) => {
                let name = file.variable.get().map_or(ITEM, |name| &name.value);
                Step::RepeatBy {
                    over: assign::item(value, self.names, findings),
                    // A name that cannot be one was reported.
                    variable: self.names.changing(name)?,
                    condition,
                    steps,
                }
            }
            Repetitions::Values(values) => {
                if values.is_empty() {
                    let at = file.repeat.get().map(|times| times.at);
                    findings.report(at, Diagnostic::new("the list is empty"));
                    return None;
                }
                let name = file.variable.get().map_or(ITEM, |name| &name.value);
                Step::Each {
                    // A name that cannot be one was reported.
                    variable: self.names.changing(name)?,
                    values: values
                        .iter()
                        .map(|value| assign::item(value, self.names, findings))
                        .collect(),
                    condition,
                    steps,
                }
            }
        };
        self.left_of(step, &[&file.steps])
    }

    pub(super) fn during(
        &mut self,
        file: &DuringFile,
        tags: &[String],
        findings: &mut Findings,
    ) -> Option<Step> {
        let steps = self.steps(file.steps.get(), &joined(tags, &file.tags), findings);
        let condition = match file.condition.get() {
            Some(text) => Some(self.names.condition(&text.value, findings)?),
            None => None,
        };
        let step = Step::During {
            time: file.during.copied()?,
            variable: (file.variable.get()).and_then(|name| self.names.changing(name)),
            condition,
            steps,
        };
        self.left_of(step, &[&file.steps])
    }
}
