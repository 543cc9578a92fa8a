//! How connections are made with any transport: the options that the workers of a run share.

pub(super) mod dns;
mod local;
pub(super) mod timing;
pub(super) mod tls;

use std::net::IpAddr;

use self::local::LocalAddresses;
pub use self::tls::TlsConfig;
use self::tls::tls_config;
use crate::error::Error;
use crate::plan::Plan;

/// How all workers of a run connect. Made once for a run and cloned for each worker: the clones
/// deal out the local addresses in one turn.
#[derive(Clone)]
pub struct ConnectOptions {
    pub(crate) tls: TlsConfig,
    local_addresses: LocalAddresses,
}

impl ConnectOptions {
    /// For a plan whose relative URLs go to `base`: with the certificates that this machine and
    /// the plan trust.
    ///
    /// # Errors
    /// When this machine has no certificates and the plan needs some, or does not have the local
    /// addresses that the plan names.
    pub fn new(plan: &Plan, base: &str) -> Result<Self, Error> {
        Self::with_tls(plan, tls_config(plan, base)?)
    }

    /// The same with a TLS configuration of the caller's.
    ///
    /// # Errors
    /// When this machine does not have the local addresses that the plan names.
    pub fn with_tls(plan: &Plan, tls: TlsConfig) -> Result<Self, Error> {
        let local_addresses = LocalAddresses::new(&plan.transport.local_addresses)?;
        Ok(Self {
            tls,
            local_addresses,
        })
    }

    /// The address that the next virtual user connects from; `None` leaves it to the system.
    pub(super) fn next_local_address(&self) -> Option<IpAddr> {
        self.local_addresses.next()
    }
}
