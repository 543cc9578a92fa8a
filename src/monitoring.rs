//! Files for monitoring tools, made of a scenario's SLOs: dashboards, alert rules, OpenSLO.
//!
//! Here: what these files say, and the queries in them. Not here: exporting the numbers of a run, or where a file
//! goes (`cli`).

mod alerts;
mod dashboard;
mod indicator;
mod load_test;
mod observed;
mod open_slo;
mod panels;
mod promql;
mod service;
mod yaml;

use crate::plan::{Plan, Slo};

pub use alerts::alert_rules;
pub use dashboard::dashboard;
pub use open_slo::open_slo;
pub use service::{DEFAULT_BUCKETS_S, ServiceMetric};

/// A file, and what could not be said in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported<T> {
    /// What is in the file.
    pub content: T,
    /// A sentence for each SLO that is not in it, with the reason.
    pub left_out: Vec<String>,
}

/// Each SLO of a plan as `express` says it, and a sentence for each that it cannot say.
fn each_slo<T>(
    plan: &Plan,
    mut express: impl FnMut(&Slo) -> Result<T, String>,
) -> (Vec<(&Slo, T)>, Vec<String>) {
    let (mut expressed, mut left_out) = (Vec::new(), plan.skipped_slos.clone());
    for slo in &plan.slos {
        match express(slo) {
            Ok(one) => expressed.push((slo, one)),
            Err(why) => {
                let of = slo.scope.endpoint();
                let of = of.map_or_else(String::new, |name| format!(" of `{name}`"));
                let limit = slo.metric.format(slo.limit);
                left_out.push(format!("`{}`{of} {limit} is left out: {why}", slo.name));
            }
        }
    }
    (expressed, left_out)
}
