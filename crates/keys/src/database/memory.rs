//! Keys that go with the process, and either kind of keys for a service that is configured for one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signet_tuf::{KeyId, PublicKey};
use time::OffsetDateTime;

use super::{Algorithm, DatabaseError, KeyDatabase, Signed, StoredKey};
use crate::private::PrivateKey;
use crate::signer::Signer;

/// Keys in memory, gone with the process. Every request for a key makes a new one, as in Go's memory backend.
#[derive(Clone, Default)]
pub struct MemoryKeys(Arc<Mutex<HashMap<KeyId, Arc<Entry>>>>);

struct Entry {
    stored: Arc<StoredKey>,
    key: PrivateKey,
}

/// Most keys in memory: each is some hundred bytes.
const MAX_KEYS: usize = 1_000_000;

impl MemoryKeys {
    /// No keys yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<KeyId, Arc<Entry>>> {
        // Every change is one insertion or removal, so what a poisoned lock guards is consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &KeyId) -> Option<Arc<Entry>> {
        self.entries().get(id).cloned()
    }

    /// A new key for this repository and role.
    ///
    /// # Errors
    /// [`DatabaseError::Random`], [`DatabaseError::Full`].
    pub fn create(
        &self,
        algorithm: Algorithm,
        gun: &str,
        role: &str,
    ) -> Result<PublicKey, DatabaseError> {
        let key = algorithm.generate()?;
        let public = key.public().clone();
        let stored = Arc::new(StoredKey {
            public: public.clone(),
            role: role.to_owned(),
            gun: gun.to_owned(),
        });
        let mut entries = self.entries();
        if entries.len() >= MAX_KEYS {
            return Err(DatabaseError::Full(MAX_KEYS));
        }
        entries.insert(public.id().clone(), Arc::new(Entry { stored, key }));
        Ok(public)
    }

    /// What is known about a key; `None` when there is none of this ID.
    #[must_use]
    pub fn info(&self, id: &KeyId) -> Option<Arc<StoredKey>> {
        self.entry(id).map(|entry| Arc::clone(&entry.stored))
    }

    /// Signs a document.
    ///
    /// # Errors
    /// [`DatabaseError::NotFound`], [`DatabaseError::Sign`].
    pub fn sign(&self, id: &KeyId, message: &[u8]) -> Result<Signed, DatabaseError> {
        let entry = self
            .entry(id)
            .ok_or_else(|| DatabaseError::NotFound(id.clone()))?;
        let signature = entry.key.sign(message).map_err(DatabaseError::Sign)?;
        Ok(Signed {
            key: Arc::clone(&entry.stored),
            signature,
        })
    }

    /// Deletes a key. Says whether there was one.
    #[must_use = "a key that was not there may be another's"]
    pub fn delete(&self, id: &KeyId) -> bool {
        self.entries().remove(id).is_some()
    }
}

impl fmt::Debug for MemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKeys").finish_non_exhaustive()
    }
}

/// The keys of a service, wherever they are.
///
/// What the methods do, and which errors mean what, is said at [`KeyDatabase`] and [`MemoryKeys`].
#[derive(Clone, Debug)]
pub enum ServiceKeys {
    /// In the table `private_keys`.
    Database(KeyDatabase),
    /// In memory.
    Memory(MemoryKeys),
}

impl ServiceKeys {
    /// A key for this repository and role: see [`KeyDatabase::create`] and [`MemoryKeys::create`].
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn create(
        &self,
        algorithm: Algorithm,
        gun: &str,
        role: &str,
        now: OffsetDateTime,
    ) -> Result<PublicKey, DatabaseError> {
        match self {
            Self::Database(keys) => keys.create(algorithm, gun, role, now).await,
            Self::Memory(keys) => keys.create(algorithm, gun, role),
        }
    }

    /// What is known about a key that can be used; `None` when there is none of this ID. It does not become active.
    ///
    /// # Errors
    /// [`DatabaseError`]: the key may well exist then, and is never to be replaced by a new one.
    pub async fn info(
        &self,
        id: &KeyId,
        now: OffsetDateTime,
    ) -> Result<Option<Arc<StoredKey>>, DatabaseError> {
        match self {
            Self::Database(keys) => keys.load(id, now).await,
            Self::Memory(keys) => Ok(keys.info(id)),
        }
    }

    /// Signs a document: see [`KeyDatabase::sign`] and [`MemoryKeys::sign`].
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn sign(
        &self,
        id: &KeyId,
        message: &[u8],
        now: OffsetDateTime,
    ) -> Result<Signed, DatabaseError> {
        match self {
            Self::Database(keys) => keys.sign(id, message, now).await,
            Self::Memory(keys) => keys.sign(id, message),
        }
    }

    /// Deletes a key. Says whether there was one; that there was none is no error.
    ///
    /// # Errors
    /// [`DatabaseError::Database`]: the key may still be there.
    pub async fn delete(&self, id: &KeyId, now: OffsetDateTime) -> Result<bool, DatabaseError> {
        match self {
            Self::Database(keys) => keys.delete(id, now).await,
            Self::Memory(keys) => Ok(keys.delete(id)),
        }
    }

    /// Whether keys can be used now, for health reports.
    ///
    /// # Errors
    /// [`DatabaseError::Database`].
    pub async fn check(&self) -> Result<(), DatabaseError> {
        match self {
            Self::Database(keys) => keys.check().await,
            Self::Memory(_) => Ok(()),
        }
    }
}
