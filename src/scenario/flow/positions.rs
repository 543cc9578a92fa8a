//! The positions of requests and flows: from those of the index to those of a plan, which has nothing but
//! what runs.
//!
//! Not here: what runs (`classes`).

use std::collections::BTreeSet;

use super::index::Index;
use crate::plan::{Endpoint, Flow, Lifecycle, Step, UserClass};

/// What runs.
#[derive(Default)]
pub(crate) struct Selection {
    /// The user classes; one at least, without findings.
    pub classes: Vec<UserClass>,
    /// The endpoints that they use, in the order of the index.
    pub endpoints: Vec<Endpoint>,
    /// The flows that they use, likewise.
    pub flows: Vec<Flow>,
    /// What happens around the load.
    pub lifecycle: Option<Box<Lifecycle>>,
}

/// The classes with the positions of a plan that has nothing but what they use.
pub(super) fn renumbered(mut classes: Vec<UserClass>, index: &Index<'_>) -> Selection {
    let (mut requests, mut flows) = (BTreeSet::new(), BTreeSet::new());
    for_each_list(&mut classes, &mut |steps| {
        visit(steps, &mut |reference| {
            match reference {
                Reference::Request(position) | Reference::Poll(position, ..) => {
                    requests.insert(*position)
                }
                Reference::Flow(position) => flows.insert(*position),
            };
        });
    });
    for_each_list(&mut classes, &mut |steps| {
        visit(steps, &mut |reference| {
            let (used, position) = match reference {
                Reference::Request(position) | Reference::Poll(position, ..) => {
                    (&requests, position)
                }
                Reference::Flow(position) => (&flows, position),
            };
            *position = used.range(..*position).count();
        });
    });
    let compiled = |position: &usize| index.requests[*position].compiled.as_ref();
    let endpoints = requests.iter().filter_map(compiled);
    Selection {
        classes,
        endpoints: endpoints.map(|(endpoint, _)| endpoint.clone()).collect(),
        flows: (flows.iter())
            .map(|position| Flow {
                name: index.flow_name(*position).to_owned(),
            })
            .collect(),
        lifecycle: None,
    }
}

/// Each list of steps of some classes.
pub(super) fn for_each_list(classes: &mut [UserClass], visit: &mut dyn FnMut(&mut [Step])) {
    for class in classes {
        visit(&mut class.on_start);
        visit(&mut class.on_stop);
        class
            .tasks
            .iter_mut()
            .for_each(|task| visit(&mut task.steps));
    }
}

/// The position of something that a step names.
pub(super) enum Reference<'a> {
    Request(&'a mut usize),
    /// With the endpoints that judge its responses.
    Poll(&'a mut usize, &'a mut Endpoint, &'a mut Endpoint),
    Flow(&'a mut usize),
}

/// Every position in some steps.
pub(super) fn visit(steps: &mut [Step], each: &mut dyn FnMut(Reference<'_>)) {
    for step in steps {
        match step {
            Step::Request(position) => each(Reference::Request(position)),
            Step::Run(script) => {
                let requests = script.requests.iter_mut();
                requests.for_each(|request| each(Reference::Request(request)));
            }
            Step::ParallelEach { request, .. } => each(Reference::Request(request)),
            Step::Poll {
                endpoint,
                until,
                pending,
                ..
            } => each(Reference::Poll(endpoint, until, pending)),
            Step::Parallel { requests, .. } => {
                requests
                    .iter_mut()
                    .for_each(|request| each(Reference::Request(request)));
            }
            Step::Flow { flow, .. } => each(Reference::Flow(flow)),
            Step::Repeat { .. }
            | Step::Each { .. }
            | Step::RepeatBy { .. }
            | Step::During { .. }
            | Step::Call { .. }
            | Step::If { .. }
            | Step::Random(_)
            | Step::Set(_)
            | Step::Cookies(_)
            | Step::Push(_)
            | Step::Stop(_)
            | Step::Fail(_)
            | Step::Think(_)
            | Step::Measure(_) => {}
        }
        for steps in step.lists_mut() {
            visit(steps, each);
        }
    }
}
