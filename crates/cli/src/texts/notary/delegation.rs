//! Who may sign: `delegation add`, `remove` and `purge`, and `witness`.

use std::fmt::Write as _;

use super::shown_path;
use crate::texts::visible;

// delegation add

/// Without a role, or without anything to add to it.
pub const DELEGATION_ADD_ARGUMENTS: &str = "must specify the Global Unique Name and the role of the delegation along with the public key certificate paths and/or a list of paths to add";

/// A file that is not there.
#[must_use]
pub fn public_key_missing(file: &str) -> String {
    format!("file for public key does not exist: {}", visible(file))
}

/// A file that cannot be read.
#[must_use]
pub fn public_key_unread(file: &str) -> String {
    format!("unable to read public key from file: {}", visible(file))
}

/// A file without a key that may sign.
#[must_use]
pub fn public_key_invalid(file: &str, reason: &str) -> String {
    format!(
        "unable to parse valid public key certificate from PEM file {}: {reason}",
        visible(file)
    )
}

/// A name that no delegation can have.
#[must_use]
pub fn delegation_name_refused(role: &str) -> String {
    format!(
        "failed to create delegation: tuf: invalid role {}. invalid delegation role name",
        visible(role)
    )
}

/// Before what keeps a delegation from being staged.
pub const DELEGATION_NOT_ADDED: &str = "failed to create delegation: ";

/// A delegation is staged. `paths` are none when nothing was said about them.
#[must_use]
pub fn delegation_staged(gun: &str, role: &str, keys: &[&str], paths: Option<&[String]>) -> String {
    let items = Items {
        keys,
        all_paths: false,
        paths,
    };
    format!(
        "\nAddition of delegation role {role} {}to repository \"{gun}\" staged for next publish.\n\n",
        items.list()
    )
}

// delegation remove

/// Without a role.
pub const DELEGATION_REMOVE_ARGUMENTS: &str = "must specify the Global Unique Name and the role of the delegation along with optional keyIDs and/or a list of paths to remove";

/// A name that no delegation can have.
#[must_use]
pub fn not_a_delegation(role: &str) -> String {
    format!("invalid delegation name {}", visible(role))
}

/// Before a whole delegation is removed.
pub const REMOVE_DELEGATION: &str =
    "\nAre you sure you want to remove all data for this delegation? (yes/no)\n";
/// `-y` has answered.
pub const REMOVAL_CONFIRMED: &str = "Confirmed `yes` from flag\n";
/// The answer was no. It follows the question directly.
pub const REMOVAL_DECLINED: &str = "* fatal: Aborting action.\n";

/// The removal of a whole delegation is staged.
#[must_use]
pub fn delegation_removal_staged(gun: &str, role: &str) -> String {
    format!(
        "\nForced removal (including all keys and paths) of delegation role {role} to repository \"{gun}\" staged for next publish.\n\n"
    )
}

/// The removal of parts of a delegation is staged. `paths` are none when nothing was said about them.
#[must_use]
pub fn parts_removal_staged(
    gun: &str,
    role: &str,
    keys: &[&str],
    all_paths: bool,
    paths: Option<&[String]>,
) -> String {
    let items = Items {
        keys,
        all_paths,
        paths,
    };
    format!(
        "\nRemoval of delegation role {role} {}to repository \"{gun}\" staged for next publish.\n\n",
        items.list()
    )
}

/// What a message counts up.
struct Items<'a> {
    keys: &'a [&'a str],
    all_paths: bool,
    paths: Option<&'a [String]>,
}

impl Items<'_> {
    fn list(&self) -> String {
        let mut list = String::new();
        if !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|key| visible(key)).collect();
            list += &format!("with keys [{}], ", keys.join(" "));
        }
        if self.all_paths {
            list += "with all paths, ";
        }
        if let Some(paths) = self.paths {
            let mut paths: Vec<&String> = paths.iter().collect();
            paths.sort_unstable();
            let paths: Vec<String> = paths
                .into_iter()
                .map(|path| shown_path(&visible(path)))
                .collect();
            // Writing to a string cannot fail.
            let _ = write!(list, "with paths [{}], ", paths.join("\n"));
        }
        list
    }
}

// delegation purge

/// Without exactly one repository.
pub const DELEGATION_PURGE_ARGUMENTS: &str =
    "Please provide a single Global Unique Name as an argument to remove";
/// Without keys.
pub const DELEGATION_PURGE_KEYS: &str =
    "Please provide at least one key ID to be removed using the --key flag";

/// The removal of keys from all delegations is staged.
#[must_use]
pub fn purge_staged(gun: &str, keys: &[&str]) -> String {
    format!(
        "Removal of the following keys from all delegations in {gun} staged for next publish:\n{}",
        lines(keys)
    )
}

// witness

/// Without a role.
pub const WITNESS_ARGUMENTS: &str = "Please provide a GUN and at least one role to witness";

/// Roles will be signed again.
#[must_use]
pub fn witness_staged(roles: &[&str]) -> String {
    format!(
        "The following roles were successfully marked for witnessing on the next publish:\n{}",
        lines(roles)
    )
}

fn lines(items: &[&str]) -> String {
    items
        .iter()
        .map(|item| format!("\t- {}\n", visible(item)))
        .collect()
}

// What may be a mistake (Q20)

/// A role that is not among those that are remembered.
#[must_use]
pub fn role_not_remembered(gun: &str, role: &str) -> String {
    format!(
        "{role} is not among the delegations of {gun} that are remembered here; 'notary delegation list {gun}' asks the server"
    )
}

/// Keys that a role does not have.
#[must_use]
pub fn keys_not_remembered(gun: &str, role: &str, keys: &[&str]) -> String {
    format!(
        "{role} does not have these keys, as far as is remembered here, so nothing will be removed for them: {}; 'notary delegation list {gun}' shows the IDs",
        joined(keys)
    )
}

/// Keys that no role has.
#[must_use]
pub fn keys_nowhere_remembered(gun: &str, keys: &[&str]) -> String {
    format!(
        "no delegation has these keys, as far as is remembered here, so nothing will be removed for them: {}; 'notary delegation list {gun}' shows the IDs",
        joined(keys)
    )
}

/// Paths that a role does not have.
#[must_use]
pub fn paths_not_remembered(role: &str, paths: &[&str]) -> String {
    format!(
        "{role} does not have these paths, as far as is remembered here, so nothing will be removed for them: {}",
        joined(paths)
    )
}

fn joined(items: &[&str]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| {
            if item.is_empty() {
                "\"\"".to_owned()
            } else {
                visible(item)
            }
        })
        .collect();
    items.join(", ")
}
