//! Where documents and the changefeed are kept: the storage of `notary-server`, and what an archive is made from or loaded into.
//!
//! A store knows rows, not rules: it never looks into a document. Rows `(GUN, role, version)` are immutable; every
//! update writes a new timestamp, and the store refuses an update whose writer did not see the newest one.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use signet_tuf::{Gun, RoleName, Version};
use time::OffsetDateTime;

mod attempt;
mod dump;
mod file;
mod history;
mod import;
mod memory;
mod migrate;
mod mysql;
pub mod postgres;
mod reader;
mod sql_time;
mod sqlite;

pub use dump::DumpError;
pub use file::open_plain;
pub use history::{HistoricRow, HistoryReader};
pub use import::{Import, Imported, ImportedDocument};
pub use memory::MemoryStore;
pub use migrate::{MigrateError, MigrateOptions, Step};
pub use mysql::MySqlStore;
pub use postgres::PostgresStore;
pub use reader::{DatabaseReader, Engine, ReadError, StoredRow};
pub use sqlite::{OpenError, SqliteStore};

/// SHA-256 of a document's bytes.
pub type Sha256 = [u8; 32];

/// A stored document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    /// The role that it was stored for.
    pub role: RoleName,
    /// Its number, at least 1.
    pub version: Version,
    /// SHA-256 of `data`.
    pub sha256: Sha256,
    /// The exact bytes that were uploaded or generated.
    pub data: Bytes,
    /// When it was stored; the zero time (year 1) when the row does not say.
    pub stored_at: OffsetDateTime,
}

/// A document to be stored.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// The role.
    pub role: RoleName,
    /// Its number, at least 1 and at most [`MAX_VERSION`].
    pub version: Version,
    /// SHA-256 of `data`.
    pub sha256: Sha256,
    /// The exact bytes.
    pub data: Bytes,
}

/// What identifies one version of a role's document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Revision {
    /// Its number.
    pub version: Version,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// One update: stored completely or not at all, together with its entry in the changefeed.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// The repository.
    pub gun: &'a Gun,
    /// The newest timestamp that the writer saw: nothing else may have been committed since.
    pub base: Option<Revision>,
    /// The documents but the timestamp. No role twice.
    pub documents: &'a [NewDocument],
    /// The timestamp: every update publishes one.
    pub timestamp: &'a NewDocument,
    /// The moment that rows and changefeed record.
    pub now: OffsetDateTime,
}

impl<'a> Commit<'a> {
    /// Everything that is stored, the timestamp last.
    pub fn all(&self) -> impl Iterator<Item = &'a NewDocument> {
        self.documents.iter().chain([self.timestamp])
    }
}

/// What happened to a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeCategory {
    /// Everything of it was deleted.
    Deletion,
    /// A timestamp was published.
    Update,
}

impl ChangeCategory {
    /// The word in the changefeed and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deletion => "deletion",
            Self::Update => "update",
        }
    }
}

impl fmt::Display for ChangeCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of the changefeed. Texts are as stored: rows may come from other programs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Number in the order of insertion; there may be gaps.
    pub id: i64,
    /// When it happened; the zero time (year 1) when the row does not say.
    pub created_at: OffsetDateTime,
    /// The repository.
    pub gun: String,
    /// Version of the published timestamp; 0 for a deletion.
    pub version: Version,
    /// SHA-256 of the published timestamp in hex; empty for a deletion.
    pub sha256: String,
    /// `update` or `deletion`.
    pub category: String,
}

