//! Signs drafts with the keys at hand. Opening a key may derive an encryption key or ask a person, so it is done off the
//! reactor; the key store opens each key once.

use std::sync::Arc;

use signet_keys::{KeyStore, PrivateKey, Signer};
use signet_tuf::editor::Draft;
use signet_tuf::{Gun, KeyId, PublicKey};

use crate::Error;

/// Whether a private key is at hand, without opening it.
pub(crate) fn holds(keys: &dyn KeyStore, id: &KeyId) -> Result<bool, Error> {
    Ok(keys.info(id)?.is_some())
}

/// Opens a key.
pub(crate) async fn load(keys: &Arc<dyn KeyStore>, id: &KeyId) -> Result<Arc<dyn Signer>, Error> {
    let (keys, id) = (Arc::clone(keys), id.clone());
    Ok(blocking(move || keys.load(&id)).await?)
}

/// Makes a key and stores it, which asks for its passphrase.
pub(crate) async fn generate(
    keys: &Arc<dyn KeyStore>,
    role: &'static str,
    gun: &Gun,
) -> Result<PublicKey, Error> {
    let key = PrivateKey::generate_ecdsa()?;
    let public = key.public().clone();
    add(keys, key, role, gun).await?;
    Ok(public)
}

/// Stores a key, which asks for its passphrase.
pub(crate) async fn add(
    keys: &Arc<dyn KeyStore>,
    key: PrivateKey,
    role: &'static str,
    gun: &Gun,
) -> Result<(), Error> {
    let (keys, gun) = (Arc::clone(keys), gun.clone());
    Ok(blocking(move || keys.add(key, role, Some(&gun))).await?)
}

/// Removes a key.
pub(crate) async fn remove(keys: &Arc<dyn KeyStore>, id: &KeyId) -> Result<(), signet_keys::Error> {
    let (keys, id) = (Arc::clone(keys), id.clone());
    blocking(move || keys.remove(&id)).await
}

/// Signs with every key of the draft that is at hand. Whether that is enough says [`Draft::finish`].
pub(crate) async fn sign(keys: &Arc<dyn KeyStore>, draft: &mut Draft) -> Result<(), Error> {
    let candidates: Vec<PublicKey> = draft.keys().into_iter().cloned().collect();
    sign_with(keys, draft, candidates).await
}

/// Signs with those of `others` that are at hand and have not signed. Their signatures count for nobody but clients that know them.
pub(crate) async fn also_sign(
    keys: &Arc<dyn KeyStore>,
    draft: &mut Draft,
    others: &[PublicKey],
) -> Result<(), Error> {
    let mut candidates = others.to_vec();
    let named = draft.keys();
    candidates.retain(|key| named.iter().all(|listed| listed.id() != key.id()));
    sign_with(keys, draft, candidates).await
}

async fn sign_with(
    keys: &Arc<dyn KeyStore>,
    draft: &mut Draft,
    candidates: Vec<PublicKey>,
) -> Result<(), Error> {
    for key in candidates {
        if !holds(keys.as_ref(), key.canonical_id())? {
            continue;
        }
        let (keys, id) = (Arc::clone(keys), key.canonical_id().clone());
        let message = draft.message().to_vec();
        // In one go: a second task would start a second thread, because the first one is hardly idle yet.
        let sign = move || -> Result<_, Error> { Ok(keys.load(&id)?.sign(&message)?) };
        draft.add_signature(&key, blocking(sign).await?)?;
    }
    Ok(())
}

/// The role's keys for an error, when none of them is at hand.
pub(crate) fn missing_all(keys: &dyn KeyStore, draft: &Draft) -> Result<Option<Vec<KeyId>>, Error> {
    let mut ids: Vec<KeyId> = Vec::new();
    for key in draft.keys() {
        if holds(keys, key.canonical_id())? {
            return Ok(None);
        }
        if !ids.contains(key.canonical_id()) {
            ids.push(key.canonical_id().clone());
        }
    }
    Ok(Some(ids))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The task is never cancelled, so it can only have panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
