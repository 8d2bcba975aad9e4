//! From document to document: what one names is asked for next, within limits that no document can move.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use signet_archive::Sha256;
use signet_archive::record::{Change, Moment, Outcome, Source};
use signet_tuf::rules::MAX_VERSION;
use signet_tuf::update::{
    MAX_DOCUMENT_BYTES, MAX_ROLES, MAX_ROOT_BYTES, MAX_ROOT_CHAIN, MAX_TIMESTAMP_BYTES,
    MAX_UPDATE_BYTES,
};
use signet_tuf::{
    BaseRole, FileMeta, Gun, MetadataPath, Received, RoleName, Snapshot, Timestamp, Version,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::collect::Collector;
use super::feed;
use super::line::{Line, Nothing, Question};
use super::repository::{CaptureOptions, Stop};
use crate::Remote;
use crate::remote::RemoteError;

/// Longest time that one repository may take, the server's wish to be left alone not counted.
const MOST_TIME: Duration = Duration::from_secs(3600);
/// How large a record may grow before nothing more is asked for. Archives have room for a little more.
const MOST_RECORD_BYTES: usize = 24 << 20;

/// Who holds more bytes than this waits until nobody else does.
const LIGHT_BYTES: u64 = 32 << 20;
/// Versions in a row that a server may lack before the others are not asked for.
pub(super) const MOST_GAPS: u32 = 64;

/// One repository on the way.
pub(super) struct Walk<'a> {
    line: &'a Line,
    gun: &'a Gun,
    options: &'a CaptureOptions,
    source: Source,
    pub(super) found: Collector,
    /// With which status the server refused something of the current state.
    pub(super) refused: Option<u16>,
    pub(super) left_out: Option<String>,
    pub(super) heavy: Option<OwnedSemaphorePermit>,
    /// Whether documents of the current state do not belong together, or are not there.
    pub(super) is_torn: bool,
    /// Whether the snapshot names another root than the server gives.
    pub(super) has_other_root: bool,
    changes: Option<Vec<Change>>,
    /// Bytes that came, kept or not.
    taken: u64,
    began: Instant,
    /// How long the server had been left alone by then.
    waited: Duration,
}

/// A document of a repository.
struct Wanted<'a> {
    gun: &'a Gun,
    path: &'a MetadataPath,
    max_bytes: u64,
}

impl Question for Wanted<'_> {
    type Answer = Bytes;

    async fn put(&self, remote: &Remote) -> Result<Bytes, RemoteError> {
        remote.document(self.gun, self.path, self.max_bytes).await
    }
}

/// A document that came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) sha256: Sha256,
    pub(super) bytes: Bytes,
}

