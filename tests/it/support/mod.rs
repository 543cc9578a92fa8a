//! What tests of the whole program share: [`Perfctl`] runs the binary, on a [`scenario`] or as it
//! is, against [`servers`]; [`browser`] opens pages, [`clients`] runs a test with each client, [`documents`] reads the README
//! and `docs/`, [`simulation`] makes results without a run.

pub mod browser;
pub mod clients;
pub mod documents;
mod program;
pub mod scenario;
pub mod servers;
pub mod simulation;
mod terminal;
mod works;

pub use program::{Completed, LIMIT, Perfctl, Running, Signal};
pub use servers::{
    Authority, Certificate, Fault, Misbehaving, Proxy, Talk, TlsServer, closed_port, recording,
    serving,
};
pub use terminal::Terminal;

/// Says that a test, or a row of one, cannot run on this machine, and why. In CI, that fails the test.
#[track_caller]
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "cannot run here: {why}");
    eprintln!("SKIPPED: {why}");
}
