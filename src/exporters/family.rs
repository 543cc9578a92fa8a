//! The metrics of a run, as all formats have them: names, units, labels and values.
//!
//! Here: what there is. Not here: how a format writes it.

use crate::exporters::counts::Counts;
use crate::metrics::{Cell, Outcome, SparseHistogram, exported};

/// What all names begin with.
const PREFIX: &str = "perfctl_";

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FamilyKind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; its labels say something of the run.
    Info,
    /// Counts of values by their size.
    Histogram,
}

impl FamilyKind {
    /// What names end in.
    fn ending(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Info => "_info",
            Self::Gauge | Self::Histogram => "",
        }
    }
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A number of things.
    One,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share, from 0 to 1.
    Ratio,
}

impl Unit {
    /// What names end in, before the ending of their kind.
    fn ending(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Seconds => "_seconds",
            Self::Bytes => "_bytes",
            Self::Ratio => "_ratio",
        }
    }
}

/// A metric with its values.
#[derive(Debug)]
pub(super) struct Family<'a> {
    /// As Prometheus knows it, such as `perfctl_requests_total`: one of [`exported`], with the ending of its kind.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: FamilyKind,
    pub(super) unit: Unit,
    pub(super) series: Vec<Series<'a>>,
}

/// The value for one set of labels.
#[derive(Debug)]
pub(super) struct Series<'a> {
    /// In the order of their names; no value is empty.
    pub(super) labels: Vec<(&'static str, &'a str)>,
    pub(super) value: Value<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Count(u64),
    Number(f64),
    Times(&'a SparseHistogram),
}

impl<'a> Series<'a> {
    fn new<const N: usize>(labels: [(&'static str, &'a str); N], value: Value<'a>) -> Self {
        let mut labels = Vec::from(labels);
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort_unstable();
        Self { labels, value }
    }
}

impl<'a> Family<'a> {
    fn new(name: &'static str, kind: FamilyKind, unit: Unit, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            unit,
            series: Vec::new(),
        }
    }

    /// The name without the ending of its kind, such as `perfctl_requests` and `perfctl_received_bytes`.
    pub(super) fn base_name(&self) -> &'static str {
        without_end(self.name, self.kind.ending())
    }

    /// The name without prefix and endings, such as `requests` and `received`.
    pub(super) fn short_name(&self) -> &'static str {
        let name = without_end(self.base_name(), self.unit.ending());
        name.strip_prefix(PREFIX).unwrap_or(name)
    }

    /// All metrics that have values.
    pub(super) fn all(counts: &'a Counts) -> Vec<Self> {
        let scenario = (exported::SCENARIO, counts.scenario.as_str());
        let gauge = |name, unit, help, value| Family {
            series: vec![Series::new([scenario], Value::Number(value))],
            ..Family::new(name, FamilyKind::Gauge, unit, help)
        };
        let info = Series::new(
            [
                scenario,
                ("build", &counts.build),
                ("profile", &counts.profile),
                (exported::RUN, &counts.run),
                ("version", env!("CARGO_PKG_VERSION")),
            ],
            Value::Number(1.0),
        );
        let mut all = vec![
            Family {
                series: vec![info],
                ..Family::new(
                    exported::RUN_INFO,
                    FamilyKind::Info,
                    Unit::One,
                    "What is run.",
                )
            },
            gauge(
                exported::USERS,
                Unit::One,
                "Virtual users running, or requests in flight in the open model.",
                f64::from(counts.users),
            ),
        ];
        all.push(match counts.target() {
            (users, true) => gauge(
                exported::TARGET_USERS,
                Unit::One,
                "Virtual users that the load asks for now.",
                users,
            ),
            (rate, false) => gauge(
                exported::TARGET_ARRIVALS_PER_SECOND,
                Unit::One,
                "Arrivals per second that the load asks for now.",
                rate,
            ),
        });
        if let Some(health) = &counts.health {
            all.push(gauge(
                exported::GENERATOR_CPU_RATIO,
                Unit::Ratio,
                "CPU time of perfctl in the last second, as a share of what the cores offer.",
                health.cpu_share,
            ));
            all.push(gauge(
                exported::GENERATOR_BUSIEST_WORKER_RATIO,
                Unit::Ratio,
                "CPU time of the busiest worker in the last second, as a share of one core.",
                health.busiest_worker_share,
            ));
        }
        all.extend(Self::of_requests(counts));
        all.extend(Self::of_flows(counts));
        all.retain(|family| !family.series.is_empty());
        all
    }

    fn of_requests(counts: &'a Counts) -> [Self; 7] {
        let counter = |name, unit, help| Family::new(name, FamilyKind::Counter, unit, help);
        let times = |name, help| Family::new(name, FamilyKind::Histogram, Unit::Seconds, help);
        let mut requests = counter(
            exported::REQUESTS_TOTAL,
            Unit::One,
            "Requests that were started and have ended, by how.",
        );
        let mut dropped = counter(
            exported::DROPPED_ARRIVALS_TOTAL,
            Unit::One,
            "Arrivals that were never started, because no virtual user was free.",
        );
        let mut received = counter(
            exported::RECEIVED_BYTES_TOTAL,
            Unit::Bytes,
            "Bytes received.",
        );
        let mut sent = counter(exported::SENT_BYTES_TOTAL, Unit::Bytes, "Bytes sent.");
        let mut connections = counter(
            exported::CONNECTIONS_TOTAL,
            Unit::One,
            "Connections opened.",
        );
        let mut response = times(
            exported::RESPONSE_TIME_SECONDS,
            "From the intended start of a request to the last byte of its response.",
        );
        let mut delay = times(
            exported::SCHEDULING_DELAY_SECONDS,
            "How late requests started: actual minus intended start.",
        );
        for (of_row, cell) in cells(counts, false) {
            outcomes(&mut requests, cell, of_row);
            classes(&mut response, cell, of_row);
            let push = |family: &mut Self, value| {
                family.series.push(Series::new(of_row, value));
            };
            let count = cell.count(|outcome| outcome == Outcome::Dropped);
            if count > 0 {
                push(&mut dropped, Value::Count(count));
            }
            push(&mut received, Value::Count(cell.bytes_in));
            push(&mut sent, Value::Count(cell.bytes_out));
            push(&mut connections, Value::Count(cell.connections));
            if !cell.scheduling_delay.is_empty() {
                push(&mut delay, Value::Times(&cell.scheduling_delay));
            }
        }
        [
            requests,
            response,
            dropped,
            delay,
            received,
            sent,
            connections,
        ]
    }

    fn of_flows(counts: &'a Counts) -> [Self; 2] {
        let mut flows = Family::new(
            exported::FLOWS_TOTAL,
            FamilyKind::Counter,
            Unit::One,
            "Flows that have ended, by how.",
        );
        let mut times = Family::new(
            exported::FLOW_TIME_SECONDS,
            FamilyKind::Histogram,
            Unit::Seconds,
            "From the start of a flow to its end, without its think times.",
        );
        for (of_row, cell) in cells(counts, true) {
            outcomes(&mut flows, cell, of_row);
            classes(&mut times, cell, of_row);
        }
        [flows, times]
    }
}

