//! A repository as it was at a moment before it was captured.
//!
//! Documents do not say when they were published; their source does, and nobody signed that. What was in force at a moment is the timestamp
//! that was published last until then, with the snapshot, the root and the targets that it leads to. Because the source could name anything
//! there, the state must be proven by the repository as it was captured, and must not be older than what the source published before it.

use std::collections::BTreeMap;

use signet_tuf::{RoleName, Version};
use time::OffsetDateTime;

use crate::archived::Named;
use crate::chain::Roots;
use crate::shelf::Shelf;
use crate::standing::Examiner;
use crate::{ArchivedRepository, Document, Moment, Sha256};

/// Why it is not known what was in force at a moment.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotThen {
    /// The source did not say when documents were published.
    #[error("its source did not say when documents were published")]
    Unknown,
    /// The first timestamp that is there is younger.
    #[error("the oldest timestamp in it was published at {first}")]
    Before {
        /// When that was published.
        first: Moment,
    },
    /// The repository had been deleted, and was begun again later or not at all.
    #[error("the repository was deleted at {at}, by the word of its source")]
    Deleted {
        /// When.
        at: Moment,
    },
    /// Timestamps are missing between the one before the moment and the one after it.
    #[error(
        "timestamps between version {below}, published before that moment, and version {above} are missing"
    )]
    Gap {
        /// The version that was published last before the moment.
        below: Version,
        /// The next one that is there.
        above: Version,
    },
    /// The snapshot of the timestamp is not there.
    #[error(
        "what version {version} of the timestamp, which was in force then, names is missing or cannot be read"
    )]
    Incomplete {
        /// Its version.
        version: Version,
    },
    /// The source names a timestamp that is not there.
    #[error("version {version} of the timestamp, which was in force then, is missing")]
    Missing {
        /// Its version.
        version: Version,
    },
    /// What is said to have been in force then is not proven by the repository as it was captured.
    #[error(
        "version {version} of the timestamp, which is said to have been in force then, is not proven by what was captured: {reason}"
    )]
    Unproven {
        /// Its version.
        version: Version,
        /// Why, as [`crate::History::unproven`] has it.
        reason: String,
    },
    /// What is said to have been in force then is older than what was published before it.
    #[error(
        "version {version} of the timestamp, which is said to have been in force then, is a roll-back: \
         its {role} has version {found}, and version {before} was published earlier"
    )]
    RolledBack {
        /// Its version.
        version: Version,
        /// Whose document is older.
        role: RoleName,
        /// The version of that.
        found: Version,
        /// The version that had been published before.
        before: Version,
    },
}

/// A timestamp and when it was published.
type Publication<'a> = (Moment, &'a Document);

impl ArchivedRepository {
    /// The repository as it was in force at `moment`, by the word of its source: the same documents, with others as the current ones.
    ///
    /// Its signatures hold, and its root is linked to the one of the capture. Whether anything had expired is not asked.
    ///
    /// # Errors
    /// [`NotThen`] when that is not known, or not proven.
    pub fn in_force_at(&self, moment: OffsetDateTime) -> Result<Self, NotThen> {
        let moment = Moment::of(moment);
        let timestamps = self.publications();
        let first = timestamps.iter().map(|(published, _)| *published).min();
        let first = first.ok_or(NotThen::Unknown)?;
        let order = |(published, document): &Publication<'_>| (*published, document.version);
        let (published, timestamp) = timestamps
            .iter()
            .filter(|(published, _)| *published <= moment)
            .max_by_key(|found| order(found))
            .ok_or(NotThen::Before { first })?;
        self.check_changes(moment, *published, timestamp)?;
        self.check_next(timestamp)?;
        let shelf = Shelf::of(self);
        let view = self
            .view(&shelf, &timestamp.sha256)
            .ok_or(NotThen::Incomplete {
                version: timestamp.version,
            })?;
        proven(&shelf, timestamp)?;
        self.check_earlier(&shelf, &timestamps, (*published, timestamp))?;
        Ok(view)
    }

