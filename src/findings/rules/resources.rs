//! What was observed of the service: resources that are used up, memory that grows, requests that wait.
//!
//! Not here: how it is observed (`observation`).

use crate::comparison::t_quantile;
use crate::findings::finding::Finding;
use crate::findings::numbers::Numbers;
use crate::findings::rule::Rule;
use crate::findings::statistics::LIKELY;

use crate::metrics::{Observed, ObservedValue, median, trend};
use crate::plan::{FindingSeverity, HOST_METRICS, ObservedUnit, Scale};
use crate::units::{format_percent, trim_float};

/// The share from which on a resource is used up.
const FULL: f64 = 0.95;
/// In how many observations, and in which share of them, it has to be.
const FULL_OBSERVATIONS: (usize, f64) = (3, 0.2);
/// Words for what is good when there is much of it.
const GOOD_WHEN_HIGH: [&str; 12] = [
    "free",
    "idle",
    "available",
    "hit",
    "hits",
    "success",
    "up",
    "ready",
    "healthy",
    "alive",
    "connected",
    "synced",
];
/// The share of this machine's cores that is all of them.
const ALL_CORES: f64 = 0.9;
/// What a single busy thread uses at least, and at most; cores.
const ONE_CORE: (f64, f64) = (0.95, 1.03);
/// In which share of the observations it does, or requests wait, of which there are [`FEWEST`].
const MOSTLY: f64 = 0.8;
/// The fewest observations.
const FEWEST: usize = 5;
/// The fewest sizes of memory.
const FEWEST_SIZES: usize = 20;
/// The least growth of memory, as a share.
const LEAST_GROWTH: f64 = 0.1;
/// The same where only ranks show it: a size that wanders has trends, too.
const TREND_GROWTH: f64 = 0.3;

/// What an observed metric showed in the measured phases.
struct Course<'a> {
    observed: &'a Observed<'a>,
    /// When, from the start of the load in s, and what.
    points: Vec<(u64, f64)>,
}

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let observed = numbers.result.observed();
    let mut found = Vec::new();
    for one in &observed {
        let course = Course::of(numbers, one);
        if !course.is_good_when_high() {
            let rules = [
                full(numbers, &course),
                busy(numbers, &course),
                growing(&course),
            ];
            found.extend(rules.into_iter().flatten());
        }
        found.extend(waiting(&course));
    }
    found
}

impl<'a> Course<'a> {
    fn of(numbers: &Numbers<'_>, observed: &'a Observed<'a>) -> Self {
        let phases = &numbers.result.run.phases;
        let is_measured = |at_ms: u64| {
            let mut measured = phases.iter().filter(|phase| phase.measured);
            let at_us = at_ms.saturating_mul(1_000);
            measured.any(|phase| (phase.start_us..=phase.end_us).contains(&at_us))
        };
        let points = observed.points.iter();
        let points = points.filter(|(at_ms, _)| is_measured(*at_ms));
        Self {
            observed,
            points: points
                .filter_map(|(at_ms, value)| Some((at_ms / 1_000, (*value)?)))
                .collect(),
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|(_, value)| *value)
    }

    /// A word of its name, or of the metric's.
    fn is_about(&self, words: &[&str]) -> bool {
        let info = self.observed.info;
        let text = format!("{} {}", info.name, info.source).to_ascii_lowercase();
        let mut found = text.split(|c: char| !c.is_ascii_alphanumeric());
        found.any(|word| words.contains(&word))
    }

    /// Whether its name says that much of it is good. What is observed of processes never is, whatever they are called.
    fn is_good_when_high(&self) -> bool {
        let name = self.observed.info.name.as_str();
        let is_of_host = HOST_METRICS.iter().any(|(known, ..)| *known == name);
        !is_of_host && self.is_about(&GOOD_WHEN_HIGH)
    }

    fn finding(&self, rule: Rule, severity: FindingSeverity, text: String) -> Finding {
        let first = self.points.first().map(|(at_s, _)| *at_s);
        let last = self.points.last().map(|(at_s, _)| *at_s);
        Finding::new(rule, severity, text)
            .of_part(&self.observed.name())
            .within(first.zip(last))
    }
}

/// A ratio of two gauges near 1. That of two counters, such as hits and requests, may be there by right.
fn full(numbers: &Numbers<'_>, course: &Course<'_>) -> Option<Finding> {
    let info = course.observed.info;
    let position = numbers.result.run.observed.iter();
    let position = position.take_while(|one| one.name != info.name).count();
    let observations = numbers.result.observations.iter();
    let mut values = observations.flat_map(|one| &one.values);
    let is_level =
        values.any(|(of, value)| *of == position && matches!(value, ObservedValue::Level(_)));
    if !info.source.contains(" / ") || !is_level {
        return None;
    }
    let all = course.points.len();
    let of_level = |level: f64| course.values().filter(move |value| *value >= level).count();
    let count = of_level(FULL);
    let is_often = |count: usize| {
        count >= FULL_OBSERVATIONS.0 && count as f64 >= FULL_OBSERVATIONS.1 * all as f64
    };
    // Above 1 by far, it is no share of something.
    if !is_often(count) || course.values().any(|value| value > 1.5) {
        return None;
    }
    let share = count as f64 / all as f64;
    let severity = match share < MOSTLY {
        true => FindingSeverity::Medium,
        false => FindingSeverity::High,
    };
    let text = format!(
        "`{}` ({}) is at {} or more in {count} of {all} observations",
        course.observed.name(),
        info.source,
        format_percent(FULL),
    );
    let finding = course
        .finding(Rule::ResourceExhaustion, severity, text)
        .against(
            "share_of_observations",
            (share, FULL_OBSERVATIONS.1),
            Scale::Share,
        );
    // Little's law.
    let mean_us = numbers.summary.response_us.mean;
    let in_flight = mean_us.map(|mean_us| numbers.summary.rate_per_s * mean_us / 1e6);
    Some(match in_flight {
        Some(count) => finding.with("requests_in_flight", count, Scale::Number),
        None => finding,
    })
}

