//! Work on the key database that ends.

use signet_keys::database::{self, Rotation, ServiceKeys, Step, Walk};
use signet_service::config::Configuration;
use signet_service::process::{chain, print};
use signet_sql::{Database, sqlite};
use time::OffsetDateTime;

use super::config::{Engine, Storage};
use super::failure::Failure;
use super::flags::Flags;
use super::stores;

/// Does what the flags ask for. Gives the exit status.
pub(super) async fn run(
    flags: &Flags,
    storage: Storage,
    configuration: &Configuration,
    now: OffsetDateTime,
) -> Result<u8, Failure> {
    if flags.check {
        return check(&storage, configuration).await;
    }
    let Some(alias) = &flags.rotate_alias else {
        return migrate(&storage, flags.dry_run).await;
    };
    let keys = stores::open(storage, configuration).await?;
    let status = rotate_alias(&keys, alias, flags.dry_run, now).await;
    stores::close(&keys).await;
    status
}

/// Encrypts every key for the passphrase of another alias. Gives the exit status.
async fn rotate_alias(
    keys: &ServiceKeys,
    alias: &str,
    dry_run: bool,
    now: OffsetDateTime,
) -> Result<u8, Failure> {
    let ServiceKeys::Database(keys) = keys else {
        return Err(Failure::NothingToRotate);
    };
    let rotation = Rotation {
        alias,
        dry_run,
        now,
    };
    let mut progress = |walk: &Walk| {
        tracing::info!("{} keys looked at, {} rotated", walk.keys, walk.rotated);
    };
    let walk = keys
        .rotate_alias(rotation, &mut progress)
        .await
        .map_err(Failure::Rotation)?;
    for (id, error) in &walk.failures {
        tracing::error!("key {id} stays as it is: {}", chain(error));
    }
    let done = if dry_run { "would be" } else { "are now" };
    print(&format!(
        "{} keys: {} {done} encrypted for {alias}, {} cannot be used, {} changed meanwhile\n",
        walk.keys, walk.rotated, walk.failed, walk.changed
    ));
    if walk.changed > 0 {
        print("run it again for the keys that changed meanwhile\n");
    }
    Ok(u8::from(walk.failed > 0 || walk.changed > 0))
}

/// Decrypts every key. Gives the exit status: 1 when one cannot be used.
async fn check(storage: &Storage, configuration: &Configuration) -> Result<u8, Failure> {
    let keys = stores::open_to_read(storage, configuration).await?;
    let mut progress = |walk: &Walk| tracing::info!("{} keys looked at", walk.keys);
    let walk = keys.verify(&mut progress).await;
    keys.database().close().await;
    let walk = walk.map_err(Failure::Check)?;
    for (_, error) in &walk.failures {
        print(&format!("{}\n", chain(error)));
    }
    print(&format!(
        "{} keys: {} cannot be used\n",
        walk.keys, walk.failed
    ));
    Ok(u8::from(walk.failed > 0))
}

/// Makes or upgrades the table. No key is opened for it, so that it needs no passphrase. Gives the exit status.
async fn migrate(storage: &Storage, dry_run: bool) -> Result<u8, Failure> {
    let Storage::Database { engine, source } = storage else {
        return Err(Failure::NothingToBootstrap);
    };
    let steps = if dry_run && *engine == Engine::Sqlite {
        plan_in_file(source).await?
    } else {
        let database = stores::connect(*engine, source, &stores::on_standard_error).await?;
        let steps = database::migrate(&database, dry_run).await;
        database.close().await;
        steps.map_err(Failure::Migration)?
    };
    for step in &steps {
        print(&format!("{step}\n"));
    }
    if !dry_run {
        print("the table private_keys is ready\n");
    } else if steps.is_empty() {
        print("nothing is to be done\n");
    }
    Ok(0)
}

/// What would be done to a file, which is not made for the question.
async fn plan_in_file(location: &str) -> Result<Vec<Step>, Failure> {
    let Some(pool) = sqlite::connect_to_read(location).await? else {
        return Ok(vec![Step::CreateTable]);
    };
    let database = Database::Sqlite(pool);
    let steps = database::migrate(&database, true).await;
    database.close().await;
    steps.map_err(Failure::Migration)
}
