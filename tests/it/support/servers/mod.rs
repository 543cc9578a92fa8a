//! Servers to test against: [`Misbehaving`] has a fault, [`TlsServer`] speaks TLS, [`calibrated`] is
//! slow by a known rule, [`recording`] keeps what it was asked, [`Proxy`] forwards. A well-behaved
//! server is `perfctl::demo::Demo`.

pub mod calibrated;
mod misbehaving;
mod proxy;
pub mod recording;
pub mod serving;
mod tls;

pub use misbehaving::{Fault, Misbehaving, closed_port};
pub use proxy::Proxy;
pub use tls::{Authority, Certificate, Talk, TlsServer};
