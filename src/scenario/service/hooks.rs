//! From `on_finding` and `on_verdict` to whom a run tells about itself.

use super::address;
use crate::error::Diagnostic;
use crate::plan::{Hook, HookTarget, Hooks, ToldVerdict};
use crate::scenario::keys::scenario::ScenarioFile;
use crate::scenario::keys::scenario::hook::{FindingHookFile, VerdictHookFile};
use crate::scenario::names::Names;
use crate::scenario::yaml::decode::{Field, Located, OneOrMany, TimeLimit};
use crate::scenario::yaml::findings::{Findings, Span};

/// Whom to tell; `None` where the scenario names nobody. What cannot be understood is reported.
pub(crate) fn hooks(
    file: &ScenarioFile,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Option<Box<Hooks>> {
    let (on_finding, on_verdict) = (file.on_finding.get(), file.on_verdict.get());
    if on_finding.is_none() && on_verdict.is_none() {
        return None;
    }
    let mut compiler = HookCompiler { names, findings };
    let severity = on_finding.and_then(|file| file.value.severity.copied());
    let verdicts = on_verdict.and_then(|file| file.value.verdicts.get());
    Some(Box::new(Hooks {
        on_finding: on_finding.and_then(|hook| {
            let FindingHookFile {
                webhook,
                command,
                timeout,
                ..
            } = &hook.value;
            compiler.hook(file.on_finding.key(), webhook, command, timeout)
        }),
        least_severity: severity.unwrap_or_default(),
        on_verdict: on_verdict.and_then(|hook| {
            let VerdictHookFile {
                webhook,
                command,
                timeout,
                ..
            } = &hook.value;
            compiler.hook(file.on_verdict.key(), webhook, command, timeout)
        }),
        verdicts: verdicts.map_or(ToldVerdict::ALL.to_vec(), |given| given.0.clone()),
    }))
}

struct HookCompiler<'a> {
    names: &'a Names<'a>,
    findings: &'a mut Findings,
}

impl HookCompiler<'_> {
    /// The hook of a key.
    fn hook(
        &mut self,
        key: Option<Span>,
        webhook: &Field<String>,
        command: &Field<OneOrMany<Located<String>>>,
        timeout: &Field<TimeLimit>,
    ) -> Option<Hook> {
        if let Some(url) = webhook.get() {
            self.findings.hide_literal(&url.value);
        }
        let to = match (webhook.get(), command.get()) {
            (Some(url), None) => self.webhook(url).map(HookTarget::Webhook),
            (None, Some(words)) => self.command(&words.0, key).map(HookTarget::Command),
            _ if webhook.is_missing() != command.is_missing() => None,
            _ => {
                let diagnostic = Diagnostic::new("needs exactly one of `webhook` and `command`")
                    .help("write `webhook: \"{{ env.SLACK_URL }}\"`, or `command: [./notify.sh]`");
                self.findings.report(key, diagnostic);
                None
            }
        };
        let limit = timeout.get().map(|limit| limit.value.0);
        if limit.is_some_and(|limit| limit.is_zero() || limit > Hook::LONGEST_TIMEOUT) {
            let diagnostic = Diagnostic::new("`timeout` must be above 0 and at most `60s`");
            self.findings.report(timeout.key(), diagnostic);
        }
        Some(Hook {
            to: to?,
            timeout: limit.unwrap_or(Hook::DEFAULT_TIMEOUT),
        })
    }

    /// A URL, of which everything but the host may be secret.
    fn webhook(&mut self, written: &Located<String>) -> Option<String> {
        let url = self.names.constant(written, self.findings)?;
        if url.is_empty() {
            // An empty variable is one that is not set.
            return None;
        }
        if let Ok(url) = address::parse_url(&url)
            && address::credentials(url.as_str()).is_empty()
        {
            return Some(url.into());
        }
        let diagnostic = Diagnostic::new("`webhook` is not a URL").help(
            "write a URL with `http://` or `https://`, without user name and password, best as \
             `\"{{ env.SLACK_URL }}\"`",
        );
        self.findings.report(Some(written.at), diagnostic);
        None
    }

    fn command(&mut self, words: &[Located<String>], key: Option<Span>) -> Option<Vec<String>> {
        let words: Vec<String> = words
            .iter()
            .filter_map(|word| self.names.constant(word, self.findings))
            .collect();
        match words.first().is_none_or(String::is_empty) {
            true => {
                let diagnostic = Diagnostic::new("`command` names no program");
                self.findings.report(key, diagnostic);
                None
            }
            false => Some(words),
        }
    }
}
