//! A repository that is begun on this machine and kept there until it is published, as Go's `notary init` does it (specification,
//! `notary-cli.md` section 10.1).

use std::collections::BTreeMap;

use signet_keys::{PrivateKey, root_certificate};
use signet_tuf::editor::{EditError, RepositoryEditor, SignedFile};
use signet_tuf::rules::{self, CertificateTime, RootError, RuleError};
use signet_tuf::update::{Floors, MAX_ROOT_BYTES, Mode};
use signet_tuf::{
    BaseRole, Expiry, KeyId, MetadataPath, PublicKey, Received, RoleKeys, RoleName, Root,
};

use super::Managed;
use crate::cache::Cache;
use crate::layout::FileError;
use crate::remote::RemoteError;
use crate::{Error, Repository, sign};

/// The root of a repository that is begun.
#[derive(Debug)]
pub struct NewRoot {
    /// Its private key.
    pub key: RootKey,
    /// A certificate of that key; `None` makes one.
    pub certificate: Option<PublicKey>,
}

/// Where the private key of a new root is.
#[derive(Debug)]
pub enum RootKey {
    /// Brought along; it is stored on the way.
    Given(Box<PrivateKey>),
    /// In the store.
    Held(KeyId),
    /// Nowhere: it is made.
    New,
}

/// What one attempt put into the key store. Nothing refers to it before the documents are there.
type Made = Vec<KeyId>;

impl Repository {
    /// Begins a repository that the server does not know, and keeps its first root, targets and snapshot on this machine; the next publish,
    /// by any program, uploads them.
    ///
    /// The server's key comes before any key is made, and an attempt that fails leaves no keys behind. What was begun here before and never
    /// published is begun again with the keys that it has.
    ///
    /// # Errors
    /// [`Error`]; [`Error::AlreadyTrusted`] when the repository has a root here that is not an unpublished one of our own,
    /// [`Error::PinnedElsewhere`] when its root is pinned, [`Error::CertificateKey`] and [`Error::CertificateOfOther`] for a certificate whose
    /// private key is not there, or is another one.
    pub async fn begin(&mut self, root: NewRoot, snapshot: Managed) -> Result<(), Error> {
        let lock = self.lock(Mode::Write).await?;
        let earlier = self.earlier_keys().await?;
        self.check_root(&root)?;
        let timestamp = self.server_key(BaseRole::Timestamp).await?;
        let mut made = Made::new();
        let begun = self
            .begin_with(root, snapshot, timestamp, &earlier, &mut made)
            .await;
        if begun.is_err() {
            for id in made {
                if let Err(error) = self.keys.remove(&id) {
                    tracing::debug!(gun = %self.gun, %error, "key {id} stays although it is of no use");
                }
            }
        }
        drop(lock);
        begun?;
        self.begun = true;
        Ok(())
    }

    async fn begin_with(
        &self,
        root: NewRoot,
        snapshot: Managed,
        timestamp: PublicKey,
        earlier: &BTreeMap<BaseRole, PublicKey>,
        made: &mut Made,
    ) -> Result<(), Error> {
        let certificate = self.root(root, made).await?;
        let targets = self.role_key(BaseRole::Targets, earlier, made).await?;
        let snapshots = match snapshot {
            Managed::ByServer => self.server_key(BaseRole::Snapshot).await?,
            Managed::Locally => self.role_key(BaseRole::Snapshot, earlier, made).await?,
        };
        let keys = BTreeMap::from([
            (BaseRole::Root, vec![certificate]),
            (BaseRole::Targets, vec![targets]),
            (BaseRole::Snapshot, vec![snapshots]),
            (BaseRole::Timestamp, vec![timestamp]),
        ]);
        let editor = RepositoryEditor::initial(self.gun.clone(), self.clock.now(), &keys);
        let mut files = Vec::new();
        for mut draft in editor.drafts()? {
            sign::sign(&self.keys, &mut draft).await?;
            files.push(draft.finish()?);
        }
        if snapshot == Managed::Locally {
            let mut draft = editor.snapshot_draft(&files)?;
            sign::sign(&self.keys, &mut draft).await?;
            files.push(draft.finish()?);
        }
        self.cache.clear()?;
        Ok(keep(self.cache.as_ref(), &files)?)
    }

