//! How the table `private_keys` comes to be (specification, signer-and-keys sections 4.1 and 4.2).
//!
//! Go's tables are made by a tool that keeps the number of the last migration in a table of its own, `schema_migrations`.
//! What is made here ends as Go's migrations end, and says so there, so that either can go on. In a database that also
//! has the tables of a trust server, the number is the trust server's and is left alone.

use std::fmt;

use signet_sql::Database;
use sqlx::mysql::{MySqlConnection, MySqlPool};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection as _, Row as _};

/// What a migration does, or would do.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Makes the table.
    CreateTable,
    /// Adds columns to a table of Go's first migration. Keys that are in it have no GUN and no role.
    AddColumns(Vec<&'static str>),
    /// Notes the number of the last migration for Go's tool.
    RecordVersion(i64),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTable => f.write_str("create the table private_keys"),
            Self::AddColumns(columns) => {
                write!(f, "add to private_keys: {}", columns.join(", "))
            }
            Self::RecordVersion(version) => {
                write!(f, "note version {version} in schema_migrations")
            }
        }
    }
}

/// Why the table was not made or upgraded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Another migration is under way.
    #[error("another migration of this database is under way")]
    Busy,
    /// The database cannot be reached, or refuses.
    #[error("the key database cannot be migrated")]
    Database(#[from] sqlx::Error),
    /// There is a table of that name with other columns.
    #[error("the table private_keys is not one of notary-signer: it has no column {0}")]
    Foreign(&'static str),
    /// A later program has changed the table.
    #[error(
        "the table private_keys has version {found}, and this program knows versions up to {known}"
    )]
    Newer {
        /// What `schema_migrations` says.
        found: i64,
        /// The last that is known here.
        known: i64,
    },
}

/// Makes or upgrades the table, and tells what was done: nothing when it is as it should be. It may be interrupted and
/// run again, and services may use the keys meanwhile. A dry run changes nothing.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate(database: &Database, dry_run: bool) -> Result<Vec<Step>, MigrateError> {
    run(database, dry_run, false).await
}

/// The same in the database of a trust server, also while that has no tables yet.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate_beside_documents(
    database: &Database,
    dry_run: bool,
) -> Result<Vec<Step>, MigrateError> {
    run(database, dry_run, true).await
}

async fn run(
    database: &Database,
    dry_run: bool,
    is_beside: bool,
) -> Result<Vec<Step>, MigrateError> {
    match database {
        Database::Sqlite(pool) => sqlite(pool, dry_run).await,
        Database::Postgres(pool) => postgres(pool, dry_run, is_beside).await,
        Database::MySql(pool) => mysql(pool, dry_run, is_beside).await,
    }
}

/// What there is.
struct Found {
    /// The columns of `private_keys`; none when there is no table.
    columns: Vec<String>,
    /// What `schema_migrations` says of the key database; `None` when there is none.
    version: Option<Version>,
    /// Whether `schema_migrations` is, or would be, the key database's.
    is_ours: bool,
}

#[derive(Clone, Copy)]
struct Version {
    number: i64,
    dirty: bool,
}

impl Found {
    /// Without the number, which is the trust server's where the table is beside its tables.
    fn unless(mut self, is_beside: bool) -> Self {
        if is_beside {
            self.version = None;
            self.is_ours = false;
        }
        self
    }

