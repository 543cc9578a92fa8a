//! SLOs as queries of the response times that the service exports itself, in production.
//!
//! Not here: what else the scenario observes of it (`observed`).

use super::indicator::Indicator;
use super::observed;
use super::promql::{number, quoted, rewritten, series, time};
use crate::plan::{Endpoint, Metric, Plan, Slo, Template, TemplatePart};

/// The bounds that OpenTelemetry recommends for the times of HTTP requests; s.
pub const DEFAULT_BUCKETS_S: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Over which time a number is taken where the SLO does not say it.
const WINDOW_S: u64 = 300;

/// For how long it must miss its limit; s.
const LASTING_S: u64 = 120;

/// The histogram of response times that the service exports, and its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceMetric {
    /// Its name without `_bucket`. Times are seconds, unless it ends with `_milliseconds`.
    pub name: String,
    /// Further matchers of its series, such as `job="api"`; may be empty.
    pub selector: String,
    /// The bounds of its buckets; s.
    pub buckets_s: Vec<f64>,
    /// The label of the route.
    pub route_label: String,
    /// The label of the method.
    pub method_label: String,
    /// The label of the status.
    pub status_label: String,
    /// A regular expression of the statuses that count as errors.
    pub errors: String,
}

/// What an SLO is in production.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Objective {
    /// A share of requests that may be bad.
    Budget(Budget),
    /// A number with a limit.
    Value(Indicator),
}

/// A share of requests that may be bad.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Budget {
    /// The series that count the requests that are good.
    pub good: String,
    /// The series that count those that are bad, where there are any.
    pub bad: Option<String>,
    /// The series that count all.
    pub total: String,
    /// The series that are there even if all requests are good, unless the service exports something else.
    pub needed: String,
    /// Above 0 and below 1.
    pub share: f64,
}

impl Budget {
    /// The share of bad requests over a time.
    pub fn bad_share(&self, window: &str) -> String {
        let rate = |series: &str| format!("sum (rate({series}[{window}]))");
        let total = rate(&self.total);
        match &self.bad {
            Some(bad) => format!("{} / {total}", rate(bad)),
            None => format!("1 - {} / {total}", rate(&self.good)),
        }
    }
}

