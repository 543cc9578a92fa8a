//! Where a connection leads, and what for.

use std::net::IpAddr;

use url::{Host, Url};

use crate::plan::HttpChoice;

/// Scheme, host and port, and the version that is asked for: what a connection can be used for.
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
    /// The version that its requests ask for.
    pub(crate) version: HttpChoice,
    /// Whether it is reached through the proxy.
    pub(crate) is_proxied: bool,
}

impl Origin {
    /// Of an `http` or `https` URL; `None` for any other.
    pub(crate) fn of(url: &Url, version: HttpChoice, is_proxied: bool) -> Option<Self> {
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
            version,
            is_proxied,
        })
    }

    /// Whether the proxy passes each request on, so that it has to be told where to.
    pub(crate) fn is_passed_on(&self) -> bool {
        self.is_proxied && !self.is_tls
    }

    /// Host and port.
    pub(super) fn authority(&self) -> String {
        match self.address {
            Some(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}
