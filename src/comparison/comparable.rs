//! What may be compared: refused where the result would mislead, with warnings where it is less
//! reliable.

use super::baseline::Baseline;
use super::faults::{faults, no_success, reference_faults};
use super::gate::{Caller, Gate};
use super::occasion::started_s;
use super::setup::{NEW_BASELINE, RunSetup, differences, refuse};
use super::statistical::{LEAST_SECONDS, PREDICTED_RUNS, Statistical};
use crate::error::Error;
use crate::metrics::{EndpointInfo, Machine, RunInfo, RunResult};
use crate::plan::Plan;
use crate::units::{format_duration, format_percent};

/// A baseline older than this may no longer represent the service; days.
const OLD_DAYS: i64 = 30;
/// A machine that lost more than this share of its CPU time to the hypervisor counts as slower.
const STEAL: f64 = 0.01;
/// Measured lengths that differ by less are the same; s.
const SAME_LENGTH_S: f64 = 1.0;

/// Checks that a run of this plan could be compared to the baseline, before any load is sent.
///
/// # Errors
/// [`Error::NotComparable`] with every reason.
pub fn check_plan(baseline: &Baseline, plan: &Plan, gate: &dyn Gate) -> Result<(), Error> {
    let endpoints = EndpointInfo::all(plan);
    let (fingerprint, phases) = (plan.fingerprint(), plan.phases());
    let setup = RunSetup {
        fingerprint: &fingerprint,
        load: &plan.load,
        phases: &phases,
        endpoints: &endpoints,
        client: plan.transport.client,
        full_handshakes: plan.transport.tls.full_handshakes,
        sampled: plan.trace.as_deref().map(|trace| trace.sampled),
    };
    let mut reasons = differences(&baseline.runs, &setup);
    reasons.extend(doubts(baseline));
    let lengths = setup
        .measured()
        .map(|phase| (phase.end_us - phase.start_us) as f64 / 1e6);
    let mut steps = Vec::new();
    if !reasons.is_empty() {
        steps.push(NEW_BASELINE.to_owned());
    }
    // How long a run of a number of iterations takes is known only at its end.
    if plan.load.iterations.is_none()
        && let Some(short) = too_short("this run would be", lengths, gate)
    {
        reasons.push(short);
        steps.insert(0, longer(gate));
    }
    refuse(reasons, steps)
}

/// Checks that these runs can be compared to the baseline.
///
/// # Errors
/// [`Error::NotComparable`] with every reason.
pub(super) fn check_candidates(
    baseline: &Baseline,
    candidates: &[RunResult],
    gate: &dyn Gate,
) -> Result<(), Error> {
    let (mut reasons, mut short) = (Vec::new(), Vec::new());
    for candidate in candidates {
        for reason in differences(&baseline.runs, &RunSetup::of(&candidate.run)) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let name = format!("run `{}`", candidate.run.id);
        reasons.extend(
            faults(candidate)
                .iter()
                .map(|fault| format!("{name} {fault}")),
        );
        short.extend(too_short(&format!("{name} is"), lengths_s(candidate), gate));
    }
    reasons.extend(doubts(baseline));
    for run in &baseline.runs {
        let name = format!("baseline run `{}` is", run.run.id);
        short.extend(too_short(&name, lengths_s(run), gate));
    }
    let mut steps = Vec::new();
    if !short.is_empty() {
        steps.push(longer(gate));
    }
    if !reasons.is_empty() && !gate.is_side_by_side() {
        steps.push(NEW_BASELINE.to_owned());
    }
    reasons.extend(short);
    refuse(reasons, steps)
}

