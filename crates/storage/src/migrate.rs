//! How the tables of a trust server come to be.
//!
//! Go's tables are made by a tool that keeps the number of the last migration in a table of its own, `schema_migrations`. What is made
//! here ends as Go's migrations end, and says so there, so that either can go on.

use std::fmt;

/// What a migration is to do beside making or upgrading the tables.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct MigrateOptions {
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// Whether names shall be compared by their bytes where the database would take some for equal (MySQL, MariaDB).
    pub binary_names: bool,
}

/// What a migration does, or would do.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Makes a table, with the rows that belong to it.
    CreateTable(&'static str),
    /// Adds the column of checksums and its index.
    AddChecksums,
    /// Computes the checksums that rows lack.
    FillChecksums,
    /// Removes a table that nothing uses any more.
    DropTable(&'static str),
    /// Makes the columns with names in a table compare them by this collation.
    CompareByBytes {
        /// The table.
        table: &'static str,
        /// The collation.
        collation: String,
    },
    /// Notes the number of the last migration for Go's tool.
    RecordVersion(i64),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTable(table) => write!(f, "create the table {table}"),
            Self::AddChecksums => f.write_str("add the column sha256 to tuf_files"),
            Self::FillChecksums => f.write_str("compute missing checksums in tuf_files"),
            Self::DropTable(table) => write!(f, "drop the table {table}"),
            Self::CompareByBytes { table, collation } => {
                write!(f, "compare the names in {table} by {collation}")
            }
            Self::RecordVersion(version) => {
                write!(f, "note version {version} in schema_migrations")
            }
        }
    }
}

/// Why the tables were not made or upgraded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Another migration is under way.
    #[error("another migration of this database is under way")]
    Busy,
    /// The database cannot be reached, or refuses.
    #[error("the database cannot be migrated")]
    Database(#[from] sqlx::Error),
    /// Go's tool was interrupted.
    #[error(
        "migration {0} of Go's tool was interrupted: undo or finish what it began, then set dirty in schema_migrations to 0"
    )]
    Dirty(i64),
    /// There is a table of that name with other columns.
    #[error("the table tuf_files is not one of notary-server: it has no column {0}")]
    Foreign(&'static str),
    /// A later program has changed the tables.
    #[error("the tables have version {found}, and this program knows versions up to {known}")]
    Newer {
        /// What `schema_migrations` says.
        found: i64,
        /// The last that is known here.
        known: i64,
    },
}
