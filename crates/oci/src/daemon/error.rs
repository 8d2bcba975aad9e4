//! What can go wrong between a docker daemon and us.

use std::io;
use std::time::Duration;

/// Why the daemon did not do what it was asked for. The texts are docker's where docker has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The version in `DOCKER_API_VERSION` is none.
    #[error("DOCKER_API_VERSION must be like 1.41, not {version:?}")]
    ApiVersion {
        /// What was given.
        version: String,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("error during connect: {reason}")]
    Connection {
        /// What the network or the program in between said.
        reason: String,
    },
    /// The socket is there and not for this user.
    #[error(
        "permission denied while trying to connect to the Docker daemon socket at {host}: {reason}"
    )]
    Denied {
        /// Address of the daemon.
        host: String,
        /// What the system said.
        reason: String,
    },
    /// The address or its TLS files cannot be used.
    #[error("Failed to initialize: {reason}")]
    Endpoint {
        /// What is wrong.
        reason: String,
    },
    /// A header from the configuration cannot be sent.
    #[error("header {name:?} for the docker daemon cannot be sent")]
    Header {
        /// Its name.
        name: String,
    },
    /// An answer that is not what the API says.
    #[error("the docker daemon sent something unexpected: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// A name that cannot be in a path of the API.
    #[error("invalid reference format")]
    Name,
    /// The progress could not be shown.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// The daemon says no.
    #[error("Error response from daemon: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the daemon says.
        message: String,
    },
    /// The daemon was silent for too long in the middle of its work.
    #[error("the docker daemon was silent for {} seconds", limit.as_secs())]
    Silent {
        /// The limit.
        limit: Duration,
    },
    /// The daemon answers with an error and does not say which.
    #[error(
        "request returned {status} for API route and version {url}, check if the server supports the requested API version"
    )]
    Unexplained {
        /// HTTP status with its name.
        status: String,
        /// What was asked for.
        url: String,
    },
    /// Nobody is there.
    #[error("Cannot connect to the Docker daemon at {host}. Is the docker daemon running?")]
    Unreachable {
        /// Address of the daemon.
        host: String,
        /// What the network said.
        reason: String,
    },
    /// Pushing or pulling has failed; the daemon says so in the middle of its progress.
    #[error("{message}")]
    Work {
        /// What the daemon says.
        message: String,
    },
}

/// The kinds of failure that a caller treats differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The daemon does not have the image.
    Absent,
    /// What the user gave, or what the daemon sent, cannot be used.
    Invalid,
    /// The daemon was reached and has refused or failed.
    Refused,
    /// The daemon was not reached, or not to the end.
    Network,
}

impl DaemonError {
    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { status: 404, .. } => ErrorKind::Absent,
            Self::ApiVersion { .. }
            | Self::Endpoint { .. }
            | Self::Header { .. }
            | Self::Malformed { .. }
            | Self::Name
            | Self::Output(_) => ErrorKind::Invalid,
            Self::Refused { .. } | Self::Unexplained { .. } | Self::Work { .. } => {
                ErrorKind::Refused
            }
            Self::Connection { .. }
            | Self::Denied { .. }
            | Self::Silent { .. }
            | Self::Unreachable { .. } => ErrorKind::Network,
        }
    }

    /// A failed request, as docker tells it. `idle` is the longest silence that was waited for.
    pub(super) fn from_transport(host: &str, error: &reqwest::Error, idle: Duration) -> Self {
        let reason = innermost(error);
        if error.is_connect() {
            let kind = find_io_error(error).map(io::Error::kind);
            let host = host.to_owned();
            return match kind {
                Some(io::ErrorKind::PermissionDenied) => Self::Denied { host, reason },
                Some(
                    io::ErrorKind::NotFound
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::TimedOut,
                ) => Self::Unreachable { host, reason },
                _ if error.is_timeout() => Self::Unreachable { host, reason },
                _ => Self::Connection { reason },
            };
        }
        if error.is_timeout() {
            return Self::Silent { limit: idle };
        }
        Self::Connection { reason }
    }
}

fn find_io_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The cause at the bottom, which is what the person can do something about.
fn innermost(error: &reqwest::Error) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
