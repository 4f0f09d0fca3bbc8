//! Counts connections, in all and by address.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

/// How many there are. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<Mutex<ConnectionCounts>>);

#[derive(Debug, Default)]
struct ConnectionCounts {
    total: usize,
    by_address: HashMap<AddressKey, usize>,
}

/// As many are there already as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// In all.
    InAll,
    /// Of the address.
    OfAddress,
}

/// A connection that is counted until this is released or dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    count: Count,
    /// `None`: it counts in all alone.
    address: Option<AddressKey>,
    is_released: AtomicBool,
}

impl Count {
    /// Counts one more connection of this address, if there may be one.
    pub(crate) fn admit(
        &self,
        client: Option<IpAddr>,
        most: usize,
        most_of_address: usize,
    ) -> Result<Permit, Full> {
        let address = client.map(AddressKey::from);
        let mut counted = self.0.lock();
        if counted.total >= most {
            return Err(Full::InAll);
        }
        counted.admit(address, most_of_address)?;
        counted.total += 1;
        Ok(Permit { count: self.clone(), address, is_released: AtomicBool::new(false) })
    }

    /// How many there are.
    pub(crate) fn total(&self) -> usize {
        self.0.lock().total
    }

    #[cfg(test)]
    pub(super) fn addresses(&self) -> usize {
        self.0.lock().by_address.len()
    }
}

impl ConnectionCounts {
    fn admit(&mut self, address: Option<AddressKey>, most: usize) -> Result<(), Full> {
        let Some(address) = address else { return Ok(()) };
        let open = self.by_address.get(&address).copied().unwrap_or_default();
        if open >= most {
            return Err(Full::OfAddress);
        }
        self.by_address.insert(address, open + 1);
        Ok(())
    }
}

impl Permit {
    /// The connection is known to be of this address now, if there may be one more of it.
    pub(crate) fn assign(&mut self, client: IpAddr, most_of_address: usize) -> Result<(), Full> {
        let address = Some(AddressKey::from(client));
        self.count.0.lock().admit(address, most_of_address)?;
        self.address = address;
        Ok(())
    }

    /// The connection does not count any more.
    pub fn release(&self) {
        if self.is_released.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut counted = self.count.0.lock();
        counted.total = counted.total.saturating_sub(1);
        let Some(address) = self.address else { return };
        if let Entry::Occupied(mut open) = counted.by_address.entry(address) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
    }
}

/// What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 one. Small, since each connection keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AddressKey(NonZeroU64);

impl From<IpAddr> for AddressKey {
    fn from(client: IpAddr) -> Self {
        let key = match client.to_canonical() {
            // Next to what no network uses: 0:1::/64 and its neighbours.
            IpAddr::V4(address) => 1 << 32 | u64::from(address.to_bits()),
            #[allow(clippy::cast_possible_truncation, reason = "64 bits are left")]
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        // ::1 and its like have only zeros there.
        Self(NonZeroU64::new(key).unwrap_or(NonZeroU64::MIN))
    }
}
