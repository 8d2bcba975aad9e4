//! `notary key`.

use std::path::Path;

use crate::texts::visible;

/// `key list` without keys.
pub const NO_KEYS: &str = "\nNo signing keys found.\n\n";
/// A new key of one repository, and no word which.
pub const KEY_NEEDS_GUN: &str = "Cannot have canonical role key without a gun, don't know what gun it belongs to: name it with --gun";
/// Only one algorithm can be had.
pub const ALGORITHM: &str = "Algorithm not allowed, possible values are: ECDSA";
/// More words than one.
pub const ONE_ALGORITHM: &str =
    "Please provide only one Algorithm as an argument to generate (rsa, ecdsa)";
/// A passphrase that does not fit.
pub const PASSPHRASE_INVALID: &str = "password invalid, operation has failed.";
/// No passphrase to be had.
pub const PASSPHRASE_ATTEMPTS: &str = "maximum number of passphrase attempts exceeded";

/// Neither a folder nor a place for one.
#[must_use]
pub fn no_key_folder(trust_dir: &Path) -> String {
    format!(
        "Failed to create private key store in directory: {}",
        trust_dir.display()
    )
}

/// A file that cannot be used.
#[must_use]
pub fn key_file_problem(path: &Path, reason: &str) -> String {
    format!("open {}: {reason}", path.display())
}

/// A name that is taken.
#[must_use]
pub fn key_file_exists(path: &Path) -> String {
    format!("{} exists already and is not replaced", path.display())
}

/// No new key.
#[must_use]
pub fn key_not_created(role: &str, reason: &str) -> String {
    format!("Failed to create a new {} key: {reason}", visible(role))
}

/// A new key.
#[must_use]
pub fn key_created(role: &str, id: &str) -> String {
    format!(
        "Generated new ecdsa {} key with keyID: {id}\n",
        visible(role)
    )
}
