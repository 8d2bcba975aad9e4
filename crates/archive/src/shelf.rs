//! The documents of a repository in the order in which they are looked for, so that hostile records cost no more than honest ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use signet_tuf::{Answer, Fetch, MetadataPath, Refusal, RoleName, Version};

use crate::{ArchivedRepository, Document, Outcome, Sha256};

/// A repository with its documents by digest and version, and what became of the questions that gave none.
pub(crate) struct Shelf<'a> {
    pub(crate) repository: &'a ArchivedRepository,
    documents: BTreeMap<(&'a RoleName, Sha256), (&'a Document, &'a Bytes)>,
    outcomes: BTreeMap<&'a str, &'a Outcome>,
}

impl<'a> Shelf<'a> {
    pub(crate) fn of(repository: &'a ArchivedRepository) -> Self {
        let record = &repository.record;
        let documents = record.documents.iter().filter_map(|document| {
            let bytes = repository.objects.get(&document.sha256)?;
            Some(((&document.role, document.sha256), (document, bytes)))
        });
        let outcomes = record.requests.iter();
        Self {
            repository,
            documents: documents.collect(),
            // The last answer to a question counts.
            outcomes: outcomes
                .map(|request| (request.path.as_str(), &request.outcome))
                .collect(),
        }
    }

    /// The document of a role with this digest.
    pub(crate) fn get(&self, role: &RoleName, digest: &Sha256) -> Option<&'a Bytes> {
        let (_, bytes) = self.documents.get(&(role, *digest))?;
        Some(bytes)
    }

    /// What the record says of the document of a role with this digest.
    pub(crate) fn document(&self, role: &RoleName, digest: &Sha256) -> Option<&'a Document> {
        let (document, _) = self.documents.get(&(role, *digest))?;
        Some(document)
    }

    /// What the source gave for this digest: the document that has it, or other bytes, which whoever asked for it will refuse.
    pub(crate) fn given(&self, role: &RoleName, digest: &Sha256) -> Option<&'a Bytes> {
        self.get(role, digest).or_else(|| {
            let path = MetadataPath::Checksum(role.clone(), digest.to_string());
            match self.outcome(&path)? {
                Outcome::Found { sha256 } => self.get(role, sha256),
                _ => None,
            }
        })
    }

    /// The current document of a role.
    pub(crate) fn current(&self, role: &RoleName) -> Option<(Sha256, &'a Bytes)> {
        let digest = self.repository.record.current.get(role)?;
        Some((*digest, self.get(role, digest)?))
    }

    /// Every document of a role.
    pub(crate) fn all(
        &self,
        role: &'a RoleName,
    ) -> impl Iterator<Item = (&'a Document, &'a Bytes)> + use<'a, '_> {
        let range = (role, Sha256([0; 32]))..=(role, Sha256([0xff; 32]));
        self.documents.range(range).map(|(_, found)| *found)
    }

    /// Whether the source said that it has no such thing.
    pub(crate) fn said_absent(&self, path: &MetadataPath) -> bool {
        matches!(self.outcome(path), Some(Outcome::Absent))
    }

    /// What came of the last question for this.
    pub(crate) fn outcome(&self, path: &MetadataPath) -> Option<&'a Outcome> {
        self.outcomes.get(path.to_string().as_str()).copied()
    }

    /// What kept the source from answering, where something did: the last refusal or silence.
    pub(crate) fn hindrance(&self) -> Option<&'a Outcome> {
        let requests = self.repository.record.requests.iter().rev();
        requests.map(|request| &request.outcome).find(|outcome| {
            matches!(
                outcome,
                Outcome::Refused { .. } | Outcome::Unreachable { .. }
            )
        })
    }

    /// Answers an update with the documents; where there is none, as the source did.
    pub(crate) fn answer(&self, fetch: &Fetch) -> Answer {
        let found = match &fetch.path {
            MetadataPath::Current(role) => self.current(role).map(|(_, bytes)| bytes),
            MetadataPath::Checksum(role, hex) => {
                let digest: Option<Sha256> = hex.parse().ok();
                digest.and_then(|digest| self.given(role, &digest))
            }
            MetadataPath::Version(role, version) => self.version(role, *version),
        };
        match found {
            Some(bytes) if bytes.len() as u64 > fetch.max_bytes => Answer::TooLarge,
            Some(bytes) => Answer::Bytes(bytes.clone()),
            None => self.unanswered(&fetch.path),
        }
    }

    fn version(&self, role: &RoleName, version: Version) -> Option<&'a Bytes> {
        let path = MetadataPath::Version(role.clone(), version);
        let (_, bytes) = self.repository.document(&path)?;
        Some(bytes)
    }

    fn unanswered(&self, path: &MetadataPath) -> Answer {
        match self.outcome(path) {
            None | Some(Outcome::Absent | Outcome::Found { .. }) => Answer::Absent,
            Some(Outcome::Refused { status }) => Answer::Refused(Refusal {
                status: *status,
                message: None,
            }),
            Some(Outcome::TooLarge) => Answer::TooLarge,
            Some(Outcome::Unreachable { reason }) => Answer::Unreachable(reason.clone()),
        }
    }
}
