//! Writing all files or none.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use tempfile::NamedTempFile;

use super::sources::Source;
use crate::texts::{docker as texts, os_error};
use crate::ui::report::Failure;

/// Gives every file its new text. The new files are complete beside the old ones before the first one takes its place.
pub(super) fn all(changes: &[(&Source, String)]) -> Result<(), Failure> {
    let mut ready = Vec::new();
    for (source, new) in changes {
        let file = beside(&source.path, new.as_bytes())
            .map_err(|error| Failure::new(texts::cannot_write(&source.name, &os_error(&error))))?;
        ready.push((source, file));
    }
    for (source, _) in &ready {
        if fs::read(&source.path).ok().as_deref() != Some(source.text.as_bytes()) {
            return Err(Failure::new(texts::changed_meanwhile(&source.name)));
        }
    }
    let mut written = Vec::new();
    for (source, file) in ready {
        let moved = file.persist(&source.path).map_err(|error| error.error);
        moved
            .and_then(|_| sync_folder(&source.path))
            .map_err(|error| {
                let text = texts::cannot_write(&source.name, &os_error(&error));
                Failure::new(texts::some_written(&text, &written.join(", ")))
            })?;
        written.push(source.name.clone());
    }
    Ok(())
}

/// A new file in the same folder, with the old one's mode and, where that is allowed, its owner.
fn beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let old = fs::metadata(path)?;
    let mut file = NamedTempFile::new_in(folder(path))?;
    file.write_all(bytes)?;
    let own = file.as_file().metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        // Only root may give files away; others keep what they write.
        let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
    }
    // After the owner: giving a file away takes some bits of its mode.
    file.as_file().set_permissions(old.permissions())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("/"))
}
