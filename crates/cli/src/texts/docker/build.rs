//! What `build` says before docker has its say.

/// An image is not signed, or cannot be looked up.
pub const NOTHING_BUILT: &str = "nothing is built: not every image is signed";
/// `--disable-content-trust`.
pub const BUILD_ALWAYS_CHECKS: &str = "--disable-content-trust has no place here: use docker build to build from images that nobody signed";
/// `build -`.
pub const CONTEXT_FROM_INPUT: &str = "the build context must be a folder: what comes from standard input cannot be looked at before it is built";
/// What to do instead of `build -`.
pub const UNPACK_THE_CONTEXT: &str =
    "unpack it and build the folder; a Dockerfile alone can come from standard input with --file -";
/// What to do instead of `build URL`.
pub const CLONE_THE_CONTEXT: &str = "clone or unpack it, and build the folder";
/// The variable of a BuildKit feature.
pub const SOURCE_POLICY: &str = "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY is set: such a policy can replace the images that were checked; unset it";

/// The context is none of this machine's folders.
#[must_use]
pub fn no_local_context(path: &str) -> String {
    format!("the build context must be a folder of this machine, and {path} is none")
}

/// There is no place for the copy of the Dockerfile.
#[must_use]
pub fn no_copy(problem: &str) -> String {
    format!("cannot write a copy of the Dockerfile: {problem}")
}

/// `BUILDKIT_SYNTAX` with something else than Dockerfiles' own program.
#[must_use]
pub fn other_language(frontend: &str) -> String {
    format!(
        "BUILDKIT_SYNTAX: {} reads another language than that of Dockerfiles",
        super::super::quote(frontend)
    )
}

/// A named context whose content no signature vouches for.
#[must_use]
pub fn context_not_looked_up(value: &str) -> String {
    format!(
        "--build-context {}: nobody vouches for such a context; use a folder, a URL or docker-image://NAME:TAG",
        super::super::quote(value)
    )
}

/// A cache whose content no signature vouches for.
#[must_use]
pub fn cache_not_looked_up(value: &str) -> String {
    format!(
        "--cache-from {}: what is taken from there becomes part of the image, and it is not clear which image it is; \
         give one signed image a flag, or type=registry,ref=NAME:TAG",
        super::super::quote(value)
    )
}

/// A scanner is an image too.
#[must_use]
pub fn scanner_not_looked_up(flag: &str) -> String {
    format!(
        "--{flag} runs a scanner from an image that nobody looks up; build without it and scan the result"
    )
}
