//! What `pull`, `run` and `create` say: docker's words where its content trust has some (specification, section 10).

use std::path::Path;

use crate::texts::{quote, visible};

/// What docker adds to a failure of `run`.
#[must_use]
pub fn run_help(path: &str) -> String {
    format!("\n\nRun '{path} run --help' for more information")
}

/// Nothing on this machine is a docker client.
pub const NO_DOCKER_CLIENT: &str =
    "cannot find the docker client, which creates the container: no program docker on PATH";

/// The docker client was found and does not start.
#[must_use]
pub fn client_not_started(program: &Path, problem: &str) -> String {
    format!("cannot start {}: {problem}", program.display())
}

/// A digest or an ID, which docker's content trust lets through without a word.
#[must_use]
pub fn used_unchecked(image: &str) -> String {
    format!(
        "{} is used as it is: signatures are about tags, so nothing was checked\n",
        visible(image)
    )
}

/// `--disable-content-trust`.
pub const CANNOT_DISABLE: &str =
    "--disable-content-trust contradicts this command, which checks the image always";

/// What to do without a check.
pub const PLAIN_DOCKER: &str = "docker pull, docker run and docker create check nothing";

/// `DOCKER_CONTENT_TRUST=0`.
#[must_use]
pub fn variable_ignored(value: &str) -> String {
    format!(
        "DOCKER_CONTENT_TRUST={} does not switch the check off here",
        visible(value)
    )
}

/// An image as a mount, by a tag.
#[must_use]
pub fn mounted_by_tag(mount: &str) -> String {
    format!(
        "--mount {}: an image that is mounted must be named by its digest or ID, because docker would take its tag as the registry has it",
        quote(mount)
    )
}

/// How to come by a digest.
#[must_use]
pub fn verify_prints_digest(path: &str) -> String {
    format!("{path} verify IMAGE[:TAG] prints the signed digest of a tag")
}

/// docker's answer to an unknown value of `--pull`.
#[must_use]
pub fn invalid_pull_option(value: &str) -> String {
    format!(
        "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"",
        visible(value)
    )
}

/// The image is not at the daemon.
#[must_use]
pub fn unable_to_find(name: &str, tag: &str) -> String {
    format!("Unable to find image '{name}:{tag}' locally\n")
}

/// Which tag is meant when none is named.
pub const DEFAULT_TAG: &str = "Using default tag: latest\n";

/// Before each image of `pull`.
#[must_use]
pub fn pull_number(number: usize, count: usize, name: &str, tag: &str, digest: &str) -> String {
    format!("Pull ({number} of {count}): {name}:{tag}@{digest}\n")
}

/// The local tag is set.
#[must_use]
pub fn tagging(pinned: &str, name: &str, tag: &str) -> String {
    format!("Tagging {pinned} as {name}:{tag}\n")
}

/// `pull -a` and an entry without a digest.
#[must_use]
pub fn skipping_target(name: &str) -> String {
    format!("Skipping target for {}\n", quote(name))
}

/// `pull -a` and nothing signed.
#[must_use]
pub fn no_trusted_tags(gun: &str) -> String {
    format!("No trusted tags for {gun}")
}

/// The daemon says that it has pulled, and has something else.
#[must_use]
pub fn not_what_was_signed(pinned: &str) -> String {
    format!("the daemon pulled an image, but does not have {pinned}: nothing was tagged")
}

/// A pull that does not get on.
#[must_use]
pub fn pull_stalled(pinned: &str, seconds: u64) -> String {
    format!(
        "gave up the pull of {pinned}: for {seconds} seconds nothing, or next to nothing, came from the registry"
    )
}

/// A pull that gets on and does not end.
#[must_use]
pub fn pull_too_slow(pinned: &str, seconds: u64) -> String {
    format!("gave up the pull of {pinned}: it did not end within {seconds} seconds")
}

/// A layer that does not end.
#[must_use]
pub fn pull_endless(pinned: &str) -> String {
    format!(
        "gave up the pull of {pinned}: the registry sends a layer without a size and without an end"
    )
}

/// `SIGNET_PULL_PATIENCE`.
#[must_use]
pub fn patience_is_no_number(text: &str) -> String {
    format!(
        "SIGNET_PULL_PATIENCE is a number of seconds from 1 to 86400, not {}",
        quote(text)
    )
}

/// A digest without a tag, of a repository of which the policy demands signatures.
#[must_use]
pub fn policy_wants_a_tag(image: &str) -> String {
    format!(
        "{}: the policy demands something of this repository, and a digest alone shows nothing of it",
        visible(image)
    )
}

/// What the policy accepts instead.
#[must_use]
pub fn verify_takes_digests(path: &str) -> String {
    format!("use a tag, or look the digest up first: {path} verify NAME@DIGEST")
}
