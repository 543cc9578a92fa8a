//! `on_finding` and `on_verdict`: telling others about a run that is over.
//!
//! Here: what they are told, and how. Whatever goes wrong is said in a line, and changes nothing else. Not here: the
//! keys (`scenario`), and the rules (`findings`).

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::findings::Finding;
use crate::grading::Verdict;
use crate::plan::{Hook, HookTarget, Plan, ToldVerdict};
use crate::protocol::http::PageReader;
use crate::report::{Report, plain};
use crate::units::{format_counted, format_duration};

/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The most findings of a message.
const FINDINGS: usize = 10;

/// Tells everybody that the plan names. Returns a sentence for each of them that could not be told.
pub(super) fn notify(plan: &Plan, report: &Report) -> Vec<String> {
    let Some(hooks) = &plan.hooks else {
        return Vec::new();
    };
    let mut failures = Vec::new();
    let findings = report.findings();
    let told: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity >= hooks.least_severity)
        .collect();
    if let Some(hook) = hooks.on_finding.as_ref().filter(|_| !told.is_empty()) {
        let message = Message::of_findings(report, &told);
        failures.extend(message.tell("on_finding", plan, hook));
    }
    let verdict = match report.grading.verdict {
        Verdict::Pass => ToldVerdict::Pass,
        Verdict::Fail => ToldVerdict::Fail,
        Verdict::Inconclusive => ToldVerdict::Inconclusive,
        Verdict::Invalid => ToldVerdict::Invalid,
    };
    let is_told = hooks.verdicts.contains(&verdict);
    if let Some(hook) = hooks.on_verdict.as_ref().filter(|_| is_told) {
        let message = Message::of_verdict(report, &findings.iter().collect::<Vec<_>>());
        failures.extend(message.tell("on_verdict", plan, hook));
    }
    failures
}

/// What is told.
struct Message {
    text: String,
    /// The same for programs.
    content: Value,
}

impl Message {
    fn of_findings(report: &Report, findings: &[&Finding]) -> Self {
        let run = &report.result.run;
        let count = format_counted(findings.len() as u64, "finding");
        let mut text = format!("{count} in {}, {}", run.scenario, run.profile);
        for finding in findings.iter().take(FINDINGS) {
            text += &format!("\n- {}: {}", finding.severity.name(), plain(&finding.text));
        }
        if findings.len() > FINDINGS {
            text += &format!("\n- and {} more", findings.len() - FINDINGS);
        }
        Self::new("finding", text, report, findings)
    }

    fn of_verdict(report: &Report, findings: &[&Finding]) -> Self {
        let (run, grading) = (&report.result.run, &report.grading);
        let verdict = grading.verdict.name();
        let letter = grading
            .letter
            .map(|letter| format!(", grade {}", letter.name()));
        let mut text = format!(
            "{verdict}: {}, {}{}",
            run.scenario,
            run.profile,
            letter.unwrap_or_default()
        );
        for reason in grading.reasons.iter().take(FINDINGS) {
            text += &format!("\n- {}", plain(reason));
        }
        Self::new("verdict", text, report, findings)
    }

    fn new(event: &str, text: String, report: &Report, findings: &[&Finding]) -> Self {
        let (run, grading) = (&report.result.run, &report.grading);
        let findings: Vec<Value> = findings
            .iter()
            .map(|one| {
                json!({
                    "rule": one.rule.name(),
                    "severity": one.severity.name(),
                    "endpoint": one.endpoint,
                    "part": one.part,
                    "text": one.text,
                })
            })
            .collect();
        let content = json!({
            "event": event,
            "text": text,
            "verdict": grading.verdict.name().to_lowercase(),
            "grade": grading.letter.map(|letter| letter.name()),
            "health_score": grading.score,
            "scenario": run.scenario,
            "profile": run.profile,
            "service": run.service,
            "run": run.id,
            "directory": report.directory.as_deref().unwrap_or(Path::new("")).display().to_string(),
            "findings": findings,
        });
        Self { text, content }
    }

    /// Tells it. Why that failed, if it did, without what is secret.
    fn tell(&self, key: &str, plan: &Plan, hook: &Hook) -> Option<String> {
        let (what, told) = match &hook.to {
            HookTarget::Webhook(url) => ("webhook", self.post(plan, url, hook.timeout)),
            HookTarget::Command(words) => ("command", self.start(words, hook.timeout)),
        };
        let why = told.err()?;
        let why = plain(&plan.secrets.hide(&why));
        Some(format!("warning: the {what} of `{key}` failed: {why}"))
    }

    fn post(&self, plan: &Plan, url: &str, timeout: Duration) -> Result<(), String> {
        let url = url.parse().map_err(|_| "it is not a URL".to_owned())?;
        let body = json!({ "text": self.text }).to_string();
        complete(async {
            let reader = PageReader::new(plan, url).map_err(|error| error.to_string())?;
            reader.post_json(body, timeout).await
        })
    }

