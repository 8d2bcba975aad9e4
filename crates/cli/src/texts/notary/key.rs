//! `notary key`.

use std::path::Path;

use signet_keys::KeyInfo;

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

/// The rule without the advice.
pub const NEEDS_GUN: &str =
    "Cannot have canonical role key without a gun, don't know what gun it belongs to";
/// `key export` with words.
pub const EXPORT_TAKES_NOTHING: &str = "export does not take any positional arguments";
/// `key export` with both filters.
pub const EXPORT_ONE_FILTER: &str =
    "Only the --gun or --key flag may be provided, not a mix of the two flags";
/// `key import` without a file.
pub const IMPORT_WHAT: &str = "must specify at least one input file to import keys from";
/// `key remove` without a key.
pub const REMOVE_WHAT: &str = "must specify the key ID of the key to remove";
/// `key passwd` without a key.
pub const PASSWD_WHAT: &str = "must specify the key ID of the key to change the passphrase of";
/// Why a variable is not enough.
pub const PASSWD_NEEDS_TERMINAL: &str =
    "the new passphrase is typed on a terminal; the variables hold the present one";

/// Something that is no key ID.
#[must_use]
pub fn invalid_key_id(id: &str) -> String {
    format!("invalid key ID provided: {id}")
}

/// `key remove` of a key that is not there.
#[must_use]
pub fn no_key(id: &str) -> String {
    format!("No key with ID {id} found")
}

/// `key passwd` of a key that cannot be had.
#[must_use]
pub fn key_not_opened(id: &str) -> String {
    format!("could not retrieve local key for key ID provided: {id}")
}

/// A key in a sentence.
#[must_use]
pub fn key_description(key: &KeyInfo) -> String {
    format!(
        "{} (role {}) from {}",
        key.id,
        visible(&key.role),
        visible(&key.location)
    )
}

/// The question before a key is removed.
#[must_use]
pub fn remove_key(description: &str) -> String {
    format!("Are you sure you want to remove {description}?  (yes/no)  ")
}

/// The end of a key.
#[must_use]
pub fn key_removed(description: &str) -> String {
    format!("\nDeleted {description}.\n\n")
}

/// A new passphrase holds.
#[must_use]
pub fn passphrase_changed(id: &str) -> String {
    format!("\nSuccessfully updated passphrase for key ID: {id}\n")
}

/// A block that was not imported, with the name that its header gives it.
#[must_use]
pub fn block_left_out(path: Option<&str>, reason: &str) -> String {
    match path {
        Some(path) => format!(
            "failed to import key ({}) to store: {reason}",
            visible(path)
        ),
        None => format!("failed to import key to store: {reason}"),
    }
}

/// No block was imported.
#[must_use]
pub fn no_key_imported(blocks: usize) -> String {
    // compat: one reason for each block, always the same.
    let reasons = vec!["invalid key pem block"; blocks];
    format!("failed to import all keys: {}", reasons.join(", "))
}

/// Some blocks were imported.
#[must_use]
pub fn keys_left_out(taken: usize, skipped: usize) -> String {
    format!("imported {taken} of {} keys", taken.saturating_add(skipped))
}

/// Files without keys.
#[must_use]
pub fn no_keys_in(files: &[&str]) -> String {
    format!("no keys found in {}", files.join(", "))
}

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
