//! How the service is reached: certificates, proxy, local addresses, and the protocol of connections.
//!
//! Here: what the scenario says, with its files read. Not here: connecting (`protocol`). None of it is
//! part of the fingerprint, except what an endpoint requires of its own connections.

mod no_proxy;
pub(super) mod trace;

use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize, Serializer};

pub use no_proxy::NoProxy;

/// How all requests of a run reach the service.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Transport {
    /// The HTTP client that sends the requests.
    #[serde(skip_serializing_if = "ClientChoice::is_default")]
    pub client: ClientChoice,
    /// Trusted CAs and client certificate.
    #[serde(skip_serializing_if = "Tls::is_default")]
    pub tls: Tls,
    /// The proxy, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Addresses of this machine that virtual users connect from, in turn; any when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local_addresses: Vec<IpAddr>,
    /// Where connections lead elsewhere than their URLs say; at most one entry for a host and port.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_to: Vec<ConnectTo>,
}

impl Transport {
    /// Whether the scenario sets nothing here.
    pub fn is_default(&self) -> bool {
        self.client.is_default()
            && self.tls.is_default()
            && self.proxy.is_none()
            && self.local_addresses.is_empty()
            && self.connect_to.is_empty()
    }
}

/// Connections to one host and port that are made to another. Only the connection: the name in TLS,
/// in the `host` header and of cookies stays that of the URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectTo {
    /// A name, as URLs have it.
    pub host: String,
    /// Of the URL, where it is that of the scheme, too.
    pub port: u16,
    /// A name, or an address without brackets.
    pub to_host: String,
    /// Above 0.
    pub to_port: u16,
}

/// The HTTP client that sends the requests of a run. How long a request takes and what it costs
/// depends on it, so runs by different clients are not compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientChoice {
    /// reqwest, which is proven.
    #[default]
    Reqwest,
    /// HTTP directly over the connections of the user, at a fraction of the cost.
    Direct,
}

impl ClientChoice {
    /// As scenarios and options spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reqwest => "reqwest",
            Self::Direct => "direct",
        }
    }

    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Trusted CAs and client certificate for TLS.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tls {
    /// CAs that are trusted in addition to those of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Authorities>,
    /// The client's own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Whether certificate verification is skipped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Whether no TLS session is resumed: each connection does a full handshake.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub full_handshakes: bool,
}

impl Tls {
    /// Whether the scenario sets nothing here.
    pub fn is_default(&self) -> bool {
        self.authorities.is_none()
            && self.identity.is_none()
            && !self.insecure
            && !self.full_handshakes
    }
}

/// Certificates of CAs. Serialized as the path.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// As written in the scenario.
    pub path: String,
    /// At least one.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl Serialize for Authorities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(serializer)
    }
}

/// A client certificate with its chain and its key. Serialized as the path.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Of the certificate, as written in the scenario.
    pub path: String,
    /// Certificate, chain and key.
    pub certified: Arc<CertifiedKey>,
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(serializer)
    }
}

/// A proxy: plain HTTP requests go to it, HTTPS requests go through a tunnel.
#[derive(Debug, Clone, Serialize)]
pub struct Proxy {
    /// `http://` or `https://`, without credentials.
    pub url: String,
    /// User name and password for the proxy itself.
    #[serde(skip)]
    pub credentials: Option<(String, String)>,
    /// What is reached without it.
    pub no_proxy: Vec<NoProxy>,
}

/// The version of HTTP that an endpoint's requests are sent in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum HttpChoice {
    /// HTTP/2 if a TLS server offers it, HTTP/1.1 otherwise.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1 always.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2 always; without TLS by prior knowledge.
    #[serde(rename = "2")]
    Http2,
}

impl HttpChoice {
    /// Whether a connection can become one by HTTP/2: where that is meant, or where TLS decides, if there `is_tls` on the
    /// way.
    pub fn may_be_http2(self, is_tls: bool) -> bool {
        match self {
            Self::Auto => is_tls,
            Self::Http1 => false,
            Self::Http2 => true,
        }
    }
}

/// What an endpoint requires of its connections. Endpoints with the same requirements share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Wire {
    /// The version of HTTP.
    pub http_version: HttpChoice,
    /// Whether connections are kept open for the next request.
    pub keep_alive: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            http_version: HttpChoice::Auto,
            keep_alive: true,
        }
    }
}

impl Wire {
    /// Whether the scenario sets nothing here.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
