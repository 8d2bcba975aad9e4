//! What `notary archive diff` says.

/// `archive diff` without exactly two files.
pub const ARCHIVE_DIFF_ARGUMENTS: &str = "name two archives, the older one first";

/// The second archive is the older one.
pub const ARCHIVES_SWAPPED: &str =
    "the first archive is younger than the second: what looks like a roll-back may be none";

/// While archives are compared.
pub const ARCHIVES_COMPARING: &str = "comparing";

/// A repository is new.
#[must_use]
pub fn archive_gun_added(gun: &str) -> String {
    format!("added    {gun}\n")
}

/// A repository is gone.
#[must_use]
pub fn archive_gun_removed(gun: &str) -> String {
    format!("removed  {gun}\n")
}

/// A repository is different.
#[must_use]
pub fn archive_gun_changed(gun: &str) -> String {
    format!("changed  {gun}\n")
}

/// An older document is in force.
#[must_use]
pub fn archive_rolled_back(role: &str, old: i64, new: i64) -> String {
    format!("ALARM: {role} was rolled back from version {old} to {new}")
}

/// Two documents of one version.
#[must_use]
pub fn archive_contradiction(role: &str, version: i64, old: &str, new: &str) -> String {
    format!("ALARM: there are two documents of version {version} of {role}: {old} and {new}")
}

/// Clients that knew the old state refuse the new one.
#[must_use]
pub fn archive_new_refused(reason: &str) -> String {
    format!("ALARM: a client that knows the old state refuses the new one: {reason}")
}

/// Another state, as `trusted -> expired`.
#[must_use]
pub fn archive_state_changed(states: &str) -> String {
    format!("state: {states}")
}

/// Nothing that is shown is different.
pub const ARCHIVE_OTHER_DOCUMENTS: &str = "other documents are in force, which say the same";

/// A role is new.
pub const ARCHIVE_ADDED: &str = "added";

/// A role is gone.
pub const ARCHIVE_REMOVED: &str = "removed";

/// Another version, as `1 -> 2`.
#[must_use]
pub fn archive_version(versions: &str) -> String {
    format!("version {versions}")
}

/// Another threshold, as `1 -> 2`.
#[must_use]
pub fn archive_threshold(thresholds: &str) -> String {
    format!("threshold {thresholds}")
}

/// A new key.
#[must_use]
pub fn archive_key_added(id: &str) -> String {
    format!("key {id} added")
}

/// A key that is gone.
#[must_use]
pub fn archive_key_removed(id: &str) -> String {
    format!("key {id} removed")
}

/// Other names may be signed.
#[must_use]
pub fn archive_paths(old: &str, new: &str) -> String {
    format!("paths [{old}] -> [{new}]")
}

/// A role cannot be trusted any more.
#[must_use]
pub fn archive_now_unusable(reason: &str) -> String {
    format!("cannot be trusted: {reason}")
}

/// A role can be trusted again.
pub const ARCHIVE_USABLE_AGAIN: &str = "can be trusted again";

/// What a tag stands for, and who says so.
#[must_use]
pub fn archive_tag(digest: &str, role: &str, signers: &str) -> String {
    if signers.is_empty() {
        format!("{digest} by {role}")
    } else {
        format!("{digest} by {role}, signed by {signers}")
    }
}

/// A new tag.
#[must_use]
pub fn archive_tag_added(name: &str, now: &str) -> String {
    format!("tag {name} added: {now}")
}

/// A tag that is gone.
#[must_use]
pub fn archive_tag_removed(name: &str, was: &str) -> String {
    format!("tag {name} removed: {was}")
}

/// A tag that stands for something else, or by somebody else's word.
#[must_use]
pub fn archive_tag_changed(name: &str, was: &str, now: &str) -> String {
    format!("tag {name}: {was} -> {now}")
}
