//! Where the numbers of a run go while it goes on, as options name it.
//!
//! Not here: how they get there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Somebody who wants the numbers of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// A page for Prometheus, at this address.
    Page(SocketAddr),
}

/// Parses `9464`, `127.0.0.1:9464` or `[::]:9464`. A port alone is one of this machine only.
///
/// # Errors
/// A phrase that says what is allowed.
pub fn parse_listen_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let address = match port.parse() {
        Ok(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        Err(_) => text.parse().ok(),
    };
    address.ok_or_else(|| {
        "write a port, or an IP address and a port, such as `9464` or `0.0.0.0:9464`".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_this_machine_unless_they_say_otherwise() {
        for (text, address) in [
            ("9464", "127.0.0.1:9464"),
            ("localhost:9464", "127.0.0.1:9464"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:80", "[::]:80"),
        ] {
            assert_eq!(parse_listen_address(text), Ok(address.parse().unwrap()));
        }
        for wrong in ["", "x", "70000", "host:80", "1.2.3.4", "http://1.2.3.4:80"] {
            assert!(
                parse_listen_address(wrong).unwrap_err().contains("such as"),
                "{wrong}"
            );
        }
    }
}
