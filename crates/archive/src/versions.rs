//! The versions that a record tells, held to those that its documents carry.

use bytes::Bytes;
use signet_tuf::{TrustedRepository, Version};

use crate::{ArchivedRepository, Document, Judgement, Sha256};

/// Whether every document carries the version that the record tells; else the digest of the first that does not.
pub(crate) fn check(
    repository: &ArchivedRepository,
    judgement: Option<&Judgement>,
) -> Result<(), Sha256> {
    let read = judgement.and_then(trusted);
    let documents = repository.record.documents.iter();
    let mut wrong = documents.filter(|document| {
        let bytes = repository.objects.get(&document.sha256);
        bytes.map(|bytes| carried(document, bytes, read)) != Some(document.version)
    });
    wrong.next().map_or(Ok(()), |document| Err(document.sha256))
}

/// Makes the record tell the versions that its documents carry. `true`: it told others.
pub(crate) fn correct(repository: &mut ArchivedRepository, judgement: &Judgement) -> bool {
    let read = trusted(judgement);
    let mut changed = false;
    for document in &mut repository.record.documents {
        if let Some(bytes) = repository.objects.get(&document.sha256) {
            let version = carried(document, bytes, read);
            changed |= document.version != version;
            document.version = version;
        }
    }
    changed
}

fn trusted(judgement: &Judgement) -> Option<&TrustedRepository> {
    judgement.trusted.as_deref().ok()
}

/// The version that a document carries, taken from `read` where exactly these bytes were read for this role.
fn carried(document: &Document, bytes: &Bytes, read: Option<&TrustedRepository>) -> Version {
    let role = &document.role;
    let known = read.and_then(|read| {
        let (raw, version) = if let Some(targets) = read.targets(role) {
            (targets.raw(), targets.version())
        } else if role == read.root().role() {
            (read.root().raw(), read.root().version())
        } else if role == read.snapshot().role() {
            (read.snapshot().raw(), read.snapshot().version())
        } else if role == read.timestamp().role() {
            (read.timestamp().raw(), read.timestamp().version())
        } else {
            return None;
        };
        (raw == bytes).then_some(version.max(0))
    });
    known.unwrap_or_else(|| Document::version_in(role, bytes))
}