    /// What is to be done so that there is what the last migration makes.
    fn plan(&self, last: i64, late: &[&'static str]) -> Result<Vec<Step>, MigrateError> {
        if let Some(Version { number, .. }) = self.version
            && number > last
        {
            return Err(MigrateError::Newer {
                found: number,
                known: last,
            });
        }
        let missing = |column: &&'static str| !self.columns.iter().any(|have| have == column);
        let mut steps = Vec::new();
        if self.columns.is_empty() {
            steps.push(Step::CreateTable);
        } else if let Some(missing) = COLUMNS.iter().copied().find(missing) {
            return Err(MigrateError::Foreign(missing));
        } else {
            let add: Vec<&'static str> = LATE.iter().copied().filter(missing).collect();
            if let Some(missing) = add.iter().find(|column| !late.contains(column)) {
                return Err(MigrateError::Foreign(missing));
            }
            if !add.is_empty() {
                steps.push(Step::AddColumns(add));
            }
        }
        let is_noted = match self.version {
            Some(version) => version.number == last && !version.dirty,
            // Whoever made the table keeps no number, or keeps it elsewhere.
            None => !self.columns.is_empty() && steps.is_empty(),
        };
        if self.is_ours && !is_noted {
            steps.push(Step::RecordVersion(last));
        }
        Ok(steps)
    }
}

/// The columns of the first migration.
const COLUMNS: [&str; 11] = [
    "id",
    "created_at",
    "updated_at",
    "deleted_at",
    "key_id",
    "encryption_alg",
    "keywrap_alg",
    "algorithm",
    "passphrase_alias",
    "public",
    "private",
];
/// The columns that came later.
const LATE: [&str; 3] = ["gun", "role", "last_used"];

/// The number of the last migration.
const POSTGRES_LAST: i64 = 1;
const MYSQL_LAST: i64 = 2;

/// No Go program writes such a file; the table is what Go's mapping would make.
const SQLITE: &str = "
CREATE TABLE IF NOT EXISTS private_keys (
    id integer PRIMARY KEY AUTOINCREMENT,
    created_at datetime,
    updated_at datetime,
    deleted_at datetime,
    key_id varchar(255) NOT NULL UNIQUE,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    public blob NOT NULL,
    private blob NOT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    last_used datetime
);
CREATE INDEX IF NOT EXISTS private_keys_owner ON private_keys (gun, role);
";

const POSTGRES: &str = "
CREATE TABLE private_keys (
    id serial PRIMARY KEY,
    created_at timestamp NULL DEFAULT NULL,
    updated_at timestamp NULL DEFAULT NULL,
    deleted_at timestamp NULL DEFAULT NULL,
    key_id varchar(255) NOT NULL,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    public bytea NOT NULL,
    private bytea NOT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    last_used timestamp NULL DEFAULT NULL,
    CONSTRAINT key_id UNIQUE (key_id),
    CONSTRAINT key_id_2 UNIQUE (key_id, algorithm)
);
";

const MYSQL: &str = "
CREATE TABLE private_keys (
    id int(11) NOT NULL AUTO_INCREMENT,
    created_at timestamp NULL DEFAULT NULL,
    updated_at timestamp NULL DEFAULT NULL,
    deleted_at timestamp NULL DEFAULT NULL,
    key_id varchar(255) NOT NULL,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    public blob NOT NULL,
    private blob NOT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    last_used datetime NULL DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY key_id (key_id),
    UNIQUE KEY key_id_2 (key_id, algorithm)
) ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_general_ci
";

/// A statement for each late column: one that is interrupted leaves what the next run finds.
const MYSQL_ADD: [(&str, &str); 3] = [
    (
        "gun",
        "ALTER TABLE private_keys ADD COLUMN gun varchar(255) NOT NULL",
    ),
    (
        "role",
        "ALTER TABLE private_keys ADD COLUMN role varchar(255) NOT NULL",
    ),
    (
        "last_used",
        "ALTER TABLE private_keys ADD COLUMN last_used datetime NULL DEFAULT NULL",
    ),
];

/// The table of Go's migration tool.
const VERSIONS: &str = "
CREATE TABLE IF NOT EXISTS schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)";
const FORGET_VERSION: &str = "DELETE FROM schema_migrations";

/// Makes the table where it is missing.
pub(super) async fn make_in_sqlite(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::raw_sql(SQLITE).execute(pool).await?;
    Ok(())
}

async fn sqlite(pool: &SqlitePool, dry_run: bool) -> Result<Vec<Step>, MigrateError> {
    const COLUMNS: &str = "SELECT name FROM pragma_table_info('private_keys')";
    let found = Found {
        columns: sqlx::query_scalar(COLUMNS).fetch_all(pool).await?,
        version: None,
        is_ours: false,
    };
    let steps = found.plan(0, &[])?;
    if !dry_run {
        make_in_sqlite(pool).await?;
    }
    Ok(steps)
}

/// The version in a table of versions, which has one row; older tools keep a row for each migration, and no flag.
fn newest(rows: Vec<Version>) -> Option<Version> {
    rows.into_iter().max_by_key(|version| version.number)
}

