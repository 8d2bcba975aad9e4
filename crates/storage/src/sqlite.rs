//! Storage in an SQLite file, with the tables that the Go server's code makes there (specification, `server.md`
//! section 9.4).
//!
//! One process owns the file: an advisory lock beside it refuses a second server, so that what this process wrote last
//! is what is current. Other programs may read the file at any time.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use rustix::fs::{FlockOperation, flock};
use signet_sql::sqlite::{self, InvalidLocation, open_private, parse_location};
use signet_tuf::{Gun, RoleName, Version, crypto};
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions, SqliteRow};
use time::OffsetDateTime;

use self::writer::Writer;
use crate::sql_time;
use crate::{
    Change, Commit, Document, Import, Imported, MetadataStore, Sha256, StoreError, Window,
};

mod importer;
mod writer;

/// Keeps everything in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    writer: Writer,
    path: PathBuf,
    /// Held for as long as the store lives.
    _lock: Lock,
}

/// Why an SQLite file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// SQLite refused the file or its contents.
    #[error("cannot open the SQLite database {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The file or its lock cannot be created or opened.
    #[error("cannot open {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process serves this file.
    #[error("the SQLite database {} is in use by another server", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Neither a path nor a `file:` URL of one.
    #[error(transparent)]
    Location(#[from] InvalidLocation),
}

const READERS: u32 = 4;

pub(crate) const CREATE_TUF_FILES: &str = r#"CREATE TABLE "tuf_files" ("id" integer primary key autoincrement,"created_at" datetime,"updated_at" datetime,"deleted_at" datetime,"gun" varchar(255) NOT NULL,"role" varchar(255) NOT NULL,"version" integer NOT NULL,"sha256" varchar(64),"data" longblob NOT NULL)"#;
pub(crate) const CREATE_CHANGEFEED: &str = r#"CREATE TABLE "changefeed" ("id" integer primary key autoincrement not null,"created_at" datetime,"gun" varchar(255) NOT NULL,"version" integer NOT NULL,"sha256" varchar(64),"category" varchar(20) NOT NULL)"#;

/// What to create where it is missing: a table, and the statements that make it. The indexes come with their tables
/// only, so that a database that another program made keeps its schema.
const SCHEMA: [(&str, &[&str]); 2] = [
    (
        "tuf_files",
        &[
            CREATE_TUF_FILES,
            "CREATE INDEX idx_tuf_files_deleted_at ON \"tuf_files\"(deleted_at)",
            "CREATE UNIQUE INDEX idx_gun ON \"tuf_files\"(\"gun\", \"role\", \"version\")",
            "CREATE INDEX idx_tuf_files_sha256 ON \"tuf_files\"(sha256)",
        ],
    ),
    (
        "changefeed",
        &[
            CREATE_CHANGEFEED,
            "CREATE INDEX idx_changefeed_gun ON \"changefeed\"(gun)",
        ],
    ),
];

/// A lock that is given back at once. Closing the file would leave it with a program that another thread is just starting, which has
/// every open file until it runs.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Without that it goes with the last who has the file.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl SqliteStore {
    /// Opens the file, creating it (readable by its owner only) and its tables when missing.
    ///
    /// `location` is a path or a `file:` URL; the directory must exist.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(location: &str) -> Result<Self, OpenError> {
        let path = parse_location(location)?;
        let in_file = |path: &Path, source| OpenError::File {
            path: path.to_owned(),
            source,
        };
        let opened = open_private(&path).map_err(|e| in_file(&path, e))?;
        drop(opened);
        // Through links to the real file, so that two names for it find the same lock.
        let path = path.canonicalize().map_err(|e| in_file(&path, e))?;
        let lock_path = with_suffix(&path, ".lock");
        let lock = Lock(open_private(&lock_path).map_err(|e| in_file(&lock_path, e))?);
        match flock(&lock.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(OpenError::InUse { path }),
            Err(e) => return Err(in_file(&lock_path, e.into())),
        }
        let options = sqlite::options(&path);
        let in_database = |source| OpenError::Database {
            path: path.clone(),
            source,
        };
        let writer = Writer::open(options.clone()).await.map_err(in_database)?;
        create_tables(writer.pool()).await.map_err(in_database)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            // A connection to a file does not break while nobody looks.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(in_database)?;
        Ok(Self {
            readers,
            writer,
            path,
            _lock: lock,
        })
    }

    /// Connections that only read the file, which a server may have open at the same time.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn read_only(location: &str) -> Result<SqlitePool, OpenError> {
        let path = parse_location(location)?;
        let options = sqlite::read_only(&path);
        let pool = SqlitePoolOptions::new().max_connections(1);
        let opened = pool.connect_with(options).await;
        opened.map_err(|source| OpenError::Database { path, source })
    }

    /// The connections to the file, for other tables in it.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.readers
    }

    /// The file, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file: waits for what is being written and folds the write-ahead log into it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.pool().close().await;
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

