//! The addresses of this machine that virtual users connect from.

use std::net::{IpAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// How many virtual users have asked for an address, of all workers.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// The addresses that a plan names.
pub(super) struct LocalAddresses(Vec<IpAddr>);

impl LocalAddresses {
    /// # Errors
    /// When this machine has not all of them.
    pub(super) fn new(addresses: &[IpAddr]) -> Result<Self, Error> {
        for address in addresses {
            // Binds without sending anything.
            UdpSocket::bind((*address, 0)).map_err(|source| Error::LocalAddress {
                address: *address,
                source,
            })?;
        }
        Ok(Self(addresses.to_owned()))
    }

    /// The address that the next virtual user connects from: one after the other, whichever worker
    /// the users belong to. `None` leaves it to the system.
    pub(super) fn next(&self) -> Option<IpAddr> {
        if self.0.is_empty() {
            return None;
        }
        let number = ASKED.fetch_add(1, Ordering::Relaxed);
        Some(self.0[number % self.0.len()])
    }
}
