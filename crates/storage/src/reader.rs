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
use time::OffsetDateTime;

use self::guard::{Refused, Steps};
use self::scratch::Scratch;
use crate::dump::{self, DumpError};
use crate::file::open_plain;
use crate::{Change, ZERO_TIME, sql_time};

mod guard;
mod scratch;

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
    /// Its role, as text; empty when it is longer than any role.
    pub role: String,
    /// The version in its column; 0 when that is no number.
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
    /// It takes too long for its size.
    #[error("{} is no database of a trust server: reading it takes more work than a database of its size can need; where an index is missing, the output of \"sqlite3 FILE .dump\" can be read instead", path.display())]
    Endless {
        /// The file.
        path: PathBuf,
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
    /// It is not as trust servers make theirs.
    #[error("{} is not a database as trust servers make them: {reason}; the output of \"sqlite3 FILE .dump\" can be read instead, because nothing in a dump is run", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// What is in it.
        reason: String,
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
    steps: Steps,
    /// How many bytes of names and documents may still come out of it. They lie beside each other in a file as it should be.
    left: u64,
    /// Deleted with the reader.
    _copy: Option<Scratch>,
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

/// Values are measured before they are read: a text or a document can be as long as the file. The sign before `deleted_at` keeps SQLite
/// from taking the index of that column, which has all rows in one place.
pub(crate) const DOCUMENTS: &str = "SELECT id, CASE WHEN octet_length(role) <= 255 THEN CAST(role AS BLOB) END AS role, \
    CASE WHEN octet_length(version) <= 20 THEN CAST(version AS INTEGER) ELSE 0 END AS version, octet_length(data) AS length, \
    CASE WHEN octet_length(created_at) <= 64 THEN CAST(created_at AS BLOB) END AS created_at \
    FROM tuf_files WHERE gun = ? COLLATE BINARY AND +deleted_at IS NULL ORDER BY id LIMIT ?";
const DATA: &str =
    "SELECT CAST(data AS BLOB) FROM tuf_files WHERE id = ? AND octet_length(data) <= ?";
const CHANGES: &str = "SELECT id, CASE WHEN octet_length(created_at) <= 64 THEN CAST(created_at AS BLOB) END AS created_at, \
    CASE WHEN octet_length(version) <= 20 THEN CAST(version AS INTEGER) ELSE 0 END AS version, \
    CASE WHEN octet_length(sha256) <= 128 THEN CAST(sha256 AS BLOB) END AS sha256, \
    CASE WHEN octet_length(category) <= 64 THEN CAST(category AS BLOB) END AS category \
    FROM changefeed WHERE gun = ? COLLATE BINARY ORDER BY id LIMIT ?";
/// A name that is no text is none: it would be greater than every other, page after page.
pub(crate) const GUNS: &str = "SELECT CAST(gun AS BLOB) AS name FROM (SELECT gun FROM tuf_files \
    WHERE +deleted_at IS NULL AND typeof(gun) = 'text' AND octet_length(gun) <= 4096 AND gun > CAST(? AS TEXT) COLLATE BINARY \
    GROUP BY gun COLLATE BINARY ORDER BY gun COLLATE BINARY LIMIT ?)";
const NAMELESS: &str = "SELECT count(*) FROM tuf_files \
    WHERE deleted_at IS NULL AND NOT (typeof(gun) = 'text' AND octet_length(gun) <= 4096)";

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
        let mut file = open_plain(path).map_err(failed)?;
        (&mut file)
            .take(SQLITE.len() as u64)
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
        let copy = Scratch::new(scratch).map_err(failed)?;
        let loaded = copy.path().join("dump.db");
        let engine = dump::load(file, &loaded).await.map_err(in_dump)?;
        let options = guard::options(&loaded);
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
            return Self::connect(
                path,
                guard::options(path).read_only(true),
                engine,
                None,
                None,
            )
            .await;
        }
        let seen = look(path).map_err(failed)?;
        if !has("-wal") {
            let options = guard::options(path).read_only(true).immutable(true);
            return Self::connect(path, options, engine, Some(seen), None).await;
        }
        // A server that did not end properly left a log that must be read with it.
        let copy = Scratch::new(scratch).map_err(failed)?;
        let there = copy.path().join("copy.db");
        fs::copy(path, &there).map_err(failed)?;
        fs::copy(beside("-wal"), super::sqlite::with_suffix(&there, "-wal")).map_err(failed)?;
        if look(path).map_err(failed)? != seen {
            return Err(ReadError::Changed {
                path: path.to_owned(),
            });
        }
        Self::connect(path, guard::options(&there), engine, None, Some(copy)).await
    }

    async fn connect(
        path: &Path,
        options: SqliteConnectOptions,
        engine: Engine,
        seen: Option<Seen>,
        copy: Option<Scratch>,
    ) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Database {
            path: path.to_owned(),
            source,
        };
        let mut connection = options.connect().await.map_err(failed)?;
        let steps = Steps::count(&mut connection, size(path))
            .await
            .map_err(failed)?;
        let mut reader = Self {
            connection,
            path: path.to_owned(),
            engine,
            seen,
            steps,
            left: 0,
            _copy: copy,
        };
        // One state for everything that follows.
        let begun = sqlx::query("BEGIN").execute(&mut reader.connection).await;
        begun.map_err(reader.failed())?;
        match guard::check(&mut reader.connection).await {
            Ok(()) => {
                // The state that is read is fixed by now, and the file does not become smaller than it.
                reader.left = size(path);
                Ok(reader)
            }
            Err(Refused::Database(error)) => Err(reader.failed()(error)),
            Err(Refused::NoTable(table)) => Err(ReadError::NoTable {
                path: reader.path,
                table,
            }),
            Err(Refused::Other(reason)) => Err(ReadError::Other {
                path: reader.path,
                reason,
            }),
        }
    }

    /// Whose database it is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Counts what comes out of the file. Pages that are used for several rows, which no program writes, would let it grow without end.
    fn hand_out(&mut self, bytes: u64) -> Result<(), ReadError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| ReadError::Endless {
            path: self.path.clone(),
        })?;
        Ok(())
    }

    /// What becomes of an error of the query that comes next.
    fn failed(&self) -> impl Fn(sqlx::Error) -> ReadError + use<> {
        let (path, steps) = (self.path.clone(), self.steps.clone());
        move |source| {
            let path = path.clone();
            if steps.are_used_up() {
                ReadError::Endless { path }
            } else {
                ReadError::Database { path, source }
            }
        }
    }

    /// At most `limit` names that have documents, in byte order, after the given one. They were not judged yet. Each is to be asked for once.
    ///
    /// # Errors
    /// [`ReadError::Database`], [`ReadError::Endless`].
    pub async fn guns(&mut self, after: &[u8], limit: u32) -> Result<Vec<Vec<u8>>, ReadError> {
        let failed = self.failed();
        let names = sqlx::query_scalar(GUNS).bind(after).bind(i64::from(limit));
        let names: Vec<Vec<u8>> = names
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed)?;
        self.hand_out(names.iter().map(|name| name.len() as u64).sum())?;
        Ok(names)
    }

    /// How many documents are of no repository: their names are no texts, or longer than any name.
    ///
    /// # Errors
    /// [`ReadError::Database`], [`ReadError::Endless`].
    pub async fn nameless(&mut self) -> Result<u64, ReadError> {
        let failed = self.failed();
        let count: i64 = sqlx::query_scalar(NAMELESS)
            .fetch_one(&mut self.connection)
            .await
            .map_err(failed)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// All documents of a repository, in the order in which they were stored; `None` when they are more than `max_rows` or together more than
    /// `max_bytes`, and then nothing of them was read. One that is longer than `max_document` is there without its bytes, and does not count. Each repository is to be asked for once.
    ///
    /// # Errors
    /// [`ReadError::Database`], [`ReadError::Endless`].
    pub async fn documents(
        &mut self,
        gun: &str,
        max_document: u64,
        max_rows: usize,
        max_bytes: u64,
    ) -> Result<Option<Vec<StoredRow>>, ReadError> {
        let failed = self.failed();
        let one_more = i64::try_from(max_rows)
            .unwrap_or(i64::MAX)
            .saturating_add(1);
        let rows = sqlx::query(DOCUMENTS)
            .bind(gun)
            .bind(one_more)
            .try_map(|row| read_document(&row))
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed)?;
        let lengths = rows.iter().map(|(_, length)| *length);
        let bytes = lengths.filter(|length| *length <= max_document);
        let bytes = bytes.fold(0, u64::saturating_add);
        if rows.len() > max_rows || bytes > max_bytes {
            return Ok(None);
        }
        self.hand_out(bytes)?;
        let limit = i64::try_from(max_document).unwrap_or(i64::MAX);
        let mut documents = Vec::with_capacity(rows.len());
        for (mut row, length) in rows {
            if length <= max_document {
                let failed = self.failed();
                let data: Option<Vec<u8>> = sqlx::query_scalar(DATA)
                    .bind(row.id)
                    .bind(limit)
                    .fetch_optional(&mut self.connection)
                    .await
                    .map_err(failed)?;
                row.data = data.map(Bytes::from);
            }
            documents.push(row);
        }
        Ok(Some(documents))
    }

    /// The changes of a repository. Texts that are longer than they can be are empty.
    ///
    /// # Errors
    /// [`ReadError::Database`], [`ReadError::Endless`].
    pub async fn changes(&mut self, gun: &str, limit: u32) -> Result<Vec<Change>, ReadError> {
        let failed = self.failed();
        sqlx::query(CHANGES)
            .bind(gun)
            .bind(i64::from(limit))
            .try_map(|row: SqliteRow| {
                Ok(Change {
                    id: row.try_get("id")?,
                    created_at: sql_time::parse(text(&row, "created_at")?),
                    gun: gun.to_owned(),
                    version: row.try_get("version")?,
                    // compat: PostgreSQL fills the column with blanks.
                    sha256: text(&row, "sha256")?
                        .unwrap_or_default()
                        .trim_end()
                        .to_owned(),
                    category: text(&row, "category")?.unwrap_or_default(),
                })
            })
            .fetch_all(&mut self.connection)
            .await
            .map_err(failed)
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

/// How long a database is, with the log beside it.
fn size(path: &Path) -> u64 {
    let files = [
        fs::metadata(path),
        fs::metadata(super::sqlite::with_suffix(path, "-wal")),
    ];
    let lengths = files.iter().flatten().map(fs::Metadata::len);
    lengths.fold(0, u64::saturating_add)
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

/// A text; what is not UTF-8 in it names nothing, and is marked so.
fn text(row: &SqliteRow, column: &str) -> Result<Option<String>, sqlx::Error> {
    let text: Option<Vec<u8>> = row.try_get(column)?;
    Ok(text.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// A document without its bytes, and how many they are.
fn read_document(row: &SqliteRow) -> Result<(StoredRow, u64), sqlx::Error> {
    let stored_at = sql_time::parse(text(row, "created_at")?);
    let length: Option<i64> = row.try_get("length")?;
    let document = StoredRow {
        id: row.try_get("id")?,
        role: text(row, "role")?.unwrap_or_default(),
        version: row.try_get("version")?,
        data: None,
        stored_at: (stored_at != ZERO_TIME).then_some(stored_at),
    };
    Ok((
        document,
        length
            .and_then(|l| u64::try_from(l).ok())
            .unwrap_or(u64::MAX),
    ))
}
