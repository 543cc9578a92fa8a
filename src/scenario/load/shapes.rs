//! Shapes: a few keys that make many stages.
//!
//! Here: steps, a sine and a sweep, as the stages they make. Not here: their keys (`keys::shapes`),
//! and stages that are written one by one (`stages`).

use std::f64::consts::TAU;
use std::time::Duration;

use super::draft::{MAX_STAGES, StageDraft};
use crate::error::Diagnostic;
use crate::plan::Shape;
use crate::scenario::keys::profile::ProfileFile;
use crate::scenario::keys::profile::shapes::{SineShapeFile, StepsShapeFile, SweepFile};
use crate::scenario::yaml::decode::{Field, Located};
use crate::scenario::yaml::findings::{Findings, Span};

/// What a shape makes: which it is, whether its load is open, and its stages.
pub(crate) type ShapedLoad = (Shape, bool, Vec<StageDraft>);

/// The stages of a profile's shape; `None` after a finding.
pub(crate) fn shaped(profile: &ProfileFile, findings: &mut Findings) -> Option<ShapedLoad> {
    let given = [
        profile.stages.key(),
        profile.steps.key(),
        profile.sine.key(),
        profile.sweep.key(),
    ];
    if let [_, second, ..] = given.iter().flatten().collect::<Vec<_>>().as_slice() {
        let diagnostic = Diagnostic::new("more than one shape")
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
        "the shape has no load"
    } else if levels.len() > MAX_STAGES {
        "at most 1000 levels are allowed"
    } else if levels.iter().any(|stage| stage.duration.is_zero()) {
        "the levels have no duration"
    } else {
        return Some((shape, open, levels));
    };
    findings.report(at, Diagnostic::new(wrong));
    None
}

/// Either of two keys; whether it is that of the open model.
fn one_of<'a, T>(
    closed: (&'a Field<T>, &str),
    open: (&'a Field<T>, &str),
    at: Span,
    findings: &mut Findings,
) -> Option<(bool, &'a Located<T>)> {
    match (closed.0.get(), open.0.get()) {
        (Some(value), None) => Some((false, value)),
        (None, Some(value)) => Some((true, value)),
        (None, None) if !(closed.0.is_missing() && open.0.is_missing()) => None,
        _ => {
            let (closed, open) = (closed.1, open.1);
            let message = format!("expected either `{closed}` or `{open}`");
            let help = format!("`{closed}` is for the closed model, `{open}` for the open model");
            findings.report(Some(at), Diagnostic::new(message).help(help));
            None
        }
    }
}

fn stage(level: f64, ramp: Duration, duration: Duration) -> StageDraft {
    StageDraft {
        // Named by its level, when that is scaled.
        name: String::new(),
        level,
        ramp: Some(ramp),
        spawn_rate: None,
        duration,
        classes: Vec::new(),
    }
}

fn steps(
    file: &Located<StepsShapeFile>,
    findings: &mut Findings,
) -> Option<(bool, Vec<StageDraft>)> {
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
        findings.report(
            Some(range.at),
            Diagnostic::new("at most 1000 levels are allowed"),
        );
        return None;
    }
    let by = by * (to - from).signum();
    let ramp = file.ramp.copied().unwrap_or_default();
    let levels = (0..=count as u32).map(|i| stage(from + by * f64::from(i), ramp, duration));
    Some((open, levels.collect()))
}

fn sine(file: &Located<SineShapeFile>, findings: &mut Findings) -> Option<(bool, Vec<StageDraft>)> {
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
        let diagnostic = Diagnostic::new("the period is too short for this many levels");
        findings.report(file.period.get().map(|period| period.at), diagnostic);
        return None;
    }
    let whole = file.duration.copied().unwrap_or(period);
    let count = whole.as_secs_f64() / length.as_secs_f64();
    if count > MAX_STAGES as f64 {
        let diagnostic = Diagnostic::new("at most 1000 levels are allowed")
            .help("shorten `duration`, lengthen `period`, or lower `levels`");
        findings.report(Some(file.at), diagnostic);
        return None;
    }
    let levels = (0..(count - 1e-9).ceil() as u32).map(|i| {
        let middle = (f64::from(i) + 0.5) / f64::from(per_period);
        let level = low + (high - low) * (1.0 - (TAU * middle).cos()) / 2.0;
        let rest = whole.saturating_sub(length * i);
        stage(level, Duration::ZERO, length.min(rest))
    });
    Some((open, levels.collect()))
}

fn sweep(file: &Located<SweepFile>, findings: &mut Findings) -> Option<(bool, Vec<StageDraft>)> {
    let users = (&file.users, "users");
    let (open, given) = one_of(users, (&file.rate, "rate"), file.at, findings)?;
    let mut before = 0.0;
    for level in &given.value {
        if level.0 <= before {
            let diagnostic = Diagnostic::new("the levels of a sweep must rise, and be above 0");
            findings.report(Some(level.at), diagnostic);
            return None;
        }
        before = level.0;
    }
    let duration = file.duration.copied()?;
    let ramp = file.ramp.copied().unwrap_or(Duration::from_secs(2));
    let levels = given.iter().map(|level| stage(level.0, ramp, duration));
    Some((open, levels.collect()))
}
