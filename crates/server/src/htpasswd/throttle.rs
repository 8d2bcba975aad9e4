//! Slows down who guesses passwords, without locking out anybody else.
//!
//! Each pair of name and network has a stock of wrong passwords that grows again with time. Who asks from elsewhere, or under another
//! name, has a stock of his own; who is remembered as verified is not asked at all.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use moka::sync::Cache;

/// How many wrong passwords come at once.
const STOCK: u32 = 5;
/// How long one of them takes to grow again.
const REGROWTH: Duration = Duration::from_secs(10);
/// How many pairs are remembered.
const PAIRS: u64 = 65_536;

/// The stocks of pairs that have used some of them.
pub(super) struct Throttle {
    /// When the stock will be whole again.
    whole_at: Cache<[u8; 32], Instant>,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self {
            whole_at: Cache::builder()
                .max_capacity(PAIRS)
                .time_to_live(REGROWTH * (STOCK + 1))
                .build(),
        }
    }

    /// How long to wait until a password may be tried; `None` when it may be now.
    pub(super) fn wait(&self, pair: &[u8; 32], now: Instant) -> Option<Duration> {
        let whole_at = self.whole_at.get(pair)?;
        let missing = whole_at.saturating_duration_since(now);
        let wait = missing.saturating_sub(REGROWTH * (STOCK - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts a wrong password.
    pub(super) fn count(&self, pair: [u8; 32], now: Instant) {
        let whole_at = self.whole_at.get(&pair).map_or(now, |at| at.max(now));
        self.whole_at.insert(pair, whole_at + REGROWTH);
    }
}

/// The network of an address, as far as one customer has it: for IPv6 that is a /64.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_wrong_passwords_come_at_once_and_then_one_each_ten_seconds() {
        let throttle = Throttle::new();
        let start = Instant::now();
        let (mallory, alice) = ([1; 32], [2; 32]);
        for _ in 0..5 {
            assert_eq!(throttle.wait(&mallory, start), None);
            throttle.count(mallory, start);
        }
        assert_eq!(throttle.wait(&mallory, start), Some(REGROWTH));
        assert_eq!(throttle.wait(&alice, start), None, "it is hers alone");
        let later = start + REGROWTH;
        assert_eq!(throttle.wait(&mallory, later), None);
        throttle.count(mallory, later);
        assert_eq!(throttle.wait(&mallory, later), Some(REGROWTH));
    }

    #[test]
    fn a_network_is_what_one_customer_has() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.2"), network("192.0.2.1"));
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2::"));
        assert_ne!(network("2001:db8:1:3::"), network("2001:db8:1:2::"));
    }
}
