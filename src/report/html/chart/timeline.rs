//! Charts over the time of a run: the load, the response times, and the load generator's health.

use super::axis::Axis;
use super::bins::{Bin, bins, means};
use super::frame::{DataTable, Frame, Mark};
use super::svg::{GRAY, GREEN, P50, P95, P99, Pen, RED, WIDTH, line, rectangle};
use crate::grading::Recovery;
use crate::metrics::{CPU_LIMITS, HealthSample, RunResult, WORKER_LIMITS};
use crate::plan::{Metric, Model, SloScope};
use crate::units::{
    format_count, format_duration, format_latency_us, format_percent, format_rate, trim_float,
};
use std::time::Duration;

/// Something counted of a bin.
type CountOf = fn(&Bin) -> u64;
/// A share of a second.
type ShareOf = fn(&HealthSample) -> f64;

/// The most bins of a chart of the whole run.
const BINS: usize = 240;
/// A limit is drawn if it is at most this many times the highest value.
const BEYOND: f64 = 4.0;
/// How far labels have to be apart; pixels.
const LABEL_HEIGHT: f64 = 13.0;
/// The most bins of a chart of one endpoint.
const ENDPOINT_BINS: usize = 80;

const LIMIT: Pen = Pen {
    dashes: "8 6",
    ..RED
};

/// The parts of a line through the bins: the middle of each, and what `y` makes of it.
fn through<'a>(
    bins: &'a [Bin],
    total_s: f64,
    y: impl Fn(usize) -> Option<f64> + 'a,
) -> impl Iterator<Item = Option<(f64, f64)>> + 'a {
    bins.iter().enumerate().map(move |(i, bin)| {
        let middle_s = (bin.start_s + bin.end_s) / 2.0;
        Some((middle_s / total_s * WIDTH, y(i)?))
    })
}

/// The bins of all requests.
pub(crate) fn of_run(result: &RunResult) -> Vec<Bin> {
    bins(result, None, BINS)
}

/// The bins of an endpoint or flow (by position).
pub(crate) fn of_endpoint(result: &RunResult, endpoint: usize) -> Vec<Bin> {
    bins(result, Some(endpoint), ENDPOINT_BINS)
}

/// Where the last bin ends; s, above 0.
fn end_s(bins: &[Bin]) -> f64 {
    bins.last().map_or(0.0, |bin| bin.end_s).max(1e-9)
}

fn time(at_s: f64) -> String {
    format_duration(Duration::from_secs_f64(at_s.max(0.0).round()))
}

/// A title, and the length of the bins if they are not seconds.
fn per_bin(title: &str, bins: &[Bin]) -> String {
    match bins.first().map_or(0.0, Bin::length_s) {
        ..1.5 => title.to_owned(),
        length_s => format!("{title}, over {} each", time(length_s)),
    }
}

/// Planned and started requests, successes and failures, and dropped arrivals, per second.
pub(crate) fn load(result: &RunResult, bins: &[Bin]) -> String {
    let total_s = end_s(bins);
    let rate = |bin: &Bin, count: u64| count as f64 / bin.length_s().max(1e-9);
    let highest = bins.iter().map(|bin| rate(bin, bin.planned));
    let axis = Axis::linear(highest.fold(0.0, f64::max));
    let mut frame = Frame::new("load", &per_bin("Load per second", bins), 200);
    frame.time_axis(result, total_s);
    frame.y_axis(&axis, format_rate);
    let height = frame.height();
    let mut dropped = String::new();
    for bin in bins.iter().filter(|bin| bin.dropped > 0) {
        let top = axis.y(rate(bin, bin.dropped), height);
        let (x, width) = (
            bin.start_s / total_s * WIDTH,
            bin.length_s() / total_s * WIDTH,
        );
        dropped += &rectangle(x, top, width, height - top);
    }
    frame.area("dropped", RED, 0.5, &dropped);
    let counts: [(&str, Pen, CountOf); 4] = [
        ("planned", GRAY, |bin| bin.planned),
        ("started", P50, |bin| bin.started),
        ("successes", GREEN, |bin| bin.successes),
        ("failures", RED, |bin| bin.failures),
    ];
    for (name, pen, count) in counts {
        if name == "failures" && bins.iter().all(|bin| bin.failures == 0) {
            continue;
        }
        let y = |i: usize| Some(axis.y(rate(&bins[i], count(&bins[i])), height));
        frame.line(name, pen, &line(through(bins, total_s, y)));
    }
    let header = [
        "from",
        "planned",
        "started",
        "successes",
        "failures",
        "dropped",
    ];
    frame.table(DataTable {
        header: header.map(str::to_owned).to_vec(),
        rows: bins
            .iter()
            .map(|bin| {
                let counts = [
                    bin.planned,
                    bin.started,
                    bin.successes,
                    bin.failures,
                    bin.dropped,
                ];
                let counts = counts.into_iter().map(format_count);
                std::iter::once(time(bin.start_s)).chain(counts).collect()
            })
            .collect(),
    });
    let sum = |count: fn(&Bin) -> u64| bins.iter().map(count).sum::<u64>();
    frame.figure(&format!(
        "{} requests started in {}, {} failed, {} arrivals dropped",
        format_count(sum(|bin| bin.started)),
        time(total_s),
        format_count(sum(|bin| bin.failures)),
        format_count(sum(|bin| bin.dropped)),
    ))
}

