//! Endpoints that become slower while the load stays the same.
//!
//! Not here: slow endpoints (`latency`), and short stalls (`stalls`).

use crate::findings::finding::Finding;
use crate::findings::numbers::{EndpointNumbers, Numbers, Second};
use crate::findings::rule::Rule;
use crate::findings::statistics::times;
use crate::metrics::SparseHistogram;
use crate::plan::{FindingSeverity, Percentile, Scale};
use crate::units::{format_latency_us, trim_float};

/// By how many times the last third has to be slower than the first.
const LEAST_TIMES: f64 = 1.5;
/// And by how much; µs.
const LEAST_RISE_US: f64 = 5_000.0;
/// About how many blocks a phase has.
const BLOCKS: usize = 36;
/// A block with fewer responses has no median.
const FEWEST_RESPONSES: u64 = 8;

/// An endpoint that became slower in a phase.
struct Slowdown<'a> {
    endpoint: &'a str,
    times: f64,
    least: f64,
    before_us: f64,
    after_us: f64,
}

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let endpoints = numbers.endpoints.iter();
    let slower: Vec<(usize, Slowdown<'_>)> = endpoints
        .flat_map(|endpoint| slowdowns(numbers, endpoint))
        .collect();
    let phases = numbers.result.run.phases.iter().enumerate();
    let found = phases.filter_map(|(position, phase)| {
        let slower = slower.iter().filter(|(of, _)| *of == position);
        let mut slower: Vec<&Slowdown<'_>> = slower.map(|(_, slower)| slower).collect();
        slower.sort_by(|a, b| b.least.total_cmp(&a.least));
        let worst = slower.first()?;
        let mut text = format!(
            "{}: p50 rose from {} to {} within `{}`, {} times, at least {} times",
            worst.endpoint,
            format_latency_us(worst.before_us),
            format_latency_us(worst.after_us),
            phase.name,
            trim_float(worst.times, 1),
            trim_float(worst.least, 1),
        );
        match slower.len() - 1 {
            0 => {}
            1 => text += "; 1 other endpoint is slower, too",
            more => text += &format!("; {more} other endpoints are slower, too"),
        }
        let severity = match worst.least < 3.0 {
            true => FindingSeverity::High,
            false => FindingSeverity::Critical,
        };
        let seconds = (phase.start_us / 1_000_000, phase.end_us.div_ceil(1_000_000));
        Some(
            Finding::new(Rule::Degradation, severity, text)
                .of_endpoint(worst.endpoint)
                .with("p50_before", worst.before_us, Scale::Time)
                .with("p50_after", worst.after_us, Scale::Time)
                .with("times", worst.times, Scale::Number)
                .against("times_at_least", (worst.least, LEAST_TIMES), Scale::Number)
                .within(Some(seconds)),
        )
    });
    found.collect()
}

/// The phases in which an endpoint became slower.
fn slowdowns<'a>(
    numbers: &Numbers<'a>,
    endpoint: &EndpointNumbers<'a>,
) -> Vec<(usize, Slowdown<'a>)> {
    let seconds: Vec<Second<'_>> = numbers.seconds(Some(endpoint.position)).collect();
    let of_phases = seconds.chunk_by(|a, b| a.phase == b.phase);
    let slowdowns = of_phases.filter_map(|seconds| {
        let slower = slowdown(endpoint.name, &medians(seconds))?;
        Some((seconds.first()?.phase, slower))
    });
    slowdowns.collect()
}

/// Whether the last third of these p50 in µs is slower than the first.
fn slowdown<'a>(endpoint: &'a str, medians: &[f64]) -> Option<Slowdown<'a>> {
    let third = medians.len() / 3;
    let (before, after) = (&medians[..third], &medians[medians.len() - third..]);
    let (times, least) = times(before, after)?;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (before_us, after_us) = (mean(before), mean(after));
    let is_slower = least >= LEAST_TIMES && after_us - before_us >= LEAST_RISE_US;
    is_slower.then_some(Slowdown {
        endpoint,
        times,
        least,
        before_us,
        after_us,
    })
}

/// The p50 of blocks of seconds that have enough responses; µs.
fn medians(seconds: &[Second<'_>]) -> Vec<f64> {
    let length = seconds.len().div_ceil(BLOCKS).max(1);
    let mut medians = Vec::new();
    let (mut block, mut count) = (SparseHistogram::default(), 0);
    for second in seconds {
        second.add_response_to(&mut block);
        count += 1;
        if count < length || block.count() < FEWEST_RESPONSES {
            continue;
        }
        medians.extend(Percentile::new(50.0).and_then(|p50| block.percentile(p50)));
        (block, count) = (SparseHistogram::default(), 0);
    }
    medians
}
