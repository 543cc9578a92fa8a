//! The steps before and after the load.
//!
//! Here: what is compiled of `setup` and `teardown`, as the start and the end of one user, and what has no
//! meaning there. Not here: which values users have from them (`data_flow`, `plan`).

use std::collections::BTreeSet;

use super::calls::collect;
use super::index::{Declaration, Index};
use super::positions::{Reference, Selection, visit};
use super::steps::{StepCompiler, TagFilter};
use crate::error::Diagnostic;
use crate::plan::{Lifecycle, ThinkTime, UserClass};
use crate::scenario::keys::scenario::ScenarioFile;
use crate::scenario::names::Names;
use crate::scenario::yaml::findings::Findings;

/// One user that carries out both, with the positions of the index; `None` where there is neither.
pub(super) fn class(
    file: &ScenarioFile,
    index: &Index<'_>,
    names: &Names<'_>,
    filter: TagFilter<'_>,
    findings: &mut Findings,
) -> Option<UserClass> {
    let mut compiler = StepCompiler::new(index, names, filter);
    let mut class = UserClass {
        name: "setup and teardown".to_owned(),
        weight: 1,
        fixed_count: None,
        think_time: ThinkTime::None,
        on_start: compiler.steps(file.setup.get(), &[], findings),
        on_stop: compiler.steps(file.teardown.get(), &[], findings),
        tasks: Vec::new(),
    };
    if class.on_start.is_empty() && class.on_stop.is_empty() {
        return None;
    }
    let mut requests = Vec::new();
    for steps in [&mut class.on_start, &mut class.on_stop] {
        visit(steps, &mut |reference| match reference {
            Reference::Request(position) | Reference::Poll(position, ..) => {
                requests.push(*position)
            }
            Reference::Flow(_) => {}
        });
    }
    for position in requests {
        refuse_measured(index, position, findings);
    }
    Some(class)
}

/// Reports what would be measured of a request that is written there.
fn refuse_measured(index: &Index<'_>, position: usize, findings: &mut Findings) {
    let request = &index.requests[position];
    if request.declaration != Declaration::Inline {
        return;
    }
    for (key, name) in [
        (request.file.slo.key(), "slo"),
        (request.file.measure.key(), "measure"),
    ] {
        if let Some(key) = key {
            let message = format!("`{name}` has no effect in `setup` and `teardown`");
            let help = "their requests are not measured; to fail a run by a response, use `check`";
            findings.report(Some(key), Diagnostic::new(message).help(help));
        }
    }
}

/// The variables that some steps use, and that those use, as their positions.
pub(super) fn used_variables(
    class: &UserClass,
    index: &Index<'_>,
    names: &Names<'_>,
) -> BTreeSet<usize> {
    let mut used = BTreeSet::new();
    collect(&class.on_start, (index, names), &mut used);
    collect(&class.on_stop, (index, names), &mut used);
    // Each can only use those before it.
    for (position, (_, value)) in names.variables.iter().enumerate().rev() {
        if used.contains(&position) {
            used.extend(value.variables());
        }
    }
    used
}

/// The steps and what they use, of which only that class is left.
pub(super) fn of_class(selection: Selection, variables: BTreeSet<usize>) -> Box<Lifecycle> {
    let class = selection.classes.into_iter().next();
    let (setup, teardown) = class.map_or_else(Default::default, |one| (one.on_start, one.on_stop));
    Box::new(Lifecycle {
        setup,
        teardown,
        variables,
        endpoints: selection.endpoints,
        flows: selection.flows,
    })
}
