//! The keys of `on_finding` and `on_verdict`: whom a run tells about itself.
//!
//! Not here: what they mean (`service::hooks`).

use crate::plan::{FindingSeverity, ToldVerdict};
use crate::scenario::yaml::decode::{Located, OneOrMany, TimeLimit};
use crate::scenario::yaml::mapping::{mapping, words};

mapping! {
    /// Whom to tell about findings, once the run is over. Needs `webhook` or `command`.
    FindingHookFile {
        /// URL that gets `{"text": "..."}` by POST, as webhooks of Slack, Mattermost and Teams do. Never shown.
        webhook: String,
        /// Program to start, with its arguments as a list; a single text is for the shell. It gets JSON on its standard input.
        command: OneOrMany<Located<String>>,
        /// Time limit, at most `60s`. Defaults to `10s`.
        timeout: TimeLimit,
        /// Least severity of a finding: `low`, `medium`, `high` (default) or `critical`.
        severity: FindingSeverity,
    }
}

mapping! {
    /// Whom to tell about the verdict, once the run is over. Needs `webhook` or `command`.
    VerdictHookFile {
        /// URL that gets `{"text": "..."}` by POST, as webhooks of Slack, Mattermost and Teams do. Never shown.
        webhook: String,
        /// Program to start, with its arguments as a list; a single text is for the shell. It gets JSON on its standard input.
        command: OneOrMany<Located<String>>,
        /// Time limit, at most `60s`. Defaults to `10s`.
        timeout: TimeLimit,
        /// Verdicts to tell: `pass`, `fail`, `inconclusive`, `invalid`. Defaults to all.
        verdicts: OneOrMany<ToldVerdict>,
    }
}

words! {
    FindingSeverity {
        "low" => Self::Low,
        "medium" => Self::Medium,
        "high" => Self::High,
        "critical" => Self::Critical,
    }
}

words! {
    ToldVerdict {
        "pass" => Self::Pass,
        "fail" => Self::Fail,
        "inconclusive" => Self::Inconclusive,
        "invalid" => Self::Invalid,
    }
}