async fn create_tables(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (table, statements) in SCHEMA {
        let found = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")
            .bind(table)
            .fetch_optional(&mut *transaction)
            .await?;
        if found.is_none() {
            for statement in statements {
                sqlx::query(*statement).execute(&mut *transaction).await?;
            }
        }
    }
    transaction.commit().await
}

/// The sign keeps SQLite from taking the index of that column, which has all rows in one place.
const GUNS: &str = "SELECT gun FROM tuf_files WHERE gun > ? AND +deleted_at IS NULL GROUP BY gun ORDER BY gun LIMIT ?";
const NEWEST: &str = "SELECT id, role, version, sha256, data, CAST(created_at AS TEXT) AS created_at FROM tuf_files \
    WHERE gun = ? AND role = ? AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
const NEWEST_VERSION: &str = "SELECT MAX(version) AS version FROM tuf_files WHERE gun = ? AND role = ? AND deleted_at IS NULL";
const BY_VERSION: &str = "SELECT id, role, version, sha256, data, CAST(created_at AS TEXT) AS created_at FROM tuf_files \
    WHERE gun = ? AND role = ? AND version = ? AND deleted_at IS NULL";
const BY_CHECKSUM: &str = "SELECT id, role, version, sha256, data, CAST(created_at AS TEXT) AS created_at FROM tuf_files \
    WHERE gun = ? AND role = ? AND sha256 = ? AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
const CHANGES_AFTER: &str = "SELECT id, CAST(created_at AS TEXT) AS created_at, gun, version, sha256, category \
    FROM changefeed WHERE id > ? ORDER BY id LIMIT ?";
const CHANGES_OF_GUN_AFTER: &str = "SELECT id, CAST(created_at AS TEXT) AS created_at, gun, version, sha256, category \
    FROM changefeed WHERE gun = ? AND id > ? ORDER BY id LIMIT ?";
const CHANGES_BEFORE: &str = "SELECT id, CAST(created_at AS TEXT) AS created_at, gun, version, sha256, category \
    FROM changefeed WHERE id < ? ORDER BY id DESC LIMIT ?";
const CHANGES_OF_GUN_BEFORE: &str = "SELECT id, CAST(created_at AS TEXT) AS created_at, gun, version, sha256, category \
    FROM changefeed WHERE gun = ? AND id < ? ORDER BY id DESC LIMIT ?";

fn read_document(row: &SqliteRow) -> Result<Document, StoreError> {
    let damaged = |reason| StoreError::Damaged {
        id: row.try_get("id").unwrap_or_default(),
        reason,
    };
    let data: Vec<u8> = row.try_get("data")?;
    let sha256 = match row.try_get::<Option<String>, _>("sha256")? {
        None => crypto::sha256(&data),
        Some(hex) => parse_sha256(&hex).ok_or_else(|| damaged("its checksum is none"))?,
    };
    let role: String = row.try_get("role")?;
    Ok(Document {
        role: role.parse().map_err(|_| damaged("its role is none"))?,
        version: row.try_get("version")?,
        sha256,
        data: data.into(),
        stored_at: sql_time::parse(row.try_get("created_at")?),
    })
}

fn parse_sha256(hex: &str) -> Option<Sha256> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    bytes.try_into().ok()
}

fn read_change(row: &SqliteRow) -> Result<Change, sqlx::Error> {
    let sha256: Option<String> = row.try_get("sha256")?;
    Ok(Change {
        id: row.try_get("id")?,
        created_at: sql_time::parse(row.try_get("created_at")?),
        gun: row.try_get("gun")?,
        version: row.try_get("version")?,
        sha256: sha256.unwrap_or_default(),
        category: row.try_get("category")?,
    })
}

#[async_trait]
impl MetadataStore for SqliteStore {
    async fn newest(&self, gun: &Gun, role: &RoleName) -> Result<Option<Document>, StoreError> {
        let row = sqlx::query(NEWEST)
            .bind(gun.as_str())
            .bind(role.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read_document).transpose()
    }

    async fn newest_version(
        &self,
        gun: &Gun,
        role: &RoleName,
    ) -> Result<Option<Version>, StoreError> {
        let row = sqlx::query(NEWEST_VERSION)
            .bind(gun.as_str())
            .bind(role.as_str())
            .fetch_one(&self.readers)
            .await?;
        Ok(row.try_get("version")?)
    }

