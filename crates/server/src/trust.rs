//! Where the server's own signing keys are: the seam between this service and a key database or a remote signer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use signet_tuf::{Gun, KeyId, KeyKind, PublicKey};

use crate::http::ManagedRole;

mod calls;
mod database;
mod remote;

pub use calls::Calls;
pub use database::DatabaseTrust;
pub use remote::{RemoteOptions, RemoteTrust};

/// Why a key could not be made, found or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There is no such key.
    #[error("key {0} not found")]
    NotFound(KeyId),
    /// The keys are out of reach for now: database or signer do not answer.
    #[error("the signing keys are out of reach")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key is there and cannot be used.
    #[error("the signing key cannot be used")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Makes keys for the roles that the server signs, and signs with them.
///
/// A key serves the repository that it was made for and no other, wherever an implementation knows which that is. A root
/// that lists another repository's key would otherwise make the server sign, with that key, whatever the root's publisher
/// uploads: with a root certificate whose name ends in `*`, an old state of the other repository.
#[async_trait]
pub trait TrustService: Send + Sync + fmt::Debug {
    /// The key of a GUN and role that has never signed, made when there is none: asking again gives the same one
    /// (defect D12).
    ///
    /// # Errors
    /// [`TrustError::Unavailable`] and [`TrustError::Unusable`].
    async fn create_key(&self, gun: &Gun, role: ManagedRole) -> Result<PublicKey, TrustError>;

    /// The public half of a key of this GUN, when it is held.
    ///
    /// # Errors
    /// [`TrustError::Unavailable`] and [`TrustError::Unusable`]: not being held is no error.
    async fn find_key(&self, gun: &Gun, id: &KeyId) -> Result<Option<PublicKey>, TrustError>;

    /// Signs `message` with a held key of this GUN.
    ///
    /// # Errors
    /// [`TrustError`]; [`TrustError::NotFound`] only when the key is known not to be held.
    async fn sign(&self, gun: &Gun, id: &KeyId, message: &[u8]) -> Result<Vec<u8>, TrustError>;

    /// Deletes a key of this GUN, which signs nothing any more. Says whether it did.
    ///
    /// An implementation that does not know whose a key is must leave it: whoever may publish to one repository could
    /// otherwise have the keys of all others deleted, by a root that lists them and a root that does not.
    ///
    /// # Errors
    /// [`TrustError::Unavailable`]: the key may still be there.
    async fn retire_key(&self, gun: &Gun, id: &KeyId) -> Result<bool, TrustError> {
        let _ = (gun, id);
        Ok(false)
    }

    /// Whether keys can be used now, for the health report.
    ///
    /// # Errors
    /// [`TrustError::Unavailable`].
    async fn check(&self) -> Result<(), TrustError>;
}

/// Ed25519 keys in memory, gone with the process: goes with [`crate::store::MemoryStore`].
#[derive(Default)]
pub struct MemoryTrust {
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    pairs: BTreeMap<KeyId, (Gun, Arc<Ed25519KeyPair>)>,
    pending: BTreeMap<(Gun, ManagedRole), PublicKey>,
}

impl Keys {
    fn pair(&self, gun: &Gun, id: &KeyId) -> Option<&Arc<Ed25519KeyPair>> {
        let (owner, pair) = self.pairs.get(id)?;
        (owner == gun).then_some(pair)
    }
}

impl fmt::Debug for MemoryTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTrust").finish_non_exhaustive()
    }
}

impl MemoryTrust {
    /// No keys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with_keys<T>(&self, act: impl FnOnce(&mut Keys) -> T) -> T {
        // Every change below is a single insertion or removal, so what a poisoned lock guards is consistent.
        act(&mut self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn public_key(pair: &Ed25519KeyPair) -> PublicKey {
    PublicKey::new(KeyKind::Ed25519, pair.public_key().as_ref())
}

#[async_trait]
impl TrustService for MemoryTrust {
    async fn create_key(&self, gun: &Gun, role: ManagedRole) -> Result<PublicKey, TrustError> {
        self.with_keys(|keys| {
            let owner = (gun.clone(), role);
            if let Some(pending) = keys.pending.get(&owner) {
                return Ok(pending.clone());
            }
            let pair = Ed25519KeyPair::generate().map_err(|e| TrustError::Unusable(e.into()))?;
            let public = public_key(&pair);
            let entry = (gun.clone(), Arc::new(pair));
            keys.pairs.insert(public.id().clone(), entry);
            keys.pending.insert(owner, public.clone());
            Ok(public)
        })
    }

    async fn find_key(&self, gun: &Gun, id: &KeyId) -> Result<Option<PublicKey>, TrustError> {
        Ok(self.with_keys(|keys| keys.pair(gun, id).map(|pair| public_key(pair))))
    }

    async fn sign(&self, gun: &Gun, id: &KeyId, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        let pair = self.with_keys(|keys| {
            let pair = keys.pair(gun, id).cloned();
            if pair.is_some() {
                keys.pending.retain(|_, pending| pending.id() != id);
            }
            pair
        });
        let pair = pair.ok_or_else(|| TrustError::NotFound(id.clone()))?;
        Ok(pair.sign(message).as_ref().to_vec())
    }

    async fn retire_key(&self, gun: &Gun, id: &KeyId) -> Result<bool, TrustError> {
        Ok(self.with_keys(|keys| {
            let is_ours = keys.pair(gun, id).is_some();
            if is_ours {
                keys.pairs.remove(id);
                keys.pending.retain(|_, pending| pending.id() != id);
            }
            is_ours
        }))
    }

    async fn check(&self) -> Result<(), TrustError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_handed_out_again_until_it_has_signed() {
        let trust = MemoryTrust::new();
        let gun: Gun = "a".parse().unwrap();
        let first = trust
            .create_key(&gun, ManagedRole::Timestamp)
            .await
            .unwrap();
        let again = trust
            .create_key(&gun, ManagedRole::Timestamp)
            .await
            .unwrap();
        let other = trust.create_key(&gun, ManagedRole::Snapshot).await.unwrap();
        assert_eq!(first, again);
        assert_ne!(first, other);
        let sig = trust.sign(&gun, first.id(), b"message").await.unwrap();
        assert!(signet_tuf::crypto::verify(
            &first, "eddsa", &sig, b"message"
        ));
        let next = trust
            .create_key(&gun, ManagedRole::Timestamp)
            .await
            .unwrap();
        assert_ne!(first, next);
        let id = first.id().clone();
        assert_eq!(trust.find_key(&gun, &id).await.unwrap(), Some(first));
        // Another repository's root may list it, but it does not sign there.
        let other: Gun = "b".parse().unwrap();
        assert_eq!(trust.find_key(&other, &id).await.unwrap(), None);
        let refused = trust.sign(&other, &id, b"message").await;
        assert!(matches!(refused, Err(TrustError::NotFound(_))));
        assert!(!trust.retire_key(&other, &id).await.unwrap());
        assert!(trust.retire_key(&gun, &id).await.unwrap());
        assert_eq!(trust.find_key(&gun, &id).await.unwrap(), None);
    }
}
