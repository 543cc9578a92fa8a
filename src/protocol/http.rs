//! HTTP. Here: the way in, and nothing else.
//!
//! A [`client`] sees to what is the same whatever carries the requests: credentials, cookies and
//! redirects. A [`transport`] carries single requests over connections; it says which there are.

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
mod transport;

pub use self::connect::ConnectOptions;
pub use self::direct::DirectClient;
pub use self::reqwest::ReqwestClient;