/// A name without its ending.
fn without_end(name: &'static str, ending: &str) -> &'static str {
    name.strip_suffix(ending).unwrap_or(name)
}

/// The labels of a row in a phase.
type RowLabels<'a> = [(&'static str, &'a str); 4];

/// The cells of requests or of flows, with the labels of row and phase.
fn cells(counts: &Counts, of_flows: bool) -> impl Iterator<Item = (RowLabels<'_>, &Cell)> {
    let cells = counts.cells.iter();
    cells.filter_map(move |((row, phase), cell)| {
        let info = counts.rows.get(*row)?;
        let phase = counts.phases.get(*phase)?;
        let of_row = match of_flows {
            true => exported::FLOW,
            false => exported::ENDPOINT,
        };
        let labels = [
            (exported::SCENARIO, counts.scenario.as_str()),
            (of_row, info.name.as_str()),
            (exported::PHASE, phase.name.as_str()),
            (
                exported::MEASURED,
                if phase.measured { "true" } else { "false" },
            ),
        ];
        (info.is_flow == of_flows).then_some((labels, cell))
    })
}

/// One series for each outcome that came up.
fn outcomes<'a>(family: &mut Family<'a>, cell: &'a Cell, of_row: RowLabels<'a>) {
    for (outcome, count) in &cell.outcomes {
        if !outcome.is_started() {
            continue;
        }
        let class = match outcome {
            Outcome::Ok => "ok",
            outcome if outcome.is_censored() => "censored",
            _ => "failed",
        };
        let [a, b, c, d] = of_row;
        let outcome = (exported::OUTCOME, outcome.name());
        let labels = [a, b, c, d, outcome, (exported::CLASS, class)];
        family
            .series
            .push(Series::new(labels, Value::Count(*count)));
    }
}

/// One series for each class of outcomes that came up.
fn classes<'a>(family: &mut Family<'a>, cell: &'a Cell, of_row: RowLabels<'a>) {
    for (class, times) in [
        ("ok", &cell.response),
        ("failed", &cell.failed),
        ("censored", &cell.censored),
    ] {
        if !times.is_empty() {
            let [a, b, c, d] = of_row;
            let labels = [a, b, c, d, (exported::CLASS, class)];
            family.series.push(Series::new(labels, Value::Times(times)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporters::fixture::counts;

    #[test]
    fn names_end_in_their_unit_and_kind() {
        for family in Family::all(&counts()) {
            let (short, unit, kind) = (family.short_name(), family.unit, family.kind);
            let whole = format!("{PREFIX}{short}{}{}", unit.ending(), kind.ending());
            assert_eq!(family.name, whole);
        }
    }
}
