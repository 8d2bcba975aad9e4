//! `notary publish`, and `-p` of other commands.

use std::path::Path;

use crate::texts::visible;

/// Before anything is asked.
#[must_use]
pub fn pushing(gun: &str) -> String {
    format!("Pushing changes to {gun}\n")
}

/// The same for `-p`.
#[must_use]
pub fn auto_publishing(gun: &str) -> String {
    format!("Auto-publishing changes to {gun}\n")
}

/// While it takes its time.
#[must_use]
pub fn publishing(gun: &str) -> String {
    format!("Publishing {gun}")
}

/// It is done.
#[must_use]
pub fn published(gun: &str) -> String {
    format!("Successfully published changes for repository {gun}\n")
}

/// What was published is still staged.
#[must_use]
pub fn changelist_left(folder: &Path) -> String {
    format!(
        "Unable to clear changelist. You may want to manually delete the folder {}",
        folder.display()
    )
}

/// Before why the server's state cannot be had.
#[must_use]
pub fn could_not_update(reason: &str) -> String {
    format!("Could not publish Repository since we could not update: {reason}")
}

/// A staged target that cannot be added.
#[must_use]
pub fn target_not_added(role: &str, reason: &str) -> String {
    format!("couldn't add target to {}: {reason}", visible(role))
}

/// A staged removal that cannot be made.
#[must_use]
pub fn target_not_removed(role: &str, reason: &str) -> String {
    format!("couldn't remove target from {}: {reason}", visible(role))
}

/// A role that the change does not work on.
#[must_use]
pub fn scope_not_supported(role: &str) -> String {
    format!("scope not supported: {}", visible(role))
}

/// Which passphrase was wrong: of a key, and of the role that its file names, where that is known.
#[must_use]
pub fn passphrase_hint(key: &str, role: Option<&str>) -> String {
    let variable = match role {
        Some("root") => "NOTARY_ROOT_PASSPHRASE",
        Some("targets") => "NOTARY_TARGETS_PASSPHRASE",
        Some("snapshot") => "NOTARY_SNAPSHOT_PASSPHRASE",
        Some(_) => "NOTARY_DELEGATION_PASSPHRASE",
        None => {
            return format!(
                "the passphrase of key {} is needed: NOTARY_ROOT_PASSPHRASE, NOTARY_TARGETS_PASSPHRASE, NOTARY_SNAPSHOT_PASSPHRASE and \
                 NOTARY_DELEGATION_PASSPHRASE go before the question on a terminal",
                visible(key)
            );
        }
    };
    format!(
        "the passphrase of key {} is what {variable} holds; where that is not set it is asked for on a terminal",
        visible(key)
    )
}

/// Which staged change makes no sense.
#[must_use]
pub fn staged_unreadable(gun: &str, name: &str) -> String {
    format!(
        "staged change {} cannot be made: notary doctor {gun} shows its number, and notary reset {gun} -n NUMBER drops it",
        visible(name)
    )
}

/// A staged change would replace keys of a base role.
#[must_use]
pub fn staged_role_keys(gun: &str, name: &str, role: &str, number: Option<usize>) -> String {
    let number = number.map_or_else(|| "NUMBER".to_owned(), |number| number.to_string());
    format!(
        "it is staged as {}: 'notary reset {gun} -n {number}' drops it, and 'notary key rotate {gun} {role}' replaces keys and publishes that at once",
        visible(name)
    )
}

/// Other publishers were faster each time.
pub const CONFLICT_HINT: &str = "somebody else publishes to this repository all the time; everything is still staged, publish again";

/// A change for a role that is not there.
#[must_use]
pub fn role_hint(gun: &str, role: &str) -> String {
    format!(
        "notary delegation add {gun} {role} KEY.crt --all-paths makes the role, when it is staged before the change; notary delegation list {gun} shows \
         those that are there, and notary reset {gun} -n NUMBER drops what notary status {gun} shows under it"
    )
}

/// A document that nobody here can sign.
#[must_use]
pub fn signing_keys_hint(gun: &str, role: &str, keys: &[&str]) -> String {
    let options = match role {
        "root" => "-r root".to_owned(),
        "targets" | "snapshot" => format!("-r {role} -g {gun}"),
        role => format!("-r {}", role.rsplit('/').next().unwrap_or(role)),
    };
    let keys = match keys {
        [] => String::new(),
        keys => format!(" ({})", keys.join(", ")),
    };
    format!(
        "everything is still staged; notary key import KEY.pem {options} brings a key of {role} here{keys}, and notary publish {gun} goes on"
    )
}

/// A repository that was published and is not there any more.
#[must_use]
pub fn gone_hint(gun: &str) -> String {
    format!(
        "what is remembered here was published before, or not all of its root and targets keys are here, and this server has nothing of it: look first whether the address and the server are the right ones, and ask who runs it. Only when the repository is gone for good: 'notary delete {gun}' forgets it and what protects from older states and other roots, and the next publish begins a new one that who knows the old one refuses"
    )
}

/// A repository of the same name.
#[must_use]
pub fn other_root_hint(gun: &str) -> String {
    format!(
        "the server has another repository of this name than the one that is trusted or was begun here; if its owner says so, 'notary delete {gun}' forgets what is known here, and no keys"
    )
}
