//! `notary key rotate`.

use crate::texts::visible;

/// Without a repository or a role.
pub const ROTATE_WHAT: &str = "Must specify a GUN and a key role to rotate";
/// The question before the root key changes.
pub const ROTATE_ROOT: &str = "Warning: you are about to rotate your root key.\n\nYou must use your old key to sign this root rotation.\nAre you sure you want to proceed?  (yes/no)  ";
/// An open key where the root key is wanted.
pub const ONLY_ENCRYPTED_ROOT_KEYS: &str = "only encrypted root keys may be imported";
/// A file without a key.
pub const NO_PRIVATE_KEY: &str = "no valid private key found";
/// Before the reason why the server made no key.
pub const SERVER_KEY_NOT_ROTATED: &str = "unable to rotate remote key: ";

/// A role whose keys are in no root.
#[must_use]
pub fn role_not_rotated(role: &str) -> String {
    format!(
        "notary does not currently permit rotating the {} key",
        visible(role)
    )
}

/// A number of versions that is none.
#[must_use]
pub fn legacy_range(versions: i64) -> String {
    format!("--legacy takes a number of versions, or -1 for all, and not {versions}")
}

/// A key file that cannot be read.
#[must_use]
pub fn input_key_unread(reason: &str) -> String {
    format!("Error reading input root key file: {reason}")
}

/// A key that is there for something else.
#[must_use]
pub fn key_is_for_other(role: &str) -> String {
    format!(
        "Error importing key: key with same ID already exists for role: {}",
        visible(role)
    )
}

/// While it is done.
#[must_use]
pub fn rotating(role: &str, gun: &str) -> String {
    format!("Rotating the {role} key of {gun}")
}

/// It is done.
#[must_use]
pub fn rotated(role: &str, gun: &str) -> String {
    format!("Successfully rotated {role} key for repository {gun}\n")
}

/// A private key that nobody needs any more.
#[must_use]
pub fn old_key_left(id: &str, reason: &str) -> String {
    format!("the old key {id} is not needed any more and could not be removed: {reason}")
}

/// An old private key with another use.
#[must_use]
pub fn old_key_kept(id: &str, role: &str) -> String {
    format!("the old key {id} stays: {} lists it, too", visible(role))
}

/// A key that an earlier rotation left.
#[must_use]
pub fn key_reused(role: &str, id: &str) -> String {
    format!("the new {role} key is {id}, which a rotation made that did not come to its end")
}

/// The server acknowledged, and nobody could look.
#[must_use]
pub fn rotation_unconfirmed(gun: &str, reason: &str) -> String {
    format!(
        "the server acknowledged the new root of {} and could not be asked for it, so the old keys stay until the next rotation: {}",
        visible(gun),
        visible(reason)
    )
}

/// The configuration names the old root.
#[must_use]
pub fn pin_new_root(gun: &str, id: &str) -> String {
    format!(
        "the root of {} is pinned in trust_pinning: whoever pins certificates must pin {id} now",
        visible(gun)
    )
}

/// What a failed rotation leaves.
#[must_use]
pub fn rotation_failed(gun: &str) -> String {
    format!(
        "no key that {} may need was removed; give the command again",
        visible(gun)
    )
}

/// A repository that nobody knew.
#[must_use]
pub fn begun_on_the_way(gun: &str) -> String {
    format!(
        "No TUF data found locally or remotely - initializing repository {gun} for the first time"
    )
}
