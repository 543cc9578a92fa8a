//! The metrics of a run, as all formats have them: names, units, labels and values.
//!
//! Here: what there is. Not here: how a format writes it.

use crate::exporters::counts::Counts;
use crate::metrics::{Cell, Outcome, SparseHistogram};

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; its labels say something of the run.
    Info,
    /// Counts of values by their size.
    Histogram,
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

/// A metric with its values.
#[derive(Debug)]
pub(super) struct Family<'a> {
    /// Without the prefix, the unit and `total`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
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
    fn new(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            unit,
            series: Vec::new(),
        }
    }

    /// With the prefix and the unit, such as `perfctl_response_time_seconds`.
    pub(super) fn base_name(&self) -> String {
        let unit = match self.unit {
            Unit::One => "",
            Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
            Unit::Ratio => "_ratio",
        };
        format!("perfctl_{}{unit}", self.name)
    }

    /// The same as Prometheus names it, such as `perfctl_requests_total`.
    pub(super) fn prometheus_name(&self) -> String {
        let end = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.base_name() + end
    }

    /// All metrics that have values.
    pub(super) fn all(counts: &'a Counts) -> Vec<Self> {
        let scenario = ("scenario", counts.scenario.as_str());
        let gauge = |name, unit, help, value| Family {
            series: vec![Series::new([scenario], Value::Number(value))],
            ..Family::new(name, Kind::Gauge, unit, help)
        };
        let info = Series::new(
            [
                scenario,
                ("build", &counts.build),
                ("profile", &counts.profile),
                ("run", &counts.run),
                ("version", env!("CARGO_PKG_VERSION")),
            ],
            Value::Number(1.0),
        );
        let mut all = vec![
            Family {
                series: vec![info],
                ..Family::new("run", Kind::Info, Unit::One, "What is run.")
            },
            gauge(
                "users",
                Unit::One,
                "Virtual users running, or requests in flight in the open model.",
                f64::from(counts.users),
            ),
        ];
        all.push(match counts.target() {
            (users, true) => gauge(
                "target_users",
                Unit::One,
                "Virtual users that the load asks for now.",
                users,
            ),
            (rate, false) => gauge(
                "target_arrivals_per_second",
                Unit::One,
                "Arrivals per second that the load asks for now.",
                rate,
            ),
        });
        if let Some(health) = &counts.health {
            all.push(gauge(
                "generator_cpu",
                Unit::Ratio,
                "CPU time of perfctl in the last second, as a share of what the cores offer.",
                health.cpu_share,
            ));
            all.push(gauge(
                "generator_busiest_worker",
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
        let counter = |name, unit, help| Family::new(name, Kind::Counter, unit, help);
        let times = |name, help| Family::new(name, Kind::Histogram, Unit::Seconds, help);
        let mut requests = counter(
            "requests",
            Unit::One,
            "Requests that were started and have ended, by how.",
        );
        let mut dropped = counter(
            "dropped_arrivals",
            Unit::One,
            "Arrivals that were never started, because no virtual user was free.",
        );
        let mut received = counter("received", Unit::Bytes, "Bytes received.");
        let mut sent = counter("sent", Unit::Bytes, "Bytes sent.");
        let mut connections = counter("connections", Unit::One, "Connections opened.");
        let mut response = times(
            "response_time",
            "From the intended start of a request to the last byte of its response.",
        );
        let mut delay = times(
            "scheduling_delay",
            "How late requests started: actual minus intended start.",
        );
        for (row, phase, cell) in cells(counts, false) {
            let of_row = [
                ("scenario", counts.scenario.as_str()),
                ("endpoint", row),
                ("phase", phase),
            ];
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
            "flows",
            Kind::Counter,
            Unit::One,
            "Flows that have ended, by how.",
        );
        let mut times = Family::new(
            "flow_time",
            Kind::Histogram,
            Unit::Seconds,
            "From the start of a flow to its end, without its think times.",
        );
        for (row, phase, cell) in cells(counts, true) {
            let of_row = [
                ("scenario", counts.scenario.as_str()),
                ("flow", row),
                ("phase", phase),
            ];
            outcomes(&mut flows, cell, of_row);
            classes(&mut times, cell, of_row);
        }
        [flows, times]
    }
}

/// The cells of requests or of flows, with the names of row and phase.
fn cells(counts: &Counts, of_flows: bool) -> impl Iterator<Item = (&str, &str, &Cell)> {
    let cells = counts.cells.iter();
    cells.filter_map(move |((row, phase), cell)| {
        let info = counts.rows.get(*row)?;
        let phase = counts.phases.get(*phase)?;
        (info.is_flow == of_flows).then_some((info.name.as_str(), phase.as_str(), cell))
    })
}

/// One series for each outcome that came up.
fn outcomes<'a>(family: &mut Family<'a>, cell: &'a Cell, of_row: [(&'static str, &'a str); 3]) {
    for (outcome, count) in &cell.outcomes {
        if !outcome.is_started() {
            continue;
        }
        let class = match outcome {
            Outcome::Ok => "ok",
            outcome if outcome.is_censored() => "censored",
            _ => "failed",
        };
        let [a, b, c] = of_row;
        let labels = [a, b, c, ("outcome", outcome.name()), ("class", class)];
        family
            .series
            .push(Series::new(labels, Value::Count(*count)));
    }
}

/// One series for each class of outcomes that came up.
fn classes<'a>(family: &mut Family<'a>, cell: &'a Cell, of_row: [(&'static str, &'a str); 3]) {
    for (class, times) in [
        ("ok", &cell.response),
        ("failed", &cell.failed),
        ("censored", &cell.censored),
    ] {
        if !times.is_empty() {
            let [a, b, c] = of_row;
            let labels = [a, b, c, ("class", class)];
            family.series.push(Series::new(labels, Value::Times(times)));
        }
    }
}
