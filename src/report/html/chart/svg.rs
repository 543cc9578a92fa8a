//! The parts of SVG that charts are made of, as text. Everything that comes from a run is escaped.
//!
//! Colors and dashes are attributes, so that a chart can be read where styles are forbidden; classes let a
//! style replace them.

use std::fmt::Write;

/// The width of the inner coordinates, which are stretched over the width of the page.
pub(crate) const WIDTH: f64 = 1000.0;

/// How a line or a mark looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pen {
    /// Its class.
    pub(crate) class: &'static str,
    /// Its color on a light page.
    pub(crate) color: &'static str,
    /// Its dashes; empty for a solid line.
    pub(crate) dashes: &'static str,
}

impl Pen {
    /// The attributes of a line without dashes.
    pub(crate) fn attributes_solid(self) -> String {
        Self { dashes: "", ..self }.attributes()
    }

    /// The attributes of a line.
    pub(crate) fn attributes(self) -> String {
        let Self {
            class,
            color,
            dashes,
        } = self;
        let dashes = match dashes {
            "" => String::new(),
            dashes => format!(" stroke-dasharray=\"{dashes}\""),
        };
        format!(
            "class=\"{class}\" fill=\"none\" stroke=\"{color}\"{dashes} stroke-width=\"1.6\" \
             stroke-linecap=\"round\" stroke-linejoin=\"round\" vector-effect=\"non-scaling-stroke\""
        )
    }
}

const fn pen(class: &'static str, color: &'static str, dashes: &'static str) -> Pen {
    Pen {
        class,
        color,
        dashes,
    }
}

pub(crate) const P50: Pen = pen("c-blue", "#2563eb", "");
pub(crate) const P95: Pen = pen("c-amber", "#b45309", "6 3");
pub(crate) const P99: Pen = pen("c-rose", "#be123c", "2 3");
pub(crate) const GREEN: Pen = pen("c-green", "#15803d", "");
pub(crate) const RED: Pen = pen("c-red", "#dc2626", "4 2");
pub(crate) const GRAY: Pen = pen("c-gray", "#6b7280", "1 4");

/// A coordinate, to a tenth.
pub(crate) fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// The path through points; where there is none, the line has a gap. A point between two gaps is a dot.
pub(crate) fn line(points: impl IntoIterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut length = 0;
    for point in points {
        match point {
            Some((x, y)) => {
                let command = if length == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{} {}", coordinate(x), coordinate(y));
                length += 1;
            }
            None => {
                if length == 1 {
                    path.push_str("h.1");
                }
                length = 0;
            }
        }
    }
    if length == 1 {
        path.push_str("h.1");
    }
    path
}

/// The path of a rectangle.
pub(crate) fn rectangle(x: f64, y: f64, width: f64, height: f64) -> String {
    let [x, y, width, height] = [x, y, width, height].map(coordinate);
    format!("M{x} {y}h{width}v{height}h-{width}z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_stay_gaps_and_lone_points_are_dots() {
        let points = [
            None,
            Some((0.0, 1.0)),
            None,
            Some((2.0, 3.25)),
            Some((4.0, 5.0)),
            None,
            Some((6.0, 7.0)),
        ];
        assert_eq!(line(points), "M0 1h.1M2 3.2L4 5M6 7h.1");
        assert_eq!(line([]), "");
    }
}
