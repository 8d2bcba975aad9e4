//! One repository of an archive, with its documents.

use std::collections::BTreeMap;

use bytes::Bytes;
use signet_tuf::{Answer, Fetch, MetadataPath, RoleName};

use crate::{Document, Record, Sha256};

/// A record with the documents that it names. It stands in for the trust server that they came from.
#[derive(Clone, Debug)]
pub struct ArchivedRepository {
    /// What the archive says. Its verdict is a claim; [`crate::judge`] makes one.
    pub record: Record,
    /// Documents by digest, which is that of their bytes.
    pub objects: BTreeMap<Sha256, Bytes>,
}

impl ArchivedRepository {
    /// The document that a server with this repository would give for `path`.
    #[must_use]
    pub fn document(&self, path: &MetadataPath) -> Option<(&Document, &Bytes)> {
        let found = match path {
            MetadataPath::Current(role) => {
                let digest = self.record.current.get(role)?;
                self.documents(role).find(|found| found.sha256 == *digest)
            }
            MetadataPath::Checksum(role, hex) => {
                let digest: Sha256 = hex.parse().ok()?;
                self.documents(role).find(|found| found.sha256 == digest)
            }
            // Rows of a server are immutable: one document a version. Where a record has more, the current one counts.
            MetadataPath::Version(role, version) => {
                let current = self.record.current.get(role);
                let mut same = self
                    .documents(role)
                    .filter(|found| found.version == *version);
                let first = same.next();
                same.chain(first)
                    .find(|found| Some(&found.sha256) == current)
                    .or(first)
            }
        }?;
        Some((found, self.objects.get(&found.sha256)?))
    }

    /// Every document of a role, the lowest version first.
    pub fn documents<'a>(
        &'a self,
        role: &RoleName,
    ) -> impl Iterator<Item = &'a Document> + use<'a> {
        let role = role.clone();
        self.record
            .documents
            .iter()
            .filter(move |document| document.role == role)
    }

    /// Answers an update in the server's place.
    #[must_use]
    pub fn answer(&self, fetch: &Fetch) -> Answer {
        match self.document(&fetch.path) {
            None => Answer::Absent,
            Some((document, _)) if document.length > fetch.max_bytes => Answer::TooLarge,
            Some((_, bytes)) => Answer::Bytes(bytes.clone()),
        }
    }
}
