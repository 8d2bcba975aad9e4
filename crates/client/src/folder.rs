//! Folders that somebody else may change while they are read: every step goes from an open folder to what lies directly in it, and never
//! through a link, so that nothing outside can be reached.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::layout::FileError;

/// What something in a folder is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// Something in a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: Kind,
}

impl Entry {
    /// Its name; none when it is not UTF-8.
    pub(crate) fn text(&self) -> Option<&str> {
        self.name.to_str()
    }
}

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: OwnedFd,
    path: PathBuf,
}

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a folder that the user names, which may be a link.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let opened = rustix::fs::open(path, FOLDER, Mode::empty());
        let folder = opened.map_err(|error| FileError::at("read", path)(error.into()))?;
        let path = path.to_owned();
        Ok(Self { folder, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it, to be shown.
    pub(crate) fn shown(&self, name: &OsStr) -> String {
        self.path.join(name).to_string_lossy().into_owned()
    }

    pub(crate) fn try_clone(&self) -> Result<Self, FileError> {
        let folder = self.folder.try_clone();
        Ok(Self {
            folder: folder.map_err(FileError::at("read", &self.path))?,
            path: self.path.clone(),
        })
    }

    /// Opens a folder in it.
    pub(crate) fn child(&self, name: &str) -> Result<Self, FileError> {
        let path = self.path.join(name);
        let folder = self
            .at(name, FOLDER)
            .map_err(|error| self.explained(name, error))
            .map_err(FileError::at("read", &path))?;
        Ok(Self { folder, path })
    }

    /// The folder below it of that path; `None` when there is none.
    pub(crate) fn descend<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Self>, FileError> {
        for name in names {
            self = match self.child(name) {
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
                child => child?,
            };
        }
        Ok(Some(self))
    }

    /// Says of a link that it is one: the operating system says that it is no folder.
    fn explained(&self, name: &str, error: io::Error) -> io::Error {
        let kind = statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| FileType::from_raw_mode(stat.st_mode));
        match kind {
            Ok(FileType::Symlink) => {
                io::Error::other("it is a link, and links in the trust folder are not followed")
            }
            _ => error,
        }
    }

    /// Removes what has that name directly in it and is no folder; a link itself, and not what it leads to. What is not there is no error.
    pub(crate) fn remove(&self, name: &str) -> Result<(), FileError> {
        let path = self.path.join(name);
        if name.contains('/') {
            return Err(FileError::at("remove", &path)(
                io::ErrorKind::InvalidInput.into(),
            ));
        }
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(FileError::at("remove", &path)(error.into())),
        }
    }

    /// Opens what has that name directly in it and is no link.
    fn at(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        if name.is_empty() || name == "." || name == ".." || name.contains('/') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = flags | OFlags::NOFOLLOW;
        Ok(openat(&self.folder, name, flags, Mode::empty())?)
    }

    /// What is in it, in no order; at most as much.
    pub(crate) fn entries(&self, most: usize) -> Result<Vec<Entry>, FileError> {
        let list = || -> io::Result<Vec<Entry>> {
            let mut entries = Vec::new();
            for entry in Dir::read_from(&self.folder)? {
                let entry = entry?;
                let name = entry.file_name();
                if matches!(name.to_bytes(), b"." | b"..") {
                    continue;
                }
                if entries.len() >= most {
                    break;
                }
                let kind = match entry.file_type() {
                    // Some file systems do not say.
                    FileType::Unknown => {
                        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                            Err(Errno::NOENT) => continue,
                            Err(error) => return Err(error.into()),
                        }
                    }
                    kind => kind,
                };
                entries.push(Entry {
                    name: OsStr::from_bytes(name.to_bytes()).to_owned(),
                    kind: match kind {
                        FileType::RegularFile => Kind::File,
                        FileType::Directory => Kind::Folder,
                        FileType::Symlink => Kind::Link,
                        _ => Kind::Other,
                    },
                });
            }
            Ok(entries)
        };
        list().map_err(FileError::at("read", &self.path))
    }

    /// Reads a file in it; `None` when it is longer than `most` bytes.
    pub(crate) fn read(&self, name: &str, most: u64) -> Result<Option<Bytes>, FileError> {
        let read = || -> io::Result<Option<Bytes>> {
            // Without NONBLOCK, a pipe that has taken the place of the file would be waited for.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = File::from(self.at(name, flags)?);
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            if metadata.len() > most {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            let length = file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            Ok((length as u64 <= most).then(|| bytes.into()))
        };
        let path = self.path.join(name);
        read().map_err(FileError::at("read", &path))
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "what somebody else does to the folder meanwhile"
)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_becomes_a_link_after_it_was_seen_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for folder in ["here", "here/below", "outside"] {
            fs::create_dir(path(folder)).unwrap();
        }
        for file in ["here/a.json", "here/below/b.json", "outside/b.json"] {
            fs::write(path(file), file).unwrap();
        }
        let here = Folder::open(&path("here")).unwrap();
        let mut seen = here.entries(10).unwrap();
        seen.sort_by(|a, b| a.name.cmp(&b.name));
        let seen: Vec<_> = seen
            .iter()
            .map(|entry| (entry.text().unwrap(), entry.kind))
            .collect();
        assert_eq!(seen, [("a.json", Kind::File), ("below", Kind::Folder)]);
        let below = here.child("below").unwrap();
        assert_eq!(
            &here.read("a.json", 11).unwrap().unwrap()[..],
            b"here/a.json"
        );
        assert_eq!(here.read("a.json", 10).unwrap(), None);

        fs::remove_file(path("here/a.json")).unwrap();
        symlink(path("outside/b.json"), path("here/a.json")).unwrap();
        let error = here.read("a.json", 100).unwrap_err();
        assert_eq!(
            error.source.raw_os_error(),
            Some(Errno::LOOP.raw_os_error())
        );
        fs::rename(path("here/below"), path("here/moved")).unwrap();
        symlink(path("outside"), path("here/below")).unwrap();
        assert!(here.child("below").is_err());
        // An open folder stays the one that it was.
        let text = below.read("b.json", 100).unwrap().unwrap();
        assert_eq!(&text[..], b"here/below/b.json");
        for name in ["", ".", "..", "../outside", "moved/b.json"] {
            assert!(here.child(name).is_err(), "{name}");
            assert!(here.read(name, 100).is_err(), "{name}");
        }
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("root.json");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert_eq!(folder.entries(10).unwrap()[0].kind, Kind::Other);
        let error = folder.read("root.json", 100).unwrap_err();
        assert!(error.text().ends_with("it is no file"), "{}", error.text());
    }
}
