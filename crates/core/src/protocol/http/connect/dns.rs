//! Name resolution by the system, the same for every client.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use crate::protocol::http::failure::DnsError;

/// The addresses of a host, and how long its name took to resolve: no time at all if it is an address itself.
///
/// # Errors
/// Why it has none.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
) -> Result<(Vec<SocketAddr>, Option<Duration>), DnsError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok((vec![SocketAddr::new(address, port)], None));
    }
    let started = Instant::now();
    match tokio::net::lookup_host((host, port)).await {
        Ok(found) => Ok((found.collect(), Some(started.elapsed()))),
        Err(source) => {
            let host = host.to_owned();
            Err(DnsError { host, source })
        }
    }
}
