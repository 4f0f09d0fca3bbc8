//! Who may connect: counts connections, in total and by address, and the handshakes of an address.

use std::net::IpAddr;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
use parking_lot::Mutex;

use super::{
    Limit, Limits,
    count::{AddressKey, Count, Full, Permit},
};

type Handshakes<C> =
    RateLimiter<AddressKey, HashMapStateStore<AddressKey>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// How many addresses are remembered before those that have been quiet are looked for.
const FIRST_SWEEP: usize = 1024;

/// The count of all connections.
#[derive(Debug)]
pub(crate) struct Admission<C: Clock = DefaultClock> {
    count: Count,
    rules: Mutex<Rules<C>>,
    clock: C,
}

#[derive(Debug)]
struct Rules<C: Clock> {
    limits: Limits,
    handshakes: Handshakes<C>,
    /// At how many addresses the next sweep is due. Doubling it keeps the cost of a handshake constant on average.
    next_sweep: usize,
}

impl Admission {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::with_clock(limits, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Admission<C> {
    fn with_clock(limits: Limits, clock: C) -> Self {
        let rules = Mutex::new(Rules::new(limits, clock.clone()));
        Self { count: Count::default(), rules, clock }
    }

    /// Counts a handshake from this address, and the connection that may come of it.
    pub fn admit(&self, client: IpAddr) -> Result<Permit, Limit> {
        let address = AddressKey::from(client);
        let (connections, connections_per_ip) = {
            let mut rules = self.rules.lock();
            rules.count_handshake(address)?;
            (rules.limits.connections, rules.limits.connections_per_ip)
        };
        self.count.admit(Some(client), connections, connections_per_ip).map_err(|full| match full {
            Full::InAll => Limit::Connections(connections),
            Full::OfAddress => Limit::ConnectionsPerIp(connections_per_ip),
        })
    }

    /// New limits for those who come; connections that are open stay, even if they are more than is allowed now.
    pub fn set_limits(&self, limits: Limits) {
        let mut rules = self.rules.lock();
        if rules.limits.handshakes_per_second_per_ip == limits.handshakes_per_second_per_ip {
            rules.limits = limits;
        } else {
            *rules = Rules::new(limits, self.clock.clone());
        }
    }

    /// How many connections are open, or about to be.
    #[must_use]
    pub fn open(&self) -> usize {
        self.count.total()
    }
}

impl<C: Clock> Rules<C> {
    fn new(limits: Limits, clock: C) -> Self {
        let quota = Quota::per_second(limits.handshakes_per_second_per_ip);
        Self { limits, handshakes: RateLimiter::hashmap_with_clock(quota, clock), next_sweep: FIRST_SWEEP }
    }

    fn count_handshake(&mut self, address: AddressKey) -> Result<(), Limit> {
        let limit = self.limits.handshakes_per_second_per_ip;
        self.handshakes.check_key(&address).map_err(|_| Limit::HandshakesPerSecondPerIp(limit))?;
        if self.handshakes.len() >= self.next_sweep {
            self.handshakes.retain_recent();
            self.handshakes.shrink_to_fit();
            self.next_sweep = FIRST_SWEEP.max(self.handshakes.len() * 2);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn limits() -> Limits {
        Limits { connections: 3, connections_per_ip: 2, ..Limits::default() }
    }

    #[test]
    fn connections_are_counted_in_total_and_by_address_until_they_end() {
        let admission = Admission::with_clock(limits(), FakeRelativeClock::default());
        let one = admission.admit(address("10.0.0.1")).expect("room");
        let _two = admission.admit(address("10.0.0.1")).expect("room");
        assert_eq!(admission.admit(address("10.0.0.1")).err(), Some(Limit::ConnectionsPerIp(2)));
        let _three = admission.admit(address("10.0.0.2")).expect("room");
        assert_eq!(admission.admit(address("10.0.0.3")).err(), Some(Limit::Connections(3)));
        assert_eq!(admission.open(), 3);
        drop(one);
        assert_eq!(admission.open(), 2);
        assert!(admission.admit(address("10.0.0.1")).is_ok());
    }

    #[test]
    fn an_address_that_has_no_connection_is_forgotten() {
        let admission = Admission::with_clock(limits(), FakeRelativeClock::default());
        drop(admission.admit(address("10.0.0.1")));
        assert_eq!(admission.count.addresses(), 0);
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_address() {
        let admission = Admission::with_clock(limits(), FakeRelativeClock::default());
        let _one = admission.admit(address("2001:db8::1")).expect("room");
        let _two = admission.admit(address("2001:db8::ffff:1")).expect("room");
        assert_eq!(admission.admit(address("2001:db8::2")).err(), Some(Limit::ConnectionsPerIp(2)));
        assert!(admission.admit(address("2001:db8:0:1::1")).is_ok());
        let _four = admission.admit(address("10.0.0.1")).expect("room");
        assert_eq!(AddressKey::from(address("::ffff:10.0.0.1")), AddressKey::from(address("10.0.0.1")));
    }

    #[test]
    fn handshakes_are_limited_by_address_even_if_none_becomes_a_connection() {
        let clock = FakeRelativeClock::default();
        let two = NonZeroU32::MIN.saturating_add(1);
        let limits = Limits { handshakes_per_second_per_ip: two, ..Limits::default() };
        let admission = Admission::with_clock(limits, clock.clone());
        assert!(admission.admit(address("10.0.0.1")).is_ok());
        assert!(admission.admit(address("10.0.0.1")).is_ok());
        let refused = admission.admit(address("10.0.0.1")).err();
        assert_eq!(refused, Some(Limit::HandshakesPerSecondPerIp(two)));
        assert!(admission.admit(address("10.0.0.2")).is_ok());
        clock.advance(Duration::from_millis(500));
        assert!(admission.admit(address("10.0.0.1")).is_ok());
    }

    #[test]
    fn addresses_that_have_been_quiet_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let admission = Admission::with_clock(Limits::default(), clock.clone());
        for index in 0..100_000_u32 {
            clock.advance(Duration::from_millis(10));
            drop(admission.admit(IpAddr::from(index.to_be_bytes())));
        }
        let remembered = admission.rules.lock().handshakes.len();
        assert!(remembered <= FIRST_SWEEP, "{remembered} addresses are remembered");
    }

    #[test]
    fn new_limits_hold_for_those_who_come() {
        let admission = Admission::with_clock(limits(), FakeRelativeClock::default());
        let _one = admission.admit(address("10.0.0.1")).expect("room");
        let _two = admission.admit(address("10.0.0.1")).expect("room");
        admission.set_limits(Limits { connections: 1, ..limits() });
        assert_eq!(admission.open(), 2);
        assert_eq!(admission.admit(address("10.0.0.2")).err(), Some(Limit::Connections(1)));
        let one = NonZeroU32::MIN;
        admission.set_limits(Limits { handshakes_per_second_per_ip: one, ..limits() });
        assert!(admission.admit(address("10.0.0.2")).is_ok());
        assert_eq!(admission.admit(address("10.0.0.2")).err(), Some(Limit::HandshakesPerSecondPerIp(one)));
    }
}
