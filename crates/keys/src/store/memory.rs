//! Keys in memory only.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use signet_tuf::{Gun, KeyId};

use super::{Error, KeyInfo, KeyStore, is_valid_role, role_has_gun};
use crate::private::PrivateKey;
use crate::signer::Signer;

/// A key store that forgets everything when it is dropped. Keys in it have no passphrases.
#[derive(Debug, Default)]
pub struct MemoryKeyStore {
    keys: RwLock<BTreeMap<KeyId, (KeyInfo, Arc<PrivateKey>)>>,
}

impl MemoryKeyStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl KeyStore for MemoryKeyStore {
    fn list(&self) -> Result<Vec<KeyInfo>, Error> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.values().map(|(info, _)| info.clone()).collect())
    }

    fn info(&self, id: &KeyId) -> Result<Option<KeyInfo>, Error> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Ok(keys.get(id).map(|(info, _)| info.clone()))
    }

    fn load(&self, id: &KeyId) -> Result<Arc<dyn Signer>, Error> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        match keys.get(id) {
            Some((_, key)) => Ok(key.clone()),
            None => Err(Error::NotFound(id.clone())),
        }
    }

    fn add(&self, key: PrivateKey, role: &str, gun: Option<&Gun>) -> Result<(), Error> {
        if !is_valid_role(role) {
            return Err(Error::InvalidRole(role.to_owned()));
        }
        let id = key.public().id().clone();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((info, _)) = keys.get(&id)
            && info.role != role
        {
            return Err(Error::RoleConflict {
                id,
                role: info.role.clone(),
            });
        }
        let info = KeyInfo {
            id: id.clone(),
            role: role.to_owned(),
            gun: gun.filter(|_| role_has_gun(role)).cloned(),
            location: String::from("memory"),
        };
        keys.insert(id, (info, Arc::new(key)));
        Ok(())
    }

    fn remove(&self, id: &KeyId) -> Result<(), Error> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        match keys.remove(id) {
            Some(_) => Ok(()),
            None => Err(Error::NotFound(id.clone())),
        }
    }
}
