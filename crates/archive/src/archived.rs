//! One repository of an archive, with its documents.

use std::collections::BTreeMap;

use bytes::Bytes;
use signet_tuf::{
    Answer, Fetch, FileMeta, Gun, MetadataPath, Received, RoleName, Snapshot, Timestamp,
};

use crate::shelf::Shelf;
use crate::{Document, Moment, Record, Sha256, Source, State, Verdict};

/// A record with the documents that it names. It stands in for the trust server that they came from.
#[derive(Clone, Debug)]
pub struct ArchivedRepository {
    /// What the archive says. Its verdict is a claim; [`crate::judge()`] makes one.
    pub record: Record,
    /// Documents by digest, which is that of their bytes.
    pub objects: BTreeMap<Sha256, Bytes>,
}

impl ArchivedRepository {
    /// A repository without documents, whose verdict is still to be made: [`State::Incomplete`] holds its place.
    #[must_use]
    pub const fn empty(gun: Gun, source: Source, captured: Moment) -> Self {
        Self {
            record: Record {
                gun,
                source,
                captured,
                documents: Vec::new(),
                current: BTreeMap::new(),
                requests: Vec::new(),
                changes: Vec::new(),
                verdict: Verdict::of(State::Incomplete),
            },
            objects: BTreeMap::new(),
        }
    }

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

    /// The repository as it was when the timestamp with this digest was current: that timestamp, the snapshot that it names, and the root and
    /// the documents that the snapshot names. Nothing is verified here; [`crate::judge()`] and the update engine do that. Documents that are
    /// missing are not current in the view either. Nothing when the timestamp or its snapshot is not there or cannot be read.
    ///
    /// The verdict in the view's record is still that of the capture.
    #[must_use]
    pub fn as_of(&self, timestamp: &Sha256) -> Option<Self> {
        self.view(&Shelf::of(self), timestamp)
    }

    pub(crate) fn view(&self, shelf: &Shelf<'_>, timestamp: &Sha256) -> Option<Self> {
        let named = Named::by(shelf, timestamp)?;
        let mut current: BTreeMap<RoleName, Sha256> = BTreeMap::new();
        for (role, digest) in named.below {
            if shelf.get(&role, &digest).is_some() {
                current.insert(role, digest);
            }
        }
        current.insert(RoleName::timestamp(), *timestamp);
        current.insert(RoleName::snapshot(), named.snapshot);
        let mut view = self.clone();
        view.record.current = current;
        Some(view)
    }
}

/// What a timestamp and its snapshot name. Nothing is verified.
pub(crate) struct Named {
    pub(crate) snapshot: Sha256,
    /// The root and everything that lists targets.
    below: BTreeMap<RoleName, Sha256>,
}

impl Named {
    /// Nothing where one of the two is missing or cannot be read.
    pub(crate) fn by(shelf: &Shelf<'_>, timestamp: &Sha256) -> Option<Self> {
        let (timestamp_role, snapshot_role) = (RoleName::timestamp(), RoleName::snapshot());
        let body = shelf.get(&timestamp_role, timestamp)?;
        let received = Received::<Timestamp>::parse(&timestamp_role, body.clone()).ok()?;
        let snapshot = named(received.unverified().snapshot())?;
        let body = shelf.get(&snapshot_role, &snapshot)?;
        let received = Received::<Snapshot>::parse(&snapshot_role, body.clone()).ok()?;
        let below = received
            .unverified()
            .meta
            .iter()
            .filter_map(|(name, meta)| {
                let role: RoleName = name.parse().ok()?;
                let below = role.lists_targets() || role == RoleName::root();
                Some((role, named(Some(meta))?)).filter(|_| below)
            });
        Some(Self {
            snapshot,
            below: below.collect(),
        })
    }

    /// The root that the snapshot names.
    pub(crate) fn root(&self) -> Option<Sha256> {
        self.below.get(&RoleName::root()).copied()
    }
}

fn named(meta: Option<&FileMeta>) -> Option<Sha256> {
    meta?.hashes.sha256_hex()?.parse().ok()
}
