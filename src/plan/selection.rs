//! A part of a plan: one endpoint or flow, with what comes before it.
//!
//! Not here: tags, which choose endpoints when the scenario is compiled (`scenario`).

use std::collections::BTreeSet;

use super::step::Step;
use super::{Plan, Task, UserClass};

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject<'a> {
    /// The endpoints at these positions, which have one name.
    Endpoints(&'a [usize]),
    /// The flow at this position.
    Flow(usize),
}

impl Plan {
    /// The plan without what the endpoint or flow `name` does not need: of the classes, `on_start` and
    /// the tasks, what comes after it, and what does not lead to it. `on_stop` stays.
    ///
    /// # Errors
    /// The names there are, if this is none of them.
    pub fn select(&self, name: &str) -> Result<Self, Vec<&str>> {
        let endpoints = self.endpoints.iter().map(|one| one.name.as_str());
        let flows = self.flows.iter().map(|one| one.name.as_str());
        let of_name = endpoints
            .clone()
            .enumerate()
            .filter(|(_, one)| *one == name);
        let of_name: Vec<usize> = of_name.map(|(position, _)| position).collect();
        let subject = match flows.clone().position(|one| one == name) {
            Some(position) => Subject::Flow(position),
            None if of_name.is_empty() => return Err(endpoints.chain(flows).collect()),
            None => Subject::Endpoints(&of_name),
        };
        let classes = self.classes.iter();
        Ok(Self {
            classes: classes
                .filter_map(|class| subject.of_class(class))
                .collect(),
            ..self.clone()
        })
    }
}

impl Plan {
    /// The positions of the endpoints that its users send requests of, each once.
    pub fn used_endpoints(&self) -> BTreeSet<usize> {
        let every = |class: &UserClass, subject: Subject<'_>| {
            let tasks = class.tasks.iter().map(|task| task.steps.as_slice());
            let mut all = tasks.chain([class.on_start.as_slice(), &class.on_stop]);
            all.any(|steps| steps.iter().any(|step| subject.is_in(step)))
        };
        let is_used = |position: &usize| {
            let subject = Subject::Endpoints(std::slice::from_ref(position));
            self.classes.iter().any(|class| every(class, subject))
        };
        (0..self.endpoints.len()).filter(is_used).collect()
    }
}

impl Subject<'_> {
    /// What a user of the class does for it; `None` if it has nothing to do with it.
    fn of_class(self, class: &UserClass) -> Option<UserClass> {
        if let Some(on_start) = self.up_to(&class.on_start) {
            return Some(UserClass {
                on_start,
                tasks: Vec::new(),
                ..class.clone()
            });
        }
        let tasks = class.tasks.iter().filter_map(|task| {
            Some(Task {
                steps: self.up_to(&task.steps)?,
                ..task.clone()
            })
        });
        let tasks: Vec<Task> = tasks.collect();
        let is_needed = !tasks.is_empty() || class.on_stop.iter().any(|step| self.is_in(step));
        is_needed.then(|| UserClass {
            tasks,
            ..class.clone()
        })
    }

    /// The steps up to the first that contains it, or the last of several endpoints; `None` if none
    /// does.
    fn up_to(self, steps: &[Step]) -> Option<Vec<Step>> {
        let first = |subject: Subject<'_>| steps.iter().position(|step| subject.is_in(step));
        let position = match self {
            Self::Endpoints(all) => {
                let each = all.iter().map(std::slice::from_ref);
                each.filter_map(|one| first(Subject::Endpoints(one)))
                    .max()?
            }
            Self::Flow(_) => first(self)?,
        };
        let mut kept = steps[..position].to_vec();
        kept.push(match &steps[position] {
            Step::Flow {
                flow,
                goes_on,
                steps,
            } if self != Self::Flow(*flow) => Step::Flow {
                flow: *flow,
                goes_on: *goes_on,
                steps: self.up_to(steps)?,
            },
            // What is within a loop or a branch belongs together.
            step => step.clone(),
        });
        Some(kept)
    }

    fn is_in(self, step: &Step) -> bool {
        let is_in = |steps: &[Step]| steps.iter().any(|step| self.is_in(step));
        match step {
            Step::Request(endpoint) | Step::Poll { endpoint, .. } => self.has(*endpoint),
            Step::Flow { flow, steps, .. } => self == Self::Flow(*flow) || is_in(steps),
            Step::Set(_) | Step::Stop(_) | Step::Fail(_) | Step::Think(_) | Step::Measure(_) => {
                false
            }
            // Which requests it sends is not known before the run.
            Step::Run(_) => false,
            Step::Repeat { steps, .. }
            | Step::Each { steps, .. }
            | Step::RepeatBy { steps, .. }
            | Step::During { steps, .. }
            | Step::Call { steps, .. } => is_in(steps),
            Step::ParallelEach { request, .. } => self.has(*request),
            Step::If {
                then, otherwise, ..
            } => is_in(then) || is_in(otherwise),
            Step::Random(branches) => branches.iter().any(|branch| is_in(&branch.steps)),
            Step::Parallel { requests, .. } => requests.iter().any(|one| self.has(*one)),
        }
    }

    fn has(self, endpoint: usize) -> bool {
        matches!(self, Self::Endpoints(all) if all.contains(&endpoint))
    }
}
