//! What the sessions of a worker share: buffers, heads, and how the service is reached.
//!
//! Not here: what belongs to one session (`transport`).

use std::cell::RefCell;

use ::http::header::HeaderValue;
use rustls::ClientConfig;
use url::Url;

use super::connection::origin::Origin;
use super::connection::proxy::DirectProxy;
use super::response::head_cache::HeadCache;
use crate::error::Error;
use crate::plan::{ConnectTo, HttpChoice, Plan};
use crate::protocol::http::connect::TlsConfig;

/// How much is read at once; bytes. Each read lets the service send more, and wakes it: with 64 KiB, nginx took twice
/// the CPU time for a body of 1 MB. Memory that nothing is read into is never used.
const READ: usize = 512 << 10;

/// What the sessions of a worker share.
pub struct DirectResources {
    pub(super) tls: ClientConfig,
    /// Borrowed by whoever reads, for as long as that does not wait.
    pub(super) read_buffer: RefCell<Box<[u8]>>,
    /// Likewise by whoever writes.
    pub(super) write_buffer: RefCell<Vec<u8>>,
    /// The heads that services send again and again.
    pub(super) heads: RefCell<HeadCache>,
    /// Where connections lead elsewhere.
    pub(super) connect_to: Vec<ConnectTo>,
    pub(super) proxy: Option<DirectProxy>,
    /// Whether TLS sessions are resumed.
    pub(super) is_resuming: bool,
}

impl DirectResources {
    /// For the sessions of a plan.
    ///
    /// # Errors
    /// When its proxy cannot be used.
    pub(super) fn new(plan: &Plan, tls: TlsConfig) -> Result<Self, Error> {
        let proxy = plan.transport.proxy.as_ref().map(DirectProxy::new);
        Ok(Self {
            tls: tls.config,
            read_buffer: RefCell::new(vec![0; READ].into()),
            write_buffer: RefCell::default(),
            heads: RefCell::default(),
            connect_to: plan.transport.connect_to.clone(),
            proxy: proxy.transpose()?,
            is_resuming: !plan.transport.tls.full_handshakes,
        })
    }

    /// What a connection for a URL can be used for; `None` for a URL that has no host.
    pub(super) fn origin(&self, url: &Url, version: HttpChoice) -> Option<Origin> {
        let is_proxied = self.proxy.as_ref().is_some_and(|proxy| proxy.carries(url));
        Origin::of(url, version, is_proxied)
    }

    /// Whether a connection to an origin can become one by HTTP/2: where it is meant, or where TLS decides, to the
    /// service or to the proxy.
    pub(super) fn may_be_http2(&self, origin: &Origin) -> bool {
        origin
            .version
            .may_be_http2(origin.is_tls || origin.is_proxied)
    }

    /// The credentials for the proxy that are part of each request, rather than of a tunnel.
    pub(super) fn to_proxy(&self, origin: &Origin) -> Option<&HeaderValue> {
        let proxy = self.proxy.as_ref().filter(|_| origin.is_passed_on())?;
        proxy.authorization.as_ref()
    }
}
