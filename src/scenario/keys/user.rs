//! The keys of user classes.
//!
//! Not here: the flows and steps of users (`flow`), and what the keys mean together
//! (`flow::classes`).

use serde_json::{Value, json};

use super::auth::AuthChoice;
use super::endpoint::{EndpointFile, Weight};
use super::flow::StepsFile;
use super::think_time::ThinkTimeFile;
use crate::scenario::yaml::decode::{Decode, Located, Pairs};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::mapping::mapping;
use crate::scenario::yaml::tree::{Node, NodeKind};

mapping! {
    /// A user class.
    UserFile {
        /// Share of the users, relative to the other classes. Defaults to 1.
        weight: Weight,
        /// Exact number of users, started before those distributed by weight (closed model).
        fixed_count: u32,
        /// Wait between iterations. Defaults to that of `defaults`.
        think_time: ThinkTimeFile,
        /// Base URL of the service for this class, in place of the scenario's `host`.
        host: String,
        /// Headers, in addition to those in `defaults`; the same name overrides.
        headers: Pairs<String>,
        /// Authentication; `none` disables what `defaults` sets.
        auth: AuthChoice,
        /// Requests to choose from by weight: names, or requests of its own. Without `endpoints` and `flows`, those of the scenario.
        endpoints: Vec<Located<TaskFile>>,
        /// Flows to choose from by weight, in addition to `endpoints`.
        flows: Vec<Located<FlowTaskFile>>,
        /// Steps that each user runs once, before its first iteration. If one fails, the user stops.
        on_start: StepsFile,
        /// Steps that each user runs once, after its last iteration.
        on_stop: StepsFile,
    }
}

/// What a user class chooses from: an endpoint by name, or one of its own.
#[derive(Debug, Clone)]
pub(crate) enum TaskFile {
    Named(Box<EndpointTaskFile>),
    Own(Box<Located<EndpointFile>>),
}

impl Decode for TaskFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let is_own = matches!(node.kind, NodeKind::Map(_)) && node.get("endpoint").is_none();
        if is_own {
            return Located::decode(node, findings).map(|file| Self::Own(Box::new(file)));
        }
        EndpointTaskFile::decode(node, findings).map(|file| Self::Named(Box::new(file)))
    }

    fn schema() -> Value {
        json!({"anyOf": [EndpointTaskFile::schema(), EndpointFile::schema_reference()]})
    }
}

mapping! {
    /// An endpoint by name, which alone needs no mapping.
    EndpointTaskFile or endpoint {
        /// Name of the endpoint.
        endpoint(required): String,
        /// How often it is chosen. Defaults to the weight of the endpoint.
        weight: Weight,
        /// Wait after this request. Overrides the think time of the user.
        think_time: ThinkTimeFile,
    }
}

mapping! {
    /// A flow by name, which alone needs no mapping.
    FlowTaskFile or flow {
        /// Name of the flow.
        flow(required): String,
        /// How often it is chosen. Defaults to the weight of the flow.
        weight: Weight,
        /// Wait after this flow. Overrides the think time of the user.
        think_time: ThinkTimeFile,
    }
}
