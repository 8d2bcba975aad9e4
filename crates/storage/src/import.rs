//! Taking over a repository with its history.
//!
//! An import only ever adds: a repository that is new, or documents to one whose every document the import has too. Whether the
//! documents deserve it is for the caller to know (`signet_archive::admit`).

use std::collections::BTreeMap;

use signet_tuf::{Gun, RoleName, Version};
use time::OffsetDateTime;

use crate::{MAX_VERSION, NewDocument, Revision, Sha256, StoreError};

/// A document with the moment at which it was published first.
#[derive(Clone, Debug)]
pub struct ImportedDocument {
    /// The document.
    pub document: NewDocument,
    /// The moment that its row records.
    pub stored_at: OffsetDateTime,
}

/// A repository that comes with its history: stored completely or not at all, with one entry in the changefeed.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The repository.
    pub gun: &'a Gun,
    /// Its documents; of a role and version never two.
    pub documents: &'a [ImportedDocument],
    /// Its current timestamp, which is among the documents: what the changefeed announces.
    pub timestamp: Revision,
    /// The moment that the changefeed records.
    pub now: OffsetDateTime,
    /// Whether to say only what would be done.
    pub dry_run: bool,
}

impl Import<'_> {
    /// Refuses versions that no row can hold.
    pub(crate) fn check_versions(&self) -> Result<(), StoreError> {
        let fits = |version| (1..=MAX_VERSION).contains(&version);
        let mut all = self.documents.iter();
        if all.all(|new| fits(new.document.version)) {
            Ok(())
        } else {
            Err(StoreError::Conflict)
        }
    }
}

/// What became of an import.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Imported {
    /// Documents were stored.
    Added {
        /// How many.
        documents: usize,
        /// How many of its documents were there before.
        before: usize,
    },
    /// Every document was there before.
    AlreadyThere,
    /// Nothing was stored: there is another document with this version.
    Differs {
        /// Whose.
        role: RoleName,
        /// Which version.
        version: Version,
    },
    /// Nothing was stored: the store has a document that the import does not know.
    Ahead {
        /// Whose.
        role: RoleName,
        /// Which version.
        version: Version,
    },
}

/// The digests that a store has of a repository, by role and version.
pub(crate) type Existing = BTreeMap<(RoleName, Version), Sha256>;

/// What an import amounts to where `existing` is there: the documents to add, or why there is nothing to do.
pub(crate) fn decide<'a>(
    existing: &Existing,
    import: &Import<'a>,
) -> Result<Vec<&'a ImportedDocument>, Imported> {
    let key = |new: &ImportedDocument| (new.document.role.clone(), new.document.version);
    let coming: Existing = import
        .documents
        .iter()
        .map(|new| (key(new), new.document.sha256))
        .collect();
    for ((role, version), sha256) in existing {
        if coming
            .get(&(role.clone(), *version))
            .is_some_and(|other| other != sha256)
        {
            let (role, version) = (role.clone(), *version);
            return Err(Imported::Differs { role, version });
        }
    }
    let added: Vec<_> = import
        .documents
        .iter()
        .filter(|new| !existing.contains_key(&key(new)))
        .collect();
    if added.is_empty() {
        return Err(Imported::AlreadyThere);
    }
    match existing.keys().find(|key| !coming.contains_key(key)) {
        None => Ok(added),
        Some((role, version)) => Err(Imported::Ahead {
            role: role.clone(),
            version: *version,
        }),
    }
}
