//! What may be compared: refused where the answer would mislead, warned of where it is weaker.

use super::Baseline;
use crate::error::Error;
use crate::metrics::{EndpointInfo, RunInfo};
use crate::plan::{Fingerprint, Load, Plan};

/// A baseline older than this may no longer stand for the target; days.
const OLD_DAYS: i64 = 30;

/// Whether a run of this plan can be compared to the baseline; to be asked before load is sent.
///
/// # Errors
/// [`Error::NotComparable`] with every reason.
pub fn check_plan(baseline: &Baseline, plan: &Plan) -> Result<(), Error> {
    let endpoints = EndpointInfo::all(plan);
    check_comparable(baseline, &plan.fingerprint(), &plan.load, &endpoints)
}

/// Whether a run that asked for this can be compared to the baseline.
///
/// # Errors
/// [`Error::NotComparable`] with every reason.
pub fn check_comparable(
    baseline: &Baseline,
    fingerprint: &Fingerprint,
    load: &Load,
    endpoints: &[EndpointInfo],
) -> Result<(), Error> {
    let mut reasons = Vec::new();
    for result in &baseline.runs {
        let before = &result.run;
        let mut refuse = |why: &str| reasons.push(format!("baseline run `{}` {why}", before.id));
        if std::mem::discriminant(&before.load.model) != std::mem::discriminant(&load.model) {
            refuse("has the other load model (open or closed)");
        } else if before.fingerprint.load != fingerprint.load {
            refuse("was made with another load: use the same profile and the same options");
        }
        if before.endpoints != endpoints {
            refuse("has other endpoints");
        } else if before.fingerprint.scenario != fingerprint.scenario {
            refuse("was made with another version of the scenario");
        }
        if !baseline.is_forced(&before.id) {
            if !result.invalid_because().is_empty() {
                refuse("is INVALID");
            }
            if !result.is_finished() {
                refuse("did not finish");
            }
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    reasons.push("a new baseline is made by `perfctl run --save-baseline FILE`".into());
    Err(Error::NotComparable(reasons))
}

/// What makes a comparison of comparable runs weaker than it looks.
pub(super) fn warnings(baseline: &Baseline, run: &RunInfo) -> Vec<String> {
    let mut warnings = Vec::new();
    let before = || baseline.runs.iter().map(|result| &result.run);
    if before().any(|b| b.machine != run.machine) {
        warnings.push("the baseline was made on another machine".to_owned());
    }
    if before().any(|b| b.target != run.target) {
        warnings.push("the baseline was made against another target".to_owned());
    }
    if let Some(b) = before().find(|b| b.perfctl_version != run.perfctl_version) {
        warnings.push(format!(
            "the baseline was made by perfctl {}, this run by {}",
            b.perfctl_version, run.perfctl_version
        ));
    }
    if let Some(days) = before().filter_map(|b| days_between(b, run)).max()
        && days > OLD_DAYS
    {
        warnings.push(format!("the baseline is {days} days old"));
    }
    if let [only] = baseline.runs.as_slice() {
        warnings.push(format!(
            "one baseline run (`{}`) cannot show how much runs differ by themselves",
            only.run.id
        ));
    }
    if before().any(|b| baseline.is_forced(&b.id)) {
        warnings.push("the baseline holds a run that was INVALID or cut short".to_owned());
    }
    warnings
}

fn days_between(before: &RunInfo, now: &RunInfo) -> Option<i64> {
    let seconds = |run: &RunInfo| {
        let time: jiff::Timestamp = run.started_at.parse().ok()?;
        Some(time.as_second())
    };
    Some((seconds(now)? - seconds(before)?) / 86_400)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::{Class, RunResult, fixture};
    use crate::plan::{Model, Target};

    fn run() -> RunResult {
        fixture::run(&[("a", &[(Class::Ok, 1_000, 100)])])
    }

    fn check(baseline: RunResult, now: &RunInfo) -> Result<(), String> {
        let baseline = Baseline::of(vec![baseline]);
        check_comparable(&baseline, &now.fingerprint, &now.load, &now.endpoints)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_reason_refuses() {
        let now = run().run;
        assert_eq!(check(run(), &now), Ok(()));
        let refused = |change: fn(&mut RunResult), why: &str| {
            let mut before = run();
            change(&mut before);
            let error = check(before, &now).unwrap_err();
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
        refused(|b| b.run.endpoints[0].name.clear(), "other endpoints");
        refused(|b| b.run.ending = None, "did not finish");
        refused(
            |b| b.run.ending.as_mut().unwrap().signal = Some(2),
            "did not finish",
        );
        refused(
            |b| b.run.ending.as_mut().unwrap().totals.started = 0,
            "INVALID",
        );
    }

    #[test]
    fn a_plan_is_checked_before_it_is_run() {
        let mut plan = Plan {
            scenario: "ap-intake".into(),
            profile: "smoke".into(),
            target: Target::Demo,
            transport: Default::default(),
            allowed_hosts: BTreeSet::new(),
            seed: 1,
            workers: 1,
            variables: Vec::new(),
            names: Vec::new(),
            data: Vec::new(),
            classes: Vec::new(),
            endpoints: Vec::new(),
            flows: Vec::new(),
            load: run().run.load,
            slos: Vec::new(),
            skipped_slos: Vec::new(),
            secrets: Default::default(),
        };
        let mut before = fixture::run(&[]);
        before.run.fingerprint = plan.fingerprint();
        let baseline = Baseline::of(vec![before]);
        assert!(check_plan(&baseline, &plan).is_ok());
        plan.load.stages[0].target += 1.0;
        let refused = check_plan(&baseline, &plan);
        assert!(matches!(refused, Err(Error::NotComparable(_))));
    }

    #[test]
    fn each_weakness_is_warned_of() {
        let now = run();
        let of = |change: fn(&mut RunResult)| {
            let mut before = run();
            change(&mut before);
            warnings(&Baseline::of(vec![now.clone(), before]), &now.run)
        };
        assert!(of(|_| {}).is_empty());
        let expect = |change: fn(&mut RunResult), what: &str| {
            let found = of(change);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(what), "{found:?}");
        };
        expect(|b| b.run.machine.cpus = 99, "machine");
        expect(|b| b.run.target = "http://other".into(), "target");
        expect(|b| b.run.perfctl_version = "0.0.1".into(), "perfctl 0.0.1");
        expect(
            |b| b.run.started_at = "2026-10-01T00:00:00Z".into(),
            "51 days",
        );
        assert!(of(|b| b.run.started_at = "2026-10-25T00:00:00Z".into()).is_empty());
        let single = warnings(&Baseline::of(vec![now.clone()]), &now.run);
        assert!(single[0].contains("one baseline run"));
    }
}
