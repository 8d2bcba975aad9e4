//! A repository as it was at a moment before it was captured.
//!
//! Documents do not say when they were published; their source does, and nobody signed that. What was in force at a moment is the timestamp
//! that was published last until then, with the snapshot, the root and the targets that it leads to.

use signet_tuf::{RoleName, Version};
use time::OffsetDateTime;

use crate::{ArchivedRepository, Document, Moment};

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
}

impl ArchivedRepository {
    /// The repository as it was in force at `moment`, by the word of its source: the same documents, with others as the current ones.
    ///
    /// # Errors
    /// [`NotThen`] when that is not known.
    pub fn in_force_at(&self, moment: OffsetDateTime) -> Result<Self, NotThen> {
        let moment = Moment::of(moment);
        let timestamps: Vec<(Moment, &Document)> = self
            .documents(&RoleName::timestamp())
            .filter_map(|document| Some((self.published(document)?, document)))
            .collect();
        let first = timestamps.iter().map(|(published, _)| *published).min();
        let first = first.ok_or(NotThen::Unknown)?;
        let order = |(published, document): &(Moment, &Document)| (*published, document.version);
        let (published, timestamp) = timestamps
            .iter()
            .filter(|(published, _)| *published <= moment)
            .max_by_key(|found| order(found))
            .ok_or(NotThen::Before { first })?;
        self.check_changes(moment, *published, timestamp)?;
        self.check_next(timestamp)?;
        self.as_of(&timestamp.sha256).ok_or(NotThen::Incomplete {
            version: timestamp.version,
        })
    }

    /// When a document was published, if the source says so.
    #[must_use]
    pub fn published(&self, document: &Document) -> Option<Moment> {
        let change = || {
            let mut changes = self.record.changes.iter();
            changes
                .find(|change| change.sha256 == Some(document.sha256))
                .map(|change| change.at)
        };
        document.published.or_else(change)
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
