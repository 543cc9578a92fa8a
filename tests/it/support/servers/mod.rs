//! Servers to test against: [`Misbehaving`] has a fault, [`TlsServer`] speaks TLS, [`calibrated`] is
//! slow by a known rule, [`frames`] speaks HTTP/2 by hand, [`recording`] keeps what it was asked, [`Proxy`] forwards. A well-behaved
//! server is `perfctl::demo::Demo`.

pub mod calibrated;
pub mod frames;
mod misbehaving;
mod proxy;
pub mod recording;
pub mod serving;
mod tls;

pub use misbehaving::{Fault, Misbehaving, closed_port};
pub use proxy::Proxy;
pub use tls::{Authority, Certificate, Talk, TlsServer};
