//! Files for monitoring tools, made of a scenario's SLOs: dashboards, alert rules, OpenSLO.
//!
//! Here: what these files say, and the queries in them. Not here: exporting the numbers of a run, or where a file
//! goes (`cli`).

mod alerts;
mod dashboard;
mod file;
mod indicator;
mod load_test;
mod observed;
mod open_slo;
mod panels;
mod promql;
mod service;
mod yaml;

pub use alerts::alert_rules;
pub use dashboard::dashboard;
pub use file::ExportedFile;
pub use open_slo::open_slo;
pub use service::{DEFAULT_BUCKETS_S, ServiceMetric};
