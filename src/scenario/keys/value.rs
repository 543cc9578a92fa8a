//! Values that keep the type that YAML gives them.

use serde_json::Value;

use crate::scenario::yaml::decode::{Decode, text};
use crate::scenario::yaml::findings::Findings;
use crate::scenario::yaml::tree::{Node, NodeKind};

/// A text, a number or a boolean.
#[derive(Debug, Clone)]
pub(crate) struct ScalarFile {
    /// As written.
    pub text: String,
    /// As YAML understands it.
    pub json: Value,
}

impl Decode for ScalarFile {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let text = text("text", node, findings)?.to_owned();
        let json = match &node.kind {
            NodeKind::Scalar { json, .. } => json.clone(),
            _ => Value::Null,
        };
        Some(Self { text, json })
    }

    fn schema() -> Value {
        String::schema()
    }
}
