//! Stored documents that were verified before, so that a publisher who adds a tag does not have everything above it
//! verified again.
//!
//! What is kept is true for ever: these exact bytes are signed by the keys that those exact bytes of the delegator list.
//! Expiry and the validity of certificates are no part of it; they are judged at each use.

use std::fmt;
use std::sync::Arc;

use moka::sync::Cache;
use signet_tuf::{RoleName, Root, Targets, Verified};

use crate::store::Sha256;

/// Which verification is meant.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct TargetsKey {
    /// The incarnation of the repository.
    pub(crate) epoch: u64,
    pub(crate) role: RoleName,
    pub(crate) sha256: Sha256,
    /// The document whose keys it was held to.
    pub(crate) delegator: Sha256,
}

/// Roots that are signed by their own keys, and targets documents that are signed by their delegator's.
pub(crate) struct VerifiedDocuments {
    roots: Cache<(u64, Sha256), Arc<Verified<Root>>>,
    targets: Cache<TargetsKey, Arc<Verified<Targets>>>,
}

impl fmt::Debug for VerifiedDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedDocuments").finish_non_exhaustive()
    }
}

/// What is no repository's incarnation: nothing is kept for it.
pub(crate) const NO_EPOCH: u64 = 0;

/// How many times its text a parsed document takes, about.
const PARSED_SIZE: usize = 8;

fn weight(bytes: usize) -> u32 {
    u32::try_from(256 + PARSED_SIZE * bytes).unwrap_or(u32::MAX)
}

impl VerifiedDocuments {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            roots: Cache::builder()
                .max_capacity(max_bytes / 2)
                .weigher(|_, root: &Arc<Verified<Root>>| weight(root.raw().len()))
                .build(),
            targets: Cache::builder()
                .max_capacity(max_bytes / 2)
                .weigher(|_, targets: &Arc<Verified<Targets>>| weight(targets.raw().len()))
                .build(),
        }
    }

    /// The root with this checksum, verified now if it was not before.
    pub(crate) fn root<E>(
        &self,
        epoch: u64,
        sha256: Sha256,
        verify: impl FnOnce() -> Result<Verified<Root>, E>,
    ) -> Result<Arc<Verified<Root>>, E> {
        if let Some(root) = self.roots.get(&(epoch, sha256)) {
            return Ok(root);
        }
        let root = Arc::new(verify()?);
        if epoch != NO_EPOCH {
            self.roots.insert((epoch, sha256), Arc::clone(&root));
        }
        Ok(root)
    }

    /// The targets document that `key` means, verified now if it was not before.
    pub(crate) fn targets<E>(
        &self,
        key: TargetsKey,
        verify: impl FnOnce() -> Result<Verified<Targets>, E>,
    ) -> Result<Arc<Verified<Targets>>, E> {
        if let Some(targets) = self.targets.get(&key) {
            return Ok(targets);
        }
        let targets = Arc::new(verify()?);
        self.keep(key, &targets);
        Ok(targets)
    }

    /// Keeps a document that was verified elsewhere, if it delegates: only such are asked for again.
    pub(crate) fn keep(&self, key: TargetsKey, targets: &Arc<Verified<Targets>>) {
        if key.epoch != NO_EPOCH && targets.body().delegations.iter().next().is_some() {
            self.targets.insert(key, Arc::clone(targets));
        }
    }
}
