//! perfctl is a load-testing tool for HTTP services. It reads a YAML scenario, sends the requests,
//! measures the responses, and grades the result against SLOs and a baseline. It returns an exit
//! code that CI can act on.
//!
//! Data flow, and the folders along it:
//!
//! ```text
//! YAML -> scenario -> Plan -> engine -> Sample -> metrics -> RunResult
//!      -> grading (+ comparison) -> Verdict -> report -> exit code
//! ```
//!
//! Stored results of many runs make a history, which is reported like one run.
//!
//! Data flows in one direction only: reports never see the engine, and the engine never sees YAML
//! and never prints. `tests/it/architecture` checks which module may use which.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod capacity;
pub mod check;
pub mod cli;
pub mod comparison;
pub mod demo;
pub mod engine;
pub mod error;
pub mod exporters;
pub mod findings;
pub mod grading;
pub mod history;
pub mod metrics;
pub mod monitoring;
pub mod observation;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod scenario;
pub mod script;
pub mod serve;
pub mod units;
