//! From a profile and the options of a run to a load.
//!
//! Here: the scaling rules. Not here: where profiles come from (`profile`), nor how a load is
//! carried out (`engine`).
//!
//! | option | effect |
//! |---|---|
//! | users | the highest stage becomes that many, the others in proportion; in the open model: most requests in flight |
//! | rate | the open model, whose highest stage is that rate |
//! | run time | the stages last that long together, inner ramps included, in proportion |
//! | spawn rate | the first ramp lasts users / spawn rate |
//! | iterations | all users at once at the highest level, no warm-up, until the iterations are done |

mod draft;
pub(super) mod profile;
mod shapes;
mod stages;

use std::time::Duration;

use super::keys::profile::ProfileFile;
use super::options::Options;
use super::yaml::decode::MAX_COUNT;
use super::yaml::findings::{Findings, Span};
use crate::error::Diagnostic;
use crate::plan::{Arrivals, Load, Model, Stage};
use crate::units::{MAX_DURATION, format_duration, format_rate, format_users};
use draft::{StageDraft, scale, stretch};
use stages::drafts;

/// How long an iteration-limited run may take when no run time is given.
const LONGEST_ITERATIONS: Duration = Duration::from_secs(24 * 3600);

/// The load of `profile`, whose place is `at`, under `options`; `timeout` is the longest wait
/// for a response. `None` after a finding.
pub(super) fn load(
    profile: &ProfileFile,
    at: Option<Span>,
    options: &Options,
    timeout: Duration,
    findings: &mut Findings,
) -> Option<Load> {
    let before = findings.len();
    for diagnostic in check_options(options) {
        findings.report(None, diagnostic);
    }
    let (shape, is_open, mut stages) = drafts(profile, at, options, findings)?;
    if findings.len() > before {
        return None;
    }
    let open = is_open || options.rate.is_some();
    if let Some(rate) = options.rate {
        scale(&mut stages, rate);
        if !is_open && stages.len() == 1 {
            stages[0].ramp = None;
        }
    } else if !is_open && let Some(users) = options.users {
        scale(&mut stages, f64::from(users));
    }
    if !open {
        for stage in stages.iter_mut().filter(|stage| stage.level > 0.0) {
            stage.level = stage.level.round().max(1.0);
        }
    }
    for stage in stages.iter_mut().filter(|stage| stage.name.is_empty()) {
        stage.name = match open {
            true => format_rate(stage.level),
            false => format_users(stage.level as u64),
        };
    }
    spawn(&mut stages, findings)?;
    let peak = stages.iter().map(|stage| stage.level).fold(0.0, f64::max);
    if let Some(run_time) = options.run_time {
        stretch(&mut stages, run_time);
    }
    let mut warmup = profile.warmup.copied().unwrap_or_default();
    if options.iterations.is_some() {
        warmup = Duration::ZERO;
        stages = vec![StageDraft {
            name: "iterations".into(),
            level: peak,
            ramp: options.spawn_rate.is_none().then_some(Duration::ZERO),
            spawn_rate: None,
            duration: options.run_time.unwrap_or(LONGEST_ITERATIONS),
            classes: Vec::new(),
        }];
    }
    let first_ramp = match (open, options.spawn_rate) {
        (true, Some(_)) => {
            findings.report(
                None,
                Diagnostic::new("a spawn rate needs users, but this load has an arrival rate")
                    .help("remove the spawn rate, or give the first stage a `ramp`"),
            );
            None
        }
        (true, None) => Some(stages[0].ramp.unwrap_or_default()),
        (false, Some(per_s)) => spawn_time(stages[0].level, per_s, findings),
        (false, None) => match (stages[0].ramp, profile.spawn_rate.copied()) {
            (Some(ramp), _) => Some(ramp),
            (None, Some(rate)) => spawn_time(stages[0].level, rate.0, findings),
            (None, None) => {
                let per_s = (stages[0].level / 10.0).max(1.0);
                spawn_time(stages[0].level, per_s, findings)
            }
        },
    }?;
    let arrivals = arrivals(profile, options, open, findings)?;
    let throttle = throttle(profile, options, open, findings)?;
    let given_max = options.users.or(profile.max_users.copied());
    let default_max = (peak * timeout.as_secs_f64()).ceil().clamp(1.0, 10_000.0) as u32;
    let model = match open {
        true => Model::Open {
            max_users: given_max.unwrap_or(default_max),
        },
        false => Model::Closed,
    };
    let stages = stages.into_iter().enumerate().map(|(i, stage)| Stage {
        name: stage.name,
        level: stage.level,
        ramp: if i == 0 {
            first_ramp
        } else {
            stage.ramp.unwrap_or_default()
        },
        duration: stage.duration,
        classes: stage.classes,
    });
    let stop_timeout = options.stop_timeout.or(profile.stop_timeout.copied());
    Some(Load {
        model,
        stages: stages.collect(),
        warmup,
        stop_timeout: stop_timeout.unwrap_or(Duration::from_secs(30)),
        iterations: options.iterations,
        arrivals,
        throttle,
        // A run of iterations has but one level.
        shape: shape.filter(|_| options.iterations.is_none()),
    })
}