/// What a baseline of these runs cannot be used for; phrases for people.
pub fn baseline_limits(baseline: &Baseline) -> Vec<String> {
    let futile = baseline.runs.iter().find_map(|run| {
        let fault = no_success(run)?;
        Some(format!(
            "run `{}` {fault}, so nothing can be compared to it",
            run.run.id
        ))
    });
    if let Some(futile) = futile {
        return vec![futile];
    }
    let gate = Statistical::default();
    let mut short = baseline.runs.iter().filter_map(|run| {
        let name = format!("run `{}` is", run.run.id);
        too_short(&name, lengths_s(run), &gate)
    });
    if let Some(short) = short.next() {
        return vec![format!(
            "{short}; only `perfctl run --gate simple` can use this baseline, and `perfctl run \
             --run-time {LEAST_SECONDS}s` makes runs that are long enough"
        )];
    }
    let mut limits = gate.weaknesses(&baseline.runs);
    if let Some(weakness) = limits.last_mut() {
        let noise = gate.noise(&baseline.runs);
        let of_most_runs = noise
            .spreads
            .iter()
            .filter_map(|s| s.detectable?.last().copied());
        if let Some(least) = of_most_runs.reduce(f64::min) {
            let [.., most] = PREDICTED_RUNS;
            weakness.push_str(&format!(
                "; until then even {most} runs detect no slowdown below {}",
                format_percent((least * 100.0).round() / 100.0)
            ));
        }
        weakness.push_str("; `perfctl ab` needs no baseline");
    }
    limits
}

/// Why runs of the baseline cannot serve as a reference.
fn doubts(baseline: &Baseline) -> Vec<String> {
    let mut doubts = Vec::new();
    for run in baseline
        .runs
        .iter()
        .filter(|run| !baseline.is_forced(&run.run.id))
    {
        let name = format!("baseline run `{}`", run.run.id);
        doubts.extend(
            reference_faults(run)
                .iter()
                .map(|fault| format!("{name} {fault}")),
        );
    }
    doubts
}

/// Why no measured phase is long enough for the rule, if so.
fn too_short(what: &str, lengths_s: impl Iterator<Item = f64>, gate: &dyn Gate) -> Option<String> {
    let longest_s = lengths_s.fold(0.0, f64::max);
    let least_s = gate.least_measured_s();
    (longest_s.round() < least_s as f64).then(|| {
        let length = std::time::Duration::from_secs_f64(longest_s.max(0.0).round());
        format!(
            "{what} too short to be judged: {} measured, {least_s} s are needed",
            format_duration(length)
        )
    })
}

/// What makes runs long enough for the rule, or does without.
fn longer(gate: &dyn Gate) -> String {
    let least_s = gate.least_measured_s();
    let simple = "`--gate simple` compares without knowing the noise";
    match gate.caller() {
        Caller::Run => format!("`--run-time {least_s}s` makes it long enough, and {simple}"),
        Caller::Ab | Caller::Selfcheck => format!("`--run-time {least_s}s` makes it long enough"),
        Caller::Compare | Caller::Report => {
            format!(
                "`perfctl run --run-time {least_s}s` makes runs that are long enough, and {simple}"
            )
        }
    }
}

/// The actual length of each measured phase; s.
fn lengths_s(run: &RunResult) -> impl Iterator<Item = f64> {
    run.measured_phases().map(|phase| run.phase_length_s(phase))
}

