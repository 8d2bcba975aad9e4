//! The compact form of a signed token (RFC 7515, RFC 7519), taken apart within bounds. Nothing here is believed yet.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::value::RawValue;

/// Longest token that is looked at, in bytes.
pub(super) const MAX_BYTES: usize = 32 * 1024;
/// Most entries of `access`, and most actions in each.
const MAX_ENTRIES: usize = 1000;
const MAX_ACTIONS: usize = 100;

/// Why a text is no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it has more than {MAX_BYTES} bytes")]
    Long,
    #[error("it has not three parts")]
    Parts,
    #[error("a part is not base64url without padding")]
    Base64,
    #[error("its header is not of the right form")]
    Header,
    #[error("its claims are not of the right form")]
    Claims,
    #[error("it grants too many things")]
    Entries,
}

/// A token, taken apart.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// What the signature is over.
    pub(super) signed: &'a str,
    pub(super) header: Header,
    pub(super) claims: Claims,
    pub(super) signature: Vec<u8>,
}

/// The header. A member that is `null` counts as absent, as in Go.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    /// Of no consequence, but a text.
    #[serde(rename = "typ")]
    _kind: Option<String>,
    pub(super) alg: Option<String>,
    pub(super) kid: Option<String>,
    pub(super) x5c: Option<Vec<String>>,
    pub(super) jwk: Option<Box<RawValue>>,
    /// Whether there is a list of extensions that must be understood (RFC 7515, 4.1.11), whatever is in it: none is.
    #[serde(default, rename = "crit", deserialize_with = "present")]
    pub(super) is_critical: bool,
}

/// The claims.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) aud: Option<String>,
    pub(super) exp: Option<i64>,
    pub(super) nbf: Option<i64>,
    #[serde(rename = "iat")]
    _issued: Option<i64>,
    #[serde(rename = "jti")]
    _id: Option<String>,
    pub(super) access: Option<Vec<Entry>>,
}

/// What may be done with one resource.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// Of no consequence, but a text.
    #[serde(rename = "class")]
    _class: Option<String>,
    pub(super) name: Option<String>,
    pub(super) actions: Option<Vec<String>>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > MAX_BYTES {
            return Err(Malformed::Long);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed::Parts)?;
        if claims.contains('.') {
            return Err(Malformed::Parts);
        }
        let decode = |part: &str| {
            BASE64URL_NOPAD
                .decode(part.as_bytes())
                .map_err(|_| Malformed::Base64)
        };
        let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
        let header: Header = object(&header).ok_or(Malformed::Header)?;
        let claims: Claims = object(&claims).ok_or(Malformed::Claims)?;
        let entries = claims.access.as_deref().unwrap_or_default();
        let actions = |entry: &Entry| entry.actions.as_ref().map_or(0, Vec::len);
        if entries.len() > MAX_ENTRIES || entries.iter().any(|entry| actions(entry) > MAX_ACTIONS) {
            return Err(Malformed::Entries);
        }
        Ok(Self {
            signed,
            header,
            claims,
            signature,
        })
    }
}

/// An object, and not the list of its values in order, which the derived code would take too.
fn object<T: for<'de> Deserialize<'de>>(json: &[u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().first() == Some(&b'{');
    is_object
        .then(|| serde_json::from_slice(json).ok())
        .flatten()
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}
