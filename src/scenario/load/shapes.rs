//! Shapes: a few keys that stand for many stages.
//!
//! Here: steps, a sine and a sweep, as keys and as the stages they make. Not here: stages that are
//! written one by one (`stages`).

use std::f64::consts::TAU;
use std::time::Duration;

use super::draft::{MAX_STAGES, StageDraft};
use crate::error::Diagnostic;
use crate::plan::Shape;
use crate::scenario::keys::profile::ProfileFile;
use crate::scenario::keys::shapes::{SineShapeFile, StepsShapeFile, SweepFile};
use crate::scenario::yaml::decode::{At, Field};
use crate::scenario::yaml::findings::{Findings, Span};

/// What a shape makes: which it is, whether its load is open, and its stages.
pub(crate) type Shaped = (Shape, bool, Vec<StageDraft>);

/// The stages of a profile's shape; `None` after a finding.
pub(crate) fn shaped(profile: &ProfileFile, findings: &mut Findings) -> Option<Shaped> {
    let given = [
        profile.stages.key(),
        profile.steps.key(),
        profile.sine.key(),
        profile.sweep.key(),
    ];
    if let [_, second, ..] = given.iter().flatten().collect::<Vec<_>>().as_slice() {
        let diagnostic = Diagnostic::new("more than one shape in one profile")
            .help("keep one of `stages`, `steps`, `sine` and `sweep`");
        findings.report(Some(**second), diagnostic);
        return None;
    }
    let (shape, at, open, levels) = if let Some(file) = profile.steps.get() {
        let (open, levels) = steps(file, findings)?;
        (Shape::Steps, profile.steps.key(), open, levels)
    } else if let Some(file) = profile.sine.get() {
        let (open, levels) = sine(file, findings)?;
        (Shape::Sine, profile.sine.key(), open, levels)
    } else {
        let (open, levels) = sweep(profile.sweep.get()?, findings)?;
        (Shape::Sweep, profile.sweep.key(), open, levels)
    };
    let wrong = if levels.is_empty() || levels.iter().all(|stage| stage.level == 0.0) {
        "the shape is empty of load"
    } else if levels.len() > MAX_STAGES {
        "more than 1000 levels"
    } else if levels.iter().any(|stage| stage.duration.is_zero()) {
        "the levels last no time"
    } else {
        return Some((shape, open, levels));
    };
    findings.report(at, Diagnostic::new(wrong));
    None
}

/// Either of two keys; whether it is the one of an open load.
fn one_of<'a, T>(
    closed: (&'a Field<T>, &str),
    open: (&'a Field<T>, &str),
    at: Span,
    findings: &mut Findings,
) -> Option<(bool, &'a At<T>)> {
    match (closed.0.get(), open.0.get()) {
        (Some(value), None) => Some((false, value)),
        (None, Some(value)) => Some((true, value)),
        (None, None) if !(closed.0.is_missing() && open.0.is_missing()) => None,
        _ => {
            let (closed, open) = (closed.1, open.1);
            let message = format!("this needs either `{closed}` or `{open}`");
            let help = format!("`{closed}` is a closed load, `{open}` an open one");
            findings.report(Some(at), Diagnostic::new(message).help(help));
            None
        }
    }
}

fn level(target: f64, ramp: Duration, duration: Duration) -> StageDraft {
    StageDraft {
        // Named by its level, when that is scaled.
        name: String::new(),
        level: target,
        ramp: Some(ramp),
        spawn_rate: None,
        duration,
        classes: Vec::new(),
    }
}

fn steps(file: &At<StepsShapeFile>, findings: &mut Findings) -> Option<(bool, Vec<StageDraft>)> {
    let (open, range) = one_of(
        (&file.users, "users"),
        (&file.rate, "rate"),
        file.at,
        findings,
    )?;
    let (from, to, by) = (
        range.from.copied()?.0,
        range.to.copied()?.0,
        range.by.copied()?.0,
    );
    let duration = file.duration.copied()?;
    if by <= 0.0 {
        findings.report(Some(range.at), Diagnostic::new("`by` must be above 0"));
        return None;
    }
    // The tolerance is for steps that are no binary fractions, such as 0.1.
    let count = ((to - from).abs() / by + 1e-9).floor();
    if count >= MAX_STAGES as f64 {
        findings.report(Some(range.at), Diagnostic::new("more than 1000 levels"));
        return None;
    }
    let by = by * (to - from).signum();
    let ramp = file.ramp.copied().unwrap_or_default();
    let levels = (0..=count as u32).map(|i| level(from + by * f64::from(i), ramp, duration));
    Some((open, levels.collect()))
}

fn sine(file: &At<SineShapeFile>, findings: &mut Findings) -> Option<(bool, Vec<StageDraft>)> {
    let (open, range) = one_of(
        (&file.users, "users"),
        (&file.rate, "rate"),
        file.at,
        findings,
    )?;
    let (low, high) = (range.low.copied()?.0, range.high.copied()?.0);
    if low > high {
        findings.report(Some(range.at), Diagnostic::new("`low` is above `high`"));
        return None;
    }
    let period = file.period.copied()?;
    let per_period = file.levels.copied().unwrap_or(20);
    if per_period < 2 {
        let diagnostic = Diagnostic::new("`levels` must be at least 2");
        findings.report(file.levels.get().map(|levels| levels.at), diagnostic);
        return None;
    }
    let length = period / per_period;
    if length.is_zero() {
        let diagnostic = Diagnostic::new("the period is too short for its levels");
        findings.report(file.period.get().map(|period| period.at), diagnostic);
        return None;
    }
    let whole = file.duration.copied().unwrap_or(period);
    let count = whole.as_secs_f64() / length.as_secs_f64();
    if count > MAX_STAGES as f64 {
        let diagnostic = Diagnostic::new("more than 1000 levels")
            .help("make `duration` shorter, `period` longer, or `levels` fewer");
        findings.report(Some(file.at), diagnostic);
        return None;
    }
    let levels = (0..(count - 1e-9).ceil() as u32).map(|i| {
        let middle = (f64::from(i) + 0.5) / f64::from(per_period);
        let target = low + (high - low) * (1.0 - (TAU * middle).cos()) / 2.0;
        let rest = whole.saturating_sub(length * i);
        level(target, Duration::ZERO, length.min(rest))
    });
    Some((open, levels.collect()))
}

fn sweep(file: &At<SweepFile>, findings: &mut Findings) -> Option<(bool, Vec<StageDraft>)> {
    let users = (&file.users, "users");
    let (open, targets) = one_of(users, (&file.rate, "rate"), file.at, findings)?;
    let mut before = 0.0;
    for target in &targets.value {
        if target.0 <= before {
            let diagnostic = Diagnostic::new("the levels of a sweep must rise, from above 0");
            findings.report(Some(target.at), diagnostic);
            return None;
        }
        before = target.0;
    }
    let duration = file.duration.copied()?;
    let ramp = file.ramp.copied().unwrap_or(Duration::from_secs(2));
    let levels = targets.iter().map(|target| level(target.0, ramp, duration));
    Some((open, levels.collect()))
}
