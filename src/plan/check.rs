//! What a response must be like to count as a success. Evaluated in `crate::check`.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json_path::JsonPath;

/// One condition on a response.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The status code lies in one of these ranges.
    Status(Vec<StatusRange>),
    /// The response time is at most this long.
    #[serde(rename = "max_duration_us", with = "crate::units::micros")]
    MaxDuration(Duration),
    /// The body contains this text.
    BodyContains(String),
    /// The JSON body matches at this path.
    Json {
        /// RFC 9535 path.
        #[serde(serialize_with = "as_text")]
        path: JsonPath,
        /// What must be found there.
        expect: JsonExpectation,
    },
}

impl Check {
    /// Whether the body has to be kept to evaluate it.
    pub fn needs_body(&self) -> bool {
        matches!(self, Self::BodyContains(_) | Self::Json { .. })
    }
}

/// An inclusive range of status codes; a single code is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatusRange {
    /// Lowest code, at least 100.
    pub low: u16,
    /// Highest code, at most 599.
    pub high: u16,
}

impl StatusRange {
    /// Whether `status` lies in it.
    pub fn contains(self, status: u16) -> bool {
        (self.low..=self.high).contains(&status)
    }
}

/// What a JSON path must find.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonExpectation {
    /// At least one node.
    Exists,
    /// No node.
    Absent,
    /// At least one node, and every node equals this value.
    Equals(serde_json::Value),
}

fn as_text<S: Serializer>(path: &JsonPath, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(path)
}
