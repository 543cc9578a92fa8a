//! perfctl puts load on an HTTP service from a YAML scenario, measures it so that the numbers can
//! be believed, grades it against targets and a baseline, and tells a CI job yes or no.
//!
//! The way of the data, and the folders along it:
//!
//! ```text
//! YAML -> scenario -> Plan -> engine -> Sample -> metrics -> RunResult
//!      -> grading (+ comparison) -> Verdict -> report -> exit code
//! ```
//!
//! One direction, no step back: reports never see the engine, the engine never sees YAML and
//! never prints. Which module may use which is checked by `tests/architecture.rs`.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod check;
pub mod cli;
pub mod comparison;
pub mod demo;
pub mod engine;
pub mod error;
pub mod grading;
pub mod metrics;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod scenario;
pub mod units;
