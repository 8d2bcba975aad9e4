//! The repositories that a trust folder of docker or notary has cached.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use signet_tuf::{Answer, BaseRole, Fetch, Gun, MetadataPath, TrustPinning, UpdateError, crypto};
use time::OffsetDateTime;

use super::look::{Seen, look};
use crate::cache::{Cache as _, FolderCache};
use crate::layout::{FileError, Layout};

/// How many folders are looked into.
const MAX_FOLDERS: usize = 1_000_000;
/// How many parts a name has at most: a name of 255 bytes has no more.
const MAX_DEPTH: usize = 128;

/// A trust folder.
#[derive(Clone, Debug)]
pub struct Folder {
    trust_dir: PathBuf,
}

impl Folder {
    /// The trust folder at this path. Touches no disk.
    #[must_use]
    pub fn new(trust_dir: &Path) -> Self {
        Self {
            trust_dir: trust_dir.to_owned(),
        }
    }

    /// The names of all repositories that have a cached root, sorted. Links are not followed: they could lead in circles.
    ///
    /// # Errors
    /// [`FileError`] when the folder is there and cannot be read.
    pub fn guns(&self) -> Result<Vec<Gun>, FileError> {
        let root = self.trust_dir.join("tuf");
        let mut found = Vec::new();
        let mut pending = vec![(root, String::new())];
        let mut left = MAX_FOLDERS;
        while let Some((folder, name)) = pending.pop() {
            if folder.join("metadata/root.json").is_file()
                && let Ok(gun) = name.parse()
            {
                found.push(gun);
            }
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(FileError::at("read", &folder)(error)),
            };
            for entry in entries.flatten() {
                if left == 0 || name.split('/').count() > MAX_DEPTH {
                    break;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir())
                    && let Ok(part) = entry.file_name().into_string()
                {
                    left -= 1;
                    let below = if name.is_empty() {
                        part
                    } else {
                        format!("{name}/{part}")
                    };
                    pending.push((entry.path(), below));
                }
            }
        }
        // `metadata/targets` holds the documents of delegations, and no repository.
        found.retain(|gun| Layout::new(&self.trust_dir, gun).is_ok());
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Reads a repository from its cached documents, as of `at`.
    ///
    /// # Errors
    /// [`FileError`] when a document is there and cannot be read.
    pub fn look(
        &self,
        gun: &Gun,
        at: OffsetDateTime,
        pins: &[TrustPinning],
    ) -> Result<Seen, FileError> {
        let Ok(layout) = Layout::new(&self.trust_dir, gun) else {
            let error = UpdateError::NoTrustData { gun: gun.clone() };
            return Ok(Seen {
                trusted: None,
                error: Some(error),
            });
        };
        let cached = FolderCache::new(layout).load()?;
        let answer = |fetch: &Fetch| {
            let (role, digest) = match &fetch.path {
                MetadataPath::Current(role) => (role, None),
                MetadataPath::Checksum(role, digest) => (role, Some(digest)),
                // The folder has one document a role; the chain that led to its root is gone.
                MetadataPath::Version(..) => return Answer::Absent,
            };
            let document = match role.base() {
                Some(BaseRole::Root) => cached.root.as_ref(),
                Some(BaseRole::Timestamp) => cached.timestamp.as_ref(),
                Some(BaseRole::Snapshot) => cached.snapshot.as_ref(),
                Some(BaseRole::Targets) | None => cached.targets.get(role),
            };
            let is_meant = |bytes: &&bytes::Bytes| {
                digest.is_none_or(|digest| HEXLOWER.encode(&crypto::sha256(bytes)) == *digest)
            };
            match document.filter(is_meant) {
                Some(bytes) if bytes.len() as u64 > fetch.max_bytes => Answer::TooLarge,
                Some(bytes) => Answer::Bytes(bytes.clone()),
                None => Answer::Absent,
            }
        };
        Ok(look(gun, at, pins, &answer))
    }
}
