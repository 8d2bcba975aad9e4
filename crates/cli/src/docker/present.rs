//! What is signed under a tag now, and who may sign it.

use signet_oci::{Digest, Tag};
use signet_tuf::{RoleName, Target, TrustedRepository};

use super::anew;
use super::context::Context;
use super::overview::is_released;
use super::problems;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// What the two roles that release have under a tag.
pub(super) struct Present {
    pub(super) releases: Option<Target>,
    targets: Option<Target>,
}

impl Present {
    pub(super) fn find(trusted: &TrustedRepository, tag: &Tag) -> Self {
        let mut present = Self {
            releases: None,
            targets: None,
        };
        for found in trusted
            .all_occurrences(Some(tag.as_str()))
            .into_iter()
            .filter(|found| is_released(&found.role))
        {
            if found.role == RoleName::releases() {
                present.releases = Some(found.target);
            } else {
                present.targets = Some(found.target);
            }
        }
        present
    }

    pub(super) fn with_digest(self, digest: &Digest) -> Option<Target> {
        let hex = digest.hex();
        [self.releases, self.targets]
            .into_iter()
            .flatten()
            .find(|target| target.hashes.sha256_hex().as_deref() == Some(&hex))
    }

    /// What is to be signed again when nobody says what. docker takes the digest of `targets`, which may be an old one (Q25).
    pub(super) fn the_only_one(self, typed: &str) -> Result<Option<Target>, Failure> {
        match (self.releases, self.targets) {
            (Some(releases), Some(targets)) if digest_of(&releases)? != digest_of(&targets)? => {
                let problem =
                    texts::two_digests(typed, &digest_of(&releases)?, &digest_of(&targets)?);
                Err(Failure::new(problem).hint(texts::SAY_WHICH))
            }
            (Some(target), _) | (None, Some(target)) => Ok(Some(target)),
            (None, None) => Ok(None),
        }
    }
}

/// The roles that the user can sign the tag in: `targets` while there are no delegations, else every one right below it whose paths hold the
/// tag and of which a key is at hand. `targets/releases` is one of them.
pub(super) fn signable_roles(
    trusted: &TrustedRepository,
    tag: &Tag,
    context: &Context,
) -> Result<Vec<RoleName>, Failure> {
    let delegations = trusted.delegations();
    if delegations.is_empty() {
        return Ok(vec![RoleName::targets()]);
    }
    let store = context.keys()?;
    let mut roles = Vec::new();
    for delegation in delegations {
        if delegation.role.parent() != Some(RoleName::targets())
            || !delegation.effective.allow(tag.as_str())
        {
            continue;
        }
        for key in &delegation.keys {
            let held = store
                .info(key.canonical_id())
                .map_err(|error| Failure::new(problems::key_problem(&error)))?;
            if held.is_some() {
                roles.push(delegation.role);
                break;
            }
        }
    }
    if roles.is_empty() {
        let hint = if anew::has_releasers(trusted) {
            texts::KEYS_HINT
        } else {
            texts::NO_SIGNER_HINT
        };
        Err(Failure::new(texts::NO_SIGNING_KEYS).hint(hint))
    } else {
        Ok(roles)
    }
}

/// The digest of a target in hex.
pub(super) fn digest_of(target: &Target) -> Result<String, Failure> {
    target
        .hashes
        .sha256_hex()
        .ok_or_else(|| Failure::new(texts::NO_SHA256))
}
