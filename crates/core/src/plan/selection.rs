//! A part of a plan: one endpoint or flow, with what comes before it; or what happens around the load.
//!
//! Not here: tags, which choose endpoints when the scenario is compiled (`scenario`).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::step::Step;
use super::{Endpoint, Lifecycle, Plan, Task, ThinkTime, UserClass, is_secret_header};

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

impl Plan {
    /// Whether users need to know where their responses came from: links may be relative to it, or a
    /// check is about it.
    pub fn keeps_urls(&self) -> bool {
        let polls = |class: &UserClass| {
            let tasks = class.tasks.iter().map(|task| task.steps.as_slice());
            let mut all = tasks.chain([class.on_start.as_slice(), &class.on_stop]);
            all.any(|steps| steps.iter().any(Step::polls_for_url))
        };
        let needs = |endpoint: &Endpoint| endpoint.is_link() || endpoint.checks_url();
        self.endpoints.iter().any(needs) || self.classes.iter().any(polls)
    }

    /// The plan whose one user carries out set-up and tear-down, as its start and its end; `None` if there
    /// is neither.
    pub fn around_load(&self) -> Option<Self> {
        let lifecycle = self.lifecycle.as_deref()?;
        let class = UserClass {
            name: "setup and teardown".to_owned(),
            weight: 1,
            fixed_count: None,
            host: None,
            think_time: ThinkTime::None,
            on_start: lifecycle.setup.clone(),
            on_stop: lifecycle.teardown.clone(),
            tasks: Vec::new(),
        };
        // Variables may take what is meant for users, so that those it has no use for have no value.
        let unused = (0..self.variables.len()).filter(|one| !lifecycle.variables.contains(one));
        Some(Self {
            given: unused.map(|variable| (variable, Value::Null)).collect(),
            classes: vec![class],
            endpoints: lifecycle.endpoints.clone(),
            flows: lifecycle.flows.clone(),
            lifecycle: None,
            ..self.clone()
        })
    }

    /// The plan of a run that begins now, whose shared values are those of no other.
    pub fn begun(self: &Arc<Self>) -> Arc<Self> {
        match self.shared.as_deref() {
            None => self.clone(),
            Some(shared) => Arc::new(Self {
                shared: Some(Arc::new(shared.anew())),
                ..Self::clone(self)
            }),
        }
    }

    /// Whether the name of the variable at this position says that its values are secret.
    pub fn is_secret_variable(&self, variable: usize) -> bool {
        is_secret_header(&self.names[variable].to_ascii_lowercase())
    }

    /// The variables that the set-up may set, as their positions in the names of the plan: every user has
    /// the values that they have at its end.
    pub fn given_by_setup(&self) -> BTreeSet<usize> {
        self.lifecycle
            .as_deref()
            .map(Lifecycle::given)
            .unwrap_or_default()
    }

    /// The plan of a run whose set-up has left these values: all users have them, and those whose names say
    /// so are secrets.
    pub fn after_setup(&self, given: Vec<(usize, Value)>) -> Self {
        let secret = given
            .iter()
            .filter(|(variable, _)| self.is_secret_variable(*variable))
            .filter_map(|(_, value)| value.as_str());
        Self {
            secrets: self.secrets.with(secret),
            given,
            ..self.clone()
        }
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
            Step::Set(_)
            | Step::Cookies(_)
            | Step::Push(_)
            | Step::Stop(_)
            | Step::Fail(_)
            | Step::Think(_)
            | Step::Measure(_) => false,
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
