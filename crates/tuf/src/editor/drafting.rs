//! From edited content to documents that wait for signatures (specification, `tuf.md` sections 14.1 to 14.3).

use std::collections::BTreeMap;

use bytes::Bytes;
use time::Duration;

use super::{Draft, EditError, Edited, RepositoryEditor, SignedFile};
use crate::canonical;
use crate::expiry::{ROOT_LIFETIME, SNAPSHOT_LIFETIME, TARGETS_LIFETIME};
use crate::metadata::Metadata;
use crate::rules::{self, CertificateTime, MAX_VERSION, RuleError};
use crate::{
    BaseRole, Expiry, FileMeta, HashAlgorithm, Hashes, RoleKeys, RoleName, Signature, Snapshot,
};

impl RepositoryEditor<'_> {
    /// The documents that must be signed again, in the order in which to sign them: root, `targets`, delegations.
    ///
    /// Root is also renewed when it expires within six months, `targets` when it has expired; a renewal that is not
    /// due yet is optional. The snapshot follows with [`RepositoryEditor::snapshot_draft`].
    ///
    /// # Errors
    /// [`EditError`] when a document cannot be written.
    pub fn drafts(&self) -> Result<Vec<Draft>, EditError> {
        let mut drafts = Vec::new();
        drafts.extend(self.root_draft()?);
        for (role, document) in &self.targets {
            let expired = !role.is_delegation() && document.body.expires.is_over(self.now);
            if !document.changed && !expired {
                continue;
            }
            let keys = self
                .role_keys(role)
                .ok_or_else(|| EditError::NotDelegated(role.clone()))?;
            drafts.push(self.draft(role, document, TARGETS_LIFETIME, vec![keys])?);
        }
        Ok(drafts)
    }

    fn root_draft(&self) -> Result<Option<Draft>, EditError> {
        let role = RoleName::root();
        let own = rules::root_role_keys(&self.root.body, &self.gun, CertificateTime::At(self.now));
        let near = self.root.body.expires.is_near(self.now);
        match (self.previous_root, &self.root.stored) {
            // Initialised here and never published: it goes out as it is, where it was not changed meanwhile.
            (None, Some((_, signatures))) if !self.root.changed => {
                let message = checked(&role, canonical::to_vec(&*self.root.body))?;
                let mut draft = Draft::new(role, self.root.body.version, message, vec![own]);
                draft.keep_signatures(signatures);
                Ok(Some(draft))
            }
            _ if !self.root.changed && !near => Ok(None),
            (previous, _) => {
                let mut demands = Vec::new();
                if let Some(previous) = previous {
                    let keys = rules::predecessor_keys(previous, &self.gun)
                        .ok_or(RuleError::Root(rules::RootError::NoPreviousLeaf))?;
                    demands.push(keys);
                }
                demands.push(own);
                let mut draft = self.draft(&role, &self.root, ROOT_LIFETIME, demands)?;
                if !self.root.changed && !self.root.body.expires.is_over(self.now) {
                    draft.set_optional();
                }
                Ok(Some(draft))
            }
        }
    }

    /// The snapshot over `signed` and all that stays as it is. Entries of delegations that no document lists any more
    /// are dropped.
    ///
    /// # Errors
    /// [`EditError`] when a document that must be signed again is not among `signed`.
    pub fn snapshot_draft(&self, signed: &[SignedFile]) -> Result<Draft, EditError> {
        let role = RoleName::snapshot();
        let fresh;
        let base = match &self.snapshot {
            Some(base) => base,
            None => {
                fresh = Edited::new(Snapshot::new(Expiry::at(self.now)), 0);
                &fresh
            }
        };
        let mut meta: BTreeMap<String, FileMeta> = base
            .body
            .meta
            .iter()
            .filter(|(name, _)| name.parse().is_ok_and(|role| self.may_be_listed(&role)))
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        let renewed = |role: &RoleName| signed.iter().find(|file| file.role == *role);
        let stored = |edited: &Option<(Bytes, Vec<Signature>)>| {
            edited.as_ref().map(|(bytes, _)| bytes.clone())
        };
        let mut documents = vec![(
            RoleName::root(),
            self.root.changed,
            stored(&self.root.stored),
        )];
        documents.extend(
            self.targets
                .iter()
                .map(|(role, edited)| (role.clone(), edited.changed, stored(&edited.stored))),
        );
        for (role, changed, bytes) in documents {
            let entry = match (renewed(&role), bytes) {
                (Some(file), _) => FileMeta::of(&file.bytes),
                (None, Some(bytes)) if !changed => meta_of(meta.get(role.as_str()), &bytes),
                // Looked into and left without a document, as it was.
                (None, None) if !changed && role.is_delegation() => continue,
                (None, _) => return Err(EditError::Unsigned(role)),
            };
            meta.insert(role.to_string(), entry);
        }
        let mut body = base.body.clone().into_owned();
        body.meta = meta;
        let edited = Edited::new(body, base.base);
        let keys = self.root.body.role_keys(BaseRole::Snapshot);
        self.draft(&role, &edited, SNAPSHOT_LIFETIME, vec![keys])
    }

    /// Whether the snapshot may still list a role: root, `targets`, and what their documents delegate to. What hangs
    /// below a document that is not loaded cannot be judged and stays.
    fn may_be_listed(&self, role: &RoleName) -> bool {
        match (role.base(), role.parent()) {
            (Some(base), _) => matches!(base, BaseRole::Root | BaseRole::Targets),
            (None, Some(parent)) => match self.targets.get(&parent) {
                Some(document) => document.body.delegations.find(role).is_some(),
                None => self.may_be_listed(&parent),
            },
            (None, None) => false,
        }
    }

    fn draft<T: Metadata>(
        &self,
        role: &RoleName,
        document: &Edited<'_, T>,
        lifetime: Duration,
        demands: Vec<RoleKeys>,
    ) -> Result<Draft, EditError> {
        if document.base >= MAX_VERSION {
            return Err(EditError::VersionExhausted {
                role: role.clone(),
                version: document.base,
            });
        }
        let version = document.base + 1;
        let expires = Expiry::at(self.now + lifetime);
        let message = checked(role, document.body.to_renewed(version, expires))?;
        Ok(Draft::new(role.clone(), version, message, demands))
    }
}

/// The text of a document, where programs can read it again.
fn checked(role: &RoleName, text: Result<Vec<u8>, serde_json::Error>) -> Result<Bytes, EditError> {
    let message = text.map_err(|source| EditError::Write {
        role: role.clone(),
        source,
    })?;
    // Read from a document that escaped it. In ours it would stand raw, and no reader would take the file.
    if let Some(at) = message.iter().position(|byte| *byte < 0x20) {
        let from = message
            .get(at.saturating_sub(20)..at + 1)
            .unwrap_or_default();
        return Err(EditError::ControlCharacter(
            String::from_utf8_lossy(from).into_owned(),
        ));
    }
    Ok(message.into())
}

/// An entry for unchanged bytes: their digests are in the present entry, which was checked against them.
fn meta_of(present: Option<&FileMeta>, bytes: &Bytes) -> FileMeta {
    let complete = |hashes: &&Hashes| {
        [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
            .into_iter()
            .all(|algorithm| {
                hashes
                    .digest(algorithm)
                    .is_some_and(|digest| digest.len() == algorithm.digest_len())
            })
    };
    match present.map(|meta| &meta.hashes).filter(complete) {
        Some(hashes) => FileMeta {
            hashes: hashes.clone(),
            length: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        },
        None => FileMeta::of(bytes),
    }
}
