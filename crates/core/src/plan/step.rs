//! What a virtual user does, step by step, and flows: steps that are measured as one transaction.
//!
//! Here: the steps as plain data, and what is known about them without running them. Not here: how they
//! are written (`scenario`) or carried out (`engine`).

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::think_time::ThinkTime;
use super::{Assignment, Condition, Endpoint, ListItem, Measure, Method, Push, Template};

/// Named steps that are measured as one transaction. In samples and results, a flow is known by its
/// position among the flows, after all endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Unique among endpoints and flows.
    pub name: String,
}

/// What a step ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The innermost flow around it, which has then succeeded unless a step of it failed.
    Flow,
    /// The virtual user; in the open model its iteration.
    User,
    /// The load.
    Run,
}

/// What becomes of the cookies of a user.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CookieChange {
    /// All are removed.
    Clear,
    /// Those of the user's host get these values, by name; one without a value is removed.
    Set(Vec<(String, Option<Template>)>),
}

/// One thing a virtual user does.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Sends the request of the endpoint with this position.
    Request(usize),
    /// A transaction.
    Flow {
        /// Position of the flow among the flows.
        flow: usize,
        /// Whether the steps after a failed step run too. The flow has failed either way.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        goes_on: bool,
        /// Its steps.
        steps: Vec<Step>,
    },
    /// Sets variables, one after the other.
    Set(Vec<Assignment>),
    /// Changes the cookies of the user.
    Cookies(CookieChange),
    /// Adds items to shared lists.
    Push(Vec<Push>),
    /// Ends something early.
    Stop(Stop),
    /// Fails, with this text.
    Fail(Template),
    /// Calls an asynchronous function of the script.
    Run(ScriptStep),
    /// A wait that is not part of the response time of a flow.
    Think(ThinkTime),
    /// Keeps numbers, which count with the last request of the user.
    Measure(Vec<Measure>),
    /// The steps, this many times.
    Repeat {
        /// At least 1.
        times: u32,
        /// The variable that has the number of the repetition, from 1, as its position in the names of
        /// the plan.
        #[serde(skip_serializing_if = "Option::is_none")]
        variable: Option<usize>,
        /// Evaluated before each time; the step ends when it is false.
        #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
        condition: Option<Condition>,
        /// The steps.
        steps: Vec<Step>,
    },
    /// The steps, once for each value.
    Each {
        /// The variable that has the value, as its position in the names of the plan.
        variable: usize,
        /// The values, in order.
        values: Vec<ListItem>,
        /// Evaluated before each value; the step ends when it is false.
        #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
        condition: Option<Condition>,
        /// The steps.
        steps: Vec<Step>,
    },
    /// The steps, a number of times or once for each value of a list, which is filled in when its turn
    /// comes.
    RepeatBy {
        /// The number or the list.
        over: ListItem,
        /// The variable that has the value, or the number of the repetition, from 1, as its position in
        /// the names of the plan.
        variable: usize,
        /// Evaluated before each repetition; the step ends when it is false.
        #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
        condition: Option<Condition>,
        /// The steps.
        steps: Vec<Step>,
    },
    /// The steps, again and again for some time.
    During {
        /// No repetition starts later than this after the first.
        #[serde(rename = "time_us", with = "crate::units::micros")]
        time: Duration,
        /// The variable that has the number of the repetition, from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        variable: Option<usize>,
        /// Evaluated before each repetition; the step ends when it is false.
        #[serde(rename = "while", skip_serializing_if = "Option::is_none")]
        condition: Option<Condition>,
        /// The steps.
        steps: Vec<Step>,
    },
    /// Named steps with arguments: variables that have these values for the steps alone.
    Call {
        /// The arguments, all of which are filled in before any is set.
        with: Vec<Assignment>,
        /// The steps.
        steps: Vec<Step>,
    },
    /// Some steps or others.
    If {
        /// What decides.
        condition: Condition,
        /// The steps if it is true.
        then: Vec<Step>,
        /// The steps if it is false.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        otherwise: Vec<Step>,
    },
    /// The steps of one branch, chosen by weight.
    Random(Vec<Branch>),
    /// Sends the request until a response matches.
    Poll {
        /// Position of the endpoint.
        endpoint: usize,
        /// The endpoint with the checks of `until` after its own.
        #[serde(serialize_with = "checks_alone")]
        until: Box<Endpoint>,
        /// The endpoint without extractions, for responses that do not match yet.
        #[serde(skip)]
        pending: Box<Endpoint>,
        /// From the end of one request to the start of the next.
        #[serde(rename = "every_us", with = "crate::units::micros")]
        every: Duration,
        /// No request starts later than this after the first; the step has then failed.
        #[serde(rename = "timeout_us", with = "crate::units::micros")]
        timeout: Duration,
    },
    /// All requests at once, each over its own connection; ends with the last one.
    Parallel {
        /// How many times each request is sent; at least 1.
        times: u32,
        /// Positions of the endpoints.
        requests: Vec<usize>,
    },
    /// One request for each value of a list, all at once.
    ParallelEach {
        /// The list, which is filled in when its turn comes.
        over: ListItem,
        /// The variable that has the value.
        variable: usize,
        /// Position of the endpoint.
        request: usize,
    },
}

