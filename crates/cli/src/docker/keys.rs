//! The user's own keys: those that are there, and those that are made on the way.

use std::sync::Arc;

use signet_client::Error;
use signet_client::repository::Repository;
use signet_keys::{KeyStore, PrivateKey, Signer as _};
use signet_tuf::{KeyId, PublicKey};

/// The root key: the one with the lowest ID, else a new one. Its passphrase is not asked for here unless it is new.
pub(super) fn root_key(store: &Arc<dyn KeyStore>) -> Result<KeyId, Error> {
    match lowest(store, "root")? {
        Some(id) => Ok(id),
        None => Ok(generate(store, "root")?.id().clone()),
    }
}

/// The key of a signer of that name: the one with the lowest ID, else a new one.
pub(super) fn signer_key(store: &Arc<dyn KeyStore>, name: &str) -> Result<PublicKey, Error> {
    match lowest(store, name)? {
        Some(id) => Ok(store.load(&id)?.public().clone()),
        None => generate(store, name),
    }
}

/// Prepares a repository that the server does not know. Nothing is published yet.
pub(super) async fn initialize(
    repository: &mut Repository,
    store: &Arc<dyn KeyStore>,
) -> Result<(), Error> {
    let root = root_key(store)?;
    repository
        .initialize(&root, signet_client::Managed::ByServer)
        .await
}

fn lowest(store: &Arc<dyn KeyStore>, role: &str) -> Result<Option<KeyId>, Error> {
    Ok(store
        .list()?
        .into_iter()
        .filter(|key| key.role == role)
        .map(|key| key.id)
        .min())
}

fn generate(store: &Arc<dyn KeyStore>, role: &str) -> Result<PublicKey, Error> {
    let key = PrivateKey::generate_ecdsa()?;
    let public = key.public().clone();
    store.add(key, role, None)?;
    Ok(public)
}
