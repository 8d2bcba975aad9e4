//! Dumps of a trust server's database as SQL text: what `sqlite3 .dump`, `mysqldump`, `mariadb-dump` and `pg_dump` write.
//!
//! Nothing in a dump is run. Its text is read for the rows of two tables, which go into a SQLite file of our own.

mod lexer;
mod rows;
mod value;

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use self::lexer::Lexer;
use self::rows::{Reading, Record};
use crate::reader::Engine;
use crate::sqlite::{CREATE_CHANGEFEED, CREATE_TUF_FILES};

/// Why a dump cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// SQLite did not take a row.
    #[error("a row was not taken: {0}")]
    Row(#[from] sqlx::Error),
    /// `pg_dump -Fc`.
    #[error(
        "it is a dump in PostgreSQL's own format; \"pg_restore -f dump.sql\" makes SQL text of it"
    )]
    PostgresArchive,
    /// Nothing says which database it comes from.
    #[error(
        "it is neither a SQLite database nor a dump of SQLite, MySQL or PostgreSQL as SQL text"
    )]
    Unknown,
    /// The text is not what such programs write.
    #[error("line {line}: {reason}")]
    Syntax {
        /// Which line.
        line: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// It has no documents.
    #[error("it has no table tuf_files")]
    NoTable,
}

/// How much of a dump is looked at to tell where it comes from.
const HEAD: u64 = 64 * 1024;

/// Tells by the comments at the beginning and the first statement: what comes after them, publishers can write.
fn engine_of(dump: &mut File) -> Result<Engine, DumpError> {
    let mut head = Vec::new();
    dump.rewind()?;
    dump.take(HEAD).read_to_end(&mut head)?;
    dump.rewind()?;
    let head = String::from_utf8_lossy(&head);
    let is_comment =
        |line: &str| line.is_empty() || line.starts_with("--") || line.starts_with("/*");
    let mut lines = head.lines().map(str::trim);
    let mut statement = None;
    let mut named = Vec::new();
    for line in lines.by_ref() {
        if !is_comment(line) {
            statement = Some(line);
            break;
        }
        for (mark, engine) in [
            ("PostgreSQL database dump", Engine::Postgresql),
            ("MySQL dump", Engine::Mysql),
            ("MariaDB dump", Engine::Mysql),
        ] {
            if line.contains(mark) {
                named.push(engine);
            }
        }
    }
    let begins =
        |with: &[&str]| statement.is_some_and(|line| with.iter().any(|w| line.starts_with(w)));
    if begins(&["PRAGMA foreign_keys"]) {
        named.push(Engine::Sqlite);
    } else if begins(&[
        "SET statement_timeout",
        "SELECT pg_catalog.",
        "COPY ",
        "INSERT INTO public.",
    ]) {
        named.push(Engine::Postgresql);
    } else if begins(&[
        "CREATE TABLE `",
        "DROP TABLE IF EXISTS `",
        "INSERT INTO `",
        "LOCK TABLES `",
    ]) {
        named.push(Engine::Mysql);
    }
    let first = named.first().copied().ok_or(DumpError::Unknown)?;
    if named.iter().any(|engine| *engine != first) {
        return Err(DumpError::Unknown);
    }
    Ok(first)
}

/// Loads the rows of a dump into a new SQLite file.
pub(crate) async fn load(mut dump: File, into: &Path) -> Result<Engine, DumpError> {
    let engine = engine_of(&mut dump)?;
    let mut connection = SqliteConnectOptions::new()
        .filename(into)
        .create_if_missing(true)
        // The file is nobody's but ours, and gone with the command.
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .disable_statement_logging()
        .connect()
        .await?;
    for statement in [CREATE_TUF_FILES, CREATE_CHANGEFEED] {
        connection.execute(statement).await?;
    }
    let mut reading = Reading::new(Lexer::new(dump, engine));
    connection.execute("BEGIN").await?;
    while let Some(record) = reading.next()? {
        insert(&mut connection, record).await?;
    }
    connection.execute("COMMIT").await?;
    connection
        .execute("CREATE INDEX by_gun ON tuf_files(gun, id)")
        .await?;
    connection
        .execute("CREATE INDEX changes_by_gun ON changefeed(gun, id)")
        .await?;
    connection.close().await?;
    if reading.has_documents() {
        Ok(engine)
    } else {
        Err(DumpError::NoTable)
    }
}

async fn insert(connection: &mut SqliteConnection, record: Record) -> Result<(), sqlx::Error> {
    let query = match record {
        Record::File {
            created_at,
            deleted_at,
            gun,
            role,
            version,
            data,
        } => sqlx::query(
            "INSERT INTO tuf_files (created_at, deleted_at, gun, role, version, data) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(created_at)
        .bind(deleted_at)
        .bind(gun)
        .bind(role)
        .bind(version)
        .bind(data),
        Record::Change {
            id,
            created_at,
            gun,
            version,
            sha256,
            category,
        } => sqlx::query(
            "INSERT INTO changefeed (id, created_at, gun, version, sha256, category) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(id)
        .bind(created_at)
        .bind(gun)
        .bind(version)
        .bind(sha256)
        .bind(category),
    };
    query.execute(connection).await.map(drop)
}
