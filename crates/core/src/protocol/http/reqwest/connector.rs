//! Making reqwest clients: one for each virtual user, each kind of connection that the plan asks for,
//! and each place where connections lead elsewhere, with everything that reqwest would do on its own
//! switched off.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::header::PROXY_AUTHORIZATION;
use rustls::ClientConfig;
use rustls::client::Resumption;
use url::{Position, Url};

use super::connect::{Probe, ProbeLayer, Resolver, TlsSessions};
use super::verifier::WatchedVerifier;
use crate::error::Error;
use crate::plan::{ConnectTo, HttpChoice, NoProxy, Transport, Wire};
use crate::protocol::http::connect::TlsConfig;
use crate::protocol::http::connect::tls::protocols;
use crate::protocol::http::request::outgoing::Outgoing;
use crate::protocol::http::transport::MAX_H2_HEAD;

/// Makes the clients of one worker's sessions.
pub struct Connector {
    tls: TlsConfig,
    /// Whether TLS sessions are resumed.
    is_resuming: bool,
    proxy: Option<reqwest::Proxy>,
    /// How long the credentials for it are, in base64; bytes.
    proxy_credentials: Option<usize>,
    no_proxy: Arc<[NoProxy]>,
    connect_to: Vec<ConnectTo>,
}

/// A client of a virtual user.
pub(super) struct UserClient {
    pub(super) wire: Wire,
    /// The entry of `connect_to` that its connections are for; `None` for all that lead where their
    /// URLs say. Apart, since a pool knows connections by host and port alone.
    pub(super) elsewhere: Option<usize>,
    pub(super) client: reqwest::Client,
}

impl Connector {
    /// # Errors
    /// When the proxy cannot be used.
    pub(super) fn new(transport: &Transport, tls: TlsConfig) -> Result<Self, Error> {
        let no_proxy = transport.proxy.as_ref().map(|proxy| &proxy.no_proxy[..]);
        let no_proxy: Arc<[NoProxy]> = no_proxy.unwrap_or_default().into();
        let proxy = transport.proxy.as_ref().map(|proxy| {
            let mut made = reqwest::Proxy::all(&proxy.url)?;
            if !no_proxy.is_empty() {
                let (no_proxy, url) = (no_proxy.clone(), proxy.url.clone());
                let is_meant = move |to: &Url| !no_proxy.iter().any(|one| one.matches(to));
                made = reqwest::Proxy::custom(move |to| is_meant(to).then(|| url.clone()));
            }
            Ok(match &proxy.credentials {
                Some((name, password)) => made.basic_auth(name, password),
                None => made,
            })
        });
        let proxy = proxy
            .transpose()
            .map_err(|error: reqwest::Error| Error::Proxy(error.to_string()))?;
        let credentials = transport
            .proxy
            .as_ref()
            .and_then(|one| one.credentials.as_ref());
        Ok(Self {
            tls,
            proxy_credentials: credentials
                .map(|(name, password)| 4 * (name.len() + ":".len() + password.len()).div_ceil(3)),
            is_resuming: !transport.tls.full_handshakes,
            proxy,
            no_proxy,
            connect_to: transport.connect_to.clone(),
        })
    }

    /// Whether requests for a URL go through the proxy.
    pub(super) fn is_proxied(&self, url: &Url) -> bool {
        self.proxy.is_some() && !self.no_proxy.iter().any(|one| one.matches(url))
    }

    /// What a request has more of if a proxy passes it on, as HTTP/1.1 text: the beginning of its URL,
    /// and credentials for the proxy; bytes.
    pub(super) fn bytes_for_proxy(&self, outgoing: &Outgoing) -> u64 {
        let url = &outgoing.url;
        if url.scheme() != "http" || !self.is_proxied(url) {
            return 0;
        }
        let credentials = match self.proxy_credentials {
            Some(length) if !outgoing.headers.contains_key(PROXY_AUTHORIZATION) => {
                "proxy-authorization: Basic \r\n".len() + length
            }
            _ => 0,
        };
        (url[..Position::BeforePath].len() + credentials) as u64
    }

    /// Where connections for a URL lead elsewhere: the position of the entry, and the entry.
    pub(super) fn elsewhere(&self, url: &Url) -> Option<(usize, &ConnectTo)> {
        let mut entries = self.connect_to.iter().enumerate();
        entries.find(|(_, entry)| {
            url.host_str() == Some(&entry.host) && url.port_or_known_default() == Some(entry.port)
        })
    }

    /// Whether such clients can be made at all.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn try_out(&self, wires: &[Wire]) -> Result<(), String> {
        self.clients(wires, &Arc::default(), None).map(|_| ())
    }

    /// A client for each of these kinds of connection, all for one virtual user.
    ///
    /// # Errors
    /// The error of reqwest.
    pub(super) fn clients(
        &self,
        wires: &[Wire],
        probe: &Arc<Probe>,
        local_address: Option<IpAddr>,
    ) -> Result<Vec<UserClient>, String> {
        let tls = self.tls_of_user(probe);
        let places = std::iter::once(None).chain((0..self.connect_to.len()).map(Some));
        let kinds = places.flat_map(|place| wires.iter().map(move |wire| (*wire, place)));
        kinds
            .map(|(wire, elsewhere)| {
                Ok(UserClient {
                    wire,
                    elsewhere,
                    client: self.client(wire, elsewhere, probe, tls.clone(), local_address)?,
                })
            })
            .collect()
    }

    /// The TLS configuration of all clients of one virtual user, which resume each other's sessions: rustls
    /// resumes one only where the very same verifier has looked at its certificate.
    fn tls_of_user(&self, probe: &Arc<Probe>) -> ClientConfig {
        let mut tls = self.tls.config.clone();
        let tickets = TlsSessions::new(probe.clone(), self.is_resuming);
        tls.resumption = Resumption::store(Arc::new(tickets));
        let watched = WatchedVerifier::new(self.tls.verifier.clone(), probe.clone());
        tls.dangerous().set_certificate_verifier(Arc::new(watched));
        tls
    }

    fn client(
        &self,
        wire: Wire,
        elsewhere: Option<usize>,
        probe: &Arc<Probe>,
        mut tls: ClientConfig,
        local_address: Option<IpAddr>,
    ) -> Result<reqwest::Client, String> {
        tls.alpn_protocols = protocols(wire.http_version);
        let elsewhere = elsewhere.map(|position| &self.connect_to[position]);
        let resolver = Resolver {
            probe: probe.clone(),
            elsewhere: elsewhere.map(|entry| (entry.to_host.clone(), entry.to_port)),
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connector_layer(ProbeLayer(probe.clone()))
            .dns_resolver(resolver)
            // As the other client does: folded lines are one (RFC 9112, section 5.2), and a line that
            // is no field is none, while the rest is read.
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http2_max_header_list_size(MAX_H2_HEAD)
            // Otherwise it clones each request for the case.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .local_address(local_address);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        if wire.http_version == HttpChoice::Http2 {
            builder = builder.http2_prior_knowledge();
        }
        if !wire.keep_alive {
            builder = builder.pool_max_idle_per_host(0);
        }
        builder.build().map_err(|error| error.to_string())
    }
}
