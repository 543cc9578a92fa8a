//! The stages of a profile, before the options of a run.
//!
//! Here: what a profile may say of its load, and how stages are scaled. Not here: ramps that
//! follow from a spawn rate, and the options (`load`).

use std::time::Duration;

use super::draft::{MAX_STAGES, StageDraft, scale, stretch};
use super::shapes::shaped;
use crate::error::Diagnostic;
use crate::plan::Shape;
use crate::scenario::keys::profile::{ProfileFile, StageFile};
use crate::scenario::options::Options;
use crate::scenario::yaml::decode::Located;
use crate::scenario::yaml::findings::{Findings, Span};

/// The profile's shape, whether its load is open, and its stages, scaled by its own `users`, `rate`
/// and `duration`.
pub(crate) fn drafts(
    profile: &ProfileFile,
    at: Option<Span>,
    options: &Options,
    findings: &mut Findings,
) -> Option<(Option<Shape>, bool, Vec<StageDraft>)> {
    let (users, rate) = (profile.users.get(), profile.rate.get());
    if let (Some(_), Some(rate)) = (users, rate) {
        let diagnostic = Diagnostic::new("`users` and `rate` cannot be combined")
            .help("`users` is for the closed model, `rate` for the open model: keep one of them");
        findings.report(profile.rate.key().or(Some(rate.at)), diagnostic);
        return None;
    }
    if let Some(users) = users.filter(|users| users.value == 0) {
        findings.report(
            Some(users.at),
            Diagnostic::new("`users` must be at least 1"),
        );
        return None;
    }
    if let Some(max_users) = profile.max_users.get().filter(|max| max.value == 0) {
        findings.report(
            Some(max_users.at),
            Diagnostic::new("`max_users` must be at least 1"),
        );
        return None;
    }
    let level = users
        .map(|users| f64::from(users.value))
        .or(rate.map(|rate| rate.0));
    let stages = profile.stages.get();
    let (shape, stages_are_open, mut drafts) = if profile.has_shape() {
        let (shape, open, drafts) = shaped(profile, findings)?;
        (Some(shape), open, drafts)
    } else if let Some(stages) = stages {
        let (open, drafts) = stage_drafts(stages, findings)?;
        (None, open, drafts)
    } else {
        let is_bad = !(profile.users.is_missing()
            && profile.rate.is_missing()
            && profile.stages.is_missing());
        let Some(level) = level else {
            if !is_bad {
                findings.report(
                    at,
                    Diagnostic::new("the profile defines no load")
                        .help("set `users`, `rate`, `stages`, `steps`, `sine` or `sweep`"),
                );
            }
            return None;
        };
        let duration = match profile.duration.copied() {
            Some(duration) => duration,
            None if options.run_time.is_some() || options.iterations.is_some() => Duration::ZERO,
            None => {
                if profile.duration.is_missing() {
                    let diagnostic = Diagnostic::new("missing key `duration`")
                        .help("set how long to hold the load, such as `duration: 5m`");
                    findings.report(at, diagnostic);
                }
                return None;
            }
        };
        if duration.is_zero()
            && let Some(given) = profile.duration.get()
        {
            findings.report(
                Some(given.at),
                Diagnostic::new("the duration must be above 0"),
            );
        }
        let steady = StageDraft {
            name: "steady".into(),
            level,
            ramp: None,
            spawn_rate: None,
            duration,
            classes: Vec::new(),
        };
        return Some((None, rate.is_some(), vec![steady]));
    };
    if let Some(level) = level {
        if stages_are_open != rate.is_some() {
            let diagnostic = Diagnostic::new("`users` and `rate` cannot be combined")
                .help("use the key that the stages use");
            findings.report(profile.users.key().or(profile.rate.key()), diagnostic);
            return None;
        }
        scale(&mut drafts, level);
    }
    if let Some(duration) = profile.duration.copied() {
        stretch(&mut drafts, duration);
    }
    Some((shape, stages_are_open, drafts))
}

fn stage_drafts(
    stages: &Located<Vec<Located<StageFile>>>,
    findings: &mut Findings,
) -> Option<(bool, Vec<StageDraft>)> {
    let mut drafts = Vec::new();
    let mut first_is_open = None;
    for (i, stage) in stages.iter().enumerate() {
        let is_bad = stage.duration.get().is_none()
            || !(stage.users.is_missing() || stage.users.get().is_some())
            || !(stage.rate.is_missing() || stage.rate.get().is_some());
        if is_bad {
            continue;
        }
        let (open, level) = match (stage.users.copied(), stage.rate.copied()) {
            (Some(users), None) => (false, f64::from(users)),
            (None, Some(rate)) => (true, rate.0),
            _ => {
                let diagnostic = Diagnostic::new("a stage needs either `users` or `rate`");
                findings.report(Some(stage.at), diagnostic);
                continue;
            }
        };
        if let Some(key) = stage.spawn_rate.key()
            && (open || stage.ramp.get().is_some())
        {
            let message = match open {
                true => "a spawn rate needs users, but this stage has an arrival rate",
                false => "`ramp` and `spawn_rate` cannot be combined",
            };
            let diagnostic =
                Diagnostic::new(message).help("set how long the change takes with `ramp`");
            findings.report(Some(key), diagnostic);
        }
        if *first_is_open.get_or_insert(open) != open {
            let diagnostic =
                Diagnostic::new("stages with `users` and stages with `rate` cannot be combined")
                    .help("use either the closed model (`users`) or the open model (`rate`)");
            findings.report(Some(stage.at), diagnostic);
        }
        drafts.push(StageDraft {
            name: stage
                .name
                .get()
                .map_or_else(|| format!("stage {}", i + 1), |name| name.value.clone()),
            level,
            ramp: stage.ramp.copied(),
            spawn_rate: stage.spawn_rate.copied().map(|rate| rate.0),
            duration: stage.duration.copied().unwrap_or_default(),
            classes: (stage.user_classes.get()).map_or_else(Vec::new, |names| {
                names.0.iter().map(|name| name.value.clone()).collect()
            }),
        });
    }
    let wrong = if stages.is_empty() {
        Some("the list of stages is empty")
    } else if stages.len() > MAX_STAGES {
        Some("at most 1000 stages are allowed")
    } else if drafts.len() < stages.len() {
        None
    } else if drafts.iter().all(|stage| stage.level == 0.0) {
        Some("the stages have no load")
    } else if drafts.iter().all(|stage| stage.duration.is_zero()) {
        Some("the stages have no duration")
    } else {
        return Some((first_is_open.unwrap_or(false), drafts));
    };
    if let Some(message) = wrong {
        findings.report(Some(stages.at), Diagnostic::new(message));
    }
    None
}