async fn postgres(
    pool: &PgPool,
    dry_run: bool,
    is_beside: bool,
) -> Result<Vec<Step>, MigrateError> {
    const LOCK: &str = "SELECT pg_try_advisory_xact_lock(7310297031642116443)";
    let mut transaction = pool.begin().await?;
    if !sqlx::query_scalar::<_, bool>(LOCK)
        .fetch_one(&mut *transaction)
        .await?
    {
        return Err(MigrateError::Busy);
    }
    let found = found_in_postgres(&mut transaction).await?;
    let steps = found.unless(is_beside).plan(POSTGRES_LAST, &[])?;
    if dry_run {
        // Ended here and not some time after the value is dropped: whoever migrates next wants the lock.
        transaction.rollback().await?;
        return Ok(steps);
    }
    for step in &steps {
        match step {
            Step::CreateTable => {
                sqlx::raw_sql(POSTGRES).execute(&mut *transaction).await?;
            }
            // The first migration has all columns.
            Step::AddColumns(_) => {}
            Step::RecordVersion(version) => {
                sqlx::raw_sql(VERSIONS).execute(&mut *transaction).await?;
                sqlx::query(FORGET_VERSION)
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query("INSERT INTO schema_migrations (version, dirty) VALUES ($1, FALSE)")
                    .bind(*version)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
    }
    transaction.commit().await?;
    Ok(steps)
}

async fn found_in_postgres(connection: &mut PgConnection) -> sqlx::Result<Found> {
    const COLUMNS: &str = "
SELECT attname::text FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let columns = async |connection: &mut PgConnection, table: &'static str| {
        let names = sqlx::query_scalar::<_, String>(COLUMNS).bind(table);
        names.fetch_all(connection).await
    };
    let is_ours = columns(&mut *connection, "tuf_files").await?.is_empty();
    let versions = columns(&mut *connection, "schema_migrations").await?;
    let has_flag = versions.iter().any(|column| column == "dirty");
    let version = if is_ours && has_flag {
        let rows = sqlx::query("SELECT version::bigint, dirty FROM schema_migrations")
            .fetch_all(&mut *connection)
            .await?;
        let version = |row: &sqlx::postgres::PgRow| {
            Ok(Version {
                number: row.try_get(0)?,
                dirty: row.try_get(1)?,
            })
        };
        newest(rows.iter().map(version).collect::<sqlx::Result<_>>()?)
    } else {
        None
    };
    Ok(Found {
        columns: columns(connection, "private_keys").await?,
        version,
        // A table of versions without the flag is another tool's.
        is_ours: is_ours && (versions.is_empty() || has_flag),
    })
}

async fn mysql(
    pool: &MySqlPool,
    dry_run: bool,
    is_beside: bool,
) -> Result<Vec<Step>, MigrateError> {
    // One for all databases of a server, hence the name of this one in it.
    const LOCK: &str =
        "SELECT CAST(GET_LOCK(SHA2(CONCAT(DATABASE(), '.private_keys'), 256), 10) AS SIGNED)";
    let mut connection = pool.acquire().await?;
    // However this ends, the session does, and the lock with it.
    connection.close_on_drop();
    let lock: Option<i64> = sqlx::query_scalar(LOCK).fetch_one(&mut *connection).await?;
    if lock == Some(0) {
        return Err(MigrateError::Busy);
    }
    let found = found_in_mysql(&mut connection).await?;
    let steps = found.unless(is_beside).plan(MYSQL_LAST, &LATE)?;
    if !dry_run {
        // Changes of tables cannot be taken back here: the flag says that they are under way, as with Go's tool.
        let version = steps.iter().find_map(|step| match step {
            Step::RecordVersion(version) => Some(*version),
            _ => None,
        });
        if let Some(version) = version {
            sqlx::raw_sql(VERSIONS).execute(&mut *connection).await?;
            note_in_mysql(&mut connection, version, true).await?;
        }
        for step in &steps {
            match step {
                Step::CreateTable => {
                    sqlx::raw_sql(MYSQL).execute(&mut *connection).await?;
                }
                Step::AddColumns(columns) => {
                    let wanted = |column: &&str| columns.contains(column);
                    for (_, add) in MYSQL_ADD.iter().filter(|(column, _)| wanted(column)) {
                        sqlx::raw_sql(*add).execute(&mut *connection).await?;
                    }
                }
                Step::RecordVersion(version) => {
                    note_in_mysql(&mut connection, *version, false).await?;
                }
            }
        }
    }
    let _ = connection.close().await;
    Ok(steps)
}

async fn note_in_mysql(
    connection: &mut MySqlConnection,
    version: i64,
    dirty: bool,
) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    sqlx::query(FORGET_VERSION)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO schema_migrations (version, dirty) VALUES (?, ?)")
        .bind(version)
        .bind(dirty)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

async fn found_in_mysql(connection: &mut MySqlConnection) -> sqlx::Result<Found> {
    const COLUMNS: &str = "
SELECT CONCAT(column_name, '') FROM information_schema.columns
WHERE table_schema = DATABASE() AND table_name = ?";
    let columns = async |connection: &mut MySqlConnection, table: &'static str| {
        let names = sqlx::query_scalar::<_, String>(COLUMNS).bind(table);
        names.fetch_all(connection).await
    };
    let is_ours = columns(&mut *connection, "tuf_files").await?.is_empty();
    let versions = columns(&mut *connection, "schema_migrations").await?;
    let has_flag = versions.iter().any(|column| column == "dirty");
    let version = if is_ours && has_flag {
        const VERSION: &str =
            "SELECT CAST(version AS SIGNED), CAST(dirty AS SIGNED) FROM schema_migrations";
        let rows = sqlx::query(VERSION).fetch_all(&mut *connection).await?;
        let version = |row: &sqlx::mysql::MySqlRow| {
            Ok(Version {
                number: row.try_get(0)?,
                dirty: row.try_get::<i64, _>(1)? != 0,
            })
        };
        newest(rows.iter().map(version).collect::<sqlx::Result<_>>()?)
    } else {
        None
    };
    Ok(Found {
        columns: columns(connection, "private_keys").await?,
        version,
        is_ours: is_ours && (versions.is_empty() || has_flag),
    })
}
