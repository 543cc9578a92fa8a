//! The levels of a load: response times and throughput against them, and the knee of a sweep.

use super::axis::Axis;
use super::frame::{DataTable, Frame};
use super::svg::{GRAY, GREEN, P50, P95, P99, Pen, WIDTH, coordinate, line};
use crate::metrics::{LoadLevel, LoadLevels, RunResult, Summary};
use crate::plan::Model;
use crate::units::{format_latency_us, format_rate, trim_float};

/// The labels below a chart.
const LABELS: usize = 8;

/// The charts of the levels.
pub(crate) fn level_charts(
    result: &RunResult,
    LoadLevels { mut levels, .. }: LoadLevels,
) -> Vec<String> {
    levels.sort_by(|one, other| one.level.total_cmp(&other.level));
    let knee = result
        .knee()
        .map(|knee| (knee.at.level, knee.sentence(result.run.load.model)));
    let unit = match result.run.load.model {
        Model::Closed => "users",
        Model::Open { .. } => "requests/s",
    };
    let chart = Chart { levels, knee, unit };
    [chart.times(), Some(chart.rates())]
        .into_iter()
        .flatten()
        .collect()
}

struct Chart {
    /// The lowest first.
    levels: Vec<LoadLevel>,
    /// Of a sweep: at which level, and what it means.
    knee: Option<(f64, String)>,
    /// Of a level.
    unit: &'static str,
}

/// A line of a chart: its name, how it looks, and its value at a level.
type Curve = (&'static str, Pen, fn(&Summary) -> Option<f64>);

impl Chart {
    fn times(&self) -> Option<String> {
        let curves: [Curve; 3] = [
            ("p50", P50, |summary| summary.response_us.p50),
            ("p95", P95, |summary| summary.response_us.p95),
            ("p99", P99, |summary| summary.response_us.p99),
        ];
        let times = self.levels.iter().flat_map(|level| {
            let times = curves.map(|(_, _, value)| value(&level.summary));
            times.into_iter().flatten()
        });
        let axis = Axis::log(times)?;
        let mut frame = Frame::new(
            "levels",
            &format!("Response time against {}", self.unit),
            200,
        );
        self.draw(&mut frame, &axis, format_latency_us, &curves);
        frame.table(self.table());
        let knee = self.knee.as_ref().map(|(_, sentence)| sentence.clone());
        Some(frame.figure(&knee.unwrap_or_else(|| self.extremes())))
    }

    fn rates(&self) -> String {
        let rates = self.levels.iter().map(|level| level.summary.rate_per_s);
        let highest = rates.fold(0.0, f64::max);
        let curves: [Curve; 1] = [("successes", GREEN, |summary| Some(summary.rate_per_s))];
        let title = format!("Successes per second against {}", self.unit);
        let mut frame = Frame::new("level-rates", &title, 120);
        self.draw(&mut frame, &Axis::linear(highest), format_rate, &curves);
        frame.figure(&format!("at most {} successes", format_rate(highest)))
    }

    fn draw(&self, frame: &mut Frame, axis: &Axis, label: fn(f64) -> String, curves: &[Curve]) {
        let height = frame.height();
        frame.y_axis(axis, label);
        let x = |level: f64| self.share(level) * WIDTH;
        let every = self.levels.len().div_ceil(LABELS);
        let labeled = self.levels.iter().step_by(every);
        frame.x_labels(labeled.map(|at| (self.share(at.level), trim_float(at.level, 1))));
        if let Some((level, _)) = &self.knee {
            let x = coordinate(x(*level));
            frame.line("knee", GRAY, &format!("M{x} 0v{height}"));
        }
        for (name, pen, value) in curves {
            let points = self.levels.iter();
            let points = points.map(|at| Some((x(at.level), axis.y(value(&at.summary)?, height))));
            frame.line(name, *pen, &line(points));
        }
    }

    /// Where a level stands; the lowest is at the left edge.
    fn share(&self, level: f64) -> f64 {
        let levels = || self.levels.iter().map(|level| level.level);
        let low = levels().fold(f64::INFINITY, f64::min);
        let high = levels().fold(0.0, f64::max);
        match high > low {
            true => (level - low) / (high - low),
            false => 0.5,
        }
    }

    /// The p95 at the lowest and the highest level.
    fn extremes(&self) -> String {
        let ends = [self.levels.first(), self.levels.last()];
        let ends = ends.into_iter().flatten().map(|at| {
            let p95_us = at.summary.response_us.p95;
            let p95 = p95_us.map_or_else(|| "no data".to_owned(), format_latency_us);
            format!("p95 {p95} at {} {}", trim_float(at.level, 1), self.unit)
        });
        ends.collect::<Vec<_>>().join(", ")
    }

    fn table(&self) -> DataTable {
        let header = [self.unit, "successes/s", "p50", "p95", "p99"];
        let rows = self.levels.iter().map(|level| {
            let response = level.summary.response_us;
            let times = [response.p50, response.p95, response.p99];
            let times = times.map(|us| us.map_or_else(|| "-".to_owned(), format_latency_us));
            let head = [
                trim_float(level.level, 1),
                format_rate(level.summary.rate_per_s),
            ];
            head.into_iter().chain(times).collect()
        });
        DataTable {
            header: header.map(str::to_owned).to_vec(),
            rows: rows.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Shape;
    use crate::report::fixture;

    #[test]
    fn levels_have_charts_and_a_sweep_has_its_knee() {
        let mut result = fixture::spike().result;
        let charts = |result: &RunResult| level_charts(result, result.load_levels().unwrap());
        let shown = charts(&result);
        assert_eq!(shown.len(), 2);
        assert!(
            shown[0].contains("p95 900 ms at 300 requests/s"),
            "{}",
            shown[0]
        );
        result.run.load.shape = Some(Shape::Sweep);
        let shown = charts(&result);
        assert!(
            shown[0].contains(">300<") && shown[0].contains("knee at"),
            "{}",
            shown[0]
        );
    }
}
