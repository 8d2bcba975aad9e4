//! How many refused requests are recorded: each network's first, then few, and how many more there were.
//!
//! Whoever can connect can be refused as often as he likes. His lines must not fill the disk, nor drown those of others. Whose name is proven
//! has lines of his own, whatever else comes from his network: behind a proxy all come from one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::htpasswd::network;
use crate::http::Origin;

/// How many refusals come at once, and how long one of them takes to be free again: of one network.
const OF_ONE: Stock = Stock {
    size: 20,
    regrowth: Duration::from_secs(1),
};
/// The same, of all networks together.
const OF_ALL: Stock = Stock {
    size: 200,
    regrowth: Duration::from_millis(50),
};
/// How many networks are told apart; the others count as one.
const MOST: usize = 1024;
/// How many networks a summary names.
const MOST_NAMED: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Stock {
    size: u32,
    regrowth: Duration,
}

impl Stock {
    /// Takes one out, if there is one. `whole_at` is when all that were taken will have grown again.
    fn take(self, whole_at: &mut Instant, now: Instant) -> bool {
        let from = (*whole_at).max(now);
        let is_free = from.duration_since(now) <= self.regrowth * (self.size - 1);
        if is_free {
            *whole_at = from + self.regrowth;
        }
        is_free
    }
}

#[derive(Debug)]
struct Source {
    whole_at: Instant,
    left_out: u64,
}

/// What is recorded of refusals.
#[derive(Debug)]
pub(super) struct Refusals {
    sources: BTreeMap<Whose, Source>,
    all: Instant,
}

/// Who was refused.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Whose {
    /// Whoever came from this network without proving who he is.
    Network(String),
    /// A user who proved it.
    User(String),
    /// Several of them.
    Others,
}

/// Refusals that have no line.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct LeftOut {
    pub(super) whose: Whose,
    pub(super) number: u64,
}

impl Refusals {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            sources: BTreeMap::new(),
            all: now,
        }
    }

    /// Whether one more refusal of this origin, or of the user who proved his name, is recorded. Those that are not are counted.
    pub(super) fn admit(&mut self, origin: &Origin, user: Option<&str>, now: Instant) -> bool {
        let peer = origin.peer.map(|peer| network(peer.ip()));
        let mut name = match (user, peer) {
            (Some(user), _) => Whose::User(user.to_owned()),
            (None, Some(network)) => Whose::Network(network),
            (None, None) => Whose::Others,
        };
        // Strangers fill the half that is theirs.
        let most = if user.is_some() { 2 * MOST } else { MOST };
        if !self.sources.contains_key(&name) && self.sources.len() >= most {
            self.sources
                .retain(|_, source| source.left_out > 0 || source.whole_at > now);
            if self.sources.len() >= most {
                name = Whose::Others;
            }
        }
        let source = self.sources.entry(name).or_insert(Source {
            whole_at: now,
            left_out: 0,
        });
        // Users are few and accountable; strangers must not take the room for their lines.
        let is_recorded = OF_ONE.take(&mut source.whole_at, now)
            && (user.is_some() || OF_ALL.take(&mut self.all, now));
        if !is_recorded {
            source.left_out = source.left_out.saturating_add(1);
        }
        is_recorded
    }

    /// What was left out since this was last asked, most first, in few lines.
    pub(super) fn left_out(&mut self) -> Vec<LeftOut> {
        let mut all: Vec<LeftOut> = self
            .sources
            .iter_mut()
            .filter(|(_, source)| source.left_out > 0)
            .map(|(name, source)| LeftOut {
                whose: name.clone(),
                number: std::mem::take(&mut source.left_out),
            })
            .collect();
        all.sort_by_key(|left| std::cmp::Reverse(left.number));
        let rest = all.split_off(all.len().min(MOST_NAMED));
        if !rest.is_empty() {
            all.push(LeftOut {
                whose: Whose::Others,
                number: rest
                    .iter()
                    .fold(0, |sum, left| sum.saturating_add(left.number)),
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Origin {
        Origin {
            peer: Some(format!("{address}:5000").parse().unwrap()),
            ..Origin::default()
        }
    }

    #[test]
    fn the_first_twenty_of_a_network_are_recorded_then_one_each_second_and_the_rest_counted() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let mallory = from("192.0.2.1");
        let recorded = (0..100)
            .filter(|_| refusals.admit(&mallory, None, start))
            .count();
        assert_eq!(recorded, 20);
        assert!(
            refusals.admit(&from("192.0.2.2"), None, start),
            "others have their own"
        );
        let later = start + Duration::from_secs(1);
        assert!(refusals.admit(&mallory, None, later));
        assert!(!refusals.admit(&mallory, None, later));
        let expected = [LeftOut {
            whose: Whose::Network("192.0.2.1".to_owned()),
            number: 81,
        }];
        assert_eq!(refusals.left_out(), expected);
        assert_eq!(refusals.left_out(), []);
    }

    #[test]
    fn many_networks_together_are_bounded_in_lines_and_memory() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let addresses = (0..3000).map(|n| format!("10.0.{}.{}", n / 256, n % 256));
        let recorded = addresses
            .filter(|address| refusals.admit(&from(address), None, start))
            .count();
        assert_eq!(recorded, 200);
        assert!(refusals.sources.len() <= MOST + 1);
        let left_out = refusals.left_out();
        assert_eq!(left_out.len(), MOST_NAMED + 1);
        let numbers: u64 = left_out.iter().map(|left| left.number).sum();
        assert_eq!(numbers, 2800);
        // What is no longer needed makes room.
        let later = start + Duration::from_secs(60);
        for n in 0..MOST {
            refusals.admit(&from(&format!("10.1.{}.{}", n / 256, n % 256)), None, later);
        }
        assert!(
            refusals
                .sources
                .contains_key(&Whose::Network("10.1.0.0".to_owned()))
        );
    }

    #[test]
    fn strangers_do_not_take_the_lines_of_users_who_come_through_the_same_proxy() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let proxy = from("192.0.2.1");
        for n in 0..3000 {
            refusals.admit(&proxy, None, start);
            refusals.admit(&from(&format!("10.2.{}.{}", n / 256, n % 256)), None, start);
        }
        let recorded = |refusals: &mut Refusals, user| {
            let admitted = (0..100).filter(|_| refusals.admit(&proxy, Some(user), start));
            admitted.count()
        };
        assert_eq!(recorded(&mut refusals, "alice"), 20);
        assert_eq!(recorded(&mut refusals, "bob"), 20);
    }
}
