//! Where `Authorization` headers come from. How a login works is the caller's business; here is only the seam.

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use signet_tuf::Gun;

use crate::ErrorKind;

/// What a command needs to be allowed to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everything, as rotating server keys and deleting need.
    All,
    /// Read.
    Pull,
    /// Read and publish.
    PullPush,
}

impl Access {
    /// The actions of a token's scope.
    #[must_use]
    pub const fn actions(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::Pull => "pull",
            Self::PullPush => "pull,push",
        }
    }
}

/// One `WWW-Authenticate` header, as sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge(pub String);

impl Challenge {
    pub(super) fn all(headers: &HeaderMap) -> Vec<Self> {
        headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .take(MAX_CHALLENGES)
            .map(|value| Self(value.to_owned()))
            .collect()
    }
}

/// Gives the `Authorization` header of a request.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Asked before every request, so that a token that ran out while someone typed a passphrase is renewed; what can be
    /// kept is kept by the implementation. `None` sends the request without the header.
    ///
    /// # Errors
    /// [`AuthorizationError`] ends the command: it never counts as an outage of the server.
    async fn authorize(
        &self,
        gun: &Gun,
        access: Access,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError>;
}

/// Why there is no `Authorization` header. Shows as its cause.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct AuthorizationError {
    /// Whether the network failed, the login was refused, or something on this machine is missing.
    pub kind: ErrorKind,
    /// What happened.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

const MAX_CHALLENGES: usize = 16;
