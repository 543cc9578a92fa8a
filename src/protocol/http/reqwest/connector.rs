//! Making reqwest clients: one for each virtual user and each kind of connection that the plan asks
//! for, with everything that reqwest would do on its own switched off.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;

use super::connect::{Probe, ProbeLayer, Resolver, TlsSessions};
use crate::error::Error;
use crate::plan::{HttpChoice, Transport, Wire};

/// Makes the clients of one worker's sessions.
pub struct Connector {
    tls: rustls::ClientConfig,
    proxy: Option<reqwest::Proxy>,
}

impl Connector {
    /// # Errors
    /// When the proxy cannot be used.
    pub(super) fn new(transport: &Transport, tls: rustls::ClientConfig) -> Result<Self, Error> {
        let proxy = transport.proxy.as_ref().map(|proxy| {
            let no_proxy = reqwest::NoProxy::from_string(&proxy.no_proxy.join(","));
            let made = reqwest::Proxy::all(&proxy.url)?.no_proxy(no_proxy);
            Ok(match &proxy.credentials {
                Some((name, password)) => made.basic_auth(name, password),
                None => made,
            })
        });
        let proxy = proxy
            .transpose()
            .map_err(|error: reqwest::Error| Error::Proxy(error.to_string()))?;
        Ok(Self { tls, proxy })
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
    ) -> Result<Vec<(Wire, reqwest::Client)>, String> {
        let tickets = Resumption::store(Arc::new(TlsSessions::new(probe.clone())));
        wires
            .iter()
            .map(|wire| {
                let client = self.client(*wire, probe, tickets.clone(), local_address)?;
                Ok((*wire, client))
            })
            .collect()
    }

    fn client(
        &self,
        wire: Wire,
        probe: &Arc<Probe>,
        tickets: Resumption,
        local_address: Option<IpAddr>,
    ) -> Result<reqwest::Client, String> {
        let mut tls = self.tls.clone();
        tls.resumption = tickets;
        match wire.http_version {
            HttpChoice::Auto => {}
            HttpChoice::Http1 => tls.alpn_protocols = vec![b"http/1.1".to_vec()],
            HttpChoice::Http2 => tls.alpn_protocols = vec![b"h2".to_vec()],
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connector_layer(ProbeLayer(probe.clone()))
            .dns_resolver(Resolver(probe.clone()))
            .retry(reqwest::retry::never())
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
