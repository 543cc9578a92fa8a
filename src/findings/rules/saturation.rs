//! Levels of load beyond which throughput stays and response times grow.
//!
//! Not here: the knee of a sweep, which is its best level (`metrics`).

use crate::findings::finding::Finding;
use crate::findings::numbers::Numbers;
use crate::findings::rule::Rule;
use crate::findings::statistics::times;
use crate::metrics::{SparseHistogram, Summary, Window};
use crate::plan::{FindingSeverity, Scale};
use crate::units::{format_latency_us, format_rate, trim_float};

/// The next level has to be higher by this share.
const LEAST_RISE: f64 = 0.25;
/// Throughput that rises by less than this share of the rise of the load is flat.
const FLAT: f64 = 0.2;
/// By how many times response times have to rise.
const SLOWER: f64 = 1.25;
/// Fewer successes at a level say nothing.
const FEWEST: u64 = 200;

/// A level of the load.
struct Level {
    /// Users, or arrivals per second.
    load: f64,
    summary: Summary,
    /// The mean response time of each second; µs.
    means_us: Vec<f64>,
    seconds: (u64, u64),
}

pub(super) fn findings(numbers: &Numbers<'_>) -> Vec<Finding> {
    let levels = levels(numbers);
    let pairs = levels.windows(2);
    // The first one: what comes after it only waits longer.
    let found = pairs
        .map(|pair| saturated(numbers, &pair[0], &pair[1]))
        .find_map(|found| found);
    found.into_iter().collect()
}

/// The levels from the lowest, each once.
fn levels(numbers: &Numbers<'_>) -> Vec<Level> {
    let run = &numbers.result.run;
    let phases = run.phases.iter().enumerate();
    let measured: Vec<_> = phases.filter(|(_, phase)| phase.measured).collect();
    if measured.len() != run.load.stages.len() || measured.len() < 2 {
        return Vec::new();
    }
    let seconds = numbers.seconds(None).map(|second| {
        let mut response = SparseHistogram::default();
        second.add_response_to(&mut response);
        (second.phase, response.mean())
    });
    let seconds: Vec<(usize, Option<f64>)> = seconds.collect();
    let mut levels: Vec<Level> = measured
        .into_iter()
        .zip(&run.load.stages)
        .map(|((position, phase), stage)| Level {
            load: stage.level,
            summary: numbers.result.summary(None, Window::Phases(&[position])),
            means_us: (seconds.iter())
                .filter(|(phase, _)| *phase == position)
                .filter_map(|(_, mean_us)| *mean_us)
                .collect(),
            seconds: (phase.start_us / 1_000_000, phase.end_us.div_ceil(1_000_000)),
        })
        .collect();
    levels.sort_by(|a, b| a.load.total_cmp(&b.load));
    levels.dedup_by(|b, a| a.load == b.load);
    levels
}

fn saturated(numbers: &Numbers<'_>, low: &Level, high: &Level) -> Option<Finding> {
    let (a, b) = (&low.summary, &high.summary);
    let rise = high.load / low.load - 1.0;
    let gain = b.rate_per_s / a.rate_per_s - 1.0;
    let is_known = a.successes.min(b.successes) >= FEWEST && rise.is_finite();
    if !is_known || rise < LEAST_RISE || gain >= FLAT * rise {
        return None;
    }
    let (_, least) = times(&low.means_us, &high.means_us)?;
    if least <= SLOWER {
        return None;
    }
    let (before_us, after_us) = (a.response_us.mean?, b.response_us.mean?);
    let load = |level| numbers.result.run.load.format_level(level);
    // Little's law: what is in flight, and what would be if nothing waited longer than at the lower level.
    let in_flight = b.rate_per_s * after_us / 1e6;
    let worked_on = b.rate_per_s * before_us / 1e6;
    let text = format!(
        "from {} to {}, throughput went from {} to {} and the mean response time from {} to {}: of {} requests in flight, {} wait",
        load(low.load),
        load(high.load),
        format_rate(a.rate_per_s),
        format_rate(b.rate_per_s),
        format_latency_us(before_us),
        format_latency_us(after_us),
        trim_float(in_flight, 1),
        trim_float((in_flight - worked_on).max(0.0), 1),
    );
    Some(
        Finding::new(Rule::Saturation, FindingSeverity::High, text)
            .against("throughput_gain", (gain, FLAT * rise), Scale::Share)
            .with("load_rise", rise, Scale::Share)
            .against("response_times_at_least", (least, SLOWER), Scale::Number)
            .with("throughput", b.rate_per_s, Scale::Rate)
            .with("requests_in_flight", in_flight, Scale::Number)
            .within(Some(high.seconds)),
    )
}
