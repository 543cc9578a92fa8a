//! The addresses of this machine that virtual users connect from.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// The addresses that a plan names, dealt out in turn. Clones share the turn.
#[derive(Clone)]
pub(super) struct LocalAddresses {
    addresses: Arc<[IpAddr]>,
    /// How many virtual users of all workers have one.
    assigned: Arc<AtomicUsize>,
}

impl LocalAddresses {
    /// # Errors
    /// When this machine does not have all of them.
    pub(super) fn new(addresses: &[IpAddr]) -> Result<Self, Error> {
        for address in addresses {
            // Binds without sending anything.
            UdpSocket::bind((*address, 0)).map_err(|source| Error::LocalAddress {
                address: *address,
                source,
            })?;
        }
        Ok(Self {
            addresses: addresses.into(),
            assigned: Arc::default(),
        })
    }

    /// The address that the next virtual user connects from: round-robin, whichever worker the
    /// user belongs to. `None` leaves it to the system.
    pub(super) fn next(&self) -> Option<IpAddr> {
        if self.addresses.is_empty() {
            return None;
        }
        let number = self.assigned.fetch_add(1, Ordering::Relaxed);
        Some(self.addresses[number % self.addresses.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_deal_out_the_addresses_in_one_turn() {
        let [a, b] = ["127.0.0.2", "127.0.0.3"].map(|text| text.parse().unwrap());
        let first = LocalAddresses::new(&[a, b]).unwrap();
        let second = first.clone();
        let dealt = [first.next(), second.next(), second.next(), first.next()];
        assert_eq!(dealt, [Some(a), Some(b), Some(a), Some(b)]);
        assert_eq!(LocalAddresses::new(&[]).unwrap().next(), None);
    }
}
