//! What a trial tells about itself while it runs.
//!
//! Here: plain data. Not here: when it is told (`user`, `flow`), or how it is shown (`cli`).

use std::time::Duration;

use serde_json::Value;

use crate::check::CheckReport;
use crate::metrics::{FailureTexts, Outcome};
use crate::plan::Secrets;
use crate::protocol::{Hop, Phases};

/// A part of what a user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialPart {
    /// What happens once before the load.
    Setup,
    /// What happens once after it.
    Teardown,
    /// What it does once, before its first iteration.
    OnStart,
    /// The task at this position of its class.
    Task(usize),
    /// What it does once, at its end.
    OnStop,
}

/// Something that happened in a trial, in the order in which it did.
#[derive(Debug)]
pub enum TrialEvent {
    /// The user of the class at this position begins.
    UserStarted(usize),
    /// It begins a part of what it does.
    PartStarted(TrialPart),
    /// That part has ended.
    PartEnded {
        /// Which one.
        part: TrialPart,
        /// Why it failed, if it did.
        failure: Option<TrialFailure>,
    },
    /// A flow begins, by its position in the plan.
    FlowStarted(usize),
    /// A flow has ended.
    FlowEnded {
        /// Its position in the plan.
        flow: usize,
        /// Why it failed, if it did.
        failure: Option<TrialFailure>,
    },
    /// A step has set variables.
    Set {
        /// Their names and values.
        values: Vec<(String, Value)>,
        /// What must be hidden in whatever is shown of them.
        secrets: Secrets,
    },
    /// What a step did to the cookies of the user, safe to show.
    Cookies(String),
    /// A request got its response, or failed to get one.
    Exchanged(Box<TrialExchange>),
    /// A request could not be sent.
    Unsent {
        /// The position of its endpoint.
        endpoint: usize,
        /// What it counts as in a run.
        outcome: Outcome,
        /// Why, safe to show.
        text: String,
    },
    /// The script has said something by `console`; safe to show.
    Said(String),
    /// A step measured something: its name and its value.
    Measured(String, String),
}

/// Why a flow or a part of what a user does has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialFailure {
    /// In a sentence, safe to show.
    pub text: String,
    /// Whether it is the failure of a request, which has been told already.
    pub is_of_request: bool,
}

/// A request and its response.
#[derive(Debug)]
pub struct TrialExchange {
    /// The position of the endpoint.
    pub endpoint: usize,
    /// The row that it counts in, where a script makes the request; safe to show.
    pub row: Option<String>,
    /// When it was sent, from the start of the load.
    pub started: Duration,
    /// What was sent and received: more than once where there were redirects or challenges; empty if
    /// the request could not be built.
    pub hops: Vec<Hop>,
    /// How it counts in a run.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    pub texts: Option<FailureTexts>,
    /// Each check, and whether it holds.
    pub checks: Vec<CheckReport>,
    /// For a poll whose response does not match yet: `checks` has those of `until`.
    pub is_pending: bool,
    /// The variables that were set before the request and from the response, with their values.
    pub extracted: Vec<(String, Value)>,
    /// What was measured of the response: names and values.
    pub measured: Vec<(String, String)>,
    /// Where the time went.
    pub phases: Phases,
    /// From start to end, without `token_wait`.
    pub duration: Duration,
    /// How long it waited for its token.
    pub token_wait: Duration,
    /// Connections opened for it.
    pub connections: u16,
    /// What must be hidden in whatever is shown of it.
    pub secrets: Secrets,
}