/// What makes a comparison of comparable runs less reliable than it looks, whatever the rule.
pub(super) fn warnings(baseline: &Baseline, candidate: &RunResult) -> Vec<String> {
    let mut warnings = Vec::new();
    let run = &candidate.run;
    let before = || baseline.runs.iter().map(|result| &result.run);
    if let Some(b) = before().find(|b| !is_same_machine(&b.machine, &run.machine)) {
        warnings.push(format!(
            "the baseline was measured on another machine: {}, this run on {}",
            b.machine, run.machine
        ));
    }
    if before().any(|b| b.service != run.service) {
        warnings.push("the baseline was measured against another service".to_owned());
    }
    if let Some(b) = before().find(|b| b.perfctl_version != run.perfctl_version) {
        warnings.push(format!(
            "the baseline was measured by perfctl {}, this run by {}",
            b.perfctl_version, run.perfctl_version
        ));
    }
    let length_s = |run: &RunResult| lengths_s(run).sum::<f64>();
    let now_s = length_s(candidate);
    let mut lengths = baseline.runs.iter().map(length_s);
    if let Some(other_s) = lengths.find(|s| (s - now_s).abs() > SAME_LENGTH_S) {
        let text = |s: f64| format_duration(std::time::Duration::from_secs_f64(s.round()));
        warnings.push(format!(
            "the baseline was measured for a different time: {}, this run for {}",
            text(other_s),
            text(now_s)
        ));
    }
    if let Some(days) = before().filter_map(|b| days_between(b, run)).max()
        && days > OLD_DAYS
    {
        warnings.push(format!("the baseline is {days} days old"));
    }
    if before().any(|b| baseline.is_forced(&b.id)) {
        warnings.push("the baseline holds a run that was INVALID or cut short".to_owned());
    }
    let stolen = |run: &RunResult| run.mean_steal_share() > STEAL;
    if stolen(candidate) {
        warnings.push(format!(
            "the hypervisor took {} of this machine's CPU time (steal) during this run",
            format_percent((candidate.mean_steal_share() * 1000.0).round() / 1000.0)
        ));
    }
    if baseline.runs.iter().any(stolen) {
        warnings
            .push("the hypervisor took CPU time (steal) while the baseline was measured".into());
    }
    warnings
}

/// A processor whose name is not known counts as the same.
fn is_same_machine(a: &Machine, b: &Machine) -> bool {
    let same_cpu = a.cpu == b.cpu || a.cpu.is_empty() || b.cpu.is_empty();
    same_cpu && (&a.host, &a.kernel, a.cpus) == (&b.host, &b.kernel, b.cpus)
}

