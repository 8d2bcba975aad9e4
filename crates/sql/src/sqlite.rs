//! SQLite: a path, or a `file:` URL of one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::{ConnectError, PoolLimits};

/// A location that names no file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} names no file; an SQLite database is given as a path or a file: URL")]
pub struct InvalidLocation(pub String);

/// The file that a location names.
///
/// # Errors
/// [`InvalidLocation`].
pub fn parse_location(location: &str) -> Result<PathBuf, InvalidLocation> {
    let refused = || InvalidLocation(location.to_owned());
    let path = match location.strip_prefix("file:") {
        None => location.to_owned(),
        Some(url) => {
            let url = url.split(['?', '#']).next().unwrap_or_default();
            let path = match url.strip_prefix("//") {
                None => url,
                Some(rest) => rest
                    .find('/')
                    .filter(|slash| matches!(rest.get(..*slash), Some("" | "localhost")))
                    .and_then(|slash| rest.get(slash..))
                    .ok_or_else(refused)?,
            };
            let broken = path.split('%').skip(1).any(|escape| {
                let digits = escape.as_bytes().get(..2);
                !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            });
            let decoded = percent_encoding::percent_decode_str(path).decode_utf8();
            match decoded {
                Ok(path) if !broken => path.into_owned(),
                _ => return Err(refused()),
            }
        }
    };
    if path.is_empty() || path.contains('\0') || path.contains(":memory:") {
        return Err(refused());
    }
    Ok(path.into())
}

/// Opens a file to read and write it, and makes it, readable by its owner only, when it is missing.
///
/// # Errors
/// What the system says.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// How the services open an SQLite file: what was acknowledged survives a power failure, and other programs may read meanwhile.
#[must_use]
pub fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// The same for who only looks, while a service may have the file open.
#[must_use]
pub fn read_only(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Opens the file, which is made when it is missing; its folder must exist.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(location: &str, limits: PoolLimits) -> Result<SqlitePool, ConnectError> {
    let path = parse_location(location).map_err(|e| ConnectError::DataSource(e.to_string()))?;
    drop(open_private(&path).map_err(sqlx::Error::Io)?);
    let pool = SqlitePoolOptions::new()
        .max_connections(limits.connections)
        .acquire_timeout(limits.acquire);
    Ok(pool.connect_with(options(&path)).await?)
}

/// Opens the file to look into it, and neither makes it nor writes to it; `None` when there is none.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect_to_read(location: &str) -> Result<Option<SqlitePool>, ConnectError> {
    let path = parse_location(location).map_err(|e| ConnectError::DataSource(e.to_string()))?;
    if !path.try_exists().map_err(sqlx::Error::Io)? {
        return Ok(None);
    }
    let pool = SqlitePoolOptions::new().max_connections(1);
    Ok(Some(pool.connect_with(read_only(&path)).await?))
}

/// How long to wait for another program that writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
