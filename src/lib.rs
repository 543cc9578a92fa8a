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

pub use perfctl_core::{check, demo, engine, error, metrics, plan, protocol, script, units};

pub mod capacity;
pub mod cli;
pub mod comparison;
pub mod exporters;
pub mod findings;
pub mod grading;
pub mod history;
pub mod monitoring;
pub mod observation;
pub mod report;
pub mod scenario;
pub mod serve;
