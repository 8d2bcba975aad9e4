//! What tells a repository that was begun and never published from one that a server only denies.

use signet_tuf::editor::EditError;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::update::{Floors, Mode};
use signet_tuf::{BaseRole, Received, RoleKeys, RoleName, Root, TrustedRepository};

use crate::{Error, Repository, sign};

impl Repository {
    /// Whether another command initialised the repository and it was never published.
    ///
    /// A server that shows its root and nothing else, and then denies all, must not make the owner sign a repository that has
    /// lost its content. So more than a root without a timestamp is asked for: the first root, a first `targets` that it vouches
    /// for, the private keys of both roles at hand, and no version remembered. A publish leaves later versions or a timestamp,
    /// an update never leaves `targets` without one.
    ///
    /// # Errors
    /// [`Error::Edit`] when nothing else speaks against it, and the documents are not signed as they must be.
    pub(crate) fn has_unpublished_files(&self) -> Result<bool, Error> {
        let cached = self.cache.load()?;
        let (Some(root), Some(targets)) = (cached.root, cached.targets.get(&RoleName::targets()))
        else {
            return Ok(false);
        };
        if cached.timestamp.is_some() || self.cache.floors()? != Floors::default() {
            return Ok(false);
        }
        let root = self.own_root(root)?;
        let targets = Received::parse(&RoleName::targets(), targets.clone())
            .map_err(RuleError::from)
            .and_then(|targets| rules::verify_targets(targets, &root))
            .map_err(EditError::from)?;
        Ok(root.version == 1
            && targets.version() == 1
            && self.holds_all(&root.role_keys(BaseRole::Root))?
            && self.holds_all(&root.role_keys(BaseRole::Targets))?)
    }

    /// A cached root that its own keys signed.
    fn own_root(&self, bytes: bytes::Bytes) -> Result<Root, Error> {
        let root = Received::parse(&RoleName::root(), bytes)
            .map_err(RuleError::from)
            .and_then(|root| {
                rules::verify_root(root, &self.gun, CertificateTime::Ignored, None, None)
                    .map_err(|refused| refused.error)
            })
            .map_err(EditError::from)?;
        Ok(root.body().clone())
    }

    /// Whether the private keys of the root in force are at hand, so that nobody else can have begun the repository.
    pub(super) fn holds_all_root_keys(&self, trusted: &TrustedRepository) -> Result<bool, Error> {
        self.holds_all(&trusted.root().body().role_keys(BaseRole::Root))
    }

    fn holds_all(&self, keys: &RoleKeys) -> Result<bool, Error> {
        let mut held = false;
        for key in keys.keys() {
            held = sign::holds(self.keys.as_ref(), key.canonical_id())?;
            if !held {
                break;
            }
        }
        Ok(held)
    }

    /// Takes back what was remembered of a repository that somebody else has begun, so that it is not the trusted one from now on.
    pub(super) async fn forget_what_came(&self, floors: &Floors) {
        let lock = self.lock(Mode::Write).await;
        let forgotten = self
            .cache
            .clear()
            .and_then(|()| self.cache.store_floors(floors));
        if let Err(error) = forgotten {
            tracing::debug!(gun = %self.gun, %error, "could not forget the repository that somebody else has begun");
        }
        drop(lock);
    }
}
