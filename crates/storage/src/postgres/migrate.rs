//! The tables in PostgreSQL, step by step as the Go server's migrations make them.
//!
//! The names of constraints, indexes and sequences are those that Go's migrations end up with, and the table `schema_migrations` says
//! what Go's migration tool would say, so that either program's tools go on from there.

use sqlx::postgres::{PgPool, PgTransaction};

/// The steps, by the numbers that Go's migration tool gives them: what the step is recognised by, and the statements.
const STEPS: [Step; 2] = [
    Step {
        number: 1,
        table: "tuf_files",
        statements: &[
            "CREATE TABLE tuf_files ( \
                id serial PRIMARY KEY, \
                created_at timestamp NULL DEFAULT NULL, \
                updated_at timestamp NULL DEFAULT NULL, \
                deleted_at timestamp NULL DEFAULT NULL, \
                gun varchar(255) NOT NULL, \
                role varchar(255) NOT NULL, \
                version integer NOT NULL, \
                data bytea NOT NULL, \
                sha256 char(64) DEFAULT NULL, \
                UNIQUE (gun, role, version))",
            "CREATE INDEX tuf_files_sha256_idx ON tuf_files (sha256)",
        ],
    },
    Step {
        number: 2,
        table: "changefeed",
        statements: &[
            "CREATE TABLE change_category (category varchar(20) PRIMARY KEY)",
            "INSERT INTO change_category VALUES ('update'), ('deletion')",
            "CREATE TABLE changefeed ( \
                id serial PRIMARY KEY, \
                created_at timestamp DEFAULT CURRENT_TIMESTAMP, \
                gun varchar(255) NOT NULL, \
                version integer NOT NULL, \
                sha256 char(64) DEFAULT NULL, \
                category varchar(20) NOT NULL DEFAULT 'update' REFERENCES change_category)",
            "CREATE INDEX idx_changefeed_gun ON changefeed (gun)",
            "INSERT INTO changefeed (created_at, gun, version, sha256) \
                SELECT created_at, gun, version, sha256 FROM tuf_files \
                WHERE role = 'timestamp' AND deleted_at IS NULL ORDER BY created_at, id",
        ],
    },
];

struct Step {
    number: i64,
    table: &'static str,
    statements: &'static [&'static str],
}

/// What was done about the tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Migrated {
    /// The database was empty; all tables were made.
    Created,
    /// Tables of an earlier version were there, and what they lacked was added.
    Upgraded {
        /// The version that was found.
        from: i64,
        /// The version that it has now.
        to: i64,
    },
    /// Nothing had to be done.
    Current,
}

/// Why the tables were not touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The database could not be reached or refused.
    #[error("the database could not be migrated")]
    Database(#[from] sqlx::Error),
    /// Another tool was interrupted.
    #[error(
        "the table schema_migrations says that migration {version} was interrupted (it is marked dirty); \
         find out what it left undone, mend that, and set dirty to false"
    )]
    Dirty {
        /// At which migration.
        version: i64,
    },
    /// A newer program made the tables.
    #[error(
        "the table schema_migrations says version {version}, and this program knows versions up to {known}"
    )]
    Newer {
        /// What it says.
        version: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// The table of versions and the tables do not agree.
    #[error("the table schema_migrations says version {version}, but there is no table {table}")]
    Missing {
        /// What it says.
        version: i64,
        /// What is not there.
        table: &'static str,
    },
}

/// What the table of versions says.
struct Recorded {
    version: Option<i64>,
    /// Earlier tools knew no interrupted migrations.
    has_dirty: bool,
}

/// Makes the tables that are missing, all or nothing. May be run at any time, also by several at the same moment.
///
/// # Errors
/// [`MigrateError`]; nothing was changed then.
pub async fn migrate(pool: &PgPool) -> Result<Migrated, MigrateError> {
    run(pool, false).await
}

