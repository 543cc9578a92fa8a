//! The load path of perfctl, which the program is built on: what is to be sent, the sending, the
//! measuring, and the storing of what was measured.
//!
//! ```text
//! Plan -> engine -> (protocol, check) -> Sample -> metrics -> RunResult
//! ```
//!
//! It is a crate of its own so that it can be optimized by itself: the rest of the program runs
//! once, or once a second, and takes longer to optimize than all of this. Nothing here knows YAML,
//! reports or the command line.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod check;
pub mod demo;
pub mod engine;
pub mod error;
pub mod metrics;
pub mod plan;
pub mod protocol;
pub mod script;
pub mod units;
