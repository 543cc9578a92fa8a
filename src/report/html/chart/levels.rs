//! The levels of a sweep: response times and throughput against the load, and the knee.

use super::axis::Axis;
use super::frame::{DataTable, Frame};
use super::svg::{GRAY, GREEN, P50, P95, Pen, WIDTH, coordinate, line};
use crate::metrics::{RunResult, SweepLevel};
use crate::plan::Model;
use crate::units::{format_latency_us, format_rate, trim_float};

/// The labels below a chart.
const LABELS: usize = 8;

/// The charts of a sweep; none for other loads.
pub(crate) fn level_charts(result: &RunResult) -> Vec<String> {
    let Some(levels) = result.sweep_levels() else {
        return Vec::new();
    };
    let knee = result
        .knee()
        .map(|knee| (knee.at.level, knee.sentence(result.run.load.model)));
    let unit = match result.run.load.model {
        Model::Closed => "users",
        Model::Open { .. } => "requests/s",
    };
    let sweep = Sweep { levels, knee, unit };
    [sweep.times(), Some(sweep.rates())]
        .into_iter()
        .flatten()
        .collect()
}

struct Sweep {
    levels: Vec<SweepLevel>,
    /// At which level, and what it means.
    knee: Option<(f64, String)>,
    /// Of a level.
    unit: &'static str,
}

/// A line of a chart: its name, how it looks, and its value at a level.
type Curve = (&'static str, Pen, fn(&SweepLevel) -> f64);

impl Sweep {
    fn times(&self) -> Option<String> {
        let times = self
            .levels
            .iter()
            .flat_map(|level| [level.mean_us, level.p95_us]);
        let axis = Axis::log(times)?;
        let curves: [Curve; 2] = [
            ("mean", P50, |level| level.mean_us),
            ("p95", P95, |level| level.p95_us),
        ];
        let mut frame = Frame::new(
            "levels",
            &format!("Response time against {}", self.unit),
            200,
        );
        self.draw(&mut frame, &axis, format_latency_us, &curves);
        frame.table(self.table());
        let finding = self
            .knee
            .as_ref()
            .map_or("no knee found", |(_, sentence)| sentence);
        Some(frame.figure(finding))
    }

    fn rates(&self) -> String {
        let rates = self.levels.iter().map(|level| level.rate_per_s);
        let highest = rates.fold(0.0, f64::max);
        let curves: [Curve; 1] = [("successes", GREEN, |level| level.rate_per_s)];
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
            let points = points.map(|at| Some((x(at.level), axis.y(value(at), height))));
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

    fn table(&self) -> DataTable {
        let header = [self.unit, "successes/s", "mean", "p95"];
        let rows = self.levels.iter().map(|level| {
            vec![
                trim_float(level.level, 1),
                format_rate(level.rate_per_s),
                format_latency_us(level.mean_us),
                format_latency_us(level.p95_us),
            ]
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
    fn only_a_sweep_has_charts_of_its_levels() {
        let mut result = fixture::spike().result;
        assert_eq!(level_charts(&result).len(), 0);
        result.run.load.shape = Some(Shape::Sweep);
        let charts = level_charts(&result);
        assert_eq!(charts.len(), 2);
        assert!(
            charts[0].contains(">300<") && charts[0].contains("knee at"),
            "{}",
            charts[0]
        );
        // Levels need not ascend.
        result.run.load.stages[1].level = 100.0;
        assert!(!level_charts(&result).concat().contains("NaN"));
    }
}
