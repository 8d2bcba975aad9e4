//! What can go wrong between a token server and us.

use std::time::Duration;

/// Why there is no token. The texts are docker's where docker has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No way to the token server could be set up.
    #[error("{realm}: {source}")]
    Client {
        /// URL of the token server.
        realm: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server wants a token and does not say from where.
    #[error("no realm specified for token auth challenge")]
    NoRealm,
    /// The answer has no token.
    #[error("authorization server did not include a token in the response")]
    NoToken,
    /// The server names a place where no password may go.
    #[error("invalid token auth challenge realm: {realm:?}: {reason}")]
    Realm {
        /// What the server named.
        realm: String,
        /// Why nothing goes there.
        reason: String,
    },
    /// The token server points to another one, which is not asked.
    #[error("the token server {realm} redirects to {target:?}, which is not followed")]
    Redirected {
        /// URL of the token server.
        realm: String,
        /// Where it points to.
        target: String,
    },
    /// The token server answers with an error.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says, in docker's form.
        message: String,
    },
    /// No complete answer in time.
    #[error("the token server {realm} did not answer within {} seconds", limit.as_secs())]
    TimedOut {
        /// URL of the token server.
        realm: String,
        /// The limit.
        limit: Duration,
    },
    /// TLS could not be agreed on; most often the token server's certificate is not trusted.
    #[error("{request}: {reason}")]
    Tls {
        /// Method and URL, as Go shows them.
        request: String,
        /// What happened.
        reason: String,
    },
    /// The answer is longer than a token server's can be.
    #[error("the answer of the token server {realm} is longer than {max_bytes} bytes")]
    TooLarge {
        /// URL of the token server.
        realm: String,
        /// The limit.
        max_bytes: u64,
    },
    /// The answer cannot be read.
    #[error("unable to decode token response: {reason}")]
    Undecodable {
        /// What is wrong. Nothing of the answer is quoted.
        reason: String,
    },
    /// The token server cannot be reached, or the connection broke.
    #[error("{request}: {reason}")]
    Unreachable {
        /// Method and URL, as Go shows them.
        request: String,
        /// What happened.
        reason: String,
    },
}

/// The kinds of failure that a caller treats differently.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The token server was not reached. Only this is an outage.
    Network,
    /// It refused: the password is wrong, or something else is.
    Refused,
    /// What the server asks for, or what the token server answers, is not what it must be; or its certificate is not trusted.
    Invalid,
}

impl TokenError {
    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> TokenErrorKind {
        match self {
            Self::TimedOut { .. } | Self::Unreachable { .. } => TokenErrorKind::Network,
            // A token server that is out of order lets nobody in and refuses nobody.
            Self::Refused { status, .. } if *status >= 500 => TokenErrorKind::Network,
            Self::Refused { .. } => TokenErrorKind::Refused,
            Self::Client { .. }
            | Self::NoRealm
            | Self::NoToken
            | Self::Realm { .. }
            | Self::Redirected { .. }
            | Self::Tls { .. }
            | Self::TooLarge { .. }
            | Self::Undecodable { .. } => TokenErrorKind::Invalid,
        }
    }

    /// Whether the token server does not take the user's password or identity token.
    #[must_use]
    pub const fn is_wrong_login(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}
