//! The think time of a single run, in place of all that the scenario says.
//!
//! Not here: how waits are written (`keys::think_time`), and when they are kept (`engine`).

use crate::plan::{Step, ThinkTime, UserClass};

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
            Step::Flow { steps, .. }
            | Step::Repeat { steps, .. }
            | Step::Each { steps, .. }
            | Step::RepeatBy { steps, .. }
            | Step::During { steps, .. }
            | Step::Call { steps, .. } => {
                replace_in(steps, wait);
            }
            Step::If {
                then, otherwise, ..
            } => {
                replace_in(then, wait);
                replace_in(otherwise, wait);
            }
            Step::Random(branches) => {
                for branch in branches {
                    replace_in(&mut branch.steps, wait);
                }
            }
            // The waits of a poll are part of it.
            Step::Request(_)
            | Step::Run(_)
            | Step::Measure(_)
            | Step::Set(_)
            | Step::Stop(_)
            | Step::Fail(_)
            | Step::Poll { .. }
            | Step::Parallel { .. }
            | Step::ParallelEach { .. } => {}
        }
    }
}