/// Which part of the changefeed is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Window {
    /// The first changes after this ID.
    After(i64),
    /// The last changes before this ID, or of all.
    Before(Option<i64>),
}

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A version at least as high exists, or something was committed since the writer looked.
    #[error("a newer version of metadata is already available")]
    Conflict,
    /// The database takes the name for another one that it has.
    #[error("the database cannot tell this name from {stored:?}, which it has")]
    NameTaken {
        /// The name that it has.
        stored: String,
    },
    /// The tables cannot hold the name.
    #[error("the database cannot hold a name with characters beyond U+FFFF")]
    NameUnsupported,
    /// The database does not take so much at once.
    #[error("the document of {role} has {size} bytes, the database takes {limit}")]
    TooLarge {
        /// Whose document it is.
        role: RoleName,
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The database works, and had no connection free in time: trying again in a moment may work. Nothing was done.
    #[error("the metadata store is busy")]
    Busy(#[source] sqlx::Error),
    /// The database could not be reached or refused.
    #[error("the metadata store failed")]
    Database(#[source] sqlx::Error),
    /// The work was given up because the process is ending: it may or may not have been done.
    #[error("the metadata store was interrupted")]
    Interrupted,
    /// A row that this program could not have written.
    #[error("row {id} of the metadata store is damaged: {reason}")]
    Damaged {
        /// The row's number.
        id: i64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What was asked for together with what others asked failed for all of them.
    #[error(transparent)]
    Joint(Arc<Self>),
}

impl StoreError {
    /// Whether the database works and had no connection free in time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Busy(_) => true,
            Self::Joint(error) => error.is_busy(),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(e) if e.is_unique_violation() => Self::Conflict,
            _ => Self::Database(error),
        }
    }
}

/// Highest version that a row can hold: the column is a 32-bit integer in every server's database.
pub const MAX_VERSION: Version = i32::MAX as Version;

/// What decides whether something that is remembered of a repository is still true.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Which life of the repository this is: after a deletion, what comes under the same name has another number.
    pub incarnation: i64,
    /// Its newest timestamp.
    pub timestamp: Revision,
}

/// The head of a repository; `None` for one without a timestamp. A damaged row is an error for its own repository only.
pub type HeadAnswer = Result<Option<Head>, StoreError>;

/// A store that other processes may write to at any time.
#[async_trait]
pub trait SharedStore: Send + Sync {
    /// The heads of repositories, in the order of `guns`, by one query. What another process committed before the call began is
    /// seen.
    async fn heads(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError>;
}

/// Keeps documents and the changefeed.
///
/// Deleted rows, also those marked as deleted by another program, are invisible to every method.
#[async_trait]
pub trait MetadataStore: Send + Sync + fmt::Debug {
    /// How to notice what other processes wrote; `None` for a store that belongs to this process alone.
    fn shared(&self) -> Option<&dyn SharedStore> {
        None
    }

    /// The document of a role with the highest version.
    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError>;

    /// The highest version of a role, without its bytes.
    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError>;

    /// The document of a role with this version.
    async fn by_version(
        &self,
        gun: &Gun,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Document>, StoreError>;

    /// The document of a role with this checksum. When several versions have it, the newest.
    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &RoleName,
        sha256: &Sha256,
    ) -> Result<Option<Document>, StoreError>;

    /// Stores an update and its entry in the changefeed, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the newest timestamp is not the one of [`Commit::base`], or when any role has a
    /// version at least as high as the new one.
    async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError>;

    /// Takes over a repository with its history, all or nothing. Never replaces a document, and never adds to a repository that has gone
    /// another way.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a row that is marked as deleted keeps a version taken.
    async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError>;

    /// Removes every document of a GUN, and records it in the changefeed if there was any. Says whether there was.
    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// At most `limit` changes of one GUN or of all, always in ascending order.
    async fn changes(
        &self,
        gun: Option<&Gun>,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError>;

    /// At most `limit` GUNs that have documents, from the one after the given one, in an order of the store's own that never changes. Page
    /// after page, each that is there all the time comes once.
    async fn guns(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError>;

    /// Removes the versions of a role below `below`. Says how many there were.
    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError>;

    /// Whether the store answers and its tables are there.
    async fn check(&self) -> Result<(), StoreError>;
}

/// What a missing time means: the year 1, as in the programs that leave it out.
pub const ZERO_TIME: OffsetDateTime = time::macros::datetime!(0001-01-01 0:00 UTC);
