//! Where a trust repository lives in the trust directory (specification, `notary-cli.md` section 4).
//!
//! ```text
//! <trust_dir>/tuf/<GUN>/metadata/<role>.json     last verified documents, shared with docker and notary
//! <trust_dir>/tuf/<GUN>/changelist/*.change      staged changes, shared with notary
//! <trust_dir>/signet/<sha256 of GUN>/            what only Signet remembers: version floors, a lock
//! ```
//!
//! Go reads every file in `metadata` and `changelist`, so nothing else is ever put there, not even for a moment:
//! new files are written in Signet's own folder and renamed into place.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use signet_tuf::{Gun, RoleName, crypto};

use crate::folder::Folder;

/// A file or folder that could not be used.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {}", path.display())]
pub struct FileError {
    /// What was tried, for example `read`.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// Everything about it in one text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{self}: {}", self.source)
    }

    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }
}

/// A GUN for which the trust directory has no safe place.
///
/// GUNs nest as folders. A name with the parts `metadata/targets` in its middle would lie inside another repository's
/// cache, where that repository's delegations could write (security class A5).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} cannot be kept in the trust directory: it would lie inside another repository")]
pub struct NestedGun(pub Gun);

/// The folders of one trust repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    /// The folder that all repositories are below.
    top: PathBuf,
    base: PathBuf,
    own: PathBuf,
}

impl Layout {
    /// The folders of `gun` below `trust_dir`. Touches no disk.
    ///
    /// # Errors
    /// [`NestedGun`].
    pub fn new(trust_dir: &Path, gun: &Gun) -> Result<Self, NestedGun> {
        let parts: Vec<&str> = gun.as_str().split('/').collect();
        if parts
            .windows(3)
            .any(|three| three.ends_with(&["metadata", "targets"]))
        {
            return Err(NestedGun(gun.clone()));
        }
        let own = HEXLOWER.encode(&crypto::sha256(gun.as_str().as_bytes()));
        let top = trust_dir.join("tuf");
        Ok(Self {
            base: parts.iter().fold(top.clone(), |path, part| path.join(part)),
            top,
            own: trust_dir.join("signet").join(own),
        })
    }

    /// Folder of the verified documents.
    #[must_use]
    pub fn metadata(&self) -> PathBuf {
        self.base.join("metadata")
    }

    /// File of one role's document.
    #[must_use]
    pub fn document(&self, role: &RoleName) -> PathBuf {
        self.metadata().join(format!("{role}.json"))
    }

    /// Folder of the staged changes.
    #[must_use]
    pub fn changelist(&self) -> PathBuf {
        self.base.join("changelist")
    }

    /// File of the remembered version floors.
    #[must_use]
    pub fn floors(&self) -> PathBuf {
        self.own.join("floors.json")
    }

    /// File of rotations of which nobody knows yet whether they took effect.
    pub(crate) fn rotations(&self) -> PathBuf {
        self.own.join("rotations.json")
    }

    /// Folder in which new files of `metadata` and `changelist` are written before they are renamed.
    pub(crate) fn staging(&self) -> &Path {
        &self.own
    }

    /// The folder of the repository with that name, opened without following a link below the folder of all repositories; `None` when there
    /// is none. Who writes or removes in it reaches nothing outside.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Folder>, FileError> {
        let top = match Folder::open(&self.top) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
            top => top?,
        };
        let below = self.base.strip_prefix(&self.top).unwrap_or(&self.base);
        // Names of repositories are UTF-8.
        let parts = below.iter().filter_map(|part| part.to_str());
        top.descend(parts.chain([name]))
    }

    /// Waits until no other command works on this repository, at most `patience`.
    ///
    /// # Errors
    /// [`LockError`].
    pub async fn lock(&self, patience: Duration) -> Result<Lock, LockError> {
        create_private_dir(&self.own)?;
        let path = self.own.join("lock");
        let file = open_private(&path).map_err(FileError::at("open", &path))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    self.remove_leftovers();
                    return Ok(Lock { _file: file });
                }
                Err(TryLockError::WouldBlock) if waited < patience => {
                    tokio::time::sleep(LOCK_INTERVAL).await;
                    waited += LOCK_INTERVAL;
                }
                Err(TryLockError::WouldBlock) => return Err(LockError::Busy { path }),
                // Some network file systems know no locks. Every file is replaced at once all the same.
                Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                    tracing::debug!(file = %path.display(), "locks are not supported here");
                    return Ok(Lock { _file: file });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(FileError::at("lock", &path)(source).into());
                }
            }
        }
    }
}

impl Layout {
    /// Removes the folders of this repository in which nothing is left, and those above them. Repositories nest, so others may still be there.
    pub(crate) fn remove_empty_folders(&self) {
        let above = self.base.ancestors().take_while(|path| **path != self.top);
        let inside = [self.metadata(), self.changelist()];
        for folder in inside.iter().map(PathBuf::as_path).chain(above) {
            // A folder that is not empty refuses.
            drop(fs::remove_dir(folder));
        }
    }

