//! What tests of the whole program share: [`Perfctl`] runs the binary, on a [`scenario`] or as it
//! is, against [`servers`]; [`clients`] runs a test with each client, [`documents`] reads the README
//! and `docs/`, [`simulation`] makes results without a run.

pub mod clients;
pub mod documents;
mod program;
pub mod scenario;
pub mod servers;
pub mod simulation;
mod terminal;
mod works;

pub use program::{Completed, Perfctl, Running, Signal};
pub use servers::{
    Authority, Certificate, Fault, Misbehaving, Proxy, Talk, TlsServer, closed_port, recording,
    serving,
};
pub use terminal::Terminal;