/// The virtual users, or the requests in flight, on a thin strip.
pub(crate) fn users(result: &RunResult, bins: &[Bin]) -> String {
    let total_s = end_s(bins);
    let users = means(bins, result.users.iter().map(|users| f64::from(*users)));
    let axis = Axis::linear(users.iter().flatten().copied().fold(0.0, f64::max));
    let title = match result.run.load.model {
        Model::Closed => "Virtual users",
        Model::Open { .. } => "Requests in flight",
    };
    let mut frame = Frame::new("users", title, 60);
    frame.time_axis(result, total_s);
    frame.y_axis(&axis, |value| trim_float(value, 1));
    let height = frame.height();
    let y = |i: usize| users[i].map(|users| axis.y(users, height));
    frame.line("", P50, &line(through(bins, total_s, y)));
    let most = result.users.iter().max().copied().unwrap_or(0);
    frame.figure(&format!("at most {}", format_count(most.into())))
}

/// Percentiles of the response time over the time, with the limits of the SLOs: of an endpoint (by
/// position) or of all requests, whose bins these are, and brackets over the recoveries.
pub(crate) fn latency(
    result: &RunResult,
    endpoint: Option<usize>,
    bins: &[Bin],
    recoveries: &[Recovery],
    id: &str,
) -> Option<String> {
    const PERCENTS: [f64; 3] = [50.0, 95.0, 99.0];
    let total_s = end_s(bins);
    let percentiles: Vec<[Option<f64>; 3]> = bins
        .iter()
        .map(|bin| bin.percentiles_us(PERCENTS))
        .collect();
    let name = endpoint.map(|position| result.endpoints[position].endpoint.name.as_str());
    let limits: Vec<(String, f64)> = result
        .run
        .slos
        .iter()
        .filter(|slo| match (&slo.scope, name) {
            (SloScope::Total, None) => true,
            (SloScope::Endpoint(of), Some(name)) => of == name,
            _ => false,
        })
        .filter(|slo| matches!(slo.metric, Metric::ResponseTime(_)))
        .map(|slo| {
            (
                format!("{} {}", slo.name, slo.metric.format(slo.limit)),
                slo.limit,
            )
        })
        .collect();
    let values = percentiles.iter().flatten().flatten().copied();
    // A limit far above would press everything else to the ground.
    let highest = values.clone().fold(0.0, f64::max);
    let (limits, beyond): (Vec<_>, Vec<_>) = limits
        .into_iter()
        .partition(|(_, limit)| *limit <= BEYOND * highest);
    let axis = Axis::log(values.chain(limits.iter().map(|(_, limit)| *limit)))?;
    percentiles.iter().flatten().flatten().next()?;
    let height = if endpoint.is_some() { 120 } else { 200 };
    let mut frame = Frame::new(id, &per_bin("Response time", bins), height);
    frame.time_axis(result, total_s);
    frame.y_axis(&axis, format_latency_us);
    let height = frame.height();
    // Labels of limits that are close to each other would be on top of each other.
    let mut taken: Vec<f64> = Vec::new();
    let mut free = |mut y: f64| {
        while taken.iter().any(|other| (other - y).abs() < LABEL_HEIGHT) {
            y += LABEL_HEIGHT;
        }
        taken.push(y);
        y
    };
    if !beyond.is_empty() {
        let labels: Vec<String> = beyond.into_iter().map(|(label, _)| label).collect();
        let text = format!("beyond the chart: {}", labels.join(", "));
        frame.note_at(free(0.0), &text);
    }
    for (label, limit) in &limits {
        let y = axis.y(*limit, height);
        frame.line("", LIMIT, &line([Some((0.0, y)), Some((WIDTH, y))]));
        frame.note_at(free(y), label);
    }
    for (k, (name, pen)) in [("p50", P50), ("p95", P95), ("p99", P99)]
        .into_iter()
        .enumerate()
    {
        let y = |i: usize| percentiles[i][k].map(|us| axis.y(us, height));
        frame.line(name, pen, &line(through(bins, total_s, y)));
    }
    for recovery in recoveries {
        if let Some(took_s) = recovery.recovery_time_s {
            let share = |at_s: f64| at_s / total_s;
            let end_s = recovery.surge_end_s + took_s;
            let text = format!("recovered in {} s", trim_float(took_s, 1));
            frame.bracket(share(recovery.surge_end_s), share(end_s), &text);
        }
    }
    for bin in bins {
        if let Some(age_us) = bin.longest_censored_us {
            let share = (bin.start_s + bin.end_s) / 2.0 / total_s;
            frame.mark(share, axis.y(age_us, height), RED, Mark::Triangle);
        }
    }
    if endpoint.is_none() {
        let or_none = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), format_latency_us);
        frame.table(DataTable {
            header: ["from", "requests", "p50", "p95", "p99"]
                .map(str::to_owned)
                .to_vec(),
            rows: bins
                .iter()
                .zip(&percentiles)
                .map(|(bin, percentiles)| {
                    let head = [time(bin.start_s), format_count(bin.response.count())];
                    head.into_iter().chain(percentiles.map(or_none)).collect()
                })
                .collect(),
        });
    }
    let worst = percentiles
        .iter()
        .zip(bins)
        .filter_map(|(percentiles, bin)| Some((percentiles[1]?, bin.start_s)))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(frame.figure(&format!(
        "p95 is highest from {} on, with {}; triangles are requests that timed out or were cut off, at their age",
        time(worst.1),
        format_latency_us(worst.0)
    )))
}

