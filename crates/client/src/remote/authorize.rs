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
    /// The same, for the step that follows the push of an image. The name of its scope differs from
    /// [`Access::PullPush`] at token servers, in no other way.
    PushPull,
}

impl Access {
    /// The actions of a token's scope.
    #[must_use]
    pub const fn actions(self) -> &'static str {
        match self {
            Self::All => "*",
            Self::Pull => "pull",
            Self::PullPush => "pull,push",
            // compat: docker asks in this order here, and token servers may remember what was asked.
            Self::PushPull => "push,pull",
        }
    }
}

/// One `WWW-Authenticate` header, as sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge(pub String);

impl Challenge {
    pub(crate) fn all(headers: &HeaderMap) -> Vec<Self> {
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
    /// [`AuthorizationError`]. One of the kind [`ErrorKind::Network`] counts as an outage, as if the server itself could
    /// not be reached; any other ends the command.
    async fn authorize(
        &self,
        gun: &Gun,
        access: Access,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError>;

    /// The same for the server as a whole: the scope `registry:catalog:*`, which its list of changes needs. Who cannot ask for that sends the
    /// request without the header.
    ///
    /// # Errors
    /// [`AuthorizationError`], as above.
    async fn authorize_catalog(
        &self,
        _challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        Ok(None)
    }

    /// Told that the server did not accept `header` (401) in a request about `gun`, or about none, and what it says to that. The answer says
    /// whether asking again gives a better one.
    async fn refused(
        &self,
        _gun: Option<&Gun>,
        _header: &HeaderValue,
        _challenges: &[Challenge],
    ) -> Next {
        Next::Nothing
    }
}

/// What there is after a header that a server did not accept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// No other header.
    Nothing,
    /// A new token of the same login. A request gets one such chance with each login.
    NewToken,
    /// Another login.
    OtherLogin,
}

/// Why there is no `Authorization` header. Shows as its cause.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct AuthorizationError {
    /// Whether the network failed, the login was refused, or something on this machine is missing.
    pub kind: ErrorKind,
    /// The status with which a token server refused. 401: it does not take the login, whatever that is for.
    pub status: Option<u16>,
    /// What happened.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

const MAX_CHALLENGES: usize = 16;
