//! What `perfctl validate-target` found: several runs, one verdict.
//!
//! Here: the results as data, as text and as JSON. Not here: the runs (`run::validate_target`).

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::Exit;
use crate::findings::{Finding, findings};
use crate::grading::{Grading, Verdict};
use crate::metrics::{RunResult, Window};
use crate::report::{JsonWriter, plain};
use crate::units::{format_counted, format_latency_us, format_percent, format_rate, trim_float};

/// The formats; the first one is the default.
pub const FORMATS: [&str; 2] = ["console", "json"];

/// Identifies the format.
const FORMAT: &str = "perfctl-validation";
/// Rises when a field is renamed or removed, or changes its meaning or unit.
const VERSION: u32 = 1;

/// The most findings of a run that are shown; its own report has all.
const FINDINGS: usize = 5;

/// The runs that were made.
pub struct Validation {
    planned: usize,
    /// In their order.
    pub checks: Vec<Check>,
}

/// One of them.
pub struct Check {
    name: &'static str,
    started_at: String,
    service: String,
    scenario: String,
    directory: String,
    grading: Grading,
    /// What its numbers say beyond the SLOs, the most severe first.
    findings: Vec<Finding>,
    requests: u64,
    successes_per_s: f64,
    p95_us: Option<f64>,
    error_rate: Option<f64>,
}

impl Check {
    /// Of a run and its grade.
    pub fn new(name: &'static str, run: &RunResult, grading: Grading, directory: &Path) -> Self {
        let total = run.summary(None, Window::Measured);
        let findings = findings(run, &grading).into_iter();
        Self {
            findings: findings.filter(|one| !one.rule.repeats_slo()).collect(),
            name,
            started_at: run.run.started_at.clone(),
            service: run.run.service.clone(),
            scenario: run.run.scenario.clone(),
            directory: directory.display().to_string(),
            grading,
            requests: total.requests,
            successes_per_s: total.rate_per_s,
            p95_us: total.response_us.p95,
            error_rate: total.error_rate,
        }
    }

    /// SLOs that were met, and all.
    fn slos(&self) -> (usize, usize) {
        let met = self.grading.slos().filter(|slo| slo.met).count();
        (met, self.grading.slos().count())
    }
}

impl Validation {
    /// Of so many runs, none of which was made yet.
    pub fn new(planned: usize) -> Self {
        Self {
            planned,
            checks: Vec::new(),
        }
    }

    /// `performance_validation_results_20261127_130000.json`, in UTC.
    pub fn file_name(&self) -> String {
        let digits = self.started_at().chars().filter(char::is_ascii_digit);
        let digits: Vec<char> = digits.take(14).collect();
        let (date, time) = digits.split_at(digits.len().min(8));
        let [date, time] = [date, time].map(String::from_iter);
        format!("performance_validation_results_{date}_{time}.json")
    }

    /// When the first run began.
    fn started_at(&self) -> &str {
        self.checks.first().map_or("", |check| &check.started_at)
    }

    /// INVALID or INCONCLUSIVE only where no run failed: a service that failed is not ready.
    fn verdict(&self) -> Verdict {
        let has = |verdict| {
            self.checks
                .iter()
                .any(|check| check.grading.verdict == verdict)
        };
        match self.checks.len() == self.planned {
            _ if has(Verdict::Fail) => Verdict::Fail,
            _ if has(Verdict::Invalid) => Verdict::Invalid,
            true if !has(Verdict::Inconclusive) => Verdict::Pass,
            _ => Verdict::Inconclusive,
        }
    }

    /// As that of a run with the same verdict; that of an error or a signal comes first.
    pub fn exit(&self) -> Exit {
        let mut exits = self.checks.iter().map(|check| check.grading.exit);
        let early = exits.find(|exit| matches!(exit, Exit::Error | Exit::Stopped(_)));
        early.unwrap_or_else(|| self.verdict().exit())
    }

    /// SLOs that were met, and all, of all runs.
    fn slos(&self) -> (usize, usize) {
        let counts = self.checks.iter().map(Check::slos);
        counts.fold((0, 0), |(met, all), (a, b)| (met + a, all + b))
    }
}

/// The verdict and why, in a line.
pub fn one_line(validation: &Validation) -> String {
    let verdict = validation.verdict();
    let blamed = validation
        .checks
        .iter()
        .rfind(|check| check.grading.verdict == verdict);
    let last = validation.checks.last();
    let text = match (verdict, blamed.or(last)) {
        (Verdict::Pass, Some(last)) => format!("{} is ready for medium load", last.service),
        (_, Some(check)) => {
            let why = check.grading.reasons.first();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            format!("{} of {}{why}", check.name, check.service)
        }
        (_, None) => "nothing was run".to_owned(),
    };
    format!("{}  {}", verdict.name(), plain(&text))
}

