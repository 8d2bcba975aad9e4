//! Opens the keys.

use std::sync::Arc;

use signet_keys::KeyDatabase;
use signet_keys::database::{DatabaseError, MemoryKeys, Options, ServiceKeys};
use signet_service::config::Configuration;
use signet_service::health::Health;
use signet_service::process::{chain, complain};
use signet_service::secrets::AliasVariables;
use signet_sql::{Database, PoolLimits, mysql, postgres, sqlite};
use tokio::task::JoinSet;

use super::config::{self, ENVIRONMENT_PREFIX, Engine, Storage};
use super::failure::Failure;

/// Connects to a database, and tells what its operator should know of the data source.
pub(super) async fn connect(
    engine: Engine,
    source: &str,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Database, Failure> {
    let limits = PoolLimits::default();
    let database = match engine {
        Engine::MySql => {
            let source = mysql::Source::parse(source)?;
            for warning in source.warnings() {
                tell(&format!("storage.db_url: {warning}"));
            }
            source.connect(limits).await.map(Database::MySql)
        }
        Engine::Postgres => postgres::connect(source, limits)
            .await
            .map(Database::Postgres),
        Engine::Sqlite => sqlite::connect(source, limits).await.map(Database::Sqlite),
    };
    Ok(database?)
}

/// For commands, which tell whatever the level of the log is.
pub(super) fn on_standard_error(warning: &str) {
    complain(&format!("{warning}\n"));
}

/// Opens the keys of a database to look at them: no file and no table is made.
pub(super) async fn open_to_read(
    storage: &Storage,
    configuration: &Configuration,
) -> Result<KeyDatabase, Failure> {
    let Storage::Database { engine, source } = storage else {
        return Err(Failure::NothingToCheck);
    };
    let database = if *engine == Engine::Sqlite {
        let pool = sqlite::connect_to_read(source).await?;
        Database::Sqlite(pool.ok_or_else(|| Failure::NoFile(source.clone()))?)
    } else {
        connect(*engine, source, &on_standard_error).await?
    };
    let passphrases = passphrases(configuration);
    // No key is made, for no alias.
    Ok(KeyDatabase::of_table(
        database,
        Options::new(String::new()),
        Arc::new(move |alias: &str| passphrases.passphrase(alias)),
    ))
}

fn passphrases(configuration: &Configuration) -> Arc<AliasVariables> {
    let environment = configuration.environment().clone();
    Arc::new(AliasVariables::new(ENVIRONMENT_PREFIX, environment))
}

/// Opens what is configured.
pub(super) async fn open(
    storage: Storage,
    configuration: &Configuration,
) -> Result<ServiceKeys, Failure> {
    let Storage::Database { engine, source } = storage else {
        return Ok(ServiceKeys::Memory(MemoryKeys::new()));
    };
    let alias = config::default_alias(configuration)?;
    let log = |warning: &str| tracing::warn!("{warning}");
    let database = connect(engine, &source, &log).await?;
    let passphrases = passphrases(configuration);
    if passphrases.passphrase(&alias).is_none() {
        tracing::warn!(
            "{} is not set: no key can be made for alias {alias}",
            passphrases.name(&alias)
        );
    }
    let keys = KeyDatabase::open(
        database,
        Options::new(alias.clone()),
        Arc::new({
            let passphrases = Arc::clone(&passphrases);
            move |alias: &str| passphrases.passphrase(alias)
        }),
    )
    .await
    .map_err(Failure::Keys)?;
    warn_of_missing_passphrases(&keys, &passphrases, &alias).await;
    Ok(ServiceKeys::Database(keys))
}

/// A key whose passphrase is missing cannot sign; better known at the start than at the next publish.
async fn warn_of_missing_passphrases(
    keys: &KeyDatabase,
    passphrases: &AliasVariables,
    default_alias: &str,
) {
    match keys.aliases().await {
        Ok(aliases) => {
            for alias in aliases.iter().filter(|alias| *alias != default_alias) {
                if passphrases.passphrase(alias).is_none() {
                    tracing::warn!(
                        "{} is not set: keys of alias {alias} cannot be used",
                        passphrases.name(alias)
                    );
                }
            }
        }
        // As with Go, a missing table is no reason not to start: it may be made meanwhile.
        Err(error) => tracing::error!("the key database: {}", chain(&error)),
    }
}

/// Sees to the health report of the debug listener.
pub(super) fn watch(keys: &ServiceKeys, health: &Health, tasks: &mut JoinSet<()>) {
    if matches!(keys, ServiceKeys::Memory(_)) {
        return;
    }
    let keys = keys.clone();
    tasks.spawn(health.watch("DB operational", move || {
        let keys = keys.clone();
        Box::pin(async move { keys.check().await.map_err(|error| fault(&error)) })
    }));
}

/// Go's text when the database answers without the table.
fn fault(error: &DatabaseError) -> String {
    if error.is_unavailable() {
        chain(error)
    } else {
        "Cannot access table: private_keys".to_owned()
    }
}

/// Ends what is open.
pub(super) async fn close(keys: &ServiceKeys) {
    if let ServiceKeys::Database(keys) = keys {
        keys.database().close().await;
    }
}
