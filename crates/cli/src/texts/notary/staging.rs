//! Staging changes: `add`, `addhash`, `remove`, `status`, `reset`.

use crate::texts::{quote, visible};

/// A role that lists no targets.
#[must_use]
pub fn role_without_targets(role: &str) -> String {
    format!(
        "tuf: invalid role {}. cannot add targets to this role",
        visible(role)
    )
}

/// A removal is staged.
#[must_use]
pub fn removal_staged(target: &str, gun: &str) -> String {
    format!(
        "Removal of {} from {gun} staged for next publish.\n",
        visible(target)
    )
}

/// `add` with too few words.
pub const ADD_ARGUMENTS: &str = "Must specify a GUN, target, and path to target data";
/// `addhash` with too few words, or without a digest.
pub const ADDHASH_ARGUMENTS: &str =
    "Must specify a GUN, target, byte size of target data, and at least one hash";
/// `reset` of nothing.
pub const RESET_WHAT: &str = "Must specify changes to reset with -n or the --all flag";

/// While a file is read.
#[must_use]
pub fn hashing(file: &str) -> String {
    format!("Reading {}", visible(file))
}

/// A target is staged.
#[must_use]
pub fn addition_staged(target: &str, gun: &str) -> String {
    format!(
        "Addition of target \"{}\" to repository \"{gun}\" staged for next publish.\n",
        visible(target)
    )
}

/// A target is staged by its digests.
#[must_use]
pub fn hash_addition_staged(target: &str, algorithms: &[&str], gun: &str) -> String {
    format!(
        "Addition of target \"{}\" by {} hash to repository \"{gun}\" staged for next publish.\n",
        visible(target),
        algorithms.join(", ")
    )
}

/// A digest of the wrong length.
#[must_use]
pub fn digest_length(algorithm: &str) -> String {
    format!("invalid {algorithm} hex contents provided")
}

/// A digest with something in it that is no hex digit.
#[must_use]
pub fn digest_digit(byte: u8) -> String {
    let letter = char::from(byte);
    if letter.is_control() {
        format!("encoding/hex: invalid byte: U+{byte:04X}")
    } else {
        format!("encoding/hex: invalid byte: U+{byte:04X} '{letter}'")
    }
}

/// A size that is no number.
#[must_use]
pub fn size_syntax(size: &str) -> String {
    format!("strconv.ParseInt: parsing {}: invalid syntax", quote(size))
}

/// A size that is too large.
#[must_use]
pub fn size_range(size: &str) -> String {
    format!(
        "strconv.ParseInt: parsing {}: value out of range",
        quote(size)
    )
}

/// A size below nothing.
#[must_use]
pub fn size_negative(size: &str) -> String {
    format!("the size of a target cannot be negative: {size}")
}

/// A file that was meant to be small.
#[must_use]
pub fn file_too_large(path: &str, most: u64) -> String {
    format!("{} is larger than {most} bytes", visible(path))
}

/// Custom data that are no JSON.
#[must_use]
pub fn custom_is_no_json(reason: &str) -> String {
    format!("json: error calling MarshalJSON for type *json.RawMessage: {reason}")
}

/// Nothing is staged.
#[must_use]
pub fn nothing_staged(gun: &str) -> String {
    format!("No unpublished changes for {gun}\n")
}

/// What is staged.
#[must_use]
pub fn staged_changes(gun: &str, table: &str) -> String {
    format!("Unpublished changes for {gun}:\n\n{table}")
}

/// A file in the changelist that is no change.
#[must_use]
pub fn unreadable_change(number: usize, file: &str, reason: &str) -> String {
    format!(
        "staged change {number} ({}) cannot be read and keeps everything from being published: {}; take it back with 'notary reset -n {number}'",
        visible(file),
        visible(reason)
    )
}

/// Changes were taken back.
#[must_use]
pub fn reset(gun: &str) -> String {
    format!("Successfully reset specified changes for repository {gun}\n")
}
