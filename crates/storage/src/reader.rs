//! Reading the database of a trust server, ours or another's, without being its server: nothing is locked, made or changed.
//!
//! What is read is one state of the database, also while a server writes to it. A file that no server has open is read as it lies there,
//! without the files that SQLite would put beside it, so that it may be on a file system that cannot be written; whoever writes to it
//! meanwhile is noticed in the end. Dumps are loaded into a database of their own first.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use signet_tuf::Version;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::dump::{self, DumpError};
use crate::{Change, ZERO_TIME, sql_time};

/// Which database a reader reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engine {
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgresql,
    /// SQLite.
    Sqlite,
}

impl Engine {
    /// The name in archives.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Postgresql => "postgresql",
            Self::Sqlite => "sqlite",
        }
    }
}

/// A document's row, with its texts as they are.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// Its number.
    pub id: i64,
    /// Its role, as text.
    pub role: String,
    /// The version in its column.
    pub version: Version,
    /// The bytes; `None` when they are more than a document may have.
    pub data: Option<Bytes>,
    /// When it was stored; `None` when the row does not say.
    pub stored_at: Option<OffsetDateTime>,
}

/// Why a database cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It was changed while it was read without locks.
    #[error("{} was changed while it was read; try again while nobody writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// SQLite cannot read it.
    #[error("{} cannot be read", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The dump cannot be read.
    #[error("{}: {source}", path.display())]
    Dump {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DumpError,
    },
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is no trust server's.
    #[error("{} is no database of a trust server: it has no table {table}", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
    },
    /// A transaction was interrupted and waits for its program.
    #[error("{} has an unfinished transaction ({}): start and stop its server, or take a copy with \".backup\"", path.display(), journal.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The file beside it.
        journal: PathBuf,
    },
}

/// An open database.
#[derive(Debug)]
pub struct DatabaseReader {
    connection: SqliteConnection,
    path: PathBuf,
    engine: Engine,
    /// How the file was, where nothing keeps others from writing to it.
    seen: Option<Seen>,
    /// Deleted with the reader.
    _copy: Option<TempDir>,
}

/// What shows that a file was written to.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    length: u64,
    modified: Option<SystemTime>,
    has_log: bool,
}

const SQLITE: &[u8] = b"SQLite format 3\0";
const POSTGRES_ARCHIVE: &[u8] = b"PGDMP";

/// Bytes of documents only as long as a document may be.
const DOCUMENTS: &str = "SELECT id, CAST(role AS TEXT) AS role, CAST(version AS INTEGER) AS version, \
    CASE WHEN length(data) <= ? THEN CAST(data AS BLOB) END AS data, CAST(created_at AS TEXT) AS created_at \
    FROM tuf_files WHERE gun = ? AND deleted_at IS NULL AND id > ? ORDER BY id LIMIT ?";
const CHANGES: &str = "SELECT id, CAST(created_at AS TEXT) AS created_at, gun, CAST(version AS INTEGER) AS version, \
    CAST(sha256 AS TEXT) AS sha256, CAST(category AS TEXT) AS category FROM changefeed WHERE gun = ? ORDER BY id LIMIT ?";
/// A name that is no text is none: it would be greater than every other, page after page.
const GUNS: &str = "SELECT DISTINCT CAST(gun AS BLOB) AS name FROM tuf_files \
    WHERE deleted_at IS NULL AND typeof(gun) = 'text' AND gun > CAST(? AS TEXT) COLLATE BINARY \
    ORDER BY gun COLLATE BINARY LIMIT ?";
/// Documents that are fetched at once.
const PAGE: i64 = 64;

