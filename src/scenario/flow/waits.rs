//! Think times: those that are computed, and that of a single run, in place of all that the scenario says.
//!
//! Not here: how waits are written (`keys::think_time`), and when they are kept (`engine`).

use crate::error::Diagnostic;
use crate::plan::{ListItem, Step, ThinkTime, UserClass};
use crate::scenario::keys::think_time::{ThinkTimeFile, parse_wait};
use crate::scenario::names::Names;
use crate::scenario::request::assign;
use crate::scenario::yaml::decode::Field;
use crate::scenario::yaml::findings::{Findings, Span};

/// The think time of a key, if it is there. What is computed is noted in `names`.
pub(crate) fn of_field(
    field: &Field<ThinkTimeFile>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Option<ThinkTime> {
    field.get().and_then(|file| wait(file, names, findings))
}

/// A think time; `None` after a finding.
pub(super) fn wait(
    file: &ThinkTimeFile,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Option<ThinkTime> {
    let node = match file {
        ThinkTimeFile::Fixed(think) => return Some(*think),
        ThinkTimeFile::Computed(node) => node,
    };
    // Steps are compiled wherever they are used.
    let known = |at: Span| {
        names
            .waits
            .borrow()
            .iter()
            .position(|(other, _)| *other == at)
    };
    if let Some(position) = known(node.at) {
        return Some(ThinkTime::Computed(position));
    }
    let before = findings.len();
    match assign::item(node, names, findings) {
        _ if findings.len() > before => None,
        ListItem::Known(value) => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            match parse_wait(&text) {
                Ok(think) => Some(think),
                Err(message) => {
                    findings.report(Some(node.at), Diagnostic::new(message));
                    None
                }
            }
        }
        item => {
            let mut waits = names.waits.borrow_mut();
            waits.push((node.at, item));
            Some(ThinkTime::Computed(waits.len() - 1))
        }
    }
}

/// Makes `think_time` the one of all classes and tasks, and of every wait in their steps. A pacing has no
/// meaning between steps, so that there is no wait there.
pub(crate) fn replace(classes: &mut [UserClass], think_time: ThinkTime) {
    let within = match think_time {
        ThinkTime::Pacing(_) => ThinkTime::None,
        wait => wait,
    };
    for class in classes {
        class.think_time = think_time;
        replace_in(&mut class.on_start, within);
        replace_in(&mut class.on_stop, within);
        for task in &mut class.tasks {
            task.think_time = None;
            replace_in(&mut task.steps, within);
        }
    }
}

fn replace_in(steps: &mut [Step], wait: ThinkTime) {
    for step in steps {
        match step {
            Step::Think(think) => *think = wait,
            Step::Run(script) => script.wait = Some(wait),
            // The waits of a poll are part of it.
            _ => {}
        }
        for steps in step.lists_mut() {
            replace_in(steps, wait);
        }
    }
}
