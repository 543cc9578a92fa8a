//! The percentile curve: which response time which share of the requests stays below.

use super::axis::{Axis, percent_label};
use super::frame::{DataTable, Frame};
use super::svg::{GRAY, P50, P95, WIDTH, coordinate, line};
use crate::metrics::{Cell, SparseHistogram};
use crate::plan::Percentile;
use crate::units::format_latency_us;

/// How many points a curve has.
const POINTS: usize = 80;
/// A percentile is shown only if at least this many values lie beyond it.
const BEYOND: f64 = 10.0;
/// The percentiles that are labeled, as far as there are enough values.
const LABELS: [f64; 7] = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999];

/// A curve to be drawn.
struct Curve {
    histogram: SparseHistogram,
}

impl Curve {
    fn of(parts: &[&SparseHistogram]) -> Option<Self> {
        let mut histogram = SparseHistogram::default();
        parts.iter().for_each(|part| histogram.merge(part));
        (!histogram.is_empty()).then_some(Self { histogram })
    }

    /// The largest quantile with enough values beyond it; 0..1.
    fn end(&self) -> f64 {
        (1.0 - BEYOND / self.histogram.count() as f64).max(0.5)
    }

    fn at(&self, quantile: f64) -> Option<f64> {
        let percent = (quantile * 100.0).max(1e-9);
        self.histogram.percentile(Percentile::new(percent)?)
    }
}

/// Where a quantile stands: the share of requests beyond it, on a logarithmic scale.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// The curve of the response time, and of the service time beside it; `None` without requests. The baselines are
/// earlier runs of the same.
pub(crate) fn percentile_curve(cell: &Cell, baselines: &[Cell], id: &str) -> Option<String> {
    let response = Curve::of(&[&cell.response, &cell.censored])?;
    let service = Curve::of(&[&cell.service]);
    let before: Vec<Curve> = baselines
        .iter()
        .filter_map(|cell| Curve::of(&[&cell.response, &cell.censored]))
        .collect();
    let end = response.end();
    let quantile = |i: usize| 1.0 - 10f64.powf(-nines(end) * i as f64 / POINTS as f64);
    let curves = before.iter().chain(&service).chain([&response]);
    let values: Vec<f64> = curves
        .flat_map(|curve| (0..=POINTS).filter_map(|i| curve.at(quantile(i))))
        .collect();
    let axis = Axis::log(values)?;
    let mut frame = Frame::new(id, "Percentiles of the response time", 200);
    let height = frame.height();
    let x = |quantile: f64| nines(quantile) / nines(end) * WIDTH;
    let labels: Vec<(f64, String)> = LABELS
        .into_iter()
        .filter(|percent| *percent / 100.0 <= end + 1e-12)
        .map(|percent| (x(percent / 100.0) / WIDTH, percent_label(percent)))
        .collect();
    let mut grid = String::new();
    for (share, _) in &labels {
        grid += &format!("M{} 0v{height}", coordinate(share * WIDTH));
    }
    frame.grid(&grid);
    frame.x_labels(
        labels
            .iter()
            .map(|(share, label)| (*share, format!("p{label}"))),
    );
    frame.y_axis(&axis, format_latency_us);
    let points = |curve: &Curve| -> Vec<Option<(f64, f64)>> {
        (0..=POINTS)
            .map(|i| {
                let at = quantile(i);
                (at <= curve.end()).then(|| Some((x(at), axis.y(curve.at(at)?, height))))?
            })
            .collect()
    };
    if before.len() > 1 {
        // From the lowest to the highest of the earlier occasions.
        let at = |i: usize, pick: fn(f64, f64) -> f64| {
            let values = before.iter().filter_map(|curve| curve.at(quantile(i)));
            values
                .reduce(pick)
                .map(|us| (x(quantile(i)), axis.y(us, height)))
        };
        let up = (0..=POINTS).map(|i| at(i, f64::max));
        let down = (0..=POINTS).rev().map(|i| at(i, f64::min));
        let band: Vec<Option<(f64, f64)>> = up.chain(down).filter(Option::is_some).collect();
        frame.area(
            "baseline, from lowest to highest",
            GRAY,
            0.25,
            &(line(band) + "z"),
        );
    } else if let [only] = before.as_slice() {
        frame.line("baseline", GRAY, &line(points(only)));
    }
    frame.line("response time", P50, &line(points(&response)));
    if let Some(service) = &service {
        let name = "service time: from the actual start of the request";
        frame.line(name, P95, &line(points(service)));
    }
    let or_none = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), format_latency_us);
    let labeled = LABELS
        .into_iter()
        .filter(|percent| *percent > 0.0 && *percent / 100.0 <= end);
    frame.table(DataTable {
        header: ["percentile", "response time", "service time"]
            .map(str::to_owned)
            .to_vec(),
        rows: labeled
            .map(|percent| {
                let service = service.as_ref().and_then(|curve| curve.at(percent / 100.0));
                vec![
                    format!("p{}", percent_label(percent)),
                    or_none(response.at(percent / 100.0)),
                    or_none(service),
                ]
            })
            .collect(),
    });
    Some(frame.figure(&format!(
        "half of the requests took at most {}, 95% at most {}; the curve ends where fewer than 10 requests took longer",
        or_none(response.at(0.5)),
        or_none(response.at(0.95)),
    )))
}
