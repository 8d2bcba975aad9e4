//! What is said about the files whose images are pinned.

/// Variables, quotes, or a file inside another: there is no single place where the digest could go.
pub const NOT_IN_PLACE: &str = "the name cannot be changed in place: it comes from a variable, or stands in quotes or in a Dockerfile inside the file; write it out";
/// Both flags.
pub const CHECK_AND_DRY_RUN: &str = "--check and --dry-run exclude each other";
/// What to do about a file of no known kind.
pub const GIVE_THE_TYPE: &str = "say what it is with --type dockerfile or --type compose";
/// What to do about a file that another takes something from.
pub const NAME_IT_TOO: &str = "name that file on the command line too";

/// What to do about build arguments that change images.
pub const BUILD_ARGS_CHANGE_IMAGES: &str =
    "leave these arguments out, or give them their values in the Dockerfile";

/// What to do about a build that several files or services describe.
pub const WRITE_IT_IN_ONE_PLACE: &str =
    "write context, args and pull_policy of the service in one place";

/// `--type xml`.
#[must_use]
pub fn unknown_file_type(name: &str) -> String {
    format!(
        "unknown type {}: compose and dockerfile are supported",
        super::super::quote(name)
    )
}

/// A file whose name tells nothing.
#[must_use]
pub fn unclear_file_type(name: &str) -> String {
    format!("{name}: neither a Dockerfile nor a Compose file by its name")
}

/// A file that cannot be read.
#[must_use]
pub fn cannot_read(name: &str, problem: &str) -> String {
    format!("cannot read {name}: {problem}")
}

/// A file that cannot be written.
#[must_use]
pub fn cannot_write(name: &str, problem: &str) -> String {
    format!("cannot write {name}: {problem}")
}

/// Somebody else wrote the file while the servers were asked.
#[must_use]
pub fn changed_meanwhile(name: &str) -> String {
    format!("{name} has changed meanwhile; nothing is written")
}

/// The disk failed after the first of several files.
#[must_use]
pub fn some_written(problem: &str, written: &str) -> String {
    if written.is_empty() {
        format!("{problem}; nothing is written")
    } else {
        format!("{problem}; written already: {written}")
    }
}

/// In front of a failure.
#[must_use]
pub fn in_file(name: &str) -> String {
    format!("{name}: ")
}

/// A Compose file that takes services from one that is not looked at.
#[must_use]
pub fn takes_from(place: &str, path: &str) -> String {
    format!("{place}: the images of {path} are not looked at")
}

/// A service that is built with arguments that change the images of its Dockerfile.
#[must_use]
pub fn other_images(place: &str, service: &str, path: &str) -> String {
    format!(
        "{place}: the build arguments of {service} make {path} name other images than those that are looked at"
    )
}

/// A build of which a part stands elsewhere.
#[must_use]
pub fn spread(place: &str, service: &str) -> String {
    format!("{place}: what {service} is built from stands in several places, and cannot be told")
}

/// A service whose Dockerfile is not there, or not beside the Compose file.
#[must_use]
pub fn built_from_elsewhere(place: &str, service: &str, path: &str) -> String {
    format!("{place}: the service {service} is built from {path}, which is not looked at")
}

/// A service whose Dockerfile is not looked at.
#[must_use]
pub fn built_from(place: &str, service: &str, path: &str) -> String {
    let visible = super::super::visible;
    format!(
        "note: {}: the service {} is built from {}, which is not looked at\n",
        visible(place),
        visible(service),
        visible(path)
    )
}

/// An image that has the digest that is signed.
#[must_use]
pub fn is_locked(place: &str, name: &str) -> String {
    format!("{place}: {name}: locked\n")
}

/// An image without a digest.
#[must_use]
pub fn is_unlocked(place: &str, name: &str) -> String {
    format!("{place}: {name}: has no digest\n")
}

/// An image with another digest than the one that is signed.
#[must_use]
pub fn is_outdated(place: &str, name: &str, signed: &str) -> String {
    format!("{place}: {name}: {signed} is signed now\n")
}

/// An image that gets its digest.
#[must_use]
pub fn is_changed(place: &str, name: &str, locked: &str) -> String {
    format!("{place}: {name} -> {locked}\n")
}

/// The end of `lock --check`.
#[must_use]
pub fn not_locked(wrong: usize, all: usize) -> String {
    format!("{wrong} of {all} images are not locked to the digest that is signed")
}

/// The end of `lock`.
#[must_use]
pub fn nothing_locked(wrong: usize, all: usize) -> String {
    format!("{wrong} of {all} images cannot be locked; nothing is written")
}

/// What to do about it.
#[must_use]
pub fn lock_again(program: &str) -> String {
    format!("write the signed digests with {program} lock, and look at the changes")
}
