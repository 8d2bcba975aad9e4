//! Key folders of notary 0.1 to 0.3, brought into today's form (specification, signer-and-keys section 5.5).
//!
//! Go deletes the old folders with whatever it could not read in them. Here an old file is removed only when its
//! content is safely in its new place; everything else stays.

use std::fs;
use std::path::Path;

use signet_tuf::KeyId;

use super::folder::{self, ReadError};
use super::{Problem, Warning};
use crate::keyfile::{self, MAX_BYTES};
use crate::pem;

/// Folders of the old layouts.
pub(crate) const FOLDERS: [&str; 2] = ["root_keys", "tuf_keys"];

/// Migrates what there is to migrate. Two look-ups when there is nothing.
pub(crate) fn migrate(private: &Path) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for name in FOLDERS {
        let old = private.join(name);
        if fs::symlink_metadata(&old).is_ok_and(|metadata| metadata.is_dir()) {
            migrate_folder(private, &old, &mut warnings);
        }
    }
    warnings
}

fn migrate_folder(private: &Path, old: &Path, warnings: &mut Vec<Warning>) {
    let walk = match folder::walk(old, &[]) {
        Ok(walk) => walk,
        Err(error) => {
            warnings.push(Warning {
                path: old.to_owned(),
                problem: Problem::Io(error),
            });
            return;
        }
    };
    warnings.extend(walk.warnings);
    for file in walk.files {
        if let Err(problem) = migrate_file(private, old, &file) {
            warnings.push(Warning {
                path: file,
                problem,
            });
        }
    }
    for folder in walk.folders.iter().rev().map(AsRef::as_ref).chain([old]) {
        // A folder that still holds something stays, which is the purpose.
        let _ = fs::remove_dir(folder);
    }
}

fn migrate_file(private: &Path, old: &Path, file: &Path) -> Result<(), Problem> {
    let Some(stem) = folder::stem(file) else {
        return Ok(());
    };
    let (name, role) = match stem.split_once('_') {
        Some((name, role)) => (name, Some(role)),
        None => (stem, None),
    };
    let id: KeyId = name.parse().map_err(|_| Problem::Name)?;
    let gun = file
        .parent()
        .and_then(|parent| parent.strip_prefix(old).ok())
        .and_then(Path::to_str)
        .ok_or(Problem::Gun)?;
    if gun
        .chars()
        .chain(role.unwrap_or("").chars())
        .any(char::is_control)
    {
        return Err(Problem::Gun);
    }
    let bytes = match folder::read(file) {
        Ok(bytes) => bytes,
        // Another process has just migrated it.
        Err(ReadError::Absent) => return Ok(()),
        Err(ReadError::Io(error)) => return Err(Problem::Io(error)),
        Err(ReadError::TooLarge) => {
            return Err(Problem::TooLarge {
                max_bytes: MAX_BYTES,
            });
        }
    };
    let mut blocks = pem::parse(&bytes);
    let first = blocks.first_mut().ok_or(Problem::NotPem)?;
    if !keyfile::is_private_key(&first.label) {
        return Err(Problem::Label(first.label.clone()));
    }
    if !gun.is_empty() {
        first
            .headers
            .insert(keyfile::GUN.to_owned(), gun.to_owned());
    }
    if let Some(role) = role {
        first
            .headers
            .insert(keyfile::ROLE.to_owned(), role.to_owned());
    }
    let new_name = format!("{id}.key");
    let new = keyfile::encode_all(&blocks);
    match folder::read(&private.join(&new_name)) {
        Ok(existing) if *existing == *new => {}
        Ok(_) | Err(ReadError::TooLarge) => return Err(Problem::Exists),
        Err(ReadError::Io(error)) => return Err(Problem::Io(error)),
        Err(ReadError::Absent) => {
            folder::write(private, &new_name, &new).map_err(Problem::Io)?;
        }
    }
    fs::remove_file(file).map_err(Problem::Io)
}