impl PartialEq for Came {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        line: &'a Line,
        gun: &'a Gun,
        source: Source,
        options: &'a CaptureOptions,
    ) -> Self {
        Self {
            line,
            gun,
            options,
            found: Collector::new(gun.clone(), source.clone()),
            source,
            refused: None,
            left_out: None,
            heavy: None,
            is_torn: false,
            has_other_root: false,
            changes: None,
            taken: 0,
            began: Instant::now(),
            waited: line.waited(),
        }
    }

    /// Forgets what was found. What it cost is not forgotten.
    pub(super) fn begin_anew(&mut self) {
        self.found = Collector::new(self.gun.clone(), self.source.clone());
        self.refused = None;
        self.is_torn = false;
        self.has_other_root = false;
        self.changes = None;
    }

    /// The current root: what a client that knows nothing asks for first, and what tells best whether there is anything to be had.
    pub(super) async fn root(&mut self) -> Result<Option<Came>, Stop> {
        let role = RoleName::root();
        let came = self
            .get(&MetadataPath::Current(role.clone()), MAX_ROOT_BYTES)
            .await?;
        if let Some(root) = &came {
            self.found.set_current(&role, root.sha256);
        }
        Ok(came)
    }

    /// The current timestamp.
    pub(super) async fn timestamp(&mut self) -> Result<Option<Came>, Stop> {
        let path = MetadataPath::Current(RoleName::timestamp());
        if let Some(came) = self.get(&path, MAX_TIMESTAMP_BYTES).await? {
            return Ok(Some(came));
        }
        if self.refused.is_none() {
            return Ok(None);
        }
        // compat: Go's server answers 500 once the repository has expired and it cannot renew the timestamp. The newest one is there all the same.
        self.newest_timestamp().await
    }

    /// The same, without taking note of it.
    pub(super) async fn peek_timestamp(&mut self) -> Result<Option<Came>, Stop> {
        let path = MetadataPath::Current(RoleName::timestamp());
        let question = Wanted {
            gun: self.gun,
            path: &path,
            max_bytes: MAX_TIMESTAMP_BYTES,
        };
        match self.line.ask(question).await? {
            Ok(bytes) => Ok(Some(Came {
                sha256: Sha256::of(&bytes),
                bytes,
            })),
            Err(nothing) if nothing.may_pass() => Err(Stop::Given(nothing)),
            Err(_) => Ok(None),
        }
    }

    /// The timestamp that was published last, where the changefeed names one; else the one with the highest version that there is.
    async fn newest_timestamp(&mut self) -> Result<Option<Came>, Stop> {
        let role = RoleName::timestamp();
        let last = self.feed().await?.last().cloned();
        if let Some(sha256) = last.and_then(|change| change.sha256) {
            let path = MetadataPath::Checksum(role, sha256.to_string());
            return self.get(&path, MAX_TIMESTAMP_BYTES).await;
        }
        // Doubling, then halving: versions are counted without gaps.
        let (mut there, mut gone, mut newest) = (0, 1, None);
        while gone < MAX_VERSION {
            let path = MetadataPath::Version(role.clone(), gone);
            let Some(came) = self.get(&path, MAX_TIMESTAMP_BYTES).await? else {
                break;
            };
            (there, newest) = (gone, Some(came));
            gone *= 2;
        }
        while gone - there > 1 {
            let middle = there + (gone - there) / 2;
            let path = MetadataPath::Version(role.clone(), middle);
            match self.get(&path, MAX_TIMESTAMP_BYTES).await? {
                Some(came) => (there, newest) = (middle, Some(came)),
                None => gone = middle,
            }
        }
        Ok(newest)
    }

    /// The current state below `timestamp`.
    pub(super) async fn state(
        &mut self,
        root: Option<Came>,
        timestamp: Option<Came>,
    ) -> Result<(), Stop> {
        let snapshot = match &timestamp {
            Some(came) => {
                self.found.set_current(&RoleName::timestamp(), came.sha256);
                self.snapshot_of(came).await?
            }
            None => None,
        };
        if timestamp.is_none() && root.is_none() {
            return Ok(());
        }
        let snapshot = match snapshot {
            Some(snapshot) => Some(snapshot),
            // Nothing leads there. What the server gives all the same may explain it.
            None => {
                let path = MetadataPath::Current(RoleName::snapshot());
                self.get(&path, MAX_DOCUMENT_BYTES).await?
            }
        };
        let Some(snapshot) = snapshot else {
            return Ok(());
        };
        self.found
            .set_current(&RoleName::snapshot(), snapshot.sha256);
        let current = self.roles_of(&snapshot).await?;
        let listed_root = current.iter().find(|(role, _)| *role == RoleName::root());
        if let (Some((_, listed)), Some(root)) = (listed_root, &root)
            && *listed != root.sha256
        {
            self.is_torn = true;
            self.has_other_root = true;
        }
        for (role, sha256) in current {
            if role != RoleName::root() || root.is_none() {
                self.found.set_current(&role, sha256);
            }
        }
        Ok(())
    }

    /// The snapshot that a timestamp names.
    pub(super) async fn snapshot_of(&mut self, timestamp: &Came) -> Result<Option<Came>, Stop> {
        let parsed = Received::<Timestamp>::parse(&RoleName::timestamp(), timestamp.bytes.clone());
        let Some(meta) = parsed.ok().and_then(|timestamp| {
            let meta = &timestamp.unverified().meta;
            meta.get(BaseRole::Snapshot.as_str()).cloned()
        }) else {
            return Ok(None);
        };
        self.named(&RoleName::snapshot(), &meta).await
    }

    /// Every role that a snapshot names, and the digests under which it names those that came.
    pub(super) async fn roles_of(
        &mut self,
        snapshot: &Came,
    ) -> Result<Vec<(RoleName, Sha256)>, Stop> {
        let parsed = Received::<Snapshot>::parse(&RoleName::snapshot(), snapshot.bytes.clone());
        let Ok(snapshot) = parsed else {
            return Ok(Vec::new());
        };
        let mut came = Vec::new();
        for (count, (name, meta)) in snapshot.unverified().meta.iter().enumerate() {
            if count >= MAX_ROLES {
                self.leave_out(format!(
                    "of the {} roles that a snapshot lists, only {MAX_ROLES} were taken",
                    snapshot.unverified().meta.len()
                ));
                break;
            }
            let Ok(role) = name.parse::<RoleName>() else {
                continue;
            };
            let is_role = role == RoleName::root() || role.lists_targets();
            // compat: a role without digests and length is one that is not there (`tuf.md` section 10.5).
            if !is_role || (meta.hashes.is_empty() && meta.length == 0) {
                continue;
            }
            if let Some(document) = self.named(&role, meta).await? {
                came.push((role, document.sha256));
            }
        }
        Ok(came)
    }

    /// A document that another one lists.
    async fn named(&mut self, role: &RoleName, meta: &FileMeta) -> Result<Option<Came>, Stop> {
        let limit = if *role == RoleName::root() {
            MAX_ROOT_BYTES
        } else {
            MAX_DOCUMENT_BYTES
        };
        let listed = meta.hashes.sha256_hex();
        let sha256 = listed.as_ref().and_then(|hex| hex.parse::<Sha256>().ok());
        let Some(sha256) = sha256 else {
            // compat: without a SHA-256 the plain name is asked for (`tuf.md` section 9).
            let path = MetadataPath::Current(role.clone());
            return self.get(&path, limit).await;
        };
        if self.found.has(role, &sha256)
            && let Some(bytes) = self.found.object(&sha256).cloned()
        {
            return Ok(Some(Came { sha256, bytes }));
        }
        let length = u64::try_from(meta.length).ok().filter(|length| *length > 0);
        let path = MetadataPath::Checksum(role.clone(), sha256.to_string());
        let came = self.get(&path, length.unwrap_or(limit).min(limit)).await?;
        if came.as_ref().is_none_or(|came| came.sha256 != sha256) {
            self.is_torn = true;
        }
        Ok(came.filter(|came| came.sha256 == sha256))
    }

    /// Every root before the current one.
    pub(super) async fn chain(&mut self) -> Result<(), Stop> {
        let newest = self
            .found
            .newest(&RoleName::root())
            .unwrap_or(0)
            .min(MAX_VERSION);
        let least = (newest - MAX_ROOT_CHAIN).max(1);
        if least > 1 {
            self.leave_out(format!(
                "of the roots before version {newest}, only {MAX_ROOT_CHAIN} were asked for"
            ));
        }
        self.versions(&RoleName::root(), least..newest, MAX_ROOT_BYTES)
            .await
            .map(drop)
    }

    /// The documents of a role with these versions, the highest first.
    pub(super) async fn versions(
        &mut self,
        role: &RoleName,
        versions: std::ops::Range<Version>,
        max_bytes: u64,
    ) -> Result<Vec<Came>, Stop> {
        let (mut gaps, mut came) = (0, Vec::new());
        for version in versions.rev() {
            if self.found.has_version(role, version) {
                continue;
            }
            let path = MetadataPath::Version(role.clone(), version);
            match self.get(&path, max_bytes).await? {
                Some(document) => {
                    gaps = 0;
                    came.push(document);
                }
                None => gaps += 1,
            }
            if gaps >= MOST_GAPS && version > 1 {
                self.leave_out(format!(
                    "after {gaps} versions of {role} in a row that the server does not have, those below {version} were not asked for"
                ));
                break;
            }
        }
        Ok(came)
    }

    /// When what was published.
    pub(super) async fn changes(&mut self) -> Result<(), Stop> {
        let changes = self.feed().await?.to_vec();
        self.found.set_changes(changes);
        Ok(())
    }

    async fn feed(&mut self) -> Result<&[Change], Stop> {
        if self.changes.is_none() {
            match feed::changes(self.line, self.gun).await? {
                Ok(changes) => self.changes = Some(changes),
                Err(nothing) => return Err(Stop::Given(nothing)),
            }
        }
        Ok(self.changes.as_deref().unwrap_or_default())
    }

    /// Asks for a document, keeps it, and takes note of what came.
    pub(super) async fn get(
        &mut self,
        path: &MetadataPath,
        max_bytes: u64,
    ) -> Result<Option<Came>, Stop> {
        let Some(max_bytes) = self.room(max_bytes).await? else {
            return Ok(None);
        };
        let question = Wanted {
            gun: self.gun,
            path,
            // A longer document is to be told from one that fits exactly.
            max_bytes: max_bytes + 1,
        };
        let came = self.line.ask(question).await?;
        let at = Moment::of(self.options.moments.now());
        let nothing = match came {
            Ok(bytes) if bytes.len() as u64 <= max_bytes => {
                self.taken = self.taken.saturating_add(bytes.len() as u64);
                let sha256 = self.found.keep(path.role(), bytes.clone());
                self.found.note(path, at, Outcome::Found { sha256 });
                return Ok(Some(Came { sha256, bytes }));
            }
            Ok(bytes) => {
                self.taken = self.taken.saturating_add(bytes.len() as u64);
                Nothing::TooLarge
            }
            Err(nothing) => nothing,
        };
        let outcome = match &nothing {
            Nothing::Absent => Outcome::Absent,
            Nothing::TooLarge => Outcome::TooLarge,
            Nothing::Refused { status, .. } => Outcome::Refused { status: *status },
            Nothing::Unreachable(reason) => Outcome::Unreachable {
                reason: reason.clone(),
            },
        };
        self.found.note(path, at, outcome);
        match nothing {
            Nothing::Absent | Nothing::TooLarge => Ok(None),
            Nothing::Unreachable(_) => Err(Stop::Given(nothing)),
            Nothing::Refused { status, .. } => {
                if status == 401 {
                    self.line.check_login(self.gun).await?;
                }
                // Who is not let in need not go on knocking.
                if nothing.may_pass() || (matches!(status, 401 | 403) && self.found.is_empty()) {
                    return Err(Stop::Given(nothing));
                }
                self.refused.get_or_insert(status);
                Ok(None)
            }
        }
    }

    /// How many bytes the next document may have, where another one is admitted at all.
    async fn room(&mut self, max_bytes: u64) -> Result<Option<u64>, Stop> {
        let left = MAX_UPDATE_BYTES.saturating_sub(self.taken);
        if left == 0 {
            self.leave_out(format!(
                "only the first {} MiB were taken",
                MAX_UPDATE_BYTES >> 20
            ));
            return Ok(None);
        }
        if self.found.record_bytes() > MOST_RECORD_BYTES {
            self.leave_out("there are more documents than an archive can list".to_owned());
            return Ok(None);
        }
        let waited = self.line.waited().saturating_sub(self.waited);
        if self.began.elapsed().saturating_sub(waited) > MOST_TIME {
            let reason = format!("not complete after {} minutes", MOST_TIME.as_secs() / 60);
            return Err(Stop::Given(Nothing::Unreachable(reason)));
        }
        let max_bytes = max_bytes.min(left);
        if self.heavy.is_none() && self.found.bytes().saturating_add(max_bytes) > LIGHT_BYTES {
            let heavy = Arc::clone(&self.line.heavy);
            self.heavy = heavy.acquire_owned().await.ok();
        }
        Ok(Some(max_bytes))
    }

    pub(super) fn leave_out(&mut self, what: String) {
        self.left_out.get_or_insert(what);
    }
}
