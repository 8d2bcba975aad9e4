//! The record of a repository while it grows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use signet_archive::record::{Change, Document, Moment, Outcome, Request, Source, State};
use signet_archive::{ArchivedRepository, Sha256};
use signet_tuf::{Gun, MetadataPath, RoleName, Version};

/// Gathers the documents of one repository.
#[derive(Debug)]
pub struct Collector {
    gun: Gun,
    source: Source,
    documents: BTreeMap<(RoleName, Version, Sha256), Document>,
    known: BTreeSet<(Sha256, RoleName)>,
    objects: BTreeMap<Sha256, Bytes>,
    current: BTreeMap<RoleName, Sha256>,
    requests: Vec<Request>,
    changes: Vec<Change>,
    bytes: u64,
    record_bytes: usize,
}

impl Collector {
    /// Begins with nothing.
    #[must_use]
    pub const fn new(gun: Gun, source: Source) -> Self {
        Self {
            gun,
            source,
            documents: BTreeMap::new(),
            known: BTreeSet::new(),
            objects: BTreeMap::new(),
            current: BTreeMap::new(),
            requests: Vec::new(),
            changes: Vec::new(),
            bytes: 0,
            record_bytes: 0,
        }
    }

    /// Keeps a document of `role`, whatever it is worth, and gives its digest. What is there already is not kept twice.
    pub fn keep(&mut self, role: &RoleName, bytes: Bytes) -> Sha256 {
        let document = Document::sketch(role, &bytes);
        let sha256 = document.sha256;
        if !self.known.insert((sha256, role.clone())) {
            return sha256;
        }
        self.record_bytes += role.as_str().len() + DOCUMENT_BYTES;
        let length = document.length;
        self.documents
            .insert((role.clone(), document.version, sha256), document);
        if self.objects.insert(sha256, bytes).is_none() {
            self.bytes = self.bytes.saturating_add(length);
        }
        sha256
    }

    /// Whether the role's document with that digest is there.
    #[must_use]
    pub fn has(&self, role: &RoleName, sha256: &Sha256) -> bool {
        self.known.contains(&(*sha256, role.clone()))
    }

    /// Whether a document of the role with that version is there.
    #[must_use]
    pub fn has_version(&self, role: &RoleName, version: Version) -> bool {
        let (least, most) = (Sha256([0; 32]), Sha256([u8::MAX; 32]));
        let range = (role.clone(), version, least)..=(role.clone(), version, most);
        self.documents.range(range).next().is_some()
    }

    /// The bytes with that digest.
    #[must_use]
    pub fn object(&self, sha256: &Sha256) -> Option<&Bytes> {
        self.objects.get(sha256)
    }

    /// Says that the source gives this document as the role's current one.
    pub fn set_current(&mut self, role: &RoleName, sha256: Sha256) {
        self.current.insert(role.clone(), sha256);
    }

    /// Takes note of a question and what came of it.
    pub fn note(&mut self, path: &MetadataPath, at: Moment, outcome: Outcome) {
        let path = path.to_string();
        self.record_bytes += path.len() + REQUEST_BYTES;
        self.requests.push(Request { path, at, outcome });
    }

    /// Adds changes in the order of their numbers; they say when timestamps were published.
    pub fn set_changes(&mut self, changes: Vec<Change>) {
        let mut moments = BTreeMap::new();
        for change in &changes {
            if let Some(sha256) = change.sha256 {
                // The first time counts: a server that was emptied may have got the same document again.
                moments.entry(sha256).or_insert(change.at);
            }
        }
        let timestamp = RoleName::timestamp();
        for document in self.documents.values_mut() {
            if document.role == timestamp && document.published.is_none() {
                document.published = moments.get(&document.sha256).copied();
            }
        }
        self.changes = changes;
    }

    /// How many bytes of documents there are.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// About how many bytes the record will have, changes left out.
    #[must_use]
    pub const fn record_bytes(&self) -> usize {
        self.record_bytes
    }

    /// The highest version of the role's documents.
    #[must_use]
    pub fn newest(&self, role: &RoleName) -> Option<Version> {
        let documents = self.documents.values();
        documents
            .filter(|document| document.role == *role)
            .map(|document| document.version)
            .max()
    }

    /// Whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// The repository. `state` counts where the source did not give it ([`State::Absent`], [`State::Refused`], [`State::Unreachable`]); any
    /// other is found out by who judges the documents.
    #[must_use]
    pub fn finish(
        self,
        captured: Moment,
        state: State,
        reason: Option<String>,
    ) -> ArchivedRepository {
        let mut repository = ArchivedRepository::empty(self.gun, self.source, captured);
        let record = &mut repository.record;
        record.documents = self.documents.into_values().collect();
        record.current = self.current;
        record.requests = self.requests;
        record.changes = self.changes;
        record.verdict.state = state;
        record.verdict.reason = reason;
        repository.objects = self.objects;
        repository
    }
}

/// About what a document and a request take in a record besides their names.
const DOCUMENT_BYTES: usize = 180;
const REQUEST_BYTES: usize = 160;