fn days_between(before: &RunInfo, now: &RunInfo) -> Option<i64> {
    Some(started_s(now)?.saturating_sub(started_s(before)?) / 86_400)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::comparison::{Statistical, Threshold};
    use crate::metrics::{HealthSample, Outcome, TraceInfo, fixture};
    use crate::plan::{ClientChoice, Model, Service};

    fn run() -> RunResult {
        fixture::run(&[("a", &[(Outcome::Ok, 1_000, 100)])])
    }

    fn check(before: RunResult, now: RunResult, gate: &dyn Gate) -> Result<(), String> {
        let baseline = Baseline::of(vec![before]);
        check_candidates(&baseline, &[now], gate).map_err(|error| error.to_string())
    }

    #[test]
    fn each_reason_refuses() {
        let gate = Threshold::default();
        assert_eq!(check(run(), run(), &gate), Ok(()));
        let refused = |change: fn(&mut RunResult), why: &str| {
            let mut before = run();
            change(&mut before);
            let error = check(before, run(), &gate).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        refused(|b| b.run.fingerprint.load.clear(), "another load");
        refused(
            |b| b.run.fingerprint.scenario.clear(),
            "version of the scenario",
        );
        refused(
            |b| b.run.load.model = Model::Open { max_users: 5 },
            "load model",
        );
        refused(|b| b.run.endpoints[0].name.clear(), "different endpoints");
        refused(
            |b| b.run.client = ClientChoice::Direct,
            "used the client `direct`, not `reqwest`",
        );
        refused(|b| b.run.full_handshakes = true, "resumed no TLS sessions");
        let traced = |b: &mut RunResult| {
            let (sampled, url) = (0.1, None);
            b.run.trace = Some(TraceInfo { sampled, url });
        };
        refused(traced, "sampled 10% of its traces, not none (`trace`)");
        refused(|b| b.run.ending = None, "did not finish");
        refused(
            |b| b.run.ending.as_mut().unwrap().signal = Some(2),
            "did not finish",
        );
        refused(
            |b| b.run.ending.as_mut().unwrap().totals.started = 0,
            "INVALID",
        );
        refused(
            |b| b.run.phases[1].name = "other".into(),
            "different measured phases",
        );
        let mut undelivered =
            fixture::run(&[("a", &[(Outcome::Ok, 1_000, 80), (Outcome::Dropped, 0, 20)])]);
        undelivered.run.load = run().run.load;
        let error = check(run(), undelivered, &gate).unwrap_err();
        assert!(error.contains("20 of 100 arrivals dropped"), "{error}");
    }

    #[test]
    fn a_run_in_which_nothing_succeeded_is_no_reference_but_can_be_compared() {
        let failed = || fixture::run(&[("a", &[(Outcome::Http5xx, 1_000, 100)])]);
        let gate = Threshold::default();
        let error = check(failed(), run(), &gate).unwrap_err();
        assert!(error.contains("has no successful request"), "{error}");
        assert_eq!(check(run(), failed(), &gate), Ok(()));
    }

    #[test]
    fn a_run_must_be_long_enough_for_the_rule() {
        let error = check(run(), run(), &Statistical::default()).unwrap_err();
        assert!(error.contains("10s measured, 60 s are needed"), "{error}");
        assert!(error.contains("--gate simple"), "{error}");
    }

    #[test]
    fn a_plan_is_checked_before_it_is_run() {
        let mut plan = Plan {
            scenario: "ap-intake".into(),
            profile: "smoke".into(),
            quick_look: false,
            environment: None,
            service: Service::Demo,
            transport: Default::default(),
            allowed_hosts: BTreeSet::new(),
            seed: 1,
            workers: 1,
            variables: Vec::new(),
            names: Vec::new(),
            cookies: Vec::new(),
            data: Vec::new(),
            classes: Vec::new(),
            endpoints: Vec::new(),
            flows: Vec::new(),
            waits: Vec::new(),
            shared: None,
            observe: None,
            trace: None,
            abort: Vec::new(),
            lifecycle: None,
            hooks: None,
            given: Vec::new(),
            load: run().run.load,
            slos: Vec::new(),
            script: None,
            skipped_slos: Vec::new(),
            secrets: Default::default(),
        };
        let mut before = fixture::run(&[]);
        before.run.fingerprint = plan.fingerprint();
        let baseline = Baseline::of(vec![before]);
        let simple = Threshold::default();
        assert!(check_plan(&baseline, &plan, &simple).is_ok());
        let short = check_plan(&baseline, &plan, &Statistical::default()).unwrap_err();
        assert!(short.to_string().contains("60 s are needed"), "{short}");
        plan.load.stages[0].level += 1.0;
        let refused = check_plan(&baseline, &plan, &simple);
        assert!(matches!(refused, Err(Error::NotComparable(_))));
    }

    #[test]
    fn each_weakness_is_warned_of() {
        let now = run();
        let of = |change: fn(&mut RunResult)| {
            let mut before = run();
            change(&mut before);
            warnings(&Baseline::of(vec![now.clone(), before]), &now)
        };
        assert!(of(|_| {}).is_empty());
        let expect = |change: fn(&mut RunResult), what: &str| {
            let found = of(change);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(what), "{found:?}");
        };
        expect(|b| b.run.machine.cpus = 99, "machine");
        expect(|b| b.run.service = "http://other".into(), "another service");
        expect(|b| b.run.perfctl_version = "0.0.1".into(), "perfctl 0.0.1");
        expect(
            |b| b.run.started_at = "2026-10-01T00:00:00Z".into(),
            "51 days",
        );
        assert!(of(|b| b.run.started_at = "2026-10-25T00:00:00Z".into()).is_empty());
        expect(|b| b.run.machine.cpu = "Other CPU".into(), "2 x Other CPU");
        assert!(of(|b| b.run.machine.cpu.clear()).is_empty());
        expect(
            |b| b.run.phases[1].end_us -= 2_000_000,
            "8s, this run for 10s",
        );
        expect(
            |b| {
                let second = HealthSample {
                    steal_share: 0.05,
                    ..HealthSample::default()
                };
                b.health = vec![second];
            },
            "took CPU time (steal)",
        );
    }
}
