//! What all charts have in common: the frame with its axes, the phases behind, the caption with the key, and
//! the table of the same data.

use std::fmt::Write;

use super::axis::{Axis, time_labels};
use super::svg::{GRAY, Pen, RED, WIDTH, coordinate, rectangle};
use crate::metrics::RunResult;
use crate::report::text::markup;

/// The space above a chart for its topmost label.
const TOP: u32 = 14;
/// The space below a chart for its labels.
const BOTTOM: u32 = 20;
/// The height of the marks of seconds in which the load generator was overloaded.
const OVERLOADED: f64 = 4.0;
/// The most rows of a table of data.
const MAX_ROWS: usize = 60;

/// A chart that is being drawn. Its text never shrinks: only the inner part is stretched to the page.
pub(crate) struct Frame {
    id: String,
    title: String,
    height: u32,
    inner: String,
    outer: String,
    keys: Vec<Key>,
    shades: String,
    table: Option<DataTable>,
    is_timeline: bool,
}

/// What a line or an area stands for.
struct Key {
    name: String,
    pen: Pen,
    /// How opaque the area is; `None` for a line.
    opacity: Option<f64>,
}

/// The data of a chart as a table.
pub(crate) struct DataTable {
    /// The titles of the columns.
    pub(crate) header: Vec<String>,
    /// The cells of each row.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Frame {
    /// An empty chart. The id has to be unique in the page.
    pub(crate) fn new(id: &str, title: &str, height: u32) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            height,
            inner: String::new(),
            outer: String::new(),
            keys: Vec::new(),
            shades: String::new(),
            table: None,
            is_timeline: false,
        }
    }

    /// The height of the inner part.
    pub(crate) fn height(&self) -> f64 {
        f64::from(self.height)
    }

    /// Draws lines across at the labels of the axis.
    pub(crate) fn y_axis(&mut self, axis: &Axis, label: impl Fn(f64) -> String) {
        let mut path = String::new();
        let labels = axis.labels();
        // A label takes 14 px, and lines need some space between them.
        let room = (self.height / 24).max(1) as usize;
        let every = labels.len().div_ceil(room);
        for value in labels.into_iter().rev().step_by(every) {
            let y = axis.y(value, self.height());
            let _ = write!(path, "M0 {}h{WIDTH}", coordinate(y));
            let y = coordinate(y + f64::from(TOP) - 3.0);
            let text = markup(&label(value));
            let _ = write!(self.outer, "<text class=\"label\" y=\"{y}\">{text}</text>");
        }
        self.grid(&path);
    }

    /// Labels the time below, and shows the phases that are not measured behind the chart.
    pub(crate) fn time_axis(&mut self, result: &RunResult, total_s: f64) {
        self.is_timeline = true;
        let total_s = total_s.max(1e-9);
        let measured = result.run.phases.iter().filter(|phase| phase.measured);
        if measured.clone().count() > 1 {
            for phase in measured {
                let [start, end] =
                    [phase.start_us, phase.end_us].map(|us| us as f64 / 1e6 / total_s);
                // A narrower one has no room for its name.
                if end - start > 0.08 && end <= 1.01 {
                    let (x, name) = (coordinate((start + end) * 50.0), markup(&phase.name));
                    let _ = write!(
                        self.outer,
                        "<text class=\"label\" x=\"{x}%\" y=\"10\" text-anchor=\"middle\">{name}</text>"
                    );
                }
            }
        }
        let mut ramps = String::new();
        for phase in result.run.phases.iter().filter(|phase| !phase.measured) {
            let start = (phase.start_us as f64 / 1e6 / total_s).min(1.0);
            let end = (phase.end_us as f64 / 1e6 / total_s).min(1.0);
            let width = (end - start) * WIDTH;
            ramps += &rectangle(start * WIDTH, 0.0, width, self.height());
        }
        if !ramps.is_empty() {
            let ramps = format!(
                "<path class=\"unmeasured\" d=\"{ramps}\" fill=\"#888\" fill-opacity=\".15\"/>"
            );
            self.inner.insert_str(0, &ramps);
        }
        let mut overloaded = String::new();
        for (second, is_overloaded) in result.overloaded_seconds().enumerate() {
            let start = second as f64 / total_s;
            if is_overloaded && start < 1.0 {
                let width = (1.0 / total_s).min(1.0 - start) * WIDTH;
                let top = self.height() - OVERLOADED;
                overloaded += &rectangle(start * WIDTH, top, width, OVERLOADED);
            }
        }
        self.area("load generator overloaded", RED, 1.0, &overloaded);
        self.x_labels(
            time_labels(total_s)
                .into_iter()
                .map(|(at_s, label)| (at_s / total_s, label)),
        );
    }

    /// Lets the pointer show the rows of the table, which stand at equal distances along the chart.
    pub(crate) fn crosshair(&mut self) {
        self.is_timeline = true;
    }

    /// Labels along the bottom: at a share of the width, and the text.
    pub(crate) fn x_labels(&mut self, labels: impl IntoIterator<Item = (f64, String)>) {
        let y = TOP + self.height + 15;
        for (share, label) in labels {
            let (x, label) = (coordinate(share * 100.0), markup(&label));
            let anchor = match share {
                ..0.04 => "start",
                0.96.. => "end",
                _ => "middle",
            };
            let _ = write!(
                self.outer,
                "<text class=\"label\" x=\"{x}%\" y=\"{y}\" text-anchor=\"{anchor}\">{label}</text>"
            );
        }
    }

    /// Text over the chart, right-aligned at its right edge.
    pub(crate) fn note_at(&mut self, y: f64, text: &str) {
        let (y, text) = (coordinate(y + f64::from(TOP) - 3.0), markup(text));
        let _ = write!(
            self.outer,
            "<text class=\"label\" x=\"100%\" y=\"{y}\" text-anchor=\"end\">{text}</text>"
        );
    }

    /// A bracket at the top of the chart, from one share of the width to another, and its text.
    pub(crate) fn bracket(&mut self, from: f64, to: f64, text: &str) {
        let [from, to] = [from, to].map(|share| share.clamp(0.0, 1.0));
        let path = format!(
            "M{0} 12V6H{1}V12",
            coordinate(from * WIDTH),
            coordinate(to * WIDTH)
        );
        let pen = Pen { dashes: "", ..GRAY };
        let _ = write!(self.inner, "<path {} d=\"{path}\"/>", pen.attributes());
        let (x, anchor) = match from {
            ..0.6 => (from, "start"),
            _ => (to, "end"),
        };
        let (x, y, text) = (coordinate(x * 100.0), TOP + 24, markup(text));
        let _ = write!(
            self.outer,
            "<text class=\"label\" x=\"{x}%\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    /// Text over the chart, at its left edge.
    pub(crate) fn text_at(&mut self, y: f64, text: &str) {
        let (y, text) = (coordinate(y + f64::from(TOP)), markup(text));
        let _ = write!(self.outer, "<text class=\"label\" y=\"{y}\">{text}</text>");
    }

    /// Faint lines.
    pub(crate) fn grid(&mut self, path: &str) {
        let _ = write!(
            self.inner,
            "<path class=\"grid\" d=\"{path}\" stroke=\"#888\" stroke-opacity=\".35\" \
             vector-effect=\"non-scaling-stroke\"/>"
        );
    }

    /// A line, and its name in the key. An empty path is left out.
    pub(crate) fn line(&mut self, name: &str, pen: Pen, path: &str) {
        if path.is_empty() {
            return;
        }
        let _ = write!(self.inner, "<path {} d=\"{path}\"/>", pen.attributes());
        self.key(name, pen, None);
    }

    /// An area, and its name in the key. An empty path is left out.
    pub(crate) fn area(&mut self, name: &str, pen: Pen, opacity: f64, path: &str) {
        if path.is_empty() {
            return;
        }
        let Pen { class, color, .. } = pen;
        let _ = write!(
            self.inner,
            "<path class=\"{class} area\" d=\"{path}\" fill=\"{color}\" fill-opacity=\"{opacity}\"/>"
        );
        self.key(name, pen, Some(opacity));
    }

    /// An entry of the key; for a line without an opacity.
    pub(crate) fn key(&mut self, name: &str, pen: Pen, opacity: Option<f64>) {
        if !name.is_empty() {
            let name = name.to_owned();
            self.keys.push(Key { name, pen, opacity });
        }
    }

    /// The shades of an area in the key, from faint to full, and what they stand for.
    pub(crate) fn shades(&mut self, shades: &[(Pen, f64)], text: &str) {
        let mut squares = String::new();
        for (i, (Pen { class, color, .. }, opacity)) in shades.iter().enumerate() {
            let x = i * 10;
            let _ = write!(
                squares,
                "<rect class=\"{class} area\" x=\"{x}\" width=\"10\" height=\"10\" fill=\"{color}\" \
                 fill-opacity=\"{opacity}\"/>"
            );
        }
        let (width, text) = (shades.len() * 10, markup(text));
        self.shades = format!(
            " <span class=\"key\"><svg width=\"{width}\" height=\"10\" aria-hidden=\"true\">{squares}</svg> \
             {text}</span>"
        );
    }

    /// A mark that keeps its shape: at a share of the width, and a height.
    pub(crate) fn mark(&mut self, share: f64, y: f64, pen: Pen, shape: Mark) {
        let (x, y) = (coordinate(share * 100.0), coordinate(y + f64::from(TOP)));
        let Pen { class, color, .. } = pen;
        let shape = match shape {
            Mark::Dot => "<circle r=\"3.5\"/>",
            Mark::Triangle => "<path d=\"M0-4L4 3H-4z\"/>",
            Mark::Beyond => "<path d=\"M-8-4L0 0L-8 4z\"/>",
        };
        let _ = write!(
            self.outer,
            "<svg x=\"{x}%\" y=\"{y}\" overflow=\"visible\" class=\"{class} mark\" fill=\"{color}\">{shape}</svg>"
        );
    }

    /// The same data, for those who cannot see the chart.
    pub(crate) fn table(&mut self, table: DataTable) {
        self.table = Some(table);
    }

    /// The figure. The finding is a sentence that says what the chart shows.
    pub(crate) fn figure(self, finding: &str) -> String {
        let Self {
            id,
            title,
            height,
            inner,
            outer,
            keys,
            shades,
            table,
            is_timeline,
        } = self;
        let (title, finding) = (markup(&title), markup(finding));
        // The script shows the row of the table that is below the pointer.
        let crosshair = if is_timeline && table.is_some() {
            " data-crosshair"
        } else {
            ""
        };
        let mut html = format!("<figure class=\"chart\"{crosshair}><figcaption><b>{title}</b>");
        for key in keys {
            html += &key.html();
        }
        html += &shades;
        let whole = height + TOP + BOTTOM;
        let _ = write!(
            html,
            "</figcaption><svg width=\"100%\" height=\"{whole}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" \
             font-family=\"system-ui,sans-serif\" font-size=\"11\" fill=\"#666\"><title id=\"{id}-t\">{title}</title>\
             <desc id=\"{id}-d\">{finding}</desc><svg y=\"{TOP}\" width=\"100%\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" preserveAspectRatio=\"none\">{inner}</svg>{outer}</svg>"
        );
        if let Some(table) = table {
            html += &table.html();
        }
        html + "</figure>"
    }
}

impl Key {
    fn html(&self) -> String {
        let (Pen { class, color, .. }, name) = (self.pen, markup(&self.name));
        let sample = match self.opacity {
            None => format!("<path {} d=\"M1 4h20\"/>", self.pen.attributes()),
            Some(opacity) => format!(
                "<rect class=\"{class} area\" x=\"6\" width=\"10\" height=\"8\" fill=\"{color}\" \
                 fill-opacity=\"{opacity}\"/>"
            ),
        };
        format!(
            " <span class=\"key\"><svg width=\"22\" height=\"8\" aria-hidden=\"true\">{sample}</svg> {name}</span>"
        )
    }
}

impl DataTable {
    /// Folded, with at most [`MAX_ROWS`] rows that are spread evenly.
    fn html(&self) -> String {
        let every = self.rows.len().div_ceil(MAX_ROWS).max(1);
        let rows = self.rows.iter().step_by(every);
        let what = match every {
            1 => "Data".to_owned(),
            n => format!("Data, every {n} rows"),
        };
        let mut html = format!("<details class=\"data\"><summary>{what}</summary><table><tr>");
        for title in &self.header {
            let _ = write!(html, "<th scope=\"col\">{}</th>", markup(title));
        }
        html += "</tr>";
        for row in rows {
            html += "<tr>";
            for cell in row {
                let _ = write!(html, "<td>{}</td>", markup(cell));
            }
            html += "</tr>";
        }
        html + "</table></details>"
    }
}

/// A mark of a single value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    /// A value.
    Dot,
    /// A lower bound.
    Triangle,
    /// A value beyond the end of the scale.
    Beyond,
}
