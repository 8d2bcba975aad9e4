//! Slows down who guesses passwords, without locking out anybody else.
//!
//! Each pair of name and network has a stock of wrong passwords that grows again with time, and each network a larger one for all names
//! together, invented ones too. Who asks from elsewhere has stocks of his own; who is remembered as verified is not asked at all.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use moka::sync::Cache;

/// How many stocks of a kind are remembered.
const REMEMBERED: u64 = 65_536;

/// How large a stock is, and how fast it grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stock {
    /// How many wrong passwords come at once.
    size: u32,
    /// How long one of them takes to grow again.
    regrowth: Duration,
}

/// That of a name on a network.
pub(super) const NAME: Stock = Stock {
    size: 5,
    regrowth: Duration::from_secs(10),
};
/// That of a network, whatever the names.
pub(super) const NETWORK: Stock = Stock {
    size: 30,
    regrowth: Duration::from_secs(1),
};

/// The stocks of one kind of which something has been used.
pub(super) struct Throttle {
    stock: Stock,
    /// When the stock will be whole again.
    whole_at: Cache<[u8; 32], Instant>,
}

impl Throttle {
    pub(super) fn new(stock: Stock) -> Self {
        Self {
            stock,
            whole_at: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(stock.regrowth * (stock.size + 1))
                .build(),
        }
    }

    /// How long to wait until a password may be tried; `None` when it may be now.
    pub(super) fn wait(&self, whose: &[u8; 32], now: Instant) -> Option<Duration> {
        let whole_at = self.whole_at.get(whose)?;
        let missing = whole_at.saturating_duration_since(now);
        let wait = missing.saturating_sub(self.stock.regrowth * (self.stock.size - 1));
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts a wrong password.
    pub(super) fn count(&self, whose: [u8; 32], now: Instant) {
        let whole_at = self.whole_at.get(&whose).map_or(now, |at| at.max(now));
        self.whole_at.insert(whose, whole_at + self.stock.regrowth);
    }
}

/// The network of an address, as far as one customer has it: for IPv6 that is a /64.
pub(crate) fn network(address: IpAddr) -> String {
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
        let throttle = Throttle::new(NAME);
        let regrowth = Duration::from_secs(10);
        let start = Instant::now();
        let (mallory, alice) = ([1; 32], [2; 32]);
        for _ in 0..5 {
            assert_eq!(throttle.wait(&mallory, start), None);
            throttle.count(mallory, start);
        }
        assert_eq!(throttle.wait(&mallory, start), Some(regrowth));
        assert_eq!(throttle.wait(&alice, start), None, "it is hers alone");
        let later = start + regrowth;
        assert_eq!(throttle.wait(&mallory, later), None);
        throttle.count(mallory, later);
        assert_eq!(throttle.wait(&mallory, later), Some(regrowth));
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
