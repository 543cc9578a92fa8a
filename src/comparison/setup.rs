//! What a run was set up to do, and whether two runs were set up to do the same.

use crate::error::Error;
use crate::metrics::{EndpointInfo, RunInfo, RunResult};
use crate::plan::{ClientChoice, Fingerprint, Load, Phase};
use crate::units::format_percent;

/// The setup of a run, from a result or from a plan that is not run yet.
pub(super) struct RunSetup<'a> {
    pub(super) fingerprint: &'a Fingerprint,
    pub(super) load: &'a Load,
    pub(super) phases: &'a [Phase],
    pub(super) endpoints: &'a [EndpointInfo],
    pub(super) client: ClientChoice,
    /// Whether no TLS session is resumed.
    pub(super) full_handshakes: bool,
    /// The share of the requests whose traces are sampled; `None` where none is traced.
    pub(super) sampled: Option<f64>,
}

impl<'a> RunSetup<'a> {
    pub(super) fn of(run: &'a RunInfo) -> Self {
        Self {
            fingerprint: &run.fingerprint,
            load: &run.load,
            phases: &run.phases,
            endpoints: &run.endpoints,
            client: run.client,
            full_handshakes: run.full_handshakes,
            sampled: sampled(run),
        }
    }

    pub(super) fn measured(&self) -> impl Iterator<Item = &'a Phase> {
        self.phases.iter().filter(|phase| phase.measured)
    }
}

/// Checks that a run had the same setup as those of the baseline.
///
/// # Errors
/// [`Error::NotComparable`] with every reason.
pub(super) fn check_same(baseline: &[RunResult], run: &RunInfo) -> Result<(), Error> {
    let reasons = differences(baseline, &RunSetup::of(run));
    refuse(reasons, vec![NEW_BASELINE.to_owned()])
}

/// The next step where the baseline does not fit.
pub(super) const NEW_BASELINE: &str = "`perfctl run --save-baseline FILE` makes a new baseline";

/// An error of these reasons, if there are any, followed by the next steps.
pub(super) fn refuse(mut reasons: Vec<String>, steps: Vec<String>) -> Result<(), Error> {
    if reasons.is_empty() {
        return Ok(());
    }
    reasons.extend(steps);
    Err(Error::NotComparable(reasons))
}

/// How the setup differs from that of the baseline's runs; a phrase for each difference.
pub(super) fn differences(baseline: &[RunResult], setup: &RunSetup<'_>) -> Vec<String> {
    let runs = baseline.iter().map(|result| &result.run);
    let reasons = runs.flat_map(|before| {
        let named = |why| format!("baseline run `{}` {why}", before.id);
        differences_from(before, setup).into_iter().map(named)
    });
    reasons.collect()
}

/// How the setup of a run differs from that of an earlier one, in phrases that follow the name of the
/// earlier one. None if a comparison of the two would accept them.
pub fn setup_differences(before: &RunInfo, run: &RunInfo) -> Vec<String> {
    differences_from(before, &RunSetup::of(run))
}

/// The share of the requests whose traces are sampled.
fn sampled(run: &RunInfo) -> Option<f64> {
    run.trace.as_ref().map(|trace| trace.sampled)
}

fn differences_from(before: &RunInfo, setup: &RunSetup<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut refuse = |why: &str| reasons.push(why.to_owned());
    let model = |load: &Load| std::mem::discriminant(&load.model);
    let names = |setup: &RunSetup<'_>| setup.measured().map(|p| p.name.clone()).collect::<Vec<_>>();
    if model(&before.load) != model(setup.load) {
        refuse("used the other load model (open or closed)");
    } else if before.fingerprint.load != setup.fingerprint.load {
        refuse("ran another load: use the same profile and the same options");
    } else if names(&RunSetup::of(before)) != names(setup) {
        refuse("has different measured phases");
    }
    if before.client != setup.client {
        let (then, now) = (before.client.name(), setup.client.name());
        refuse(&format!("used the client `{then}`, not `{now}`"));
    }
    match (before.full_handshakes, setup.full_handshakes) {
        (true, false) => refuse("resumed no TLS sessions (`resume: false`)"),
        (false, true) => refuse("resumed TLS sessions, which `resume: false` rules out"),
        _ => {}
    }
    // What a service does for a trace takes time.
    if sampled(before) != setup.sampled {
        let share = |sampled: Option<f64>| sampled.map_or("none".to_owned(), format_percent);
        let (then, now) = (share(sampled(before)), share(setup.sampled));
        refuse(&format!(
            "sampled {then} of its traces, not {now} (`trace`)"
        ));
    }
    // Which rows templates name depends on the run, and on chance.
    let planned = |endpoints: &[EndpointInfo]| {
        let planned = endpoints.iter().filter(|row| !row.is_templated);
        planned.cloned().collect::<Vec<_>>()
    };
    if planned(&before.endpoints) != planned(setup.endpoints) {
        refuse("has different endpoints");
    } else if before.fingerprint.scenario != setup.fingerprint.scenario {
        refuse("ran another version of the scenario");
    }
    reasons
}
