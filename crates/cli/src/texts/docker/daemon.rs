//! What is said about the docker daemon.

/// What to look at when the connection fails in the middle.
pub const DAEMON_HINT: &str = "which daemon is meant: --host, --context, DOCKER_HOST, DOCKER_CONTEXT, or docker's current context; `docker info` should answer";

/// `DOCKER_CUSTOM_HEADERS` is no list.
pub const MALFORMED_CUSTOM_HEADERS: &str = "failed to parse custom headers from DOCKER_CUSTOM_HEADERS environment variable: value must be formatted as comma-separated key=value pairs";

/// Headers from the environment that cannot be sent.
#[must_use]
pub fn custom_headers(problem: &str) -> String {
    format!("Failed to initialize: {problem}")
}

/// A header without a name in `DOCKER_CUSTOM_HEADERS`.
#[must_use]
pub fn custom_header_without_name(pair: &str) -> String {
    format!(
        "failed to set custom headers from DOCKER_CUSTOM_HEADERS environment variable: value contains a key=value pair with an empty key: '{pair}'"
    )
}

/// A header without a value in `DOCKER_CUSTOM_HEADERS`.
#[must_use]
pub fn custom_header_without_value(pair: &str) -> String {
    format!(
        "failed to set custom headers from DOCKER_CUSTOM_HEADERS environment variable: missing \"=\" in key=value pair: '{pair}'"
    )
}

// Sign and push through the daemon (docker-trust sections 8.6 and 10).

/// How to sign where there is no docker.
#[must_use]
pub fn without_daemon(program: &str) -> String {
    format!(
        "without docker, {program} sign --remote IMAGE:TAG signs what the registry has under the tag"
    )
}

/// The image is pushed next.
#[must_use]
pub fn signing_local(name: &str) -> String {
    format!(
        "Signing and pushing trust data for local image {name}, may overwrite remote trust data\n"
    )
}

/// Several tags were to be signed.
#[must_use]
pub fn failed_to_sign_all(gun: &str) -> String {
    format!("failed to sign {gun}: ")
}

/// The image is in the registry, and its signature is not.
#[must_use]
pub fn pushed_in_vain(names: &[String], program: &str) -> String {
    let commands: Vec<String> = names
        .iter()
        .map(|name| format!("    {program} sign --remote {name}"))
        .collect();
    format!(
        "The image was pushed and is not signed. To sign what the registry has now:\n{}",
        commands.join("\n")
    )
}

/// The registry has something else than the daemon pushed.
#[must_use]
pub fn tag_was_moved(name: &str, found: &str, pushed: &str) -> String {
    format!(
        "the registry has {found} under {name}, but the docker daemon pushed {pushed}; not signing either"
    )
}

/// What to do when the registry has something else.
pub const TAG_MOVED_HINT: &str = "somebody else pushed the tag at the same moment, or the registry does not tell the truth: look at both, then sign one with --digest sha256:…";

/// The daemon does not say what it has pushed, so that nothing can be compared.
#[must_use]
pub fn daemon_names_no_digest(name: &str) -> String {
    format!(
        "the docker daemon does not say with which digest it pushed {name}; not signing what the registry has"
    )
}

/// The daemon names a digest that is none.
#[must_use]
pub fn strange_digest(text: &str) -> String {
    format!(
        "the docker daemon names the digest {}",
        super::super::quote(text)
    )
}

/// Of an image for several platforms only one was there.
#[must_use]
pub fn one_platform_pushed(index: &str, platform: &str) -> String {
    format!(
        "the docker daemon has only one platform of {index} and pushed {platform} instead; not signing it"
    )
}

/// What to do when only one platform was there.
pub const PUSH_WHOLE_INDEX: &str = "pull the image with all its platforms and push it again, or sign the one platform with --remote";

/// The daemon may reach the registry, and we do not.
pub const REGISTRY_FROM_HERE: &str = "nothing was pushed: the registry must be reachable from here too, so that what is signed can be read back (certificates: tls/HOST:PORT in docker's configuration folder)";

/// `push name@digest`.
pub const PUSH_OF_A_DIGEST: &str = "cannot push a digest reference";
/// `push -a name:tag`.
pub const TAG_WITH_ALL_TAGS: &str = "tag can't be used with --all-tags/-a";

/// `push name`.
#[must_use]
pub fn using_default_tag(tag: &str) -> String {
    format!("Using default tag: {tag}\n")
}

/// `push -a` of a repository that the daemon does not have.
#[must_use]
pub fn nothing_to_push(name: &str) -> String {
    format!("An image does not exist locally with the tag: {name}")
}
