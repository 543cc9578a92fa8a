//! Panels of a Grafana dashboard as JSON: what all have in common, and where they stand.
//!
//! Not here: which panels there are (`dashboard`).

use serde_json::{Value, json};

use super::indicator::Unit;
use crate::plan::Direction;

/// Columns of a dashboard.
const COLUMNS: u64 = 24;

/// Lays panels out in rows, from left to right.
#[derive(Debug, Default)]
pub(super) struct Layout {
    panels: Vec<Value>,
    x: u64,
    y: u64,
    /// The height of the panels in this row.
    height: u64,
}

/// A panel in the making.
#[derive(Debug)]
pub(super) struct Panel(Value);

impl Layout {
    /// A heading over the panels that follow.
    pub fn heading(&mut self, title: &str) {
        self.end_row();
        let panel = json!({"type": "row", "title": title, "collapsed": false, "panels": []});
        self.put(panel, COLUMNS, 1);
        self.end_row();
    }

    /// A panel beside the one before it, or in the next row if there is no room.
    pub fn add(&mut self, panel: Panel, width: u64, height: u64) {
        self.put(panel.0, width, height);
    }

    /// All of them.
    pub fn finish(self) -> Vec<Value> {
        self.panels
    }

    fn put(&mut self, mut panel: Value, width: u64, height: u64) {
        if self.x + width > COLUMNS {
            self.end_row();
        }
        panel["id"] = json!(self.panels.len() + 1);
        panel["gridPos"] = json!({"x": self.x, "y": self.y, "w": width, "h": height});
        self.panels.push(panel);
        self.x += width;
        self.height = self.height.max(height);
    }

    fn end_row(&mut self) {
        self.y += self.height;
        (self.x, self.height) = (0, 0);
    }
}

impl Panel {
    /// Lines over time.
    pub fn lines(title: &str, description: &str, unit: Unit) -> Self {
        let mut panel = Self::new("timeseries", title, description);
        panel.0["fieldConfig"] = json!({
            "defaults": {
                "unit": unit_id(unit),
                "min": 0,
                "custom": {"lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": false},
            },
            "overrides": [],
        });
        panel.0["options"] = json!({
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        });
        panel
    }

    /// The last value as a number.
    pub fn number(title: &str, description: &str, unit: Unit) -> Self {
        let mut panel = Self::new("stat", title, description);
        panel.0["fieldConfig"] =
            json!({"defaults": {"unit": unit_id(unit), "min": 0}, "overrides": []});
        panel.0["options"] = json!({
            "reduceOptions": {"values": false, "calcs": ["lastNotNull"], "fields": ""},
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "textMode": "auto",
            "orientation": "auto",
            "wideLayout": true,
            "showPercentChange": false,
            "percentChangeColorMode": "standard",
        });
        panel
    }

    /// How many values of each size there were over time, from the buckets of a histogram.
    pub fn heatmap(title: &str, description: &str) -> Self {
        let mut panel = Self::new("heatmap", title, description);
        panel.0["fieldConfig"] = json!({
            "defaults": {"custom": {"scaleDistribution": {"type": "linear"}}},
            "overrides": [],
        });
        panel.0["options"] = json!({
            "calculate": false,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "reverse": false},
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": true},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": false, "showColorScale": false},
            "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": false},
        });
        panel
    }

    fn new(kind: &str, title: &str, description: &str) -> Self {
        Self(json!({
            "type": kind,
            "title": title,
            "description": description,
            "datasource": datasource(),
            "targets": [],
        }))
    }

    /// One more query.
    pub fn query(mut self, query: &str, legend: &str) -> Self {
        let is_heatmap = self.0["type"] == "heatmap";
        if let Some(targets) = self.0["targets"].as_array_mut() {
            let letter = char::from(b'A' + u8::try_from(targets.len() % 26).unwrap_or_default());
            targets.push(json!({
                "refId": letter.to_string(),
                "datasource": datasource(),
                "editorMode": "code",
                "expr": query,
                "legendFormat": legend,
                "format": if is_heatmap { "heatmap" } else { "time_series" },
                "range": true,
            }));
        }
        self
    }

    /// Lines for limits, each from where on values are bad, and whether that is only a warning.
    pub fn limits(mut self, direction: Direction, limits: &[(f64, bool)]) -> Self {
        if limits.is_empty() {
            return self;
        }
        let color = |is_warning: bool| if is_warning { "orange" } else { "red" };
        let mut limits = limits.to_vec();
        limits.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut steps = match direction {
            Direction::AtMost => vec![json!({"color": "green", "value": null})],
            Direction::AtLeast => Vec::new(),
        };
        match direction {
            Direction::AtMost => {
                steps.extend(limits.iter().map(
                    |(limit, is_warning)| json!({"color": color(*is_warning), "value": limit}),
                ))
            }
            // The color below a limit belongs to the step before it.
            Direction::AtLeast => {
                let mut from = Value::Null;
                for (limit, is_warning) in &limits {
                    steps.push(json!({"color": color(*is_warning), "value": from}));
                    from = json!(limit);
                }
                steps.push(json!({"color": "green", "value": from}));
            }
        }
        let defaults = &mut self.0["fieldConfig"]["defaults"];
        defaults["thresholds"] = json!({"mode": "absolute", "steps": steps});
        if self.0["type"] == "timeseries" {
            self.0["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] =
                json!({"mode": "dashed"});
        }
        self
    }
}

/// The data source that is chosen at the top of the dashboard.
pub(super) fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn unit_id(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "s",
        Unit::Share => "percentunit",
        Unit::PerSecond => "ops",
        Unit::Bytes => "decbytes",
        Unit::BytesPerSecond => "Bps",
        Unit::Number => "short",
    }
}
