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
