//! TLS of one session: what it offers to servers, and its tickets.

use std::cell::OnceCell;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::plan::HttpChoice;
use crate::protocol::http::connect::tls::{TICKETS, protocols};

/// What a handshake offers to the server, which chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// No protocol: what comes first is a tunnel.
    Nothing,
    /// What this choice allows.
    Version(HttpChoice),
}

/// The TLS configurations of a session, with tickets of its own: a virtual user resumes only its own TLS
/// sessions. Each is made when it is first needed.
pub(crate) struct SessionTls {
    /// With the tickets.
    config: ClientConfig,
    offers: [OnceCell<Arc<ClientConfig>>; 4],
}

impl SessionTls {
    /// From what all sessions of a worker share.
    pub(crate) fn new(shared: &ClientConfig, is_resuming: bool) -> Self {
        let mut config = shared.clone();
        config.resumption = match is_resuming {
            true => Resumption::in_memory_sessions(TICKETS),
            false => Resumption::disabled(),
        };
        Self {
            config,
            offers: Default::default(),
        }
    }

    /// The configuration that offers this.
    pub(crate) fn offering(&self, offer: Offer) -> Arc<ClientConfig> {
        let place = match offer {
            Offer::Nothing => 0,
            Offer::Version(HttpChoice::Auto) => 1,
            Offer::Version(HttpChoice::Http1) => 2,
            Offer::Version(HttpChoice::Http2) => 3,
        };
        let config = self.offers[place].get_or_init(|| {
            let mut config = self.config.clone();
            config.alpn_protocols = match offer {
                Offer::Nothing => Vec::new(),
                Offer::Version(version) => protocols(version),
            };
            Arc::new(config)
        });
        config.clone()
    }
}
