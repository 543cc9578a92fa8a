//! HTTP: the entry points.
//!
//! The `client` does what is the same with any transport: credentials, cookies and redirects. A
//! `transport` carries single requests over connections; that file lists the transports.

mod auth;
mod client;
mod connect;
mod cookies;
mod direct;
mod failure;
mod redirect;
mod request;
mod reqwest;
#[cfg(test)]
mod tests;
mod traced;
mod transport;

pub use self::auth::basic::basic;
pub use self::connect::{ConnectOptions, TlsConfig};
pub use self::direct::DirectClient;
pub use self::reqwest::{PageReader, ReqwestClient};
pub use self::traced::TracedClient;
