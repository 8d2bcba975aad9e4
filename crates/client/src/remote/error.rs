//! Why a request brought no document.

use std::error::Error;

use signet_tuf::update::Refusal;

use super::{AuthorizationError, RetryAfter, Validation};
use crate::http::TIMED_OUT;

/// Why a request brought no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The server does not have it (404).
    #[error("{what} trust data unavailable.  Has a notary repository been initialized?")]
    Absent {
        /// What was asked for.
        what: String,
    },
    /// No `Authorization` could be had.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// The answer is not what it must be: too long, or no key.
    #[error("trust server returned a bad response.")]
    BadResponse {
        /// What was asked for.
        what: String,
    },
    /// The server answered with an error status.
    #[error("{refusal}")]
    Refused {
        /// The answer.
        refusal: Refusal,
        /// The server's error code, for example `VERSION`.
        code: Option<String>,
        /// What an upload broke, where the server says so.
        validation: Option<Validation>,
        /// When the server wants to be asked again, where it says so.
        retry_after: Option<Box<RetryAfter>>,
    },
    /// The server's certificate is not trusted, or TLS failed otherwise. Never an outage: someone did answer.
    #[error("{message}")]
    Tls {
        /// What happened.
        message: String,
    },
    /// No answer, or not all of it in time.
    #[error("{message}")]
    Unreachable {
        /// What happened.
        message: String,
    },
}

impl RemoteError {
    /// Whether the server refused an upload because it has newer documents.
    #[must_use]
    pub fn is_version_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: Some(code), .. } if code == "VERSION")
    }

    /// Whether the server wants to know who we are, or does know and does not let us (401, 403).
    #[must_use]
    pub const fn is_refused_login(&self) -> bool {
        matches!(self, Self::Refused { refusal, .. } if matches!(refusal.status, 401 | 403))
    }
}

/// What a request failed at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Before the answer began.
    Sending,
    /// In the middle of the answer.
    Reading,
}

impl Stage {
    /// reqwest's words for it.
    const fn text(self) -> &'static str {
        match self {
            Self::Sending => "error sending request",
            Self::Reading => "error decoding response body: request or response body error",
        }
    }

    /// The error of a request that took too long.
    pub(super) fn timed_out(self) -> RemoteError {
        RemoteError::Unreachable {
            message: format!("{}: {TIMED_OUT}", self.text()),
        }
    }

    /// The error of a request without a proxy.
    pub(super) fn failed(self, error: &(dyn Error + 'static)) -> RemoteError {
        tell(self.text().to_owned(), error)
    }
}

/// The error of a request by reqwest.
pub(super) fn transport_error(error: reqwest::Error) -> RemoteError {
    tell(String::new(), &error.without_url())
}

/// Tells a failed network from failed TLS.
fn tell(mut message: String, error: &(dyn Error + 'static)) -> RemoteError {
    let mut tls = false;
    let mut next = Some(error);
    while let Some(cause) = next {
        let mut inner = None;
        tls |= cause.is::<rustls::Error>();
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            inner = io.get_ref();
            tls |= inner.is_some_and(|inner| inner.is::<rustls::Error>());
        }
        let text = cause.to_string();
        if !message.ends_with(&text) {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&text);
        }
        next = cause
            .source()
            .or_else(|| inner.map(|e| e as &(dyn Error + 'static)));
    }
    if tls {
        RemoteError::Tls { message }
    } else {
        RemoteError::Unreachable { message }
    }
}
