//! The open archives, and what was read from them in memory.
//!
//! A file is opened once. If another is put in its place, this one is read on until the archives are opened again; what is written into it
//! meanwhile is found, because whatever is read is held against the index.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::HeaderValue;
use moka::sync::Cache;
use signet_archive::{Archive, ArchiveError, ArchivedRepository, Entry, Moment};
use signet_tuf::metadata::Metadata;
use signet_tuf::{
    BaseRole, Gun, MetadataPath, Received, RoleName, Root, Snapshot, Targets, Timestamp,
};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::survey::Survey;
use super::unite::{self, Capture, Contradiction};
use super::{OpenError, Volume};
use crate::gate::Gates;

/// How many repositories are read from files at a time.
const READS: u32 = 4;
/// From this many bytes on, a repository is read while no other is.
const LARGE: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Shelf {
    volumes: Vec<(PathBuf, Archive)>,
    /// What they say of themselves: whoever asks for health or metrics must not cost a walk through the indexes.
    described: Arc<[Volume]>,
    repositories: usize,
    cache: Cache<Gun, Arc<Held>>,
    gates: Gates,
    reads: Arc<Semaphore>,
    /// The repositories whose expiry was logged.
    told: Mutex<HashSet<Gun>>,
    survey: OnceLock<Arc<Survey>>,
}

/// What the archives have under a name.
#[derive(Debug)]
pub(crate) enum Held {
    Repository(Box<Kept>),
    Contradiction(Contradiction),
}

/// A repository as it is served.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) repository: ArchivedRepository,
    /// When it was captured, as headers have it.
    pub(crate) captured: HeaderValue,
    /// What those should know who look after the archives.
    pub(super) notes: Vec<String>,
    /// When the validity of each current document ends.
    ends: BTreeMap<RoleName, OffsetDateTime>,
}

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{}", file.display())]
    Archive {
        file: PathBuf,
        #[source]
        source: ArchiveError,
    },
    #[error("{}: the record is another repository's: {found}", file.display())]
    Misplaced { file: PathBuf, found: Gun },
    #[error("reading was interrupted")]
    Interrupted,
}

impl Shelf {
    pub(super) fn open(files: &[PathBuf], cache_bytes: u64) -> Result<Self, OpenError> {
        let open = |file: &PathBuf| match Archive::open(file) {
            Ok(archive) => Ok((file.clone(), archive)),
            Err(source) => Err(OpenError {
                file: file.clone(),
                source,
            }),
        };
        let volumes = files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let repositories = match volumes.as_slice() {
            [(_, only)] => only.entries().len(),
            several => {
                let entries = several.iter().flat_map(|(_, archive)| archive.entries());
                let names: HashSet<&str> = entries.map(|entry| entry.gun.as_str()).collect();
                names.len()
            }
        };
        Ok(Self {
            described: volumes.iter().map(describe).collect(),
            volumes,
            repositories,
            cache: Cache::builder()
                .max_capacity(cache_bytes)
                .weigher(|_: &Gun, held: &Arc<Held>| held.weight())
                .build(),
            gates: Gates::new(),
            reads: Arc::new(Semaphore::new(READS as usize)),
            told: Mutex::new(HashSet::new()),
            survey: OnceLock::new(),
        })
    }

    pub(super) const fn repositories(&self) -> usize {
        self.repositories
    }

    pub(super) fn described(&self) -> Arc<[Volume]> {
        Arc::clone(&self.described)
    }

    /// The line of the `nth` volume's index, with whether an earlier volume has the repository too.
    pub(super) fn line(&self, volume: usize, nth: usize) -> Option<(&Path, &Entry)> {
        let (file, archive) = self.volumes.get(volume)?;
        Some((file, archive.entries().get(nth)?))
    }

    pub(super) const fn volumes(&self) -> usize {
        self.volumes.len()
    }

    /// The first volume that has a repository.
    pub(super) fn first(&self, gun: &Gun) -> Option<usize> {
        self.volumes
            .iter()
            .position(|(_, archive)| archive.entry(gun).is_some())
    }

    /// When the newest capture of a repository was made, as the indexes say.
    pub(crate) fn captured(&self, gun: &Gun) -> Option<Moment> {
        let entries = self.volumes.iter();
        entries
            .filter_map(|(_, archive)| Some(archive.entry(gun)?.captured))
            .max()
    }

    pub(super) fn survey(&self) -> Option<&Arc<Survey>> {
        self.survey.get()
    }

    pub(super) fn surveyed(&self, survey: Survey) -> &Arc<Survey> {
        self.survey.get_or_init(|| Arc::new(survey))
    }