    /// The timestamps of which the source says when they were published.
    fn publications(&self) -> Vec<Publication<'_>> {
        let mut changes: BTreeMap<Sha256, Moment> = BTreeMap::new();
        for change in &self.record.changes {
            if let Some(digest) = change.sha256 {
                changes.entry(digest).or_insert(change.at);
            }
        }
        self.documents(&RoleName::timestamp())
            .filter_map(|document| {
                let change = || changes.get(&document.sha256).copied();
                Some((document.published.or_else(change)?, document))
            })
            .collect()
    }

    /// Nothing may be older than in a state that was published earlier, since the repository was last deleted.
    fn check_earlier(
        &self,
        shelf: &Shelf<'_>,
        timestamps: &[Publication<'_>],
        (published, timestamp): Publication<'_>,
    ) -> Result<(), NotThen> {
        let deletions = self.record.changes.iter();
        let deleted = deletions
            .filter(|change| change.sha256.is_none() && change.at <= published)
            .map(|change| change.at)
            .max();
        let versions = |document: &Document| -> [(RoleName, Version); 3] {
            let named = Named::by(shelf, &document.sha256);
            let of = |role: RoleName, digest: Option<Sha256>| {
                let document = digest.and_then(|digest| shelf.document(&role, &digest));
                let version = document.map_or(0, |document| document.version);
                (role, version)
            };
            let snapshot = named.as_ref().map(|named| named.snapshot);
            let root = named.as_ref().and_then(Named::root);
            [
                of(RoleName::root(), root),
                (RoleName::timestamp(), document.version),
                of(RoleName::snapshot(), snapshot),
            ]
        };
        let own = versions(timestamp);
        let earlier = timestamps.iter().filter(|(at, document)| {
            *at <= published
                && deleted.is_none_or(|deleted| *at > deleted)
                && document.sha256 != timestamp.sha256
        });
        for (_, document) in earlier {
            for ((role, found), (_, before)) in own.iter().zip(versions(document)) {
                if *found < before {
                    return Err(NotThen::RolledBack {
                        version: timestamp.version,
                        role: role.clone(),
                        found: *found,
                        before,
                    });
                }
            }
        }
        Ok(())
    }

    /// What the changefeed says of the time between the publication of a timestamp and the moment.
    fn check_changes(
        &self,
        moment: Moment,
        published: Moment,
        timestamp: &Document,
    ) -> Result<(), NotThen> {
        let last = self
            .record
            .changes
            .iter()
            .filter(|change| change.at <= moment && change.at >= published)
            .max_by_key(|change| change.id);
        match last {
            Some(change) if change.sha256.is_none() => Err(NotThen::Deleted { at: change.at }),
            Some(change) if change.version > timestamp.version => Err(NotThen::Missing {
                version: change.version,
            }),
            _ => Ok(()),
        }
    }

    /// The timestamp that is in force until the next one must be followed by that, or be the last.
    fn check_next(&self, timestamp: &Document) -> Result<(), NotThen> {
        let role = RoleName::timestamp();
        if self.record.current.get(&role) == Some(&timestamp.sha256) {
            return Ok(());
        }
        let below = timestamp.version;
        let above = self
            .documents(&role)
            .map(|document| document.version)
            .filter(|version| *version > below)
            .min();
        match above {
            Some(above) if above != below.saturating_add(1) => Err(NotThen::Gap { below, above }),
            _ => Ok(()),
        }
    }
}

/// Whether the state of a timestamp holds by its signatures, under a root that is linked to the one of the capture.
fn proven(shelf: &Shelf<'_>, timestamp: &Document) -> Result<(), NotThen> {
    let unproven = |reason: &str| NotThen::Unproven {
        version: timestamp.version,
        reason: reason.to_owned(),
    };
    let roots = Roots::of(shelf, None).ok_or_else(|| unproven("the captured root is no root"))?;
    let bytes = shelf
        .get(&RoleName::timestamp(), &timestamp.sha256)
        .ok_or_else(|| unproven("it is missing"))?;
    Examiner::new(shelf, &roots, None)
        .holds(bytes)
        .map_err(|fault| unproven(&fault.reason))
}
