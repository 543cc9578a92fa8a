//! The keys of user classes.
//!
//! Not here: the flows and steps of users (`flow`), and what the keys mean together
//! (`flow::classes`).

use serde_json::{Value, json};

use super::endpoint::{EndpointFile, Weight};
use super::flow::StepsFile;
use crate::plan::ThinkTime;
use crate::scenario::yaml::decode::{At, Decode};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::mapping;
use crate::scenario::yaml::tree::{Node, NodeKind};

mapping! {
    /// A kind of virtual user.
    UserFile {
        /// Its share of the users, relative to the other classes; 1 by default.
        weight: Weight,
        /// This many users, started before those that are shared out by weight (closed load).
        fixed_count: u32,
        /// The wait between iterations; that of `defaults` by default.
        think_time: ThinkTime,
        /// The requests it chooses from by weight: names, or requests of its own. Without `endpoints` and `flows`, those of the scenario.
        endpoints: Vec<At<TaskFile>>,
        /// The flows it chooses from by weight, beside its endpoints.
        flows: Vec<At<FlowTaskFile>>,
        /// Steps that each user does once, before its first iteration. If one fails, the user ends.
        on_start: StepsFile,
        /// Steps that each user does once, after its last iteration.
        on_stop: StepsFile,
    }
}

/// What a user class chooses from: an endpoint by name, or one of its own.
#[derive(Debug, Clone)]
pub(crate) enum TaskFile {
    Named(Box<EndpointTaskFile>),
    Own(Box<At<EndpointFile>>),
}

impl Decode for TaskFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let is_own = matches!(node.kind, NodeKind::Map(_)) && node.get("endpoint").is_none();
        if is_own {
            return At::decode(node, findings).map(|file| Self::Own(Box::new(file)));
        }
        EndpointTaskFile::decode(node, findings).map(|file| Self::Named(Box::new(file)))
    }

    fn schema() -> Value {
        json!({"anyOf": [EndpointTaskFile::schema(), EndpointFile::schema_reference()]})
    }
}

mapping! {
    /// An endpoint by its name, which alone needs no mapping.
    EndpointTaskFile or endpoint {
        /// Its name.
        endpoint(required): String,
        /// How often it is chosen; that of the endpoint by default.
        weight: Weight,
        /// The wait after it, in place of that of its user.
        think_time: ThinkTime,
    }
}

mapping! {
    /// A flow by its name, which alone needs no mapping.
    FlowTaskFile or flow {
        /// Its name.
        flow(required): String,
        /// How often it is chosen; that of the flow by default.
        weight: Weight,
        /// The wait after it, in place of that of its user.
        think_time: ThinkTime,
    }
}
