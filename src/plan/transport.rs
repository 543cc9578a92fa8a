//! How the target is reached: certificates, proxy, own addresses, and what a connection speaks.
//!
//! Here: what the scenario says, files read. Not here: connecting (`protocol`). None of it has a
//! part in the fingerprint, except what an endpoint says of its own connections.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize, Serializer};

/// How all requests of a run reach their targets.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Transport {
    /// What carries the requests.
    #[serde(skip_serializing_if = "ClientChoice::is_default")]
    pub client: ClientChoice,
    /// Whom to trust, and what to show.
    #[serde(skip_serializing_if = "Tls::is_default")]
    pub tls: Tls,
    /// The proxy between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Addresses of this machine that virtual users connect from, in turn; any when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local_addresses: Vec<IpAddr>,
}

impl Transport {
    /// Whether the scenario says nothing of it.
    pub fn is_default(&self) -> bool {
        self.client.is_default()
            && self.tls.is_default()
            && self.proxy.is_none()
            && self.local_addresses.is_empty()
    }
}

/// What carries the requests of a run. How long a request takes and what it costs depends on it, so
/// that runs by different clients are not compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientChoice {
    /// reqwest: HTTP/1.1 and HTTP/2, proxies.
    #[default]
    Reqwest,
    /// HTTP/1.1 straight over the user's own connections, at a fraction of the cost.
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

    /// Whether it is the one that is used when nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whom to trust in a TLS handshake, and what to show.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tls {
    /// Authorities that are trusted beside those of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Authorities>,
    /// The client's own certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Whether any certificate is taken for good.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

impl Tls {
    /// Whether the scenario says nothing of it.
    pub fn is_default(&self) -> bool {
        self.authorities.is_none() && self.identity.is_none() && !self.insecure
    }
}

/// Certificates of authorities. Serialized as the path.
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

/// A proxy: plain requests go to it, others through a tunnel that it makes.
#[derive(Debug, Clone, Serialize)]
pub struct Proxy {
    /// `http://` or `https://`, without credentials.
    pub url: String,
    /// Name and password for the proxy itself.
    #[serde(skip)]
    pub credentials: Option<(String, String)>,
    /// Hosts that are reached without it: names with their subdomains, addresses, networks.
    pub no_proxy: Vec<String>,
}

/// The version of HTTP that an endpoint's requests are sent in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum HttpChoice {
    /// HTTP/2 where a TLS server offers it, HTTP/1.1 elsewhere.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1 always.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2 always: without TLS by prior knowledge.
    #[serde(rename = "2")]
    Http2,
}

/// What an endpoint asks of its connections. Endpoints that ask for the same share them.
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
    /// Whether the scenario says nothing of it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