/// How arrivals are spaced; a finding where the load has none.
fn arrivals(
    profile: &ProfileFile,
    options: &Options,
    open: bool,
    findings: &mut Findings,
) -> Option<Arrivals> {
    let of_profile = profile.arrivals.copied();
    if !open && (of_profile.is_some() || options.arrivals.is_some()) {
        let place = match options.arrivals {
            Some(_) => None,
            None => profile.arrivals.key(),
        };
        let diagnostic =
            Diagnostic::new("`arrivals` needs an arrival rate, but this load has users")
                .help("remove it, or set a rate");
        findings.report(place, diagnostic);
        return None;
    }
    Some(options.arrivals.or(of_profile).unwrap_or_default())
}

/// The ceiling on the requests per second; a finding where the load has an arrival rate.
fn throttle(
    profile: &ProfileFile,
    options: &Options,
    open: bool,
    findings: &mut Findings,
) -> Option<Option<f64>> {
    let of_profile = profile.throttle.copied().map(|rate| rate.0);
    if open && (of_profile.is_some() || options.throttle.is_some()) {
        let place = match options.throttle {
            Some(_) => None,
            None => profile.throttle.key(),
        };
        let diagnostic =
            Diagnostic::new("`throttle` needs users, but this load has an arrival rate")
                .help("remove it: the rate is the ceiling; or set `users` in place of the rate");
        findings.report(place, diagnostic);
        return None;
    }
    Some(options.throttle.or(of_profile))
}

/// Options that make no sense in any run.
fn check_options(options: &Options) -> Vec<Diagnostic> {
    let positive = |number: Option<f64>| number.is_none_or(|n| n > 0.0 && n <= 1e7);
    let rules = [
        (
            options
                .users
                .is_none_or(|users| (1..=MAX_COUNT).contains(&users)),
            "the number of users must be between 1 and 1000000",
        ),
        (
            positive(options.spawn_rate),
            "the spawn rate must be above 0 and at most 10000000/s",
        ),
        (
            positive(options.rate),
            "the rate must be above 0 and at most 10000000/s",
        ),
        (
            positive(options.throttle),
            "the throttle must be above 0 and at most 10000000/s",
        ),
        (
            options
                .run_time
                .is_none_or(|time| !time.is_zero() && time <= MAX_DURATION),
            "the run time must be above 0 and at most 30 days",
        ),
        (
            options.iterations != Some(0),
            "the number of iterations must be at least 1",
        ),
        (
            options
                .workers
                .is_none_or(|workers| (1..=1024).contains(&workers)),
            "the number of workers must be between 1 and 1024",
        ),
        (
            options
                .timeout
                .is_none_or(|time| !time.is_zero() && time <= MAX_DURATION),
            "the timeout must be above 0 and at most 30 days",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken
        .map(|(_, message)| Diagnostic::new(message))
        .collect()
}

/// Gives the stages with a spawn rate their ramps.
fn spawn(stages: &mut [StageDraft], findings: &mut Findings) -> Option<()> {
    let mut before = 0.0;
    for stage in stages {
        if let Some(per_s) = stage.spawn_rate {
            let change = f64::abs(stage.level - before);
            stage.ramp = Some(spawn_time(change, per_s, findings)?);
        }
        before = stage.level;
    }
    Some(())
}

fn spawn_time(users: f64, per_s: f64, findings: &mut Findings) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(users / per_s).ok();
    let time = time.filter(|time| *time <= MAX_DURATION);
    if time.is_none() {
        let longest = format_duration(MAX_DURATION);
        findings.report(
            None,
            Diagnostic::new(format!(
                "at this spawn rate, it takes longer than {longest} to start the users"
            )),
        );
    }
    time
}

#[cfg(test)]
mod tests;