/// A small line of the p95 over the time, without axes; `None` without requests.
pub(crate) fn sparkline(bins: &[Bin]) -> Option<String> {
    let total_s = end_s(bins);
    let p95: Vec<Option<f64>> = bins
        .iter()
        .map(|bin| bin.percentiles_us([95.0])[0])
        .collect();
    let axis = Axis::log(p95.iter().flatten().copied())?;
    let path = line(through(bins, total_s, |i| {
        p95[i].map(|us| axis.y(us, 18.0))
    }));
    Some(format!(
        "<svg class=\"spark\" width=\"90\" height=\"20\" viewBox=\"0 -1 {WIDTH} 20\" \
         preserveAspectRatio=\"none\" aria-hidden=\"true\"><path {} d=\"{path}\"/></svg>",
        P95.attributes_solid()
    ))
}

/// How busy the load generator was; `None` where it was not measured.
pub(crate) fn health(result: &RunResult, bins: &[Bin]) -> Option<String> {
    if result.health.is_empty() {
        return None;
    }
    let total_s = end_s(bins);
    let shares = |second: &HealthSample| second.cpu_share.max(second.busiest_worker_share);
    // The last sample is of the part of a second that was left, in which perfctl ends the run.
    let samples = &result.health[..result.health.len().min(total_s.floor().max(1.0) as usize)];
    let highest = samples.iter().map(shares).fold(1.0, f64::max);
    let axis = Axis::linear(highest);
    let mut frame = Frame::new("health", "Load generator: CPU time used", 120);
    frame.time_axis(result, total_s);
    frame.y_axis(&axis, format_percent);
    let height = frame.height();
    let shares: [(&str, Pen, ShareOf); 3] = [
        ("perfctl, of the CPU time available to it", P50, |second| {
            second.cpu_share
        }),
        ("busiest worker, of one core", P95, |second| {
            second.busiest_worker_share
        }),
        ("taken by the hypervisor, of all cores", P99, |second| {
            second.steal_share
        }),
    ];
    let mut columns = Vec::new();
    for (name, pen, share) in shares {
        let means = means(bins, samples.iter().map(share));
        let y = |i: usize| means[i].map(|share| axis.y(share, height));
        let is_zero = means.iter().flatten().all(|share| *share == 0.0);
        if !is_zero {
            frame.line(name, pen, &line(through(bins, total_s, y)));
        }
        columns.push(means);
    }
    // The lower limit has its text below, since the lines are close.
    let limits = [
        ("perfctl", CPU_LIMITS[1], 15.0),
        ("busiest worker", WORKER_LIMITS[1], 0.0),
    ];
    for (of, share, below) in limits {
        let y = axis.y(share, height);
        frame.line("", LIMIT, &line([Some((0.0, y)), Some((WIDTH, y))]));
        let limit = format_percent(share);
        frame.note_at(y + below, &format!("5 s above {limit}, {of}: INVALID"));
    }
    let peak = samples.iter().map(|second| second.busiest_worker_share);
    let peak = peak.fold(0.0, f64::max);
    let or_none = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), format_percent);
    frame.table(DataTable {
        header: ["from", "perfctl", "busiest worker", "hypervisor"]
            .map(str::to_owned)
            .to_vec(),
        rows: bins
            .iter()
            .enumerate()
            .map(|(i, bin)| {
                let shares = columns.iter().map(|means| or_none(means[i]));
                std::iter::once(time(bin.start_s)).chain(shares).collect()
            })
            .collect(),
    });
    Some(frame.figure(&format!(
        "the busiest worker used at most {} of one core",
        format_percent(peak)
    )))
}
