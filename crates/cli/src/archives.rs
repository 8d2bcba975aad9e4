//! Archives as every command reads them: opened, with the failures that people are told.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use signet_archive::{Archive, ArchiveError, ArchivedRepository};
use signet_tuf::certificate::any_public_key_from_pem;
use signet_tuf::{Gun, PublicKey};
use time::OffsetDateTime;

use crate::texts::{archive as texts, os_error};
use crate::ui::report::Failure;

/// Largest file with a public key, in bytes.
const MAX_KEY_BYTES: u64 = 1 << 20;

/// Opens an archive. Its frame, header and index are checked then, each repository when it is read.
pub(crate) fn open(path: &Path) -> Result<Archive, Failure> {
    Archive::open(path).map_err(|error| unusable(path, &error))
}

/// Reads one repository.
pub(crate) fn read(
    path: &Path,
    archive: &Archive,
    gun: &Gun,
) -> Result<ArchivedRepository, Failure> {
    let file = path.display().to_string();
    let entry = archive.entry(gun).ok_or_else(|| {
        Failure::new(texts::not_archived(gun.as_str(), &file)).hint(texts::see_list(&file))
    })?;
    archive.read(entry).map_err(|error| unusable(path, &error))
}

/// The public key of an archivist: the first PEM block of a file, a public key or a certificate.
pub(crate) fn archivist(file: &str, now: OffsetDateTime) -> Result<PublicKey, Failure> {
    let unreadable = |problem: String| Failure::new(texts::key_unreadable(file, &problem));
    let mut text = Vec::new();
    File::open(file)
        .and_then(|file| file.take(MAX_KEY_BYTES).read_to_end(&mut text))
        .map_err(|error| unreadable(os_error(&error)))?;
    any_public_key_from_pem(&text, now).map_err(|error| unreadable(error.to_string()))
}

/// An archive must be signed by this key, however its bytes are wrapped.
pub(crate) fn check_archivist(
    path: &Path,
    archive: &Archive,
    key: &PublicKey,
) -> Result<(), Failure> {
    let mut signers = archive.signers().iter().map(PublicKey::canonical_id);
    if signers.clone().any(|signer| signer == key.canonical_id()) {
        return Ok(());
    }
    let signers: Vec<String> = signers.by_ref().map(ToString::to_string).collect();
    let file = path.display().to_string();
    let wanted = key.canonical_id().as_str();
    Err(Failure::new(texts::not_the_archivist(
        &file, wanted, &signers,
    )))
}

/// Why an archive, or a part of it, cannot be used.
pub(crate) fn unusable(path: &Path, error: &ArchiveError) -> Failure {
    let file = path.display().to_string();
    match error {
        ArchiveError::Io(error) => Failure::new(texts::unusable(&file, &os_error(error))),
        error => Failure::new(texts::unusable(&file, &error.to_string())).hint(texts::check(&file)),
    }
}
