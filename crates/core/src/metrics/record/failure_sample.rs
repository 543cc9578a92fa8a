//! The first failures of each kind, with what was sent and received, as people may see it.
//!
//! Not here: which failures are kept (`recorder`, `fold`), how an exchange becomes text (`check`), or
//! how it looks in a report.

use serde::{Deserialize, Serialize};

use crate::metrics::{FailureCause, Outcome};
use crate::plan::TraceId;

/// A request that failed, with what was sent and received. Safe to store: without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSample {
    /// Position of the endpoint.
    pub endpoint: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// The status of its response; `None` without one, and where too many statuses were seen to keep
    /// them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The `fail_with` of the check that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the check that failed is about, where it has no `fail_with`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// When it was sent, from the start of the load; us.
    pub started_us: u64,
    /// From its intended start to its end; us.
    pub response_us: u64,
    /// What happened, in a sentence; at most 300 characters.
    pub text: String,
    /// The id of its trace, if that was sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// What was sent and received.
    pub exchange: ExchangeText,
}

impl FailureSample {
    /// How many of a kind are kept in a run.
    pub const MAX_OF_A_KIND: usize = 3;
    /// How much room they may take in a run, as JSON; bytes.
    pub const MAX_BYTES: usize = 1_000_000;
}

/// The first failures of each kind, in the order in which they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSamples {
    /// Those that are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<FailureSample>,
    /// How many more there was no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unkept: u64,
}

impl FailureSamples {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.unkept == 0
    }

    /// Adds those of a later second.
    pub fn append(&mut self, mut later: Self) {
        self.kept.append(&mut later.kept);
        self.unkept += later.unkept;
    }
}

/// What was sent and received, as text. The last of several requests where there were redirects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeText {
    /// The redirects followed before it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redirects: u64,
    /// What was sent.
    pub request: MessageText,
    /// What came back; `None` if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<MessageText>,
}

impl ExchangeText {
    /// The bytes of its texts.
    pub fn size(&self) -> usize {
        let response = self.response.iter();
        let messages = std::iter::once(&self.request).chain(response);
        messages.map(MessageText::size).sum()
    }
}

/// A request or a response, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageText {
    /// Request line or status line.
    pub line: String,
    /// Header fields as `name: value`, cut where they are too long.
    pub headers: Vec<String>,
    /// How many more fields there were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unkept_headers: u64,
    /// The body; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyText>,
}

impl MessageText {
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(String::len).sum();
        let body = self.body.as_ref().and_then(|body| body.text.as_ref());
        self.line.len() + headers + body.map_or(0, String::len)
    }
}

/// A body, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyText {
    /// Its length as it was sent, compressed if it was.
    pub size_bytes: u64,
    /// Its beginning, decoded; `None` if it cannot be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether there is more than `text`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// What it is, where it cannot be shown, such as `1,234 bytes of image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A failure as a worker hands it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFailure {
    /// Position of the endpoint.
    pub endpoint: u16,
    /// In which way it failed.
    pub cause: FailureCause,
    /// When it was sent, from the start of the load; us.
    pub started_us: u64,
    /// When it ended, from the start of the load; us.
    pub ended_us: u64,
    /// From its intended start to its end; us.
    pub response_us: u64,
    /// What happened, in a sentence.
    pub text: String,
    /// The id of its trace, if that was sampled.
    pub trace_id: Option<TraceId>,
    /// What was sent and received; `None` where the worker had no room for it.
    pub exchange: Option<Box<ExchangeText>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