    /// Whether nobody was told yet that a repository has expired. Says so once.
    pub(crate) fn tell(&self, gun: &Gun) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(gun.clone())
    }

    /// What the archives have under a name, from memory or, once for all who ask at the same time, from the files.
    pub(crate) async fn get(self: &Arc<Self>, gun: &Gun) -> Result<Option<Arc<Held>>, LoadError> {
        if let Some(held) = self.cache.get(gun) {
            return Ok(Some(held));
        }
        let sizes = self.volumes.iter();
        let sizes = sizes.filter_map(|(_, archive)| Some(archive.entry(gun)?.size));
        let Some(size) = sizes.reduce(u64::saturating_add) else {
            return Ok(None);
        };
        let _inside = self.gates.enter(gun).await;
        if let Some(held) = self.cache.get(gun) {
            return Ok(Some(held));
        }
        let share = if size < LARGE { 1 } else { READS };
        let reads = Arc::clone(&self.reads).acquire_many_owned(share).await;
        let (shelf, gun) = (Arc::clone(self), gun.clone());
        let read = tokio::task::spawn_blocking(move || {
            // Kept to the end of the reading, whether or not somebody still waits for it.
            let _reads = reads;
            let held = shelf.load(&gun)?.map(Arc::new);
            if let Some(held) = &held {
                shelf.cache.insert(gun, Arc::clone(held));
            }
            Ok(held)
        });
        read.await.unwrap_or(Err(LoadError::Interrupted))
    }

    /// Reads what the archives have under a name.
    pub(super) fn load(&self, gun: &Gun) -> Result<Option<Held>, LoadError> {
        let mut captures = Vec::new();
        let mut seen = BTreeSet::new();
        for (file, archive) in &self.volumes {
            let Some(entry) = archive.entry(gun) else {
                continue;
            };
            if !seen.insert(entry.record) {
                // The same capture once more.
                continue;
            }
            let mut repository = archive.read(entry).map_err(|source| LoadError::Archive {
                file: file.clone(),
                source,
            })?;
            if repository.record.gun != *gun {
                let (file, found) = (file.clone(), repository.record.gun);
                return Err(LoadError::Misplaced { file, found });
            }
            // What was asked for is of no use here.
            repository.record.requests = Vec::new();
            captures.push(Capture {
                file: file.clone(),
                repository,
            });
        }
        Ok(match unite::unite(captures) {
            Ok(None) => None,
            Ok(Some((repository, notes))) => {
                Some(Held::Repository(Box::new(Kept::new(repository, notes))))
            }
            Err(contradiction) => Some(Held::Contradiction(contradiction)),
        })
    }
}

fn describe((file, archive): &(PathBuf, Archive)) -> Volume {
    let captured = || archive.entries().iter().map(|entry| entry.captured);
    let signers = archive.signers().iter();
    Volume {
        file: file.clone(),
        repositories: archive.entries().len(),
        oldest: captured().min(),
        newest: captured().max(),
        signers: signers.map(|key| key.id().to_string()).collect(),
    }
}

impl Held {
    fn weight(&self) -> u32 {
        let bytes = match self {
            Self::Contradiction(_) => 512,
            Self::Repository(kept) => {
                let objects = kept
                    .repository
                    .objects
                    .values()
                    .map(|bytes| bytes.len() + 128);
                let record = &kept.repository.record;
                let lines = record.documents.len() + record.changes.len() + kept.ends.len();
                1024 + objects.sum::<usize>() + 256 * lines
            }
        };
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl Kept {
    fn new(repository: ArchivedRepository, notes: Vec<String>) -> Self {
        let roles = repository.record.current.keys();
        let ends = roles.filter_map(|role| Some((role.clone(), end(&repository, role)?)));
        Self {
            ends: ends.collect(),
            captured: text(&repository.record.captured.to_string()),
            notes,
            repository,
        }
    }

    /// Whose validity ended first, of the documents that every client needs and the one of `role`; `None` while all are valid.
    pub(crate) fn expired(
        &self,
        role: &RoleName,
        now: OffsetDateTime,
    ) -> Option<(&RoleName, Moment)> {
        let needed = |one: &RoleName| one.base().is_some() || one == role;
        let ended = self
            .ends
            .iter()
            .filter(|(one, end)| needed(one) && **end < now);
        let (role, end) = ended.min_by_key(|(_, end)| **end)?;
        Some((role, Moment::of(*end)))
    }
}

/// When the validity of a role's current document ends; `None` where it cannot be read.
fn end(repository: &ArchivedRepository, role: &RoleName) -> Option<OffsetDateTime> {
    fn of<T: Metadata>(role: &RoleName, bytes: &bytes::Bytes) -> Option<OffsetDateTime> {
        let received = Received::<T>::parse(role, bytes.clone()).ok()?;
        Some(received.unverified().expires().moment())
    }
    let (_, bytes) = repository.document(&MetadataPath::Current(role.clone()))?;
    match role.base() {
        Some(BaseRole::Root) => of::<Root>(role, bytes),
        Some(BaseRole::Timestamp) => of::<Timestamp>(role, bytes),
        Some(BaseRole::Snapshot) => of::<Snapshot>(role, bytes),
        Some(BaseRole::Targets) | None => of::<Targets>(role, bytes),
    }
}

/// A moment as a header.
fn text(moment: &str) -> HeaderValue {
    // Digits, letters and punctuation: there is always a value.
    HeaderValue::from_str(moment).unwrap_or(const { HeaderValue::from_static("unknown") })
}