/// The call of a function of the script.
#[derive(Debug, Clone, Serialize)]
pub struct ScriptStep {
    /// The name of the function.
    pub function: String,
    /// The positions of the endpoints that make its requests, in the order of [`Method::ALL`].
    #[serde(skip)]
    pub requests: [usize; Method::ALL.len()],
    /// The variables that the script may set, as their positions in the names of the plan.
    #[serde(skip)]
    pub sets: Vec<usize>,
    /// What replaces its waits (`--think-time`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<ThinkTime>,
}

/// Only the checks: everything else is as in the endpoint it is made from.
fn checks_alone<S: Serializer>(endpoint: &Endpoint, serializer: S) -> Result<S::Ok, S::Error> {
    endpoint.checks.serialize(serializer)
}

/// One choice of [`Step::Random`].
#[derive(Debug, Clone, Serialize)]
pub struct Branch {
    /// Relative weight, at least 1.
    pub weight: u32,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Step {
    /// The endpoint whose request comes first, if that is known before the run.
    pub fn first_request(&self) -> Option<usize> {
        match self {
            Self::Request(endpoint) | Self::Poll { endpoint, .. } => Some(*endpoint),
            Self::Run(script) => script.requests.first().copied(),
            Self::Flow { steps, .. }
            | Self::Repeat { steps, .. }
            | Self::Each { steps, .. }
            | Self::RepeatBy { steps, .. }
            | Self::During { steps, .. }
            | Self::Call { steps, .. } => first_request(steps),
            Self::If {
                then, otherwise, ..
            } => first_request(then).or_else(|| first_request(otherwise)),
            Self::Random(branches) => branches.iter().find_map(|b| first_request(&b.steps)),
            Self::Parallel { requests, .. } => requests.first().copied(),
            Self::ParallelEach { request, .. } => Some(*request),
            Self::Set(_)
            | Self::Cookies(_)
            | Self::Push(_)
            | Self::Stop(_)
            | Self::Fail(_)
            | Self::Think(_)
            | Self::Measure(_) => None,
        }
    }

    /// Whether it polls until the URL of a response is as expected, or a step within it does.
    pub(super) fn polls_for_url(&self) -> bool {
        match self {
            Self::Poll { until, pending, .. } => until.checks_url() || pending.checks_url(),
            _ => (self.lists().into_iter().flatten()).any(Self::polls_for_url),
        }
    }

    /// The lists of steps within it.
    pub fn lists(&self) -> Vec<&[Step]> {
        match self {
            Self::Flow { steps, .. }
            | Self::Repeat { steps, .. }
            | Self::Each { steps, .. }
            | Self::RepeatBy { steps, .. }
            | Self::During { steps, .. }
            | Self::Call { steps, .. } => {
                vec![steps]
            }
            Self::If {
                then, otherwise, ..
            } => vec![then, otherwise],
            Self::Random(branches) => branches.iter().map(|one| &one.steps[..]).collect(),
            Self::Request(_)
            | Self::Run(_)
            | Self::Set(_)
            | Self::Cookies(_)
            | Self::Push(_)
            | Self::Stop(_)
            | Self::Fail(_)
            | Self::Think(_)
            | Self::Measure(_)
            | Self::Poll { .. }
            | Self::Parallel { .. }
            | Self::ParallelEach { .. } => Vec::new(),
        }
    }

    /// The same, to be changed.
    pub fn lists_mut(&mut self) -> Vec<&mut [Step]> {
        match self {
            Self::Flow { steps, .. }
            | Self::Repeat { steps, .. }
            | Self::Each { steps, .. }
            | Self::RepeatBy { steps, .. }
            | Self::During { steps, .. }
            | Self::Call { steps, .. } => vec![steps],
            Self::If {
                then, otherwise, ..
            } => vec![then, otherwise],
            Self::Random(branches) => branches.iter_mut().map(|one| &mut one.steps[..]).collect(),
            Self::Request(_)
            | Self::Run(_)
            | Self::Set(_)
            | Self::Cookies(_)
            | Self::Push(_)
            | Self::Stop(_)
            | Self::Fail(_)
            | Self::Think(_)
            | Self::Measure(_)
            | Self::Poll { .. }
            | Self::Parallel { .. }
            | Self::ParallelEach { .. } => Vec::new(),
        }
    }

    /// Whether it does anything but wait.
    pub fn has_effect(&self) -> bool {
        match self {
            Self::Request(_)
            | Self::Run(_)
            | Self::Poll { .. }
            | Self::Set(_)
            | Self::Cookies(_)
            | Self::Push(_)
            | Self::Measure(_)
            | Self::Stop(_)
            | Self::Fail(_) => true,
            Self::Think(_) => false,
            Self::Flow { steps, .. }
            | Self::Repeat { steps, .. }
            | Self::Each { steps, .. }
            | Self::RepeatBy { steps, .. }
            | Self::During { steps, .. }
            | Self::Call { steps, .. } => has_effect(steps),
            Self::If {
                then, otherwise, ..
            } => has_effect(then) || has_effect(otherwise),
            Self::Random(branches) => branches.iter().any(|b| has_effect(&b.steps)),
            Self::Parallel { requests, .. } => !requests.is_empty(),
            Self::ParallelEach { .. } => true,
        }
    }

    /// How many requests it may have in flight at once.
    pub fn width(&self) -> usize {
        match self {
            Self::Request(_) | Self::Poll { .. } => 1,
            // As with a list that is not known before the run.
            Self::Run(_) => 6,
            Self::Set(_)
            | Self::Cookies(_)
            | Self::Push(_)
            | Self::Stop(_)
            | Self::Fail(_)
            | Self::Think(_)
            | Self::Measure(_) => 0,
            Self::Flow { steps, .. }
            | Self::Repeat { steps, .. }
            | Self::Each { steps, .. }
            | Self::RepeatBy { steps, .. }
            | Self::During { steps, .. }
            | Self::Call { steps, .. } => width(steps),
            Self::If {
                then, otherwise, ..
            } => width(then).max(width(otherwise)),
            Self::Random(branches) => branches.iter().map(|b| width(&b.steps)).max().unwrap_or(0),
            Self::Parallel { times, requests } => *times as usize * requests.len(),
            // How many it has is not known before the run: as many as a browser would open.
            Self::ParallelEach { .. } => 6,
        }
    }
}

/// The endpoint whose request comes first.
pub fn first_request(steps: &[Step]) -> Option<usize> {
    steps.iter().find_map(Step::first_request)
}

/// Whether the steps do anything but wait.
pub fn has_effect(steps: &[Step]) -> bool {
    steps.iter().any(Step::has_effect)
}

/// Adds the texts that steps fail with, as written, each once, as long as there are less than `most`.
pub(super) fn add_failures(steps: &[Step], most: usize, texts: &mut Vec<Arc<str>>) {
    for step in steps {
        if let Step::Fail(text) = step
            && texts.len() < most
            && texts.iter().all(|known| known != text.shared_source())
        {
            texts.push(text.shared_source().clone());
        }
        step.lists()
            .into_iter()
            .for_each(|steps| add_failures(steps, most, texts));
    }
}

/// How many requests the steps may have in flight at once.
pub fn width(steps: &[Step]) -> usize {
    steps.iter().map(Step::width).max().unwrap_or(0)
}

/// What some steps do on average.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedWork {
    /// Requests, by position of the endpoint; a poll counts as one.
    pub requests: Vec<f64>,
    /// Transactions, by position of the flow.
    pub flows: Vec<f64>,
    /// The waits between requests; s.
    pub wait_s: f64,
}

