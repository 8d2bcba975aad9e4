//! Everything read and judged once, so that what is damaged, contradictory, not trusted or expired is known before somebody asks.

use std::collections::BTreeMap;
use std::sync::Weak;

use signet_archive::{Moment, State, judge};
use signet_tuf::{Gun, TrustPinning};
use time::OffsetDateTime;

use super::feed::{Feed, Gathering};
use super::shelf::{Held, Kept, Shelf};

/// How many repositories are named in the log, of each kind; of the others there is the number.
const NAMED: u64 = 100;

/// What all archives together amount to.
#[derive(Debug)]
pub struct Survey {
    /// How many repositories are in which state, as of their capture.
    pub states: BTreeMap<State, u64>,
    /// Repositories that are refused because the archives contradict each other.
    pub contradictions: u64,
    /// Repositories that cannot be read.
    pub damaged: u64,
    /// Names in the indexes that are no repository's.
    pub unnamed: u64,
    /// The capture that is longest ago, of what is served.
    pub oldest: Option<Moment>,
    /// When the validity of each repository ends, in order, as Unix time.
    ends: Vec<i64>,
    pub(super) feed: Feed,
}

impl Survey {
    /// How many repositories have expired by now.
    #[must_use]
    pub fn expired(&self, now: OffsetDateTime) -> usize {
        self.ends.partition_point(|end| *end < now.unix_timestamp())
    }

    /// When the next repository expires.
    #[must_use]
    pub fn next_end(&self, now: OffsetDateTime) -> Option<Moment> {
        let end = self.ends.get(self.expired(now))?;
        Some(Moment::of(OffsetDateTime::from_unix_timestamp(*end).ok()?))
    }

    /// How many repositories expire until `then`, beside those that have.
    #[must_use]
    pub fn expiring(&self, now: OffsetDateTime, then: OffsetDateTime) -> usize {
        self.expired(then).saturating_sub(self.expired(now))
    }
}

/// Who is named in the log, and who only counted.
#[derive(Debug, Default)]
struct Named(u64);

impl Named {
    fn more(&mut self) -> bool {
        self.0 += 1;
        self.0 <= NAMED
    }

    fn rest(&self) -> u64 {
        self.0.saturating_sub(NAMED)
    }
}

#[derive(Debug, Default)]
struct Taking {
    states: BTreeMap<State, u64>,
    contradictions: Named,
    damaged: Named,
    unnamed: Named,
    notable: Named,
    oldest: Option<Moment>,
    ends: Vec<i64>,
    feed: Gathering,
}

/// Reads and judges everything. `None` when the archives were closed meanwhile.
pub(super) fn take(shelf: &Weak<Shelf>) -> Option<Survey> {
    let mut taking = Taking::default();
    for volume in 0..shelf.upgrade()?.volumes() {
        for nth in 0.. {
            // Held for one repository at a time: who opens the archives again does not wait for the end.
            let shelf = shelf.upgrade()?;
            let Some((file, entry)) = shelf.line(volume, nth) else {
                break;
            };
            let Ok(gun) = entry.gun.parse::<Gun>() else {
                if taking.unnamed.more() {
                    tracing::error!(
                        "{}: no repository has the name {:?}",
                        file.display(),
                        entry.gun
                    );
                }
                continue;
            };
            if shelf.first(&gun) == Some(volume) {
                taking.repository(&shelf, &gun);
            }
        }
    }
    Some(taking.finish())
}

impl Taking {
    fn repository(&mut self, shelf: &Shelf, gun: &Gun) {
        match shelf.load(gun) {
            Ok(None) => {}
            Ok(Some(Held::Repository(kept))) => self.kept(gun, &kept),
            Ok(Some(Held::Contradiction(contradiction))) => {
                if self.contradictions.more() {
                    tracing::error!(
                        %gun,
                        "{gun} is not served, because archives contradict each other: {contradiction}"
                    );
                }
            }
            Err(error) => {
                if self.damaged.more() {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(%gun, error, "{gun} cannot be read and is not served");
                }
            }
        }
    }

    fn kept(&mut self, gun: &Gun, kept: &Kept) {
        let record = &kept.repository.record;
        let captured = record.captured;
        let pinning = TrustPinning::default();
        let verdict = judge(&kept.repository, captured.time(), &pinning).verdict;
        *self.states.entry(verdict.state).or_default() += 1;
        self.oldest = Some(self.oldest.map_or(captured, |oldest| oldest.min(captured)));
        if matches!(verdict.state, State::Untrusted | State::Incomplete) && self.notable.more() {
            let state = verdict.state;
            let reason = verdict.reason.unwrap_or_default();
            tracing::warn!(
                %gun,
                "{gun} is served although it is {state}, and clients will refuse it: {reason}"
            );
        }
        for note in &kept.notes {
            if self.notable.more() {
                tracing::warn!(%gun, "{gun}: {note}");
            }
        }
        if let Some(end) = verdict.valid_until {
            self.ends.push(end.time().unix_timestamp());
        }
        self.feed.add(gun, record);
    }

    fn finish(mut self) -> Survey {
        self.ends.sort_unstable();
        for (named, what) in [
            (&self.contradictions, "contradictory"),
            (&self.damaged, "damaged"),
            (&self.unnamed, "impossible"),
            (&self.notable, "notable"),
        ] {
            let rest = named.rest();
            if rest > 0 {
                tracing::warn!("{rest} more {what} repositories are not named here");
            }
        }
        Survey {
            states: self.states,
            contradictions: self.contradictions.0,
            damaged: self.damaged.0,
            unnamed: self.unnamed.0,
            oldest: self.oldest,
            ends: self.ends,
            feed: self.feed.finish(),
        }
    }
}