    /// The keys of what was begun here before and may be begun again.
    async fn earlier_keys(&self) -> Result<BTreeMap<BaseRole, PublicKey>, Error> {
        let cached = self.cache.load()?;
        let trusted = || Error::AlreadyTrusted {
            gun: self.gun.clone(),
        };
        // Readers here would refuse the new one's first versions.
        if self.cache.floors()? != Floors::default() {
            return Err(trusted());
        }
        let Some(root) = cached.root else {
            return Ok(BTreeMap::new());
        };
        if cached.timestamp.is_some() {
            return Err(trusted());
        }
        // Whoever can write here may not choose the keys of a new repository.
        let root = Received::<Root>::parse(&RoleName::root(), root).map_err(|_| trusted())?;
        let root = rules::verify_root(root, &self.gun, CertificateTime::Ignored, None, None)
            .map_err(|_| trusted())?;
        let root = root.body();
        let mut keys = BTreeMap::new();
        for role in [BaseRole::Root, BaseRole::Targets, BaseRole::Snapshot] {
            if let Some(key) = self.held(role, &root.role_keys(role))? {
                keys.insert(role, key);
            }
        }
        // A reader who got no further than the root looks the same, but for the keys and the server.
        let own = root.version == 1
            && [BaseRole::Root, BaseRole::Targets]
                .iter()
                .all(|role| keys.contains_key(role));
        if !own {
            return Err(trusted());
        }
        let current = MetadataPath::Current(RoleName::root());
        let document = self.remote.document(&self.gun, &current, MAX_ROOT_BYTES);
        match document.await {
            Err(RemoteError::Absent { .. }) => Ok(keys),
            Ok(_) => Err(trusted()),
            Err(error) => Err(error.into()),
        }
    }

