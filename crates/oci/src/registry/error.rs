//! What can go wrong between a registry and us.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use crate::challenge::{AnswerError, Challenge};
use crate::digest::{Digest, InvalidDigest};
use crate::manifest::InvalidManifest;

/// Longest explanation of a server that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The reference's host and port cannot be an address.
    #[error("{authority:?} is no registry's address")]
    Authority {
        /// Host and port as in the reference.
        authority: String,
        /// What is wrong.
        #[source]
        source: url::ParseError,
    },
    /// The server states a digest that is none.
    #[error("the registry states the digest {claimed:?}")]
    ClaimedDigest {
        /// The header's value, cut to 200 characters.
        claimed: String,
        /// What is wrong.
        #[source]
        source: InvalidDigest,
    },
    /// The registry wants credentials of a kind that we do not have. No manifest was asked for.
    #[error("{registry} wants credentials")]
    Credentials {
        /// Address of the registry.
        registry: String,
        /// What is missing.
        #[source]
        source: AnswerError,
    },
    /// The manifest received is not the one that was asked for, or not the one that the server says it is.
    #[error("{registry} sent a manifest with the digest {received} instead of {expected}")]
    DigestMismatch {
        /// Address of the registry.
        registry: String,
        /// The digest asked for, or stated by the server.
        expected: Digest,
        /// The digest of the bytes received.
        received: Digest,
    },
    /// The manifest came compressed, which was not asked for: its bytes would not be those that are signed.
    #[error("the registry sent the manifest in the encoding {encoding:?}")]
    Encoded {
        /// The encoding.
        encoding: String,
    },
    /// What came is no manifest that can be signed.
    #[error("the registry's answer is not a manifest")]
    Malformed(#[source] InvalidManifest),
    /// The registry has no such tag, digest, or repository.
    #[error("{image} is not in the registry {registry}{}", explained(message.as_ref()))]
    NotFound {
        /// Address of the registry.
        registry: String,
        /// Path of the repository with the tag or digest.
        image: String,
        /// The server's explanation.
        message: Option<String>,
    },
    /// The registry points to another server, which is not asked, or to too many places one after the other.
    #[error("{registry} redirects to {target:?}, which is not followed")]
    Redirected {
        /// Address of the registry.
        registry: String,
        /// Where it points to.
        target: String,
    },
    /// The registry answers with an error, or with something else than the whole manifest.
    #[error("the registry refused {image} with status {status}{}", explained(message.as_ref()))]
    Refused {
        /// Path of the repository with the tag or digest.
        image: String,
        /// HTTP status.
        status: u16,
        /// The server's explanation.
        message: Option<String>,
    },
    /// No complete answer in time.
    #[error("{registry} did not answer within {} seconds", limit.as_secs_f32())]
    TimedOut {
        /// Address of the registry.
        registry: String,
        /// The limit.
        limit: Duration,
    },
    /// TLS could not be agreed on; most often the server's certificate is not trusted.
    #[error("no secure connection to {registry}")]
    Tls {
        /// Address of the registry.
        registry: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The manifest is larger than allowed.
    #[error("the manifest is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// The credentials are wrong, or not good for this image.
    #[error("access to {image} denied with status {status}{}", explained(message.as_ref()))]
    Unauthorized {
        /// Path of the repository with the tag or digest.
        image: String,
        /// HTTP status, 401 or 403.
        status: u16,
        /// What the server would want instead.
        challenges: Vec<Challenge>,
        /// The server's explanation.
        message: Option<String>,
    },
    /// The registry cannot be reached, or the connection broke.
    #[error("{registry} cannot be reached")]
    Unreachable {
        /// Address of the registry.
        registry: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
}

/// The kinds of failure that a caller treats differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The image is not there.
    Absent,
    /// The answer is not what it must be. Trying again does not help, and somebody may be attacking.
    Invalid,
    /// The server was not reached. Trying again may help.
    Network,
    /// The server, or its certificate, says no.
    Refused,
}

impl RegistryError {
    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::Absent,
            Self::Authority { .. }
            | Self::ClaimedDigest { .. }
            | Self::DigestMismatch { .. }
            | Self::Encoded { .. }
            | Self::Malformed(_)
            | Self::TooLarge { .. } => ErrorKind::Invalid,
            Self::TimedOut { .. } | Self::Unreachable { .. } => ErrorKind::Network,
            Self::Credentials { .. }
            | Self::Redirected { .. }
            | Self::Refused { .. }
            | Self::Tls { .. }
            | Self::Unauthorized { .. } => ErrorKind::Refused,
        }
    }

    pub(super) fn from_transport(base: &Url, source: reqwest::Error) -> Self {
        let registry = base.to_string();
        if find_tls_error(&source).is_some() {
            Self::Tls { registry, source }
        } else {
            Self::Unreachable { registry, source }
        }
    }

    /// Whether the failure of an HTTPS connection leaves open that the server speaks HTTP without TLS. One that has
    /// shown a certificate does not, however bad the certificate is.
    pub(super) fn may_be_plain_http(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => source.is_connect(),
            Self::Tls { source, .. } => matches!(
                find_tls_error(source),
                Some(rustls::Error::InvalidMessage(_))
            ),
            _ => false,
        }
    }
}

/// The TLS error at the bottom of a failed request.
pub(crate) fn find_tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The source of an I/O error is the source of what it wraps, and not what it wraps.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(|io| io.get_ref());
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The first error message in a registry's JSON, without what a terminal would obey.
pub(super) fn first_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        message: String,
    }
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let message = printable(&errors.errors.first()?.message);
    (!message.is_empty()).then_some(message)
}

/// The beginning of a server's words, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|&c| !c.is_control() && !reorders(c))
        .take(MAX_MESSAGE_CHARS)
        .collect()
}

/// Characters that make text appear in another order than it is in.
const fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn explained(message: Option<&String>) -> String {
    message.map_or_else(String::new, |message| format!(": {message}"))
}