/// CPU time that is all of this machine, or all of one core.
fn busy(numbers: &Numbers<'_>, course: &Course<'_>) -> Option<Finding> {
    let is_cpu = course.is_about(&["cpu"]) && course.observed.is_rate;
    let n = course.points.len();
    if !is_cpu || course.observed.info.unit != ObservedUnit::Seconds || n < FEWEST {
        return None;
    }
    let cores = course.values().sum::<f64>() / n as f64;
    let name = course.observed.name();
    // Those of other machines are not known.
    let is_here = course.observed.info.name == "host_cpu";
    let machine = numbers.result.run.machine.cpus as f64;
    let share = cores / machine.max(1.0);
    if is_here && share >= ALL_CORES {
        let text = format!(
            "`{name}` is {} cores on average, {} of this machine's",
            trim_float(cores, 2),
            format_percent(share)
        );
        let finding = course.finding(Rule::ResourceExhaustion, FindingSeverity::High, text);
        return Some(finding.against("share_of_cores", (share, ALL_CORES), Scale::Share));
    }
    // More threads would use more at times.
    let is_more = course.values().any(|cores| cores > ONE_CORE.1);
    let of_one = course.values().filter(|cores| *cores >= ONE_CORE.0);
    let share = of_one.count() as f64 / n as f64;
    (share >= MOSTLY && !is_more && n >= 2 * FEWEST && machine > 1.0).then(|| {
        let text = format!(
            "`{name}` is one core in {} of the observations, and never more: as if a single thread did all the work",
            format_percent(share)
        );
        let finding = course.finding(Rule::ResourceExhaustion, FindingSeverity::Medium, text);
        finding.against(
            "share_of_observations",
            (share, MOSTLY),
            Scale::Share,
        )
    })
}

/// Bytes that rise, and still do in the end.
fn growing(course: &Course<'_>) -> Option<Finding> {
    let observed = course.observed;
    if observed.info.unit != ObservedUnit::Bytes || observed.is_rate || observed.part.is_some() {
        return None;
    }
    let values: Vec<f64> = course.values().collect();
    let steady = drift(&values).filter(|change| *change >= LEAST_GROWTH);
    let change = steady.or_else(|| trend(&values).filter(|change| *change >= TREND_GROWTH))?;
    let n = values.len();
    let [first, third, last] =
        [0, 2, 3].map(|quarter| median(&values[n * quarter / 4..n * (quarter + 1) / 4]));
    // Even growth is a third of it from each quarter to the next; one that ends is less.
    let still = (last - third) / (last - first);
    if last <= first || still < 0.15 {
        return None;
    }
    let (start, end) = (values.first()?, values.last()?);
    let minutes = course
        .points
        .last()?
        .0
        .saturating_sub(course.points.first()?.0) as f64
        / 60.0;
    let per_minute = (end - start) / minutes.max(1.0 / 60.0);
    let severity = match change < 0.5 {
        true => FindingSeverity::Medium,
        false => FindingSeverity::High,
    };
    let text = format!(
        "`{}` grows from {} to {}, by {} a minute, and still does in the end",
        observed.name(),
        observed.format(*start),
        observed.format(*end),
        observed.format(per_minute),
    );
    Some(
        course
            .finding(Rule::MemoryGrowth, severity, text)
            .against("growth", (change, LEAST_GROWTH), Scale::Share)
            .with("growth_per_minute", per_minute, Scale::Bytes),
    )
}

/// The change of a series that wanders, as a share of its median, if that is more than chance: the steps of a random
/// walk have a mean of 0, which is tested with 99.9 % confidence. What was kept stays, so that neighbours depend on
/// each other too much for a test of ranks.
fn drift(values: &[f64]) -> Option<f64> {
    let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let n = steps.len() as f64;
    if values.len() < FEWEST_SIZES {
        return None;
    }
    let mean = steps.iter().sum::<f64>() / n;
    let squares: f64 = steps.iter().map(|step| (step - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    (mean > t_quantile(LIKELY, n - 1.0) * error).then_some(mean * n / median(values))
}

/// A number of waiting requests that is hardly ever 0.
fn waiting(course: &Course<'_>) -> Option<Finding> {
    let words = [
        "waiting", "waiters", "queue", "queued", "pending", "backlog",
    ];
    let observed = course.observed;
    let is_number = observed.info.unit == ObservedUnit::Number && !observed.is_rate;
    let n = course.points.len();
    if !course.is_about(&words) || !is_number || observed.part.is_some() || n < FEWEST {
        return None;
    }
    let share = course.values().filter(|value| *value > 0.0).count() as f64 / n as f64;
    let mean = course.values().sum::<f64>() / n as f64;
    (share >= MOSTLY && mean >= 1.0 && !observed.info.source.contains(" / ")).then(|| {
        let text = format!(
            "`{}` is above 0 in {} of the observations, {} on average",
            observed.name(),
            format_percent(share),
            trim_float(mean, 1)
        );
        course
            .finding(Rule::Queueing, FindingSeverity::Medium, text)
            .against("share_of_observations", (share, MOSTLY), Scale::Share)
            .with("waiting_requests", mean, Scale::Number)
    })
}