impl ExpectedWork {
    /// Nothing yet, in a plan with this many endpoints and flows.
    pub(super) fn nothing(endpoints: usize, flows: usize) -> Self {
        Self {
            requests: vec![0.0; endpoints],
            flows: vec![0.0; flows],
            wait_s: 0.0,
        }
    }

    /// Adds these steps, run `times` times on average.
    pub(super) fn add(&mut self, steps: &[Step], times: f64) {
        for step in steps {
            match step {
                Step::Request(endpoint) | Step::Poll { endpoint, .. } => {
                    self.requests[*endpoint] += times;
                }
                // How many requests it sends is not known before the run.
                Step::Run(script) => self.requests[script.requests[0]] += times,
                Step::Flow { flow, steps, .. } => {
                    self.flows[*flow] += times;
                    self.add(steps, times);
                }
                Step::Set(_) | Step::Cookies(_) | Step::Push(_) | Step::Stop(_) | Step::Fail(_) => {
                }
                Step::Measure(_) => {}
                Step::Think(think) => self.wait_s += times * think.mean().as_secs_f64(),
                // How often the condition is true is not known before the run: once, like a poll.
                Step::Repeat {
                    condition: Some(_),
                    steps,
                    ..
                }
                | Step::Each {
                    condition: Some(_),
                    steps,
                    ..
                } => self.add(steps, times),
                Step::RepeatBy { steps, .. }
                | Step::During { steps, .. }
                | Step::Call { steps, .. } => self.add(steps, times),
                Step::ParallelEach { request, .. } => self.requests[*request] += times,
                Step::Repeat {
                    times: n, steps, ..
                } => self.add(steps, times * f64::from(*n)),
                Step::Each { values, steps, .. } => self.add(steps, times * values.len() as f64),
                // Whether it is true is not known before the run: as if it were.
                Step::If { then, .. } => self.add(then, times),
                Step::Random(branches) => {
                    let total: f64 = branches.iter().map(|b| f64::from(b.weight)).sum();
                    for branch in branches {
                        self.add(&branch.steps, times * f64::from(branch.weight) / total);
                    }
                }
                Step::Parallel { times: n, requests } => {
                    for endpoint in requests {
                        self.requests[*endpoint] += times * f64::from(*n);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_of_steps_are_known_before_the_run() {
        let branch = |weight, endpoint| Branch {
            weight,
            steps: vec![Step::Request(endpoint)],
        };
        let steps = [Step::Flow {
            flow: 0,
            goes_on: false,
            steps: vec![
                Step::Think(ThinkTime::Constant(Duration::from_secs(2))),
                Step::Repeat {
                    times: 3,
                    variable: None,
                    condition: None,
                    steps: vec![Step::Random(vec![branch(3, 1), branch(1, 0)])],
                },
                Step::Parallel {
                    times: 5,
                    requests: vec![0, 1],
                },
            ],
        }];
        let mut expected = ExpectedWork::nothing(2, 1);
        expected.add(&steps, 2.0);
        assert_eq!(expected.requests, [2.0 * 5.75, 2.0 * 7.25]);
        assert_eq!((expected.flows[0], expected.wait_s), (2.0, 4.0));
        assert_eq!((first_request(&steps), width(&steps)), (Some(1), 10));
    }
}
