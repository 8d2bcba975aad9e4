//! `notary-server migrate`: the tables of the configured database, made or upgraded as Go's migrations do.

use std::fmt::Display;

use signet_server::store::postgres::{self, Migrated};
use signet_server::store::{MigrateOptions, MySqlStore, SqliteStore};
use signet_service::config::Configuration;
use signet_sql::Database;
use sqlx::postgres::PgPool;

use super::config::{self, Engine, Storage};
use super::databases::{connect, on_standard_error, pool_limits};
use super::failure::Failure;

/// Makes or upgrades the tables, and gives the lines that tell what was done.
pub(super) async fn run(
    configuration: &Configuration,
    options: MigrateOptions,
) -> Result<Vec<String>, Failure> {
    let backend = configuration.text("storage.backend");
    let has_own_keys = config::has_own_keys(configuration)?;
    let storage = config::storage(configuration)?;
    if options.binary_names && !is_mysql(&storage) {
        return Err(Failure::NoBinaryNames(backend));
    }
    let fail = |source| Failure::Storage {
        backend: backend.clone(),
        source,
    };
    let mut lines = Vec::new();
    match &storage {
        Storage::Memory => return Err(Failure::NothingToBootstrap),
        Storage::Sqlite(location) if options.dry_run => {
            lines.push(format!(
                "make the tables in {location} where they are missing"
            ));
        }
        Storage::Sqlite(location) => {
            let store = SqliteStore::open(location).await;
            let store = store.map_err(|error| fail(error.into()))?;
            if has_own_keys {
                let database = Database::Sqlite(store.pool().clone());
                lines.extend(keys(&database, options.dry_run).await?);
            }
            store.close().await;
        }
        Storage::Shared { engine, source } => {
            let limits = pool_limits(configuration)?;
            let database = connect(*engine, source, limits, &on_standard_error).await;
            let database = database.map_err(|error| fail(error.into()))?;
            lines.extend(documents(&database, options).await?);
            if has_own_keys {
                lines.extend(keys(&database, options.dry_run).await?);
            }
            database.close().await;
        }
    }
    if !options.dry_run {
        lines.push(match storage {
            Storage::Sqlite(location) => format!("the tables of {location} are ready"),
            // The data source name may hold a password.
            _ => format!("the tables of the {backend} database are ready"),
        });
    } else if lines.is_empty() {
        lines.push("nothing is to be done".to_owned());
    }
    Ok(lines)
}

const fn is_mysql(storage: &Storage) -> bool {
    matches!(
        storage,
        Storage::Shared {
            engine: Engine::MySql,
            ..
        }
    )
}

async fn documents(database: &Database, options: MigrateOptions) -> Result<Vec<String>, Failure> {
    let steps = match database {
        Database::MySql(pool) => MySqlStore::migrate(pool, options).await,
        Database::Postgres(pool) => return documents_in_postgres(pool, options.dry_run).await,
        // Made when it is opened.
        Database::Sqlite(_) => Ok(Vec::new()),
    };
    Ok(texts(
        &steps.map_err(|error| Failure::Migrate(error.into()))?,
    ))
}

async fn documents_in_postgres(pool: &PgPool, dry_run: bool) -> Result<Vec<String>, Failure> {
    let migrated = if dry_run {
        postgres::plan(pool).await
    } else {
        postgres::migrate(pool).await
    };
    Ok(
        match migrated.map_err(|error| Failure::Migrate(error.into()))? {
            Migrated::Created => {
                vec!["create the tables tuf_files, change_category and changefeed".to_owned()]
            }
            Migrated::Upgraded { from, to } => {
                vec![format!("upgrade the tables from version {from} to {to}")]
            }
            Migrated::Current => Vec::new(),
        },
    )
}

async fn keys(database: &Database, dry_run: bool) -> Result<Vec<String>, Failure> {
    let steps = signet_keys::database::migrate_beside_documents(database, dry_run).await;
    Ok(texts(
        &steps.map_err(|error| Failure::Migrate(error.into()))?,
    ))
}

fn texts<T: Display>(steps: &[T]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}