/// The results for people.
pub fn text(validation: &Validation) -> String {
    let mut lines = vec![one_line(validation)];
    let (met, all) = validation.slos();
    if all > 0 {
        let share = format_percent((met as f64 / all as f64 * 1e3).round() / 1e3);
        lines.push(format!(
            "  {met} of {} met ({share})",
            format_counted(all as u64, "SLO")
        ));
    }
    lines.push(String::new());
    for check in &validation.checks {
        let grading = &check.grading;
        let grade = match (grading.letter, grading.score) {
            (Some(letter), Some(score)) => format!("{} {}", letter.name(), trim_float(score, 1)),
            _ => String::new(),
        };
        let p95 = check.p95_us.map_or("-".to_owned(), format_latency_us);
        let errors = check.error_rate.map_or("-".to_owned(), format_percent);
        let rate = format_rate(check.successes_per_s);
        lines.push(format!(
            "  {:<7} {:<13} {:<8} p95 {p95:>8}  {errors:>5} errors  {rate:>8}",
            check.name,
            grading.verdict.name(),
            grade
        ));
        for reason in grading
            .reasons
            .iter()
            .filter(|_| grading.verdict != Verdict::Pass)
        {
            lines.push(format!("    - {}", plain(reason)));
        }
        for finding in check.findings.iter().take(FINDINGS) {
            let severity = finding.severity.name();
            lines.push(format!("    {severity}: {}", plain(&finding.text)));
        }
    }
    if let Some(left) = validation
        .planned
        .checked_sub(validation.checks.len())
        .filter(|left| *left > 0)
    {
        let left = format_counted(left as u64, "load");
        lines.push(format!("  not run: {left} after that"));
    }
    lines.join("\n") + "\n"
}

#[derive(Serialize)]
struct ValidationObject<'a> {
    format: &'static str,
    version: u32,
    perfctl_version: &'static str,
    started_at: &'a str,
    service: &'a str,
    scenario: &'a str,
    verdict: String,
    is_complete: bool,
    targets_met: usize,
    targets_close: usize,
    targets_failing: usize,
    compliance_percent: Option<f64>,
    checks: Vec<CheckEntry<'a>>,
}

#[derive(Serialize)]
struct CheckEntry<'a> {
    name: &'a str,
    verdict: String,
    grade: Option<&'static str>,
    health_score: Option<f64>,
    reasons: &'a [String],
    total_requests: u64,
    successes_per_s: f64,
    p95_response_time_ms: Option<f64>,
    error_rate_percent: Option<f64>,
    slos: Vec<SloEntry<'a>>,
    findings: Vec<FindingEntry<'a>>,
    run: &'a str,
}

#[derive(Serialize)]
struct FindingEntry<'a> {
    rule: &'static str,
    severity: &'static str,
    endpoint: Option<&'a str>,
    text: &'a str,
}

#[derive(Serialize)]
struct SloEntry<'a> {
    name: &'a str,
    limit: String,
    measured: Option<String>,
    met: bool,
}

/// Writes the results for programs.
///
/// # Errors
/// If `out` fails.
pub fn write_json(validation: &Validation, out: &mut dyn Write) -> io::Result<()> {
    let (met, all) = validation.slos();
    let compliances = || {
        validation
            .checks
            .iter()
            .map(|check| check.grading.compliance())
    };
    let first = validation.checks.first();
    let object = ValidationObject {
        format: FORMAT,
        version: VERSION,
        perfctl_version: env!("CARGO_PKG_VERSION"),
        started_at: validation.started_at(),
        service: first.map_or("", |check| &check.service),
        scenario: first.map_or("", |check| &check.scenario),
        verdict: validation.verdict().name().to_lowercase(),
        is_complete: validation.checks.len() == validation.planned,
        targets_met: compliances().map(|one| one.targets_met).sum(),
        targets_close: compliances().map(|one| one.targets_close).sum(),
        targets_failing: compliances().map(|one| one.targets_failing).sum(),
        compliance_percent: (all > 0).then(|| met as f64 / all as f64 * 100.0),
        checks: validation.checks.iter().map(entry).collect(),
    };
    let mut json = JsonWriter(out);
    serde_json::to_writer_pretty(&mut json, &object)?;
    writeln!(json)
}

fn entry(check: &Check) -> CheckEntry<'_> {
    let slos = check.grading.slos().map(|slo| SloEntry {
        name: &slo.name,
        limit: slo.metric.format(slo.limit),
        measured: slo.value.map(|value| slo.metric.format(value)),
        met: slo.met,
    });
    let findings = check.findings.iter().map(|finding| FindingEntry {
        rule: finding.rule.name(),
        severity: finding.severity.name(),
        endpoint: finding.endpoint.as_deref(),
        text: &finding.text,
    });
    CheckEntry {
        findings: findings.collect(),
        name: check.name,
        verdict: check.grading.verdict.name().to_lowercase(),
        grade: check.grading.letter.map(|letter| letter.name()),
        health_score: check.grading.score,
        reasons: &check.grading.reasons,
        total_requests: check.requests,
        successes_per_s: check.successes_per_s,
        p95_response_time_ms: check.p95_us.map(|us| us / 1e3),
        error_rate_percent: check.error_rate.map(|share| share * 100.0),
        slos: slos.collect(),
        run: &check.directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grading::Policy;
    use crate::metrics::{Outcome, fixture};

    #[test]
    fn a_run_that_ended_with_an_error_decides_the_exit_of_the_whole() {
        let mut validation = Validation::new(2);
        let mut run = fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])]);
        let mut check = |run: &RunResult| {
            let grading = Grading::of(run, None, &Policy::default());
            let check = Check::new("light", run, grading, Path::new("run"));
            validation.checks.push(check);
            validation.exit()
        };
        assert_eq!(check(&run), Exit::Inconclusive, "one of two");
        run.run.ending.as_mut().unwrap().dead_worker = Some("a bug".into());
        assert_eq!(check(&run), Exit::Error);
    }
}