    /// A key that is at hand as this repository's for the role; root keys serve many repositories.
    fn held(&self, role: BaseRole, keys: &RoleKeys) -> Result<Option<PublicKey>, Error> {
        for key in keys.keys() {
            let info = self.keys.info(key.canonical_id())?;
            let own = info.is_some_and(|info| {
                info.role == role.as_str()
                    && (role == BaseRole::Root || info.gun.as_ref() == Some(&self.gun))
            });
            if own {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    /// Refuses roots that nobody could follow, before anything is made for them.
    fn check_root(&self, root: &NewRoot) -> Result<(), Error> {
        let pinned = self.pinning.iter().any(|pinning| pinning.pins(&self.gun));
        let Some(certificate) = &root.certificate else {
            return match pinned {
                true => Err(self.pinned_elsewhere()),
                false => Ok(()),
            };
        };
        let id = certificate.canonical_id();
        let is_it = match &root.key {
            RootKey::Given(key) => signet_keys::Signer::public(&**key).canonical_id() == id,
            RootKey::Held(held) => held == id,
            RootKey::New => false,
        };
        if !is_it {
            return Err(Error::CertificateOfOther);
        }
        if matches!(root.key, RootKey::Held(_)) && !sign::holds(self.keys.as_ref(), id)? {
            return Err(Error::CertificateKey);
        }
        let now = self.clock.now();
        let keys = BTreeMap::from([(BaseRole::Root, vec![certificate.clone()])]);
        let document = Root::new(&keys, Expiry::at(now));
        let usable = rules::root_role_keys(&document, &self.gun, CertificateTime::At(now));
        if usable.keys().next().is_none() {
            return Err(EditError::Rule(RuleError::Root(RootError::NoValidLeaf)).into());
        }
        Ok(())
    }

    /// The root key as the root lists it.
    async fn root(&self, root: NewRoot, made: &mut Made) -> Result<PublicKey, Error> {
        let id = match root.key {
            RootKey::Held(id) => id,
            RootKey::New => {
                let key = sign::generate(&self.keys, BaseRole::Root.as_str(), &self.gun).await?;
                made.push(key.id().clone());
                key.id().clone()
            }
            RootKey::Given(key) => {
                let id = signet_keys::Signer::public(&*key).id().clone();
                let is_new = !sign::holds(self.keys.as_ref(), &id)?;
                sign::add(&self.keys, *key, BaseRole::Root.as_str(), &self.gun).await?;
                if is_new {
                    made.push(id.clone());
                }
                id
            }
        };
        match root.certificate {
            Some(certificate) => Ok(certificate),
            None => {
                let signer = sign::load(&self.keys, &id).await?;
                Ok(root_certificate(
                    signer.as_ref(),
                    &self.gun,
                    self.clock.now(),
                )?)
            }
        }
    }

    async fn role_key(
        &self,
        role: BaseRole,
        earlier: &BTreeMap<BaseRole, PublicKey>,
        made: &mut Made,
    ) -> Result<PublicKey, Error> {
        if let Some(key) = earlier.get(&role) {
            return Ok(key.clone());
        }
        let key = sign::generate(&self.keys, role.as_str(), &self.gun).await?;
        made.push(key.id().clone());
        Ok(key)
    }
}

/// Keeps the first documents. The root is last: without it nothing is begun, with it all is there.
fn keep(cache: &dyn Cache, files: &[SignedFile]) -> Result<(), FileError> {
    for file in files.iter().rev() {
        let Err(error) = cache.store(&file.role, &file.bytes) else {
            continue;
        };
        // An error may come after the file is in its place. Then the repository is begun, and its keys are needed.
        let is_root = file.role.base() == Some(BaseRole::Root);
        if !is_root || cache.load()?.root.as_ref() != Some(&file.bytes) {
            return Err(error);
        }
        tracing::debug!(error = %error.text(), "the new root is there all the same");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use signet_tuf::update::Cached;

    use super::*;
    use crate::cache::MemoryCache;

    /// Fails for one role, before or after it has stored it.
    struct Failing(MemoryCache, BaseRole, bool);

    impl Cache for Failing {
        fn load(&self) -> Result<Cached, FileError> {
            self.0.load()
        }

        fn store(&self, role: &RoleName, bytes: &[u8]) -> Result<(), FileError> {
            let fails = role.base() == Some(self.1);
            if !fails || self.2 {
                self.0.store(role, bytes)?;
            }
            match fails {
                true => Err(FileError::at("write", std::path::Path::new("x"))(
                    std::io::Error::other("disk"),
                )),
                false => Ok(()),
            }
        }

        fn floors(&self) -> Result<Floors, FileError> {
            self.0.floors()
        }

        fn store_floors(&self, floors: &Floors) -> Result<(), FileError> {
            self.0.store_floors(floors)
        }

        fn clear(&self) -> Result<(), FileError> {
            self.0.clear()
        }
    }

    #[test]
    fn with_its_root_a_repository_is_begun_and_without_it_it_is_not() {
        let files = [RoleName::root(), RoleName::targets()].map(|role| SignedFile {
            bytes: bytes::Bytes::from(role.to_string()),
            version: 1,
            role,
        });
        for (role, arrives, begun) in [
            (BaseRole::Root, true, true),
            (BaseRole::Root, false, false),
            (BaseRole::Targets, true, false),
        ] {
            let cache = Failing(MemoryCache::default(), role, arrives);
            assert_eq!(keep(&cache, &files).is_ok(), begun, "{role}");
            assert_eq!(cache.load().unwrap().root.is_some(), begun, "{role}");
        }
    }
}