/// What [`migrate`] would do now. Nothing is changed.
///
/// # Errors
/// [`MigrateError`].
pub async fn plan(pool: &PgPool) -> Result<Migrated, MigrateError> {
    run(pool, true).await
}

async fn run(pool: &PgPool, dry_run: bool) -> Result<Migrated, MigrateError> {
    let mut transaction = pool.begin().await?;
    for statement in [
        // Filling the changefeed of a large database takes its time.
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = '60s'",
        // One at a time. The number is arbitrary and means this everywhere.
        "SELECT pg_advisory_xact_lock(7239021846150347711)",
    ] {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    let recorded = recorded(&mut transaction).await?;
    let known = STEPS.last().map_or(0, |step| step.number);
    let mut found = 0;
    let mut is_complete = true;
    for step in &STEPS {
        let exists = exists(&mut transaction, step.table).await?;
        match recorded.as_ref().and_then(|recorded| recorded.version) {
            Some(version) if version > known => {
                return Err(MigrateError::Newer { version, known });
            }
            Some(version) if version >= step.number && !exists => {
                return Err(MigrateError::Missing {
                    version,
                    table: step.table,
                });
            }
            _ => {}
        }
        if exists {
            found = step.number;
            continue;
        }
        is_complete = false;
        for statement in step.statements.iter().filter(|_| !dry_run) {
            sqlx::query(*statement).execute(&mut *transaction).await?;
        }
    }
    if dry_run {
        transaction.rollback().await?;
    } else {
        record(&mut transaction, recorded.as_ref(), known).await?;
        transaction.commit().await?;
    }
    Ok(match found {
        _ if is_complete => Migrated::Current,
        0 => Migrated::Created,
        from => Migrated::Upgraded { from, to: known },
    })
}

async fn exists(transaction: &mut PgTransaction<'_>, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(table)
        .fetch_one(&mut **transaction)
        .await
}

/// What the table of versions says; `None` when there is none.
async fn recorded(transaction: &mut PgTransaction<'_>) -> Result<Option<Recorded>, MigrateError> {
    if !exists(transaction, "schema_migrations").await? {
        return Ok(None);
    }
    let has_dirty = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = 'schema_migrations'::regclass \
            AND attname = 'dirty' AND NOT attisdropped)",
    )
    .fetch_one(&mut **transaction)
    .await?;
    let version: Option<i64> =
        sqlx::query_scalar("SELECT max(version::bigint) FROM schema_migrations")
            .fetch_one(&mut **transaction)
            .await?;
    if has_dirty {
        let dirty: Option<i64> =
            sqlx::query_scalar("SELECT max(version::bigint) FROM schema_migrations WHERE dirty")
                .fetch_one(&mut **transaction)
                .await?;
        if let Some(version) = dirty {
            return Err(MigrateError::Dirty { version });
        }
    }
    Ok(Some(Recorded { version, has_dirty }))
}

/// Has the table of versions say this version, as Go's tool does: one row. The earliest tools had a row for every migration.
async fn record(
    transaction: &mut PgTransaction<'_>,
    recorded: Option<&Recorded>,
    version: i64,
) -> Result<(), sqlx::Error> {
    let mut statements = Vec::new();
    match recorded {
        Some(recorded) if recorded.version == Some(version) => return Ok(()),
        Some(Recorded {
            has_dirty: false, ..
        }) => {
            let rows = "INSERT INTO schema_migrations (version) SELECT n FROM generate_series(1, $1::bigint) AS n \
                WHERE n NOT IN (SELECT version FROM schema_migrations)";
            statements.push(rows);
        }
        Some(_) => {}
        None => statements.push(
            "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
        ),
    }
    if recorded.is_none_or(|recorded| recorded.has_dirty) {
        statements.push("DELETE FROM schema_migrations");
        statements.push("INSERT INTO schema_migrations (version, dirty) VALUES ($1, false)");
    }
    for statement in statements {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") {
            query.bind(version)
        } else {
            query
        };
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}
