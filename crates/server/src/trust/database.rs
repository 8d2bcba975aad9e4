//! Keys in the table `private_keys`, usually of the same database as the metadata.

use std::fmt;

use async_trait::async_trait;
use signet_keys::KeyDatabase;
use signet_keys::database::{Algorithm, DatabaseError};
use signet_tuf::{Gun, KeyId, PublicKey};

use super::{TrustError, TrustService};
use crate::http::ManagedRole;
use crate::settings::Clock;

/// Keys in a database, each encrypted for a passphrase.
pub struct DatabaseTrust {
    keys: KeyDatabase,
    algorithm: Algorithm,
    clock: Clock,
}

impl fmt::Debug for DatabaseTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseTrust")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl DatabaseTrust {
    /// Keys in `keys`; new ones are of this algorithm.
    #[must_use]
    pub const fn new(keys: KeyDatabase, algorithm: Algorithm, clock: Clock) -> Self {
        Self {
            keys,
            algorithm,
            clock,
        }
    }
}

impl From<DatabaseError> for TrustError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::NotFound(id) => Self::NotFound(id),
            DatabaseError::Database(_) | DatabaseError::Interrupted => {
                Self::Unavailable(error.into())
            }
            _ => Self::Unusable(error.into()),
        }
    }
}

#[async_trait]
impl TrustService for DatabaseTrust {
    async fn create_key(&self, gun: &Gun, role: ManagedRole) -> Result<PublicKey, TrustError> {
        let role = role.base().as_str();
        let now = (self.clock)();
        let key = self
            .keys
            .create(self.algorithm, gun.as_str(), role, now)
            .await;
        Ok(key?)
    }

    async fn find_key(&self, gun: &Gun, id: &KeyId) -> Result<Option<PublicKey>, TrustError> {
        // Opened, not only looked up: a key that cannot sign must not be told to a publisher.
        let key = self.keys.load(id, (self.clock)()).await?;
        // Rows from before the database knew GUNs have none, and serve all.
        let is_ours = |owner: &str| owner.is_empty() || owner == gun.as_str();
        Ok(key
            .filter(|key| is_ours(&key.gun))
            .map(|key| key.public.clone()))
    }

    async fn sign(&self, gun: &Gun, id: &KeyId, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        if self.find_key(gun, id).await?.is_none() {
            return Err(TrustError::NotFound(id.clone()));
        }
        Ok(self.keys.sign(id, message, (self.clock)()).await?.signature)
    }

    async fn retire_key(&self, gun: &Gun, id: &KeyId) -> Result<bool, TrustError> {
        let row = match self.keys.info(id).await {
            // Nobody can sign with it anyway.
            Err(DatabaseError::Inconsistent { .. }) => return Ok(false),
            row => row?,
        };
        // A row without a GUN may be anybody's.
        if row.is_none_or(|key| key.gun != gun.as_str()) {
            return Ok(false);
        }
        Ok(self.keys.delete(id, (self.clock)()).await?)
    }

    async fn check(&self) -> Result<(), TrustError> {
        Ok(self.keys.check().await?)
    }
}