    async fn by_version(
        &self,
        gun: &Gun,
        role: &RoleName,
        version: Version,
    ) -> Result<Option<Document>, StoreError> {
        let row = sqlx::query(BY_VERSION)
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(version)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read_document).transpose()
    }

    async fn by_checksum(
        &self,
        gun: &Gun,
        role: &RoleName,
        sha256: &Sha256,
    ) -> Result<Option<Document>, StoreError> {
        let row = sqlx::query(BY_CHECKSUM)
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(HEXLOWER.encode(sha256))
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read_document).transpose()
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.writer.commit(commit).await
    }

    async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        self.writer.import(import).await
    }

    async fn delete(&self, gun: &Gun, now: OffsetDateTime) -> Result<bool, StoreError> {
        self.writer.delete(gun, now).await
    }

    async fn changes(
        &self,
        gun: Option<&Gun>,
        window: Window,
        limit: u32,
    ) -> Result<Vec<Change>, StoreError> {
        let (statement, bound) = match (window, gun) {
            (Window::After(id), None) => (CHANGES_AFTER, id),
            (Window::After(id), Some(_)) => (CHANGES_OF_GUN_AFTER, id),
            (Window::Before(id), None) => (CHANGES_BEFORE, id.unwrap_or(i64::MAX)),
            (Window::Before(id), Some(_)) => (CHANGES_OF_GUN_BEFORE, id.unwrap_or(i64::MAX)),
        };
        let mut query = sqlx::query(statement);
        if let Some(gun) = gun {
            query = query.bind(gun.as_str());
        }
        let rows = query
            .bind(bound)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let mut changes = rows
            .iter()
            .map(read_change)
            .collect::<Result<Vec<_>, sqlx::Error>>()?;
        if matches!(window, Window::Before(_)) {
            changes.reverse();
        }
        Ok(changes)
    }

    async fn guns(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(GUNS)
            .bind(after.unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let guns = rows.iter().map(|row| row.try_get("gun"));
        Ok(guns.collect::<Result<_, sqlx::Error>>()?)
    }

    async fn prune(&self, gun: &Gun, role: &RoleName, below: Version) -> Result<u64, StoreError> {
        let done = sqlx::query("DELETE FROM tuf_files WHERE gun = ? AND role = ? AND version < ?")
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(below)
            .execute(self.writer.pool())
            .await?;
        Ok(done.rows_affected())
    }

    async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1 FROM tuf_files LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::{history, reader};

    #[tokio::test]
    async fn repositories_are_found_by_the_index_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        for (statement, sorts) in [
            (GUNS, false),
            (history::SQLITE_GUNS, false),
            (history::SQLITE.rows, true),
            (reader::GUNS, false),
            (reader::DOCUMENTS, true),
        ] {
            let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let steps = sqlx::query(plan).fetch_all(store.pool()).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
            let plan = steps.join("\n");
            assert!(
                plan.contains("tuf_files USING INDEX idx_gun (gun"),
                "{plan}"
            );
            assert!(!plan.contains("SCAN tuf_files"), "{plan}");
            // The rows of one repository only.
            assert_eq!(plan.contains("TEMP B-TREE"), sorts, "{plan}");
        }
    }

    #[tokio::test]
    async fn a_lock_is_given_back_though_a_starting_program_has_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.db");
        let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        // As a child has it between fork and exec.
        let inherited = store._lock.0.try_clone().unwrap();
        let second = SqliteStore::open(path.to_str().unwrap()).await;
        assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
        drop(second);
        let second = SqliteStore::open(path.to_str().unwrap()).await;
        assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
        store.close().await;
        drop(store);
        SqliteStore::open(path.to_str().unwrap()).await.unwrap();
        drop(inherited);
    }

    #[test]
    fn takes_paths_and_file_urls() {
        for (location, path) in [
            ("/var/lib/x.db", "/var/lib/x.db"),
            ("x.db", "x.db"),
            ("file:x.db?mode=rwc", "x.db"),
            ("file:/var/a%20b.db", "/var/a b.db"),
            ("file:///var/x.db?cache=shared", "/var/x.db"),
            ("file://localhost/var/x.db", "/var/x.db"),
        ] {
            assert_eq!(parse_location(location).unwrap(), Path::new(path));
        }
        for location in [
            "",
            "file:",
            "file://host/x",
            ":memory:",
            "file::memory:",
            "file:%00",
        ] {
            assert!(parse_location(location).is_err(), "{location}");
        }
    }
}
