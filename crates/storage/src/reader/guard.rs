//! What keeps a SQLite file of somebody else's from costing more than its size, and from having anything run.
//!
//! SQLite believes a file: a name may stand for a view or a module of its own, a column for a computation, and pages may lead to each other
//! without end. So only ordinary tables are read, and memory and steps are bounded.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Row as _};

/// The tables of a trust server, with the columns that are read.
const TABLES: [(&str, &[&str]); 2] = [
    (
        "tuf_files",
        &[
            "id",
            "created_at",
            "deleted_at",
            "gun",
            "role",
            "version",
            "data",
        ],
    ),
    (
        "changefeed",
        &["id", "created_at", "gun", "version", "sha256", "category"],
    ),
];
/// What SQLite may use. The driver has no safe way to bound a single value, so this bounds them all; a document is several times in memory while it
/// is handed over.
const MAX_HEAP: &str = "536870912";
/// Kibibytes of pages that stay in memory. The file has a wish of its own.
const CACHE: &str = "-16384";
/// Steps of SQLite's machine between two looks at how many there were.
const STRIDE: i32 = 10_000;
/// Steps that may always be taken.
const FEW_STEPS: i64 = 10_000_000;
/// Steps for each byte of the file. All queries together take some hundred for a row, which has at least as many bytes.
const STEPS_PER_BYTE: i64 = 4;

/// Why a file is not taken for what it seems to be.
#[derive(Debug)]
pub(super) enum Refused {
    Database(sqlx::Error),
    NoTable(&'static str),
    /// It is written differently from what a trust server makes.
    Other(String),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Opens a file that is there as one that is only read, and that nobody vouches for.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    use sqlx::ConnectOptions as _;
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        // A schema that somebody else wrote must not run functions.
        .pragma("trusted_schema", "OFF")
        .pragma("query_only", "ON")
        .pragma("cell_size_check", "ON")
        // A file that becomes shorter while it is mapped ends the process.
        .pragma("mmap_size", "0")
        .pragma("cache_size", CACHE)
        // For the whole process: nothing else of it uses SQLite much while it reads a file of somebody else's.
        .pragma("hard_heap_limit", MAX_HEAP)
        .disable_statement_logging()
}

/// Refuses whatever is not the ordinary tables of a trust server. The schema is only read as text here: asking SQLite about a view or a
/// virtual table would already run it.
pub(super) async fn check(connection: &mut SqliteConnection) -> Result<(), Refused> {
    // The kind that a row names may be a lie; SQLite goes by the statement.
    let other: Option<String> = sqlx::query_scalar(
        "SELECT substr(sql, 1, 40) FROM sqlite_schema WHERE sql IS NOT NULL AND NOT ( \
         substr(sql, 1, 13) IN ('CREATE TABLE ', 'CREATE INDEX ') OR substr(sql, 1, 20) = 'CREATE UNIQUE INDEX ') LIMIT 1",
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(statement) = other {
        return Err(Refused::Other(format!(
            "it has more than tables and indexes ({}…)",
            statement.escape_debug()
        )));
    }
    for (table, wanted) in TABLES {
        let columns = sqlx::query(AssertSqlSafe(format!("PRAGMA main.table_xinfo({table})")))
            .fetch_all(&mut *connection)
            .await?;
        if columns.is_empty() {
            return Err(Refused::NoTable(table));
        }
        let mut missing = wanted.to_vec();
        for column in &columns {
            let name: String = column.try_get("name")?;
            // Each row would have it, however short the row is.
            let default: Option<String> = column.try_get("dflt_value")?;
            let has_default = default.is_some_and(|value| !value.eq_ignore_ascii_case("null"));
            let kind: String = column.try_get("type")?;
            let (hidden, key): (i64, i64) = (column.try_get("hidden")?, column.try_get("pk")?);
            // Rows are read in the order of their numbers.
            let is_number = key == 1 && kind.eq_ignore_ascii_case("integer");
            if hidden != 0 || has_default || (name == "id" && !is_number) {
                return Err(Refused::Other(format!(
                    "the column {} of {table} is not an ordinary one",
                    name.escape_debug()
                )));
            }
            missing.retain(|wanted| *wanted != name);
        }
        if let Some(column) = missing.first() {
            return Err(Refused::Other(format!("{table} has no column {column}")));
        }
    }
    Ok(())
}

/// The steps that are left for all queries together.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    left: Arc<AtomicI64>,
}

impl Steps {
    /// Counts those of a connection to a database of `bytes` bytes.
    pub(super) async fn count(
        connection: &mut SqliteConnection,
        bytes: u64,
    ) -> Result<Self, sqlx::Error> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let all = bytes
            .saturating_mul(STEPS_PER_BYTE)
            .saturating_add(FEW_STEPS);
        let left = Arc::new(AtomicI64::new(all));
        let counted = Arc::clone(&left);
        connection
            .lock_handle()
            .await?
            .set_progress_handler(STRIDE, move || {
                counted.fetch_sub(i64::from(STRIDE), Ordering::Relaxed) > 0
            });
        Ok(Self { left })
    }

    /// Whether a query was given up.
    pub(super) fn are_used_up(&self) -> bool {
        self.left.load(Ordering::Relaxed) <= 0
    }
}