impl ServiceMetric {
    /// The SLO as queries.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub(super) fn objective(&self, plan: &Plan, slo: &Slo) -> Result<Objective, String> {
        let routes = match slo.scope.endpoint() {
            None => Vec::new(),
            Some(name) => self.routes(plan, name)?,
        };
        let selector = rewritten(&self.selector);
        let of = |end: &str, more: &str| {
            let mut matchers = vec![selector.as_str()];
            matchers.extend(routes.iter().map(String::as_str));
            matchers.push(more);
            series(&format!("{}_{end}", self.name), &matchers)
        };
        // The limit that fails a run is the one to hold; the other one warns.
        let objective = slo.critical.unwrap_or(slo.limit);
        let failing = |share: f64| {
            let status =
                |operator: &str| format!("{}{operator}{}", self.status_label, quoted(&self.errors));
            let budget = Budget {
                good: of("count", &status("!~")),
                bad: Some(of("count", &status("=~"))),
                total: of("count", ""),
                needed: of("count", &format!("{}!=\"\"", self.status_label)),
                share: number(share),
            };
            match budget.share > 0.0 && budget.share < 1.0 {
                true => Objective::Budget(budget),
                // Nothing may fail, or everything.
                false => {
                    let window = time(slo.window_s.unwrap_or(WINDOW_S));
                    Objective::Value(Indicator::of_bad(slo, budget.bad_share(&window), 0))
                }
            }
        };
        let window = time(slo.window_s.unwrap_or(WINDOW_S));
        match &slo.metric {
            Metric::ErrorRate => Ok(failing(objective)),
            Metric::Availability => Ok(failing(1.0 - objective)),
            Metric::ResponseTime(percentile) if percentile.quantile() < 1.0 => {
                let quantile = number(percentile.quantile());
                Ok(match self.bound(objective) {
                    Some(le) => Objective::Budget(Budget {
                        good: of("bucket", &le),
                        bad: None,
                        total: of("count", ""),
                        needed: of("bucket", &le),
                        share: number(1.0 - quantile),
                    }),
                    None => {
                        let buckets = of("bucket", "");
                        let query = format!(
                            "histogram_quantile({quantile}, sum by (le) (rate({buckets}[{window}])))"
                        );
                        Objective::Value(
                            self.in_its_unit(Indicator::of_value(slo, query, LASTING_S)),
                        )
                    }
                })
            }
            Metric::MeanResponseTime => {
                let rate = |series: String| format!("sum (rate({series}[{window}]))");
                let query = format!("{}\n/ {}", rate(of("sum", "")), rate(of("count", "")));
                let indicator = Indicator::of_value(slo, query, LASTING_S);
                Ok(Objective::Value(self.in_its_unit(indicator)))
            }
            Metric::ResponseTime(_) | Metric::MaxResponseTime => {
                Err("a histogram does not keep the longest time".to_owned())
            }
            Metric::Throughput => {
                Err("in production, the clients decide how many requests there are".to_owned())
            }
            Metric::Observed(number) => {
                observed::indicator(plan, slo, number).map(Objective::Value)
            }
            Metric::ComponentTime { .. } | Metric::HitRatio { .. } => {
                Err("`Server-Timing` is in responses, not in metrics".to_owned())
            }
            Metric::Measure { .. } => Err("the scenario measures it, not the service".to_owned()),
        }
    }

    /// How many of the histogram's units a second has.
    fn per_second(&self) -> f64 {
        match self.name.ends_with("_milliseconds") {
            true => 1e3,
            false => 1.0,
        }
    }

    fn in_its_unit(&self, indicator: Indicator) -> Indicator {
        let query = match self.per_second() == 1.0 {
            true => indicator.query,
            false => format!("({})\n/ {}", indicator.query, self.per_second()),
        };
        Indicator { query, ..indicator }
    }

    /// The matcher of the bucket that ends at a limit in us, if there is one.
    fn bound(&self, limit_us: f64) -> Option<String> {
        let limit_s = limit_us / 1e6;
        let is_it = |bound: &&f64| (**bound - limit_s).abs() <= limit_s * 1e-9;
        let bound = self.buckets_s.iter().find(is_it)?;
        let le = number(bound * self.per_second());
        Some(match le.fract() == 0.0 {
            // Some write `1`, others `1.0`.
            true => format!("le=~{}", quoted(&format!("{le}(\\.0)?"))),
            false => format!("le={}", quoted(&le.to_string())),
        })
    }

    /// The matchers of the requests in a row of the statistics.
    fn routes(&self, plan: &Plan, row: &str) -> Result<Vec<String>, String> {
        let of_row: Vec<&Endpoint> = plan
            .endpoints
            .iter()
            .filter(|one| one.row() == row)
            .collect();
        if of_row.is_empty() {
            return Err("a service sees requests, not flows".to_owned());
        }
        let paths: Option<Vec<String>> = of_row.iter().map(|one| route(&one.url)).collect();
        let mut paths = paths.ok_or("the path of its requests is known during a run only")?;
        let mut methods: Vec<String> = of_row
            .iter()
            .map(|one| regex::escape(one.method.as_str()))
            .collect();
        for list in [&mut paths, &mut methods] {
            list.sort();
            list.dedup();
        }
        Ok(vec![
            format!("{}=~{}", self.method_label, quoted(&methods.join("|"))),
            format!("{}=~{}", self.route_label, quoted(&paths.join("|"))),
        ])
    }
}

/// A regular expression for the route of a URL, however the service's framework writes what is variable: `{id}`, `:id` or
/// `<id>`. `None` where the path is filled in whole.
fn route(url: &Template) -> Option<String> {
    /// Stands for what is filled in; no URL has it.
    const SLOT: char = '\0';
    let parts = url.parts().iter();
    let text: String = parts
        .map(|part| match part {
            TemplatePart::Literal(text) => text.as_str(),
            TemplatePart::Slot { .. } => "\0",
        })
        .collect();
    let path = match text.split_once("://") {
        None => text.as_str(),
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') {
        return None;
    }
    // With a slash at the end or without one.
    let (path, end) = match path.trim_end_matches('/') {
        "" => ("/", ""),
        path => (path, "/?"),
    };
    let segments = path.split('/').map(|segment| match segment.contains(SLOT) {
        true => "[{:<*][^/]*".to_owned(),
        false => regex::escape(segment),
    });
    Some(segments.collect::<Vec<_>>().join("/") + end)
}
