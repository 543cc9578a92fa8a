//! What is reached without the proxy.
//!
//! Here: the entries of `no_proxy`, and which URLs each of them means. Not here: the proxy itself
//! (`transport`).

use std::net::IpAddr;

use serde::{Serialize, Serializer};
use url::{Host, Url};

/// An entry of `no_proxy`. Serialized as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoProxy {
    written: String,
    hosts: Hosts,
    /// The port that it means; any by default.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// In lower case, with the names below it.
    Name(String),
    /// The addresses that begin with so many bits of this one.
    Network(IpAddr, u32),
}

impl NoProxy {
    /// Reads `*`, a name, an address, a network such as `10.0.0.0/8`, or a name or an address with
    /// a port.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (hosts, port) = match text {
            "*" => (Hosts::All, None),
            _ => parse(text)?,
        };
        Ok(Self {
            written: text.to_owned(),
            hosts,
            port,
        })
    }

    /// Whether a URL is reached without the proxy.
    pub fn matches(&self, url: &Url) -> bool {
        let is_port = self.port.is_none() || self.port == url.port_or_known_default();
        let is_host = match (&self.hosts, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Name(name), Some(Host::Domain(host))) => {
                let above = host.strip_suffix(name.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            (Hosts::Network(network, bits), Some(Host::Ipv4(host))) => {
                is_inside(IpAddr::V4(host), *network, *bits)
            }
            (Hosts::Network(network, bits), Some(Host::Ipv6(host))) => {
                is_inside(IpAddr::V6(host), *network, *bits)
            }
            _ => false,
        };
        is_port && is_host
    }
}

impl Serialize for NoProxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

fn parse(text: &str) -> Result<(Hosts, Option<u16>), String> {
    if let Ok(address) = text.parse() {
        return Ok((Hosts::Network(address, bits_of(address)), None));
    }
    if let Some((address, bits)) = text.split_once('/') {
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("`{address}` is not an address"))?;
        let most = bits_of(address);
        let bits = bits.parse().ok().filter(|bits| *bits <= most);
        let bits =
            bits.ok_or_else(|| format!("the network `{text}` has no size from 0 to {most}"))?;
        return Ok((Hosts::Network(address, bits), None));
    }
    let (host, port) = match text.rsplit_once(':') {
        None => (text, None),
        Some((host, port)) => {
            let number = port.parse().ok().filter(|port| *port > 0);
            (
                host,
                Some(number.ok_or_else(|| format!("`{port}` is not a port"))?),
            )
        }
    };
    // A dot in front says that the names below are meant, as they always are.
    let name = host.strip_prefix('.').unwrap_or(host);
    let hosts = match Host::parse(name) {
        Ok(Host::Domain(name)) => Hosts::Name(name),
        Ok(Host::Ipv4(address)) => Hosts::Network(IpAddr::V4(address), 32),
        Ok(Host::Ipv6(address)) => Hosts::Network(IpAddr::V6(address), 128),
        Err(_) => return Err(format!("`{host}` is not a host")),
    };
    match &hosts {
        Hosts::Name(name) if name.contains('*') => Err(format!("`{host}` is not a host")),
        _ => Ok((hosts, port)),
    }
}

fn bits_of(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_inside(host: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            let different = host.to_bits() ^ network.to_bits();
            different.leading_zeros() >= bits
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => {
            let different = host.to_bits() ^ network.to_bits();
            different.leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_entry_means_its_hosts_and_no_others() {
        let hosts = [
            "http://example.org/",
            "https://a.EXAMPLE.org/",
            "http://notexample.org:8080/",
            "http://10.1.2.3/",
            "http://10.1.2.3:8080/",
            "http://[fd00::1]/",
        ];
        for (entry, meant) in [
            ("*", "yyyyyy"),
            ("example.org", "yynnnn"),
            (".Example.org", "yynnnn"),
            ("example.org:443", "nynnnn"),
            ("notexample.org:8080", "nnynnn"),
            ("10.1.2.3", "nnnyyn"),
            ("10.1.2.3:8080", "nnnnyn"),
            ("10.0.0.0/8", "nnnyyn"),
            ("10.1.2.0/31", "nnnnnn"),
            ("10.1.2.2/31", "nnnyyn"),
            ("0.0.0.0/0", "nnnyyn"),
            ("fd00::/8", "nnnnny"),
            ("::1", "nnnnnn"),
            ("[fd00::1]:80", "nnnnny"),
            ("org", "yyynnn"),
        ] {
            let read = NoProxy::parse(entry).unwrap();
            let is_meant = |url: &&str| match read.matches(&Url::parse(url).unwrap()) {
                true => 'y',
                false => 'n',
            };
            assert_eq!(
                hosts.iter().map(is_meant).collect::<String>(),
                meant,
                "{entry}"
            );
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in [
            "10.0.0.0/99",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "a/8",
            "fd00::/129",
            "host:",
            "host:http",
            "host:0",
            "host:99999",
            "*.example.org",
            "*:80",
            "http://example.org",
            "a b",
            ":80",
            "",
        ] {
            assert!(NoProxy::parse(bad).is_err(), "{bad}");
        }
    }
}
