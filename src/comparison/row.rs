//! What a comparison found about one metric: the numbers, the decision, and a sentence for people;
//! and which rows a comparison has, whatever the rule.
//!
//! Not here: how it is found (`statistical`, `threshold`) and where it is shown (`report`).

use crate::metrics::RunResult;
use crate::plan::{Metric, Model, Percentile, SloScope};
use crate::units::trim_float;

/// One metric of one endpoint, or of all together: baseline and candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is measured of.
    pub scope: SloScope,
    /// In which phase, where there is more than one that is measured.
    pub phase: Option<String>,
    /// Which number.
    pub metric: Metric,
    /// The baseline's value; in the metric's unit.
    pub baseline: Option<f64>,
    /// The candidate's value; in the metric's unit.
    pub value: Option<f64>,
    /// Relative change (0.2 is 20 % more); for an error rate the difference. `None` without data,
    /// or from zero.
    pub change: Option<f64>,
    /// The 95 % confidence interval of the change; as `change`.
    pub range: Option<(f64, f64)>,
    /// The minimum detectable change: the smallest change for the worse that would be found 19
    /// times out of 20; as `change`.
    pub detectable: Option<f64>,
    /// The worst value that counts as no worse than the baseline; a regression is measured by it.
    pub reference: Option<f64>,
    /// What the rule made of it.
    pub decision: Decision,
    /// Whether the overall decision needs it. Other rows can fail a job, but cannot make it
    /// inconclusive.
    pub required: bool,
    /// Why the decision is what it is, for people; empty where the numbers show it.
    pub reason: String,
    /// What else changed along with a regression of the same endpoint: parts of the time, outcomes
    /// of failures, components.
    pub moved_with: Vec<String>,
    /// What more runs could do for it, if it is not decided.
    pub outlook: Outlook,
}

/// What more runs could do for a metric that is not decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outlook {
    /// About how many candidate runs in total would settle it; `None` if no number would.
    pub runs: Option<usize>,
    /// Whether runs on the same occasions, up to the last look, might show a regression.
    pub may_alarm: bool,
    /// Whether they might show that it is unchanged.
    pub may_clear: bool,
}

/// What a comparison decided about a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Worse than before by more than is allowed.
    Regressed,
    /// Better than before by more than that.
    Improved,
    /// Neither.
    Unchanged,
    /// The data cannot tell.
    Inconclusive,
}

impl Decision {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl Row {
    /// A row without data.
    pub(super) fn new(scope: SloScope, metric: Metric) -> Self {
        Self {
            scope,
            phase: None,
            metric,
            baseline: None,
            value: None,
            change: None,
            range: None,
            detectable: None,
            reference: None,
            decision: Decision::Inconclusive,
            required: false,
            reason: String::new(),
            moved_with: Vec::new(),
            outlook: Outlook::default(),
        }
    }

    /// Whether it leaves the overall decision open.
    pub fn is_open(&self) -> bool {
        self.required && self.decision == Decision::Inconclusive
    }

    /// What it is measured of: the endpoint, and the phase where there are several.
    pub fn place(&self) -> String {
        let scope = match &self.scope {
            SloScope::Total => "all endpoints",
            SloScope::Endpoint(name) => name,
        };
        match &self.phase {
            None => scope.to_owned(),
            Some(phase) => format!("{scope} in {phase}"),
        }
    }

    /// A value with its unit, or `-`.
    pub fn format(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "-".into(), |value| self.metric.format(value))
    }

    /// The change with its sign and unit (`+14%`, `-0.31 pp`), or `-`.
    pub fn change_text(&self) -> String {
        let Some(change) = self.change else {
            return "-".to_owned();
        };
        format!("{}{}", self.signed(change), self.unit())
    }

    /// The confidence interval of the change, in its unit: `+8.1..+21`.
    pub fn range_text(&self) -> Option<String> {
        let (low, high) = self.range?;
        Some(format!("{}..{}", self.signed(low), self.signed(high)))
    }

