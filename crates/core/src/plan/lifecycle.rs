//! What happens once a run: the set-up before the load, and the tear-down after it.
//!
//! Here: their steps, and which values every user has from them. Not here: how they are carried out
//! (`engine`), or what users do once each (`user_class`).

pub(super) mod hook;

use std::collections::BTreeSet;

use serde::Serialize;

use super::Endpoint;
use super::step::{Flow, Step};

/// The steps before and after the load. Their endpoints and flows are apart from those of the load, so that
/// they have no part in its numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Lifecycle {
    /// The steps before the load.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Step>,
    /// The steps after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub teardown: Vec<Step>,
    /// The variables that these steps use, and that those use, as their positions.
    #[serde(skip)]
    pub variables: BTreeSet<usize>,
    /// The endpoints that these steps name by their positions.
    pub endpoints: Vec<Endpoint>,
    /// The flows, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<Flow>,
}

impl Lifecycle {
    /// The variables that the set-up may set, as their positions in the names of the plan.
    pub(super) fn given(&self) -> BTreeSet<usize> {
        let mut given = BTreeSet::new();
        self.collect(&self.setup, &mut given);
        given
    }

    fn collect(&self, steps: &[Step], given: &mut BTreeSet<usize>) {
        for step in steps {
            match step {
                Step::Request(endpoint)
                | Step::Poll { endpoint, .. }
                | Step::ParallelEach {
                    request: endpoint, ..
                } => self.collect_of(*endpoint, given),
                Step::Parallel { requests, .. } => {
                    requests
                        .iter()
                        .for_each(|endpoint| self.collect_of(*endpoint, given));
                }
                Step::Run(script) => given.extend(&script.sets),
                Step::Set(assignments) => given.extend(assignments.iter().map(|one| one.variable)),
                Step::Call { with, steps } => {
                    let mut within = BTreeSet::new();
                    self.collect(steps, &mut within);
                    // Arguments are what they were before, after the steps.
                    within.retain(|one| with.iter().all(|argument| argument.variable != *one));
                    given.append(&mut within);
                }
                Step::Flow { .. }
                | Step::Repeat { .. }
                | Step::Each { .. }
                | Step::RepeatBy { .. }
                | Step::During { .. }
                | Step::If { .. }
                | Step::Random(_) => {
                    let lists = step.lists().into_iter();
                    lists.for_each(|steps| self.collect(steps, given));
                }
                Step::Cookies(_)
                | Step::Push(_)
                | Step::Stop(_)
                | Step::Fail(_)
                | Step::Think(_)
                | Step::Measure(_) => {}
            }
        }
    }

    fn collect_of(&self, endpoint: usize, given: &mut BTreeSet<usize>) {
        let endpoint = &self.endpoints[endpoint];
        given.extend(endpoint.extract.iter().map(|one| one.variable));
        given.extend(endpoint.variables.iter().map(|one| one.variable));
    }
}
