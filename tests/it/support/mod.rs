//! What tests of the whole program share: [`Perfctl`] runs the binary, on a [`scenario`] or as it
//! is, [`Misbehaving`] is a server with a fault, [`TlsServer`] one over TLS, [`calibrated`] one
//! that is slow by a known rule, [`recording`] one that keeps what it was asked, [`clients`] runs a
//! test with each client, [`documents`] reads the README and `docs/`, `scripted.rs` is a load of hours
//! without a target, [`simulation`] makes results without a run. A well-behaved server
//! is `perfctl::demo::Demo`.

pub mod calibrated;
pub mod clients;
pub mod documents;
mod misbehaving;
mod program;
mod proxy;
pub mod recording;
pub mod scenario;
pub mod serving;
pub mod simulation;
mod tls;
#[cfg(test)]
mod works;

pub use misbehaving::{Fault, Misbehaving, closed_port};
pub use program::{Completed, Perfctl, Running, Signal};
pub use proxy::Proxy;
pub use tls::{Authority, Certificate, Talk, TlsServer};