    /// Removes what a killed command left of [`write_atomic`]; the caller holds the lock.
    fn remove_leftovers(&self) {
        let Ok(entries) = fs::read_dir(&self.own) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && name.to_string_lossy().starts_with(STAGING_PREFIX) {
                // Best effort: a leftover does no harm.
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

/// Held while one command reads and renews what is remembered of a repository. Ends when it is dropped, or with the
/// process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a repository could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another command still holds it.
    #[error("another command is working on this repository (it holds {})", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Creates `path` and what is missing above it, each folder with mode 0700 whatever the umask. Existing folders keep
/// their mode.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        create_private_dir(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => set_mode(path, 0o700).map_err(FileError::at("create", path)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(FileError::at("create", path)(e)),
    }
}

/// Replaces `path` by `bytes`, mode 0600: whoever reads sees the old file or the new one, also after a crash.
pub(crate) fn write_atomic(path: &Path, staging: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    create_private_dir(staging)?;
    create_private_dir(folder)?;
    let write = || {
        // Its mode is 0600 from the beginning.
        let mut file = tempfile::Builder::new()
            .prefix(STAGING_PREFIX)
            .tempfile_in(staging)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(FileError::at("write", path))
}

/// Reads a regular file of at most `max_bytes`; `None` when there is none or when it is longer.
pub(crate) fn read_bounded(path: &Path, max_bytes: u64) -> Result<Option<Bytes>, FileError> {
    let absent = |e: &io::Error| {
        matches!(
            e.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        )
    };
    let error = FileError::at("read", path);
    let length = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() || metadata.len() > max_bytes => return Ok(None),
        Ok(metadata) => metadata.len(),
        Err(e) if absent(&e) => return Ok(None),
        Err(e) => return Err(error(e)),
    };
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    let read = File::open(path).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes));
    match read {
        Ok(n) if n as u64 > max_bytes => Ok(None),
        Ok(_) => Ok(Some(bytes.into())),
        Err(e) if absent(&e) => Ok(None),
        Err(e) => Err(error(e)),
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

const LOCK_INTERVAL: Duration = Duration::from_millis(25);
const STAGING_PREFIX: &str = ".signet-";

#[cfg(test)]
mod tests {
    use super::*;

    fn gun(name: &str) -> Gun {
        name.parse().unwrap()
    }

    #[test]
    fn a5_no_repository_lies_inside_another_ones_cache() {
        let dir = Path::new("/t");
        for name in ["a/metadata/targets", "a/b/metadata/targets/c"] {
            assert!(Layout::new(dir, &gun(name)).is_err(), "{name}");
        }
        for name in [
            "a/metadata",
            "a/metadata/x",
            "a/targets",
            "a/changelist",
            "metadata/targets",
        ] {
            let layout = Layout::new(dir, &gun(name)).unwrap();
            assert_eq!(
                layout.metadata(),
                dir.join("tuf").join(name).join("metadata")
            );
        }
    }

    #[test]
    fn documents_of_delegations_lie_in_sub_folders_as_go_has_them() {
        let layout = Layout::new(Path::new("/t"), &gun("localhost:5000/x")).unwrap();
        assert_eq!(
            layout.document(&"targets/alice/sub".parse().unwrap()),
            Path::new("/t/tuf/localhost:5000/x/metadata/targets/alice/sub.json")
        );
        assert_eq!(
            // printf localhost:5000/x | sha256sum
            layout.floors(),
            Path::new(
                "/t/signet/7115ed8682522505c717af8d9f04475897811094b377d0a7c31e5662eb35b92d/floors.json"
            )
        );
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a7_files_and_folders_are_private_and_nothing_is_left_beside_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), &gun("a/b")).unwrap();
        let path = layout.document(&RoleName::root());
        let (old, new) = (vec![b'o'; 100_000], b"new");
        write_atomic(&path, layout.staging(), &old).unwrap();
        write_atomic(&path, layout.staging(), new).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        for folder in ["tuf", "tuf/a", "tuf/a/b", "tuf/a/b/metadata"] {
            assert_eq!(mode(&dir.path().join(folder)), 0o700, "{folder}");
        }
        assert_eq!(fs::read(&path).unwrap(), new);
        assert_eq!(fs::read_dir(layout.metadata()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(layout.staging()).unwrap().count(), 0);
        // What a killed command left goes with the next one.
        File::create(layout.staging().join(".signet-abc")).unwrap();
        layout.lock(Duration::ZERO).await.unwrap();
        let names: Vec<_> = fs::read_dir(layout.staging())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["lock"]);
    }

    #[test]
    fn reading_is_bounded_and_ignores_what_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        assert_eq!(read_bounded(&path, 10).unwrap(), None);
        write_atomic(&path, dir.path(), b"0123456789").unwrap();
        assert_eq!(
            read_bounded(&path, 10).unwrap().unwrap(),
            &b"0123456789"[..]
        );
        assert_eq!(read_bounded(&path, 9).unwrap(), None);
        assert_eq!(read_bounded(&path.join("below"), 9).unwrap(), None);
        assert_eq!(read_bounded(dir.path(), 9).unwrap(), None);
    }

    #[tokio::test]
    async fn the_second_command_waits_and_then_says_who_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), &gun("a")).unwrap();
        let first = layout.lock(Duration::ZERO).await.unwrap();
        let refused = layout.lock(Duration::from_millis(60)).await.unwrap_err();
        assert!(matches!(refused, LockError::Busy { .. }), "{refused}");
        let second = layout.lock(Duration::from_secs(20));
        let release = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(second, release);
        second.unwrap();
    }
}
