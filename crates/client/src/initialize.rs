//! A repository that does not exist yet (specification, `docker-trust.md` section 8.4).

mod cached;
mod root_key;

pub use cached::{NewRoot, RootKey};
pub use root_key::{ChosenRootKey, choose_root_key};

use std::collections::BTreeMap;

use signet_keys::root_certificate;
use signet_tuf::{BaseRole, KeyId, PublicKey};

use crate::{Error, Repository, sign};

/// Who holds the snapshot key of a repository. The timestamp key is always the server's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Managed {
    /// The server signs snapshots: several people can then sign tags.
    #[default]
    ByServer,
    /// Whoever holds the local key does.
    Locally,
}

impl Repository {
    /// Prepares a repository that the server does not know: a certificate for the root key, the server's keys, the
    /// repository key. Nothing is sent but the requests for the server's keys; the next publish uploads the root.
    ///
    /// A repository key that an earlier attempt left is used again, so that retries leave no keys behind, and a new one is
    /// made only once the server has given its keys.
    ///
    /// # Errors
    /// [`Error`] when the root is pinned, the root key cannot be used or the server gives no keys.
    pub async fn initialize(&mut self, root_key: &KeyId, snapshot: Managed) -> Result<(), Error> {
        if self.pinning.iter().any(|pinning| pinning.pins(&self.gun)) {
            return Err(self.pinned_elsewhere());
        }
        let root = sign::load(&self.keys, root_key).await?;
        let certificate = root_certificate(root.as_ref(), &self.gun, self.clock.now())?;
        let timestamp = self.server_key(BaseRole::Timestamp).await?;
        let snapshot = match snapshot {
            Managed::ByServer => self.server_key(BaseRole::Snapshot).await?,
            Managed::Locally => self.own_key(BaseRole::Snapshot).await?,
        };
        let targets = self.own_key(BaseRole::Targets).await?;
        self.unpublished = Some(BTreeMap::from([
            (BaseRole::Root, vec![certificate]),
            (BaseRole::Targets, vec![targets]),
            (BaseRole::Snapshot, vec![snapshot]),
            (BaseRole::Timestamp, vec![timestamp]),
        ]));
        Ok(())
    }

    /// The same with a root key that is at hand, of several the one with the lowest ID; a new one where there is none.
    ///
    /// # Errors
    /// As [`Repository::initialize`].
    pub async fn initialize_with_any_key(&mut self, snapshot: Managed) -> Result<KeyId, Error> {
        let present = self.keys.list()?.into_iter();
        let present = present.filter(|key| key.role == BaseRole::Root.as_str());
        let id = match present.map(|key| key.id).min() {
            Some(id) => id,
            None => {
                // Asked first, so that nothing is left behind when the server is not there.
                self.server_key(BaseRole::Timestamp).await?;
                let key = sign::generate(&self.keys, BaseRole::Root.as_str(), &self.gun).await?;
                key.canonical_id().clone()
            }
        };
        self.initialize(&id, snapshot).await?;
        Ok(id)
    }

    fn pinned_elsewhere(&self) -> Error {
        Error::PinnedElsewhere {
            gun: self.gun.clone(),
        }
    }

    /// Whether the repository was initialised here and not yet published.
    #[must_use]
    pub const fn is_unpublished(&self) -> bool {
        self.unpublished.is_some()
    }

    /// The key that the server signs `role` with, or will.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub async fn server_key(&self, role: BaseRole) -> Result<PublicKey, Error> {
        Ok(self.remote.key(&self.gun, role).await?)
    }

    /// Has the server make a new key for `role`. It takes effect with a publish of
    /// [`Edit::ReplaceRoleKeys`](crate::Edit::ReplaceRoleKeys).
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub async fn rotate_server_key(&self, role: BaseRole) -> Result<PublicKey, Error> {
        Ok(self.remote.rotate_key(&self.gun, role).await?)
    }

    /// A local key of this repository for `role`: the one that is there, else a new one.
    async fn own_key(&self, role: BaseRole) -> Result<PublicKey, Error> {
        let present = self
            .keys
            .list()?
            .into_iter()
            .filter(|key| key.role == role.as_str() && key.gun.as_ref() == Some(&self.gun))
            .map(|key| key.id)
            .min();
        match present {
            Some(id) => Ok(sign::load(&self.keys, &id).await?.public().clone()),
            None => sign::generate(&self.keys, role.as_str(), &self.gun).await,
        }
    }
}