    /// Starts a program, and waits for its end. What it prints goes to stderr, since a program may read the report.
    fn start(&self, words: &[String], timeout: Duration) -> Result<(), String> {
        let line = |words: &[String]| match words {
            [line] => ("sh".to_owned(), vec!["-c".to_owned(), line.clone()]),
            [program, arguments @ ..] => (program.clone(), arguments.to_vec()),
            [] => (String::new(), Vec::new()),
        };
        let (program, arguments) = line(words);
        let child = Command::new(&program)
            .args(arguments)
            .env("PERFCTL_EVENT", text_of(&self.content, "event"))
            .env("PERFCTL_VERDICT", text_of(&self.content, "verdict"))
            .env("PERFCTL_TEXT", &self.text)
            .env("PERFCTL_RUN", text_of(&self.content, "directory"))
            .stdin(Stdio::piped())
            .stdout(io::stderr())
            .process_group(0)
            .spawn();
        let mut child = child.map_err(|error| format!("it cannot be started: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            let content = self.content.to_string();
            // A program need not read it, and must not hold us up.
            std::thread::spawn(move || drop(writeln!(input, "{content}")));
        }
        wait(child, timeout)
    }
}

/// Waits for the end of this, but not for that of a name's resolution which it has given up: nothing can end one.
fn complete(told: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let result = runtime.block_on(told);
    runtime.shutdown_background();
    result
}

fn text_of<'a>(content: &'a Value, field: &str) -> &'a str {
    content[field].as_str().unwrap_or_default()
}

/// Waits for the end of a program, and ends it and what it started when its time is over.
fn wait(mut child: Child, timeout: Duration) -> Result<(), String> {
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) if started.elapsed() >= timeout => break,
            Ok(None) => std::thread::sleep(LOOK),
            Err(error) => return Err(error.to_string()),
        }
    }
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    Err(format!(
        "it did not end within {}",
        format_duration(timeout)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grading::{Grading, Policy};
    use crate::metrics::{Outcome, fixture};
    use crate::plan::fixture::{load, plan};
    use crate::plan::{FindingSeverity, Hooks, Model};

    fn failing() -> Report {
        let result = fixture::run(&[(
            "a",
            &[(Outcome::Ok, 1_000, 60), (Outcome::Http5xx, 100, 40)],
        )]);
        let grading = Grading::of(&result, None, &Policy::default());
        Report {
            directory: Some("results/x".into()),
            ..Report::of_run(result, grading)
        }
    }

    /// What is said when a program is started for the findings and another one for the verdict.
    fn told(finding: &[&str], verdict: &[&str], timeout_ms: u64) -> Vec<String> {
        let mut plan = plan(load(Model::Closed, &[(1.0, 0.0, 1.0)]), &[1]);
        let hook = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            Some(Hook {
                to: HookTarget::Command(words),
                timeout: Duration::from_millis(timeout_ms),
            })
        };
        plan.hooks = Some(Box::new(Hooks {
            on_finding: hook(finding),
            least_severity: FindingSeverity::High,
            on_verdict: hook(verdict),
            verdicts: vec![ToldVerdict::Invalid],
        }));
        notify(&plan, &failing())
    }

    #[test]
    fn a_program_gets_the_findings_as_json_and_as_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("told");
        let line = format!(
            "cat > {0}; echo \"$PERFCTL_EVENT $PERFCTL_TEXT\" >> {0}",
            path.display()
        );
        // The verdict is not among those that are told.
        assert_eq!(told(&[&line], &["false"], 5_000), [""; 0]);
        let text = std::fs::read_to_string(&path).unwrap();
        let (json, text) = text.split_once('\n').unwrap();
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["findings"][0]["rule"], "high_error_rate");
        assert_eq!(json["directory"], "results/x");
        assert!(
            text.starts_with("finding 1 finding in ap-intake, smoke\n- critical: a: 40 of 100"),
            "{text}"
        );
    }

    #[test]
    fn a_name_that_is_still_being_resolved_is_not_waited_for() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (ended, has_ended) = std::sync::mpsc::channel();
        // As `lookup_host` does. It ends at last, so that a failure is no hang.
        let resolve = move || {
            let _ = released.recv_timeout(Duration::from_secs(20));
            let _ = ended.send(());
        };
        let told = complete(async {
            drop(tokio::task::spawn_blocking(resolve));
            Err("no response".into())
        });
        assert_eq!(told, Err("no response".into()));
        assert!(has_ended.try_recv().is_err(), "it was waited for");
        drop(release);
    }

    #[test]
    fn a_program_that_fails_or_takes_too_long_is_a_line() {
        let failed = told(&["exit 3"], &[], 5_000);
        assert_eq!(
            failed,
            ["warning: the command of `on_finding` failed: it ended with exit status: 3"]
        );
        let missing = told(&["/no/such/program", "x"], &[], 5_000);
        assert!(
            missing[0].contains("it cannot be started: No such file"),
            "{missing:?}"
        );
        let slow = told(&["sleep 60 & sleep 60"], &[], 100);
        assert_eq!(
            slow,
            ["warning: the command of `on_finding` failed: it did not end within 100ms"]
        );
    }
}