    /// The row as a sentence: `list invoices p95: 41 ms -> 47 ms, +14% (between +8 and +21%),
    /// regressed; minimum detectable change 9%`.
    pub fn sentence(&self) -> String {
        let mut text = format!(
            "{} {}: {} -> {}",
            self.place(),
            self.metric,
            self.format(self.baseline),
            self.format(self.value)
        );
        if self.change.is_some() {
            text += &format!(", {}", self.change_text());
        }
        if let Some((low, high)) = self.range {
            let (low, high) = (self.signed(low), self.signed(high));
            text += &format!(" (between {low} and {high}{})", self.unit());
        }
        text += &format!(", {}", self.decision.name());
        if !self.reason.is_empty() {
            text += &format!(": {}", self.reason);
        }
        if let Some(detectable) = self.detectable {
            let is_detectable = self.change.is_some_and(|change| change.abs() > detectable);
            if self.decision != Decision::Inconclusive || !is_detectable {
                let (size, unit) = (self.size(detectable), self.unit());
                text += &format!("; minimum detectable change {size}{unit}");
            }
        }
        if !self.moved_with.is_empty() {
            text += &format!("; along with {}", self.moved_with.join(", "));
        }
        text
    }

    fn unit(&self) -> &'static str {
        match self.metric {
            Metric::ErrorRate => " pp",
            _ => "%",
        }
    }

    /// With no more digits than the change is known to.
    fn size(&self, change: f64) -> String {
        let size = change.abs() * 100.0;
        let digits = match self.metric {
            Metric::ErrorRate => 2,
            _ if size >= 9.95 => 0,
            _ => 1,
        };
        trim_float(size, digits)
    }

    fn signed(&self, change: f64) -> String {
        let size = self.size(change);
        let sign = match change {
            _ if size == "0" => "",
            change if change < 0.0 => "-",
            _ => "+",
        };
        format!("{sign}{size}")
    }
}

/// All endpoints together, then each whose row is known before the run.
pub(super) fn scopes(run: &RunResult) -> impl Iterator<Item = (Option<usize>, SloScope)> {
    let rows = run.run.endpoints.iter().enumerate();
    let planned = rows.filter(|(_, row)| !row.is_templated);
    let each = planned.map(|(position, row)| (position, row.name.clone()));
    std::iter::once((None, SloScope::Total))
        .chain(each.map(|(position, name)| (Some(position), SloScope::Endpoint(name))))
}

/// What is compared, and whether the overall decision needs it. In an open model the schedule sets
/// the throughput, which says nothing about the service.
pub(super) fn metrics(model: Model) -> Vec<(Metric, bool)> {
    let percentile = |percent| Percentile::new(percent).map(Metric::ResponseTime);
    let mut metrics: Vec<(Metric, bool)> = [(50.0, true), (95.0, true), (99.0, false)]
        .into_iter()
        .filter_map(|(percent, required)| Some((percentile(percent)?, required)))
        .collect();
    metrics.push((Metric::MeanResponseTime, false));
    metrics.push((Metric::ErrorRate, true));
    if model == Model::Closed {
        metrics.push((Metric::Throughput, false));
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_as_a_sentence() {
        let p95 = Metric::ResponseTime(Percentile::new(95.0).unwrap());
        let mut row = Row {
            baseline: Some(41_000.0),
            value: Some(46_800.0),
            change: Some(0.1416),
            range: Some((0.081, 0.207)),
            detectable: Some(0.09),
            decision: Decision::Regressed,
            ..Row::new(SloScope::Endpoint("list invoices".into()), p95)
        };
        let sentence = "list invoices p95: 41.0 ms -> 46.8 ms, +14% (between +8.1 and +21%), \
                        regressed; minimum detectable change 9%";
        assert_eq!(row.sentence(), sentence);
        row.phase = Some("surge".into());
        row.moved_with = vec!["time to first byte +5.9 ms".into()];
        let text = row.sentence();
        assert!(text.starts_with("list invoices in surge p95:"), "{text}");
        assert!(
            text.ends_with("; along with time to first byte +5.9 ms"),
            "{text}"
        );
        row.decision = Decision::Inconclusive;
        assert!(!row.sentence().contains("detectable"), "it is above 9%");
        row.change = Some(0.07);
        assert!(
            row.sentence()
                .ends_with("minimum detectable change 9%; along with time to first byte +5.9 ms")
        );
    }

    #[test]
    fn error_rates_change_by_percentage_points() {
        let row = Row {
            baseline: Some(0.0),
            value: Some(0.0123),
            change: Some(0.0123),
            ..Row::new(SloScope::Total, Metric::ErrorRate)
        };
        assert_eq!(row.change_text(), "+1.23 pp");
        assert_eq!(row.range_text(), None);
        let text = row.sentence();
        assert_eq!(
            text,
            "all endpoints error_rate: 0% -> 1.23%, +1.23 pp, inconclusive"
        );
    }
}
