//! Writing what an archive holds as files: below one folder and nowhere else, each whole or not at all, none in the place of another.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

/// What came of writing a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Written {
    /// It is new.
    New,
    /// It was there, with the same bytes.
    Same,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Another file is there.
    #[error("{} is there already and is different", .0.display())]
    Different(PathBuf),
    /// The way to the file leads over something that is no folder, or over a link.
    #[error("{} is no folder of its own", .0.display())]
    NoFolder(PathBuf),
    /// The name of the file leads out of the folder.
    #[error("{} leads out of the folder", .0.display())]
    Outside(PathBuf),
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A folder to write into. What is unfinished lies in a folder of its own inside, which goes with this value.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    staging: TempDir,
}

impl Folder {
    /// Opens a folder, or makes it, for its owner alone.
    ///
    /// # Errors
    /// [`ExtractError`].
    pub fn open(root: &Path) -> Result<Self, ExtractError> {
        if !root.exists() {
            let parent = root.parent().filter(|path| !path.as_os_str().is_empty());
            if let Some(parent) = parent {
                fs::create_dir_all(parent).map_err(at(parent))?;
            }
            create_dir(root)?;
        }
        let staging = tempfile::Builder::new()
            .prefix(".extract-")
            .tempdir_in(root)
            .map_err(at(root))?;
        Ok(Self {
            root: root.to_owned(),
            staging,
        })
    }

    /// Writes a file with mode 0600, and the folders on the way to it with 0700.
    ///
    /// # Errors
    /// [`ExtractError`]; then nothing has changed but for folders that were made on the way.
    pub fn write(&self, relative: &Path, bytes: &[u8]) -> Result<Written, ExtractError> {
        let path = self.path(relative)?;
        if let Some(written) = compare(&path, bytes)? {
            return Ok(written);
        }
        let mut file = tempfile::NamedTempFile::new_in(self.staging.path()).map_err(at(&path))?;
        file.write_all(bytes).map_err(at(&path))?;
        file.as_file().sync_all().map_err(at(&path))?;
        match file.persist_noclobber(&path) {
            Ok(_) => Ok(Written::New),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                compare(&path, bytes)?.ok_or(ExtractError::Different(path))
            }
            Err(error) => Err(at(&path)(error.error)),
        }
    }

    /// The place of a file, with the folders on the way to it.
    fn path(&self, relative: &Path) -> Result<PathBuf, ExtractError> {
        let mut path = self.root.clone();
        let mut components = relative.components().peekable();
        if components.peek().is_none() {
            return Err(ExtractError::Outside(relative.to_owned()));
        }
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else {
                return Err(ExtractError::Outside(relative.to_owned()));
            };
            path.push(name);
            if components.peek().is_some() {
                match fs::symlink_metadata(&path) {
                    Ok(found) if found.is_dir() => {}
                    Ok(_) => return Err(ExtractError::NoFolder(path)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => create_dir(&path)?,
                    Err(error) => return Err(at(&path)(error)),
                }
            }
        }
        Ok(path)
    }
}

/// What is there already, compared with what should be; nothing when nothing is there.
fn compare(path: &Path, bytes: &[u8]) -> Result<Option<Written>, ExtractError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    if !found.is_file() || found.len() != bytes.len() as u64 {
        return Err(ExtractError::Different(path.to_owned()));
    }
    let mut there = Vec::new();
    File::open(path)
        .and_then(|file| file.take(found.len()).read_to_end(&mut there))
        .map_err(at(path))?;
    if there == bytes {
        Ok(Some(Written::Same))
    } else {
        Err(ExtractError::Different(path.to_owned()))
    }
}

fn create_dir(path: &Path) -> Result<(), ExtractError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ExtractError {
    let path = path.to_owned();
    move |source| ExtractError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn folder() -> (TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(&dir.path().join("out")).unwrap();
        (dir, folder)
    }

    #[test]
    fn files_are_private_and_nothing_is_left_beside_them() {
        let (dir, folder) = folder();
        let relative = Path::new("a/b/c.json");
        assert_eq!(folder.write(relative, b"one").unwrap(), Written::New);
        assert_eq!(folder.write(relative, b"one").unwrap(), Written::Same);
        drop(folder);
        let out = dir.path().join("out");
        assert_eq!(fs::read(out.join(relative)).unwrap(), b"one");
        assert_eq!(mode(&out.join(relative)), 0o600);
        for folder in [&out, &out.join("a"), &out.join("a/b")] {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_stays_there() {
        let (dir, folder) = folder();
        folder.write(Path::new("a"), b"one").unwrap();
        for other in [&b"two"[..], b"", b"one and more"] {
            let refused = folder.write(Path::new("a"), other).unwrap_err();
            assert!(matches!(refused, ExtractError::Different(_)), "{refused}");
        }
        assert_eq!(fs::read(dir.path().join("out/a")).unwrap(), b"one");
        // A folder in a file's place, and a file in a folder's.
        folder.write(Path::new("b/c"), b"").unwrap();
        let refused = folder.write(Path::new("b"), b"").unwrap_err();
        assert!(matches!(refused, ExtractError::Different(_)), "{refused}");
        let refused = folder.write(Path::new("a/c"), b"").unwrap_err();
        assert!(matches!(refused, ExtractError::NoFolder(_)), "{refused}");
    }

    #[test]
    fn nothing_is_written_elsewhere() {
        let (dir, folder) = folder();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        for name in ["../outside/a", "/tmp/a", "", "a/../../outside/a", "./a"] {
            let refused = folder.write(Path::new(name), b"").unwrap_err();
            assert!(matches!(refused, ExtractError::Outside(_)), "{name}");
        }
        let link = dir.path().join("out/link");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        let refused = folder.write(Path::new("link/a"), b"").unwrap_err();
        assert!(matches!(refused, ExtractError::NoFolder(_)), "{refused}");
        // A link in the file's place, also one to nowhere.
        std::os::unix::fs::symlink(outside.join("b"), dir.path().join("out/b")).unwrap();
        let refused = folder.write(Path::new("b"), b"").unwrap_err();
        assert!(matches!(refused, ExtractError::Different(_)), "{refused}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
