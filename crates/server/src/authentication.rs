//! The ways in which a server finds out who asks.

use crate::htpasswd::Htpasswd;
use crate::token::TokenAuth;

/// How requests say whose they are, and who may do what.
#[derive(Debug)]
pub enum Authenticator {
    /// By a token of a token service, which says what it allows.
    Token(TokenAuth),
    /// By a name and a password in a file, with rules of this server.
    Htpasswd(Box<Htpasswd>),
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
