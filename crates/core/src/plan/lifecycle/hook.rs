//! Whom a run tells about its verdict and its findings.
//!
//! Here: what is told to whom. Not here: how it is told (`cli`). None of it is stored: the URLs are secrets.

use std::time::Duration;

/// Whom a run tells about itself when it is over.
#[derive(Debug, Clone, Default)]
pub struct Hooks {
    /// About its findings, if there are any.
    pub on_finding: Option<Hook>,
    /// The least severity of a finding that is told.
    pub least_severity: FindingSeverity,
    /// About its verdict.
    pub on_verdict: Option<Hook>,
    /// The verdicts that are told.
    pub verdicts: Vec<ToldVerdict>,
}

/// Who is told: a webhook, or a program.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Where it is sent to, or what is started.
    pub to: HookTarget,
    /// How long that may take.
    pub timeout: Duration,
}

/// Where something is told.
#[derive(Clone)]
pub enum HookTarget {
    /// A URL that takes `{"text": "..."}`, as that of Slack does. It is a secret.
    Webhook(String),
    /// A program with its arguments.
    Command(Vec<String>),
}

impl std::fmt::Debug for HookTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Webhook(_) => "Webhook",
            Self::Command(_) => "Command",
        })
    }
}

impl Hooks {
    /// The URLs, which are secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let hooks = [&self.on_finding, &self.on_verdict].into_iter().flatten();
        hooks.filter_map(|hook| match &hook.to {
            HookTarget::Webhook(url) => Some(url.as_str()),
            HookTarget::Command(_) => None,
        })
    }
}

impl Hook {
    /// How long it may take where the scenario does not say.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The longest that the scenario may say.
    pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingSeverity {
    /// Worth knowing.
    Low,
    /// A limit is narrowly missed, or will be.
    Medium,
    /// A limit is clearly missed.
    #[default]
    High,
    /// The service does not do its work.
    Critical,
}

impl FindingSeverity {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A verdict that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `docs/grading.md`")]
pub enum ToldVerdict {
    Pass,
    Fail,
    Inconclusive,
    Invalid,
}

impl ToldVerdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Fail, Self::Inconclusive, Self::Invalid];
}
