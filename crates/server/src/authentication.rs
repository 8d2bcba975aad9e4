//! The ways in which a server finds out who asks.

use signet_tuf::Gun;

use crate::htpasswd::{Htpasswd, Right};
use crate::token::TokenAuth;

/// How requests say whose they are, and who may do what.
#[derive(Debug)]
pub enum Authenticator {
    /// By a token of a token service, which says what it allows.
    Token(TokenAuth),
    /// By a name and a password in a file, with rules of this server.
    Htpasswd(Box<Htpasswd>),
}

impl Authenticator {
    /// Whether caches that several people share must not keep what is served of this repository. With tokens everything may be kept, as
    /// with Go's server.
    pub(crate) fn is_private(&self, gun: &Gun) -> bool {
        match self {
            Self::Token(_) => false,
            Self::Htpasswd(auth) => !auth.rules().allow(None, gun.as_str(), Right::Pull),
        }
    }
}

impl From<TokenAuth> for Authenticator {
    fn from(auth: TokenAuth) -> Self {
        Self::Token(auth)
    }
}

impl From<Htpasswd> for Authenticator {
    fn from(auth: Htpasswd) -> Self {
        Self::Htpasswd(Box::new(auth))
    }
}
