//! How many passwords wait to be checked, and from where. Who comes when there is no place is asked to come back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most of all networks together.
const MOST: usize = 64;
/// Most of one network, so that it cannot take the places of all others.
const OF_A_NETWORK: usize = 8;

/// A digest of a network.
type Network = [u8; 32];

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// Only networks from which somebody waits.
    networks: HashMap<Network, usize>,
}

impl Waiting {
    /// A place for somebody from this network; `None` when there is none.
    pub(super) fn enter(&self, network: Network) -> Option<Place<'_>> {
        let mut counts = self.counts();
        let here = counts.networks.get(&network).copied().unwrap_or_default();
        if counts.all >= MOST || here >= OF_A_NETWORK {
            return None;
        }
        counts.all += 1;
        counts.networks.insert(network, here + 1);
        Some(Place {
            waiting: self,
            network,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing that is done with the lock held can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait, given back when dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    waiting: &'a Waiting,
    network: Network,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.waiting.counts();
        counts.all = counts.all.saturating_sub(1);
        match counts.networks.get_mut(&self.network) {
            Some(here) if *here > 1 => *here -= 1,
            _ => {
                counts.networks.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_takes_eight_places_and_all_together_64() {
        let waiting = Waiting::default();
        let mut places: Vec<_> = (0..8).map(|_| waiting.enter([1; 32]).unwrap()).collect();
        assert!(waiting.enter([1; 32]).is_none());
        for network in 2..=8 {
            places.extend((0..8).map(|_| waiting.enter([network; 32]).unwrap()));
        }
        assert!(waiting.enter([9; 32]).is_none());
        places.pop();
        assert!(waiting.enter([1; 32]).is_none());
        assert!(waiting.enter([9; 32]).is_some());
        drop(places);
        let counts = waiting.counts();
        assert_eq!((counts.all, counts.networks.len()), (0, 0));
    }
}