impl DatabaseReader {
    /// Opens a SQLite file, or a dump as SQL text of SQLite, MySQL or PostgreSQL. Dumps and databases whose write-ahead log nobody has open
    /// are copied below `scratch` first; the copy is deleted with the reader.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open(path: &Path, scratch: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::File {
            path: path.to_owned(),
            source,
        };
        let path = &path.canonicalize().map_err(failed)?;
        let mut begin = Vec::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(SQLITE.len() as u64)
            .read_to_end(&mut begin)
            .map_err(failed)?;
        if begin == SQLITE {
            return Self::open_sqlite(path, scratch).await;
        }
        let in_dump = |source| ReadError::Dump {
            path: path.clone(),
            source,
        };
        if begin.starts_with(POSTGRES_ARCHIVE) {
            return Err(in_dump(DumpError::PostgresArchive));
        }
        let copy = private_folder(scratch).map_err(failed)?;
        let loaded = copy.path().join("dump.db");
        let engine = dump::load(path, &loaded).await.map_err(in_dump)?;
        let options = plain(&loaded);
        Self::connect(path, options, engine, None, Some(copy)).await
    }

    async fn open_sqlite(path: &Path, scratch: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::File {
            path: path.to_owned(),
            source,
        };
        let beside = |suffix| super::sqlite::with_suffix(path, suffix);
        let has = |suffix| fs::metadata(beside(suffix)).is_ok_and(|m| m.len() > 0);
        if has("-journal") {
            return Err(ReadError::Unfinished {
                path: path.to_owned(),
                journal: beside("-journal"),
            });
        }
        let engine = Engine::Sqlite;
        if fs::metadata(beside("-shm")).is_ok() {
            // A server has it open: SQLite's own bookkeeping gives one state of it, and makes no files that are not there.
            return Self::connect(path, plain(path).read_only(true), engine, None, None).await;
        }
        let seen = look(path).map_err(failed)?;
        if !has("-wal") {
            let options = plain(path).read_only(true).immutable(true);
            return Self::connect(path, options, engine, Some(seen), None).await;
        }
        // A server that did not end properly left a log that must be read with it.
        let copy = private_folder(scratch).map_err(failed)?;
        let there = copy.path().join("copy.db");
        fs::copy(path, &there).map_err(failed)?;
        fs::copy(beside("-wal"), super::sqlite::with_suffix(&there, "-wal")).map_err(failed)?;
        if look(path).map_err(failed)? != seen {
            return Err(ReadError::Changed {
                path: path.to_owned(),
            });
        }
        Self::connect(path, plain(&there), engine, None, Some(copy)).await
    }

    async fn connect(
        path: &Path,
        options: SqliteConnectOptions,
        engine: Engine,
        seen: Option<Seen>,
        copy: Option<TempDir>,
    ) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Database {
            path: path.to_owned(),
            source,
        };
        let mut connection = options.connect().await.map_err(failed)?;
        // One state for everything that follows.
        sqlx::query("BEGIN")
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        for table in ["tuf_files", "changefeed"] {
            let found =
                sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")
                    .bind(table)
                    .fetch_optional(&mut connection)
                    .await
                    .map_err(failed)?;
            if found.is_none() {
                return Err(ReadError::NoTable {
                    path: path.to_owned(),
                    table,
                });
            }
        }
        Ok(Self {
            connection,
            path: path.to_owned(),
            engine,
            seen,
            _copy: copy,
        })
    }

    /// Whose database it is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    fn failed(&self) -> impl Fn(sqlx::Error) -> ReadError + use<> {
        let path = self.path.clone();
        move |source| ReadError::Database {
            path: path.clone(),
            source,
        }
    }

    /// At most `limit` names that have documents, in byte order, after the given one. They were not judged yet.
    ///
    /// # Errors
    /// [`ReadError::Database`].
    pub async fn guns(&mut self, after: &[u8], limit: u32) -> Result<Vec<Vec<u8>>, ReadError> {
        let failed = self.failed();
        let rows = sqlx::query(GUNS)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await
            .map_err(&failed)?;
        let guns = rows.iter().map(|row| row.try_get("name"));
        guns.collect::<Result<_, _>>().map_err(failed)
    }

    /// All documents of a repository, in the order in which they were stored, until they are more than `max_rows` or `max_bytes` together.
    /// Whether there are more, the second value says.
    ///
    /// # Errors
    /// [`ReadError::Database`].
    pub async fn documents(
        &mut self,
        gun: &str,
        max_document: u64,
        max_rows: usize,
        max_bytes: u64,
    ) -> Result<(Vec<StoredRow>, bool), ReadError> {
        let failed = self.failed();
        let max_document = i64::try_from(max_document).unwrap_or(i64::MAX);
        let (mut all, mut bytes, mut after) = (Vec::new(), 0_u64, i64::MIN);
        loop {
            let rows = sqlx::query(DOCUMENTS)
                .bind(max_document)
                .bind(gun)
                .bind(after)
                .bind(PAGE)
                .fetch_all(&mut self.connection)
                .await
                .map_err(&failed)?;
            if rows.is_empty() {
                return Ok((all, false));
            }
            for row in &rows {
                let row = read_document(row).map_err(&failed)?;
                after = row.id;
                bytes = bytes.saturating_add(row.data.as_ref().map_or(0, |d| d.len() as u64));
                if all.len() == max_rows || bytes > max_bytes {
                    return Ok((all, true));
                }
                all.push(row);
            }
        }
    }

    /// The changes of a repository.
    ///
    /// # Errors
    /// [`ReadError::Database`].
    pub async fn changes(&mut self, gun: &str, limit: u32) -> Result<Vec<Change>, ReadError> {
        let failed = self.failed();
        let rows = sqlx::query(CHANGES)
            .bind(gun)
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await
            .map_err(&failed)?;
        let changes = rows.iter().map(|row| {
            let sha256: Option<String> = row.try_get("sha256")?;
            Ok(Change {
                id: row.try_get("id")?,
                created_at: sql_time::parse(row.try_get("created_at")?),
                gun: row.try_get("gun")?,
                version: row.try_get("version")?,
                // compat: PostgreSQL fills the column with blanks.
                sha256: sha256.unwrap_or_default().trim_end().to_owned(),
                category: row.try_get("category")?,
            })
        });
        changes.collect::<Result<_, _>>().map_err(failed)
    }

    /// Closes the database, and says whether what was read was one state of it.
    ///
    /// # Errors
    /// [`ReadError::Changed`] when somebody wrote to it meanwhile.
    pub async fn finish(self) -> Result<(), ReadError> {
        let Self {
            connection,
            path,
            seen,
            ..
        } = self;
        // Nothing was written, so there is nothing to lose.
        drop(connection.close().await);
        let Some(seen) = seen else { return Ok(()) };
        match look(&path) {
            Ok(now) if now == seen => Ok(()),
            _ => Err(ReadError::Changed { path }),
        }
    }
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        // A schema that somebody else wrote must not run functions.
        .pragma("trusted_schema", "OFF")
        .pragma("query_only", "ON")
        .disable_statement_logging()
}

fn private_folder(scratch: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(".notary-database-")
        .tempdir_in(scratch)
}

fn look(path: &Path) -> io::Result<Seen> {
    let metadata = fs::metadata(path)?;
    let log = super::sqlite::with_suffix(path, "-wal");
    Ok(Seen {
        length: metadata.len(),
        modified: metadata.modified().ok(),
        has_log: fs::metadata(log).is_ok_and(|log| log.len() > 0),
    })
}

fn read_document(row: &SqliteRow) -> Result<StoredRow, sqlx::Error> {
    let data: Option<Vec<u8>> = row.try_get("data")?;
    let stored_at = sql_time::parse(row.try_get("created_at")?);
    Ok(StoredRow {
        id: row.try_get("id")?,
        role: row.try_get("role")?,
        version: row.try_get("version")?,
        data: data.map(Bytes::from),
        stored_at: (stored_at != ZERO_TIME).then_some(stored_at),
    })
}
