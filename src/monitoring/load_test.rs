//! SLOs as queries of what a load test exports of itself.
//!
//! A number without a window is that of the run so far, as its counters begin with it. Not here: what the service says
//! of itself (`observed`).

use super::indicator::Indicator;
use super::observed;
use super::promql::{any_of, number, quoted, series, time};
use crate::metrics::{Outcome, exported};
use crate::plan::{Metric, Plan, Slo};

/// For how long the number of a run must miss its limit: the first requests say little.
const LASTING_S: u64 = 30;

/// Over which time there is a rate where the SLO does not say it.
const RATE_S: u64 = 60;

/// Which series are meant.
#[derive(Debug, Clone)]
pub(super) struct SeriesChoice {
    /// Their matchers.
    pub matchers: String,
    /// What else must hold for a series, as an operator and its right side; may be empty.
    pub also: String,
}

/// The SLO as a query of the series that are `chosen`.
///
/// # Errors
/// Why it cannot be said.
pub(super) fn indicator(
    plan: &Plan,
    slo: &Slo,
    chosen: &SeriesChoice,
) -> Result<Indicator, String> {
    let named = slo.scope.endpoint();
    let is_flow = plan
        .flows
        .iter()
        .any(|flow| Some(flow.name.as_str()) == named);
    let (counter, times, label) = match is_flow {
        true => (
            exported::FLOWS_TOTAL,
            exported::FLOW_TIME_SECONDS,
            exported::FLOW,
        ),
        false => (
            exported::REQUESTS_TOTAL,
            exported::RESPONSE_TIME_SECONDS,
            exported::ENDPOINT,
        ),
    };
    let measured = format!("{}=\"true\"", exported::MEASURED);
    let row = named.map_or_else(String::new, |name| format!("{label}={}", quoted(name)));
    // The series of a metric, with one more matcher.
    let of = |metric: &str, more: &str| series(metric, &[&chosen.matchers, &measured, &row, more]);
    let counted = |metric: &str, more: &str, by: &str| {
        let series = of(metric, more);
        let counts = match slo.window_s {
            None => series,
            Some(window_s) => format!("rate({series}[{}])", time(window_s)),
        };
        format!("sum by ({by}) ({counts}{})", chosen.also)
    };
    // Runs at the same time do not mix: some series have their name, and others where they were read.
    let run = format!("{}, {}", exported::INSTANCE, exported::RUN);
    let run = run.as_str();
    // Times that are only a lower bound count, as in reports; those of failed requests do not.
    let times_of = |end: &str, by: &str| {
        let class = format!("{}!=\"failed\"", exported::CLASS);
        counted(&format!("{times}_{end}"), &class, by)
    };
    let bad = |is_bad: fn(Outcome) -> bool| {
        let bad = outcomes(is_bad);
        let finished = outcomes(|outcome| outcome == Outcome::Ok || outcome.is_failure());
        let (bad, finished) = (
            counted(counter, &bad, run),
            counted(counter, &finished, run),
        );
        // Without a failure so far, there is no series of failures.
        Indicator::of_bad(
            slo,
            format!("({bad} or 0 * {finished})\n/ {finished}"),
            LASTING_S,
        )
    };
    match &slo.metric {
        Metric::ErrorRate => Ok(bad(Outcome::is_failure)),
        Metric::Availability => Ok(bad(Outcome::is_unavailable)),
        Metric::ResponseTime(percentile) if percentile.quantile() < 1.0 => {
            let buckets = times_of("bucket", &format!("{run}, le"));
            let quantile = number(percentile.quantile());
            let query = format!("histogram_quantile({quantile}, {buckets})");
            Ok(Indicator::of_value(slo, query, LASTING_S))
        }
        Metric::MeanResponseTime => {
            let (sum, count) = (times_of("sum", run), times_of("count", run));
            Ok(Indicator::of_value(
                slo,
                format!("{sum}\n/ {count}"),
                LASTING_S,
            ))
        }
        Metric::ResponseTime(_) | Metric::MaxResponseTime => {
            Err("a histogram does not keep the longest time".to_owned())
        }
        Metric::Throughput => {
            let window_s = slo.window_s.unwrap_or(RATE_S);
            let rate = |more: &str, over_s: u64| {
                let series = of(counter, more);
                let over = time(over_s);
                format!("sum by ({run}) (rate({series}[{over}]){})", chosen.also)
            };
            let ok = outcomes(|outcome| outcome == Outcome::Ok);
            let (ok, all) = (rate(&ok, window_s), rate("", window_s));
            // The time covers the beginning, in which the window is not full yet. The guard covers the end, and what is
            // not measured in between.
            Ok(Indicator {
                guard: format!("{} > 0", rate("", (window_s / 2).max(LASTING_S))),
                ..Indicator::of_value(slo, format!("{ok}\nor 0 * {all}"), window_s)
            })
        }
        Metric::Observed(observed) => {
            let users = series(exported::USERS, &[&chosen.matchers]);
            Ok(Indicator {
                // Only while there is load.
                guard: format!("on () count({users})"),
                ..observed::indicator(plan, slo, observed)?
            })
        }
        Metric::ComponentTime { .. } | Metric::HitRatio { .. } => {
            Err("what `Server-Timing` says is not exported".to_owned())
        }
        Metric::Measure { .. } => Err("what a scenario measures itself is not exported".to_owned()),
    }
}

/// The matcher of the outcomes that `is_wanted`.
pub(super) fn outcomes(is_wanted: impl Fn(Outcome) -> bool) -> String {
    let wanted = || {
        Outcome::ALL
            .into_iter()
            .filter(|outcome| is_wanted(*outcome))
    };
    let names = |outcomes: &mut dyn Iterator<Item = Outcome>| any_of(outcomes.map(Outcome::name));
    let others = || {
        let all = Outcome::ALL.into_iter();
        all.filter(|outcome| outcome.is_started() && !is_wanted(*outcome))
    };
    // Whichever is shorter.
    match wanted().count() <= others().count() {
        true => format!("{}=~{}", exported::OUTCOME, quoted(&names(&mut wanted()))),
        false => format!("{}!~{}", exported::OUTCOME, quoted(&names(&mut others()))),
    }
}
