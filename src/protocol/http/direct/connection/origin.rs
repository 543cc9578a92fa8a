//! Where a connection leads.

use std::net::IpAddr;

use url::{Host, Url};

/// Scheme, host and port: what a connection can be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether it uses TLS.
    pub(crate) is_tls: bool,
    /// A name, or an address as text without brackets.
    pub(crate) host: String,
    /// The address, where the host is one and needs no resolving.
    pub(crate) address: Option<IpAddr>,
    /// TCP port.
    pub(crate) port: u16,
}

impl Origin {
    /// Of an `http` or `https` URL; `None` for any other.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (host, address) = match url.host()? {
            Host::Domain(name) => (name.to_owned(), None),
            Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(address))),
            Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(address))),
        };
        Some(Self {
            is_tls,
            host,
            address,
            port: url.port_or_known_default()?,
        })
    }
}
