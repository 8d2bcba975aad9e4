//! Whether a pull gets on.
//!
//! How long a pull may take depends on image and network, so no clock alone can tell a slow registry from one that keeps us waiting on
//! purpose. What counts is what is new: a layer that has come further, a state that it was not in before. Messages that repeat themselves count
//! for nothing, and bytes only when enough of them come.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use signet_oci::daemon::Message;

/// Bytes that must come in each second, on the average of the patience.
const LEAST_RATE: i64 = 1024;
/// How many bytes of a layer may come whose size the registry does not tell.
const MOST_UNANNOUNCED: i64 = 64 << 20;
/// How many states are told apart. No image has as many; whoever makes them up gains nothing from further ones.
const MOST_STATES: usize = 4096;
/// The whole pull may take this many times the patience.
const PATIENCES: u32 = 24;

/// Why a pull is given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stalled {
    /// Nothing new has come for so long.
    NoProgress(Duration),
    /// It has taken so long altogether.
    TooLong(Duration),
    /// A layer of unknown size does not end.
    Endless,
}

/// What has been seen of one pull.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Duration,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Since when nothing is new.
    since: Instant,
    /// Bytes that have come since then.
    bytes: i64,
    states: HashSet<(String, String)>,
    furthest: HashMap<(String, String), i64>,
    endless: bool,
}

impl Pace {
    /// Begins at `now`, with as much patience for each step.
    pub(super) fn new(patience: Duration, now: Instant) -> Self {
        Self {
            patience,
            began: now,
            state: Mutex::new(State {
                since: now,
                bytes: 0,
                states: HashSet::new(),
                furthest: HashMap::new(),
                endless: false,
            }),
        }
    }

    /// Takes note of one message.
    pub(super) fn note(&self, message: &Message, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (message.id.clone(), message.status.clone());
        let known = state.states.contains(&key);
        // The daemon tries a layer again and again, and counts the seconds until then.
        let is_new = !known && !message.status.starts_with("Retrying in ");
        if is_new && state.states.len() < MOST_STATES {
            state.states.insert(key.clone());
            state.begin_again(now);
        }
        let Some(amount) = &message.progress else {
            return;
        };
        if amount.total <= 0 && amount.current > MOST_UNANNOUNCED && message.status == "Downloading"
        {
            state.endless = true;
        }
        if !state.furthest.contains_key(&key) && state.furthest.len() >= MOST_STATES {
            return;
        }
        let before = state
            .furthest
            .insert(key.clone(), amount.current)
            .unwrap_or(0);
        let further = amount.current.saturating_sub(before);
        if further <= 0 {
            // A layer that begins again has not got further.
            state.furthest.insert(key, before);
            return;
        }
        state.bytes = state.bytes.saturating_add(further);
        let least =
            LEAST_RATE.saturating_mul(self.patience.as_secs().try_into().unwrap_or(i64::MAX));
        if state.bytes >= least {
            state.begin_again(now);
        }
    }

    /// Whether it is time to give up, and otherwise when to look again.
    pub(super) fn judge(&self, now: Instant) -> Result<Instant, Stalled> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let total = self.patience.saturating_mul(PATIENCES);
        if state.endless {
            return Err(Stalled::Endless);
        }
        if now.saturating_duration_since(self.began) >= total {
            return Err(Stalled::TooLong(total));
        }
        let until = state.since + self.patience;
        if now >= until {
            return Err(Stalled::NoProgress(self.patience));
        }
        // An endless layer is to be noticed soon.
        Ok(until
            .min(self.began + total)
            .min(now + Duration::from_secs(1)))
    }
}

impl State {
    fn begin_again(&mut self, now: Instant) {
        self.since = now;
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(100);

    fn message(id: &str, status: &str, current: i64, total: i64) -> Message {
        let text = format!(
            r#"{{"id":"{id}","status":"{status}","progressDetail":{{"current":{current},"total":{total}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn silence_ends_a_pull() {
        let start = Instant::now();
        let pace = Pace::new(PATIENCE, start);
        assert!(pace.judge(start + seconds(99)).is_ok());
        assert_eq!(
            pace.judge(start + seconds(100)),
            Err(Stalled::NoProgress(PATIENCE))
        );
        pace.note(&message("a", "Downloading", 1, 10), start + seconds(99));
        assert!(pace.judge(start + seconds(198)).is_ok());
        assert_eq!(
            pace.judge(start + seconds(199)),
            Err(Stalled::NoProgress(PATIENCE))
        );
    }

    #[test]
    fn what_repeats_itself_or_drips_does_not_count() {
        let start = Instant::now();
        let pace = Pace::new(PATIENCE, start);
        for second in 0..100 {
            let now = start + seconds(second);
            pace.note(&message("a", "Downloading", second as i64, 1 << 30), now);
            pace.note(
                &message("a", &format!("Retrying in {second} seconds"), 0, 0),
                now,
            );
        }
        // The state was new in the first second.
        assert_eq!(
            pace.judge(start + seconds(100)),
            Err(Stalled::NoProgress(PATIENCE))
        );
    }

    #[test]
    fn a_slow_registry_is_waited_for_and_not_for_ever() {
        let start = Instant::now();
        let pace = Pace::new(PATIENCE, start);
        for second in 0..2400 {
            let now = start + seconds(second);
            pace.note(
                &message("a", "Downloading", second as i64 * 2048, 1 << 40),
                now,
            );
            assert!(pace.judge(now).is_ok(), "{second}");
        }
        assert_eq!(
            pace.judge(start + seconds(2400)),
            Err(Stalled::TooLong(PATIENCE * PATIENCES))
        );
    }

    #[test]
    fn a_layer_without_a_size_ends_somewhere() {
        let start = Instant::now();
        let pace = Pace::new(PATIENCE, start);
        pace.note(&message("a", "Downloading", MOST_UNANNOUNCED, 0), start);
        assert!(pace.judge(start).is_ok());
        pace.note(&message("a", "Downloading", MOST_UNANNOUNCED + 1, 0), start);
        assert_eq!(pace.judge(start), Err(Stalled::Endless));
    }

    #[test]
    fn made_up_states_gain_nothing_and_cost_little() {
        let start = Instant::now();
        let pace = Pace::new(PATIENCE, start);
        for number in 0..MOST_STATES {
            pace.note(&message(&number.to_string(), "Waiting", 0, 0), start);
        }
        for number in 0..100_000 {
            let now = start + seconds(50);
            pace.note(
                &message(&format!("new {number}"), "Waiting", 1 << 40, 1 << 41),
                now,
            );
        }
        assert_eq!(
            pace.judge(start + seconds(100)),
            Err(Stalled::NoProgress(PATIENCE))
        );
        assert!(pace.state.lock().unwrap().furthest.len() <= MOST_STATES);
    }
}
