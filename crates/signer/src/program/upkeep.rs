//! Work on the key database that ends.

use signet_keys::database::{Rotation, ServiceKeys, Walk, migrate};
use signet_service::process::{chain, print};
use time::OffsetDateTime;

use super::failure::Failure;

/// Encrypts every key for the passphrase of another alias. Gives the exit status.
pub(super) async fn rotate_alias(
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

/// Makes or upgrades the table. Gives the exit status.
pub(super) async fn bootstrap(keys: &ServiceKeys, dry_run: bool) -> Result<u8, Failure> {
    let ServiceKeys::Database(keys) = keys else {
        return Err(Failure::NothingToBootstrap);
    };
    for step in migrate(keys.database(), dry_run)
        .await
        .map_err(Failure::Migration)?
    {
        print(&format!("{step}\n"));
    }
    if !dry_run {
        print("the table private_keys is ready\n");
    }
    Ok(0)
}
