//! What a script asks perfctl to do for a user.
//!
//! Here: plain data. Not here: doing it (`engine`).

use std::time::Duration;

use serde::Deserialize;

/// Something that a script waits for.
#[derive(Debug)]
pub struct Operation {
    /// Its number, by which it is settled.
    pub(super) number: u64,
    /// What it is.
    pub kind: OperationKind,
}

/// What a script waits for.
#[derive(Debug)]
pub enum OperationKind {
    /// A request.
    Request(Box<RequestSpec>),
    /// A wait of this length.
    Think(Duration),
}

/// A request of a script.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// In upper case.
    pub method: String,
    /// Path or URL.
    pub url: String,
    /// Names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The row that it counts in.
    pub row: String,
    /// The name, if the script gives one beside the row.
    #[serde(default)]
    pub timeout_us: Option<u64>,
    /// The statuses that pass: codes, ranges or classes; 2xx and 3xx where there are none.
    #[serde(default)]
    pub status: Vec<(u16, u16)>,
    /// The body.
    #[serde(skip)]
    pub body: Option<String>,
}
