//! Who may do what: tokens that a token service signs (specification, `server.md` section 4).
//!
//! A token is a signed list of resources and actions. It is believed when it is from the right issuer, for this service, within
//! its time, and signed by a key that the operator trusts, with the algorithm of that key. Nothing that a token says about its
//! key is believed but through the keys and certificates of the operator (security class A22).
//!
//! * `jwt` takes a token apart within bounds;
//! * `trusted` finds its key among those of the operator, or beneath their certificates;
//! * `keys` knows the keys' forms, names and algorithms.

mod jwt;
mod keys;
mod trusted;

use std::fmt;
use std::sync::Arc;

use moka::sync::Cache;
use signet_tuf::certificate::Certificate;
use signet_tuf::crypto::sha256;
use time::OffsetDateTime;

use jwt::{Entry, Malformed, Token};
use trusted::Untrusted;

pub use trusted::{InvalidKeys, TrustedKeys};

/// How far the clocks of the token service and of this server may be apart, in seconds.
const LEEWAY: i64 = 60;
/// How much memory verified tokens may take, in bytes.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// What a verified token takes beside its texts, in bytes; roughly.
const ENTRY_BYTES: usize = 256;
/// How much of a text from a token is shown, in characters.
const SHOWN: usize = 128;
const NANOSECONDS: i128 = 1_000_000_000;

/// Where clients are sent for a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Realm {
    /// To this URL.
    Url(String),
    /// To `/auth/token` on the host that they asked for, with TLS.
    RequestedHost,
}

/// Token authentication.
pub struct TokenAuth {
    /// Where clients are sent.
    pub realm: Realm,
    /// What this server is called in tokens and challenges.
    pub service: String,
    /// Who issues the tokens.
    pub issuer: String,
    keys: TrustedKeys,
    /// By the digest of the whole token. Clients send the same token with every request of a command, and a signature takes
    /// longer to verify than everything else in answering a read.
    verified: Cache<[u8; 32], Arc<Grant>>,
}

impl fmt::Debug for TokenAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAuth")
            .field("realm", &self.realm)
            .field("service", &self.service)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Why a token is refused. Its text is for logs: it says what the token says, but never the token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("it needs an extension that this server does not know")]
    Critical,
    #[error("it is from the issuer {0:?}")]
    Issuer(String),
    #[error("it is for the service {0:?}")]
    Audience(String),
    #[error("it expired {LEEWAY} seconds and more ago")]
    Expired,
    #[error("it is not yet valid")]
    NotYet,
    #[error("it has no signature")]
    Unsigned,
    #[error(transparent)]
    Key(#[from] Untrusted),
    #[error("its signature is not one of its key with the algorithm {0:?}")]
    Signature(String),
}

/// What a verified token says.
#[derive(Debug)]
pub(crate) struct Grant {
    subject: String,
    entries: Vec<Entry>,
    window: Window,
}

impl Grant {
    /// Who it was given to; empty when it does not say.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the action is allowed on this resource. Entries of one resource add up.
    pub(crate) fn allows(&self, kind: &str, name: &str, action: &str) -> bool {
        let matching = self.entries.iter().filter(|entry| {
            entry.kind.as_deref().unwrap_or_default() == kind
                && entry.name.as_deref().unwrap_or_default() == name
        });
        let mut actions = matching
            .filter_map(|entry| entry.actions.as_ref())
            .flatten();
        actions.any(|allowed| allowed == action || allowed == "*")
    }

    fn size(&self) -> usize {
        let texts = self.entries.iter().map(|entry| {
            let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            let actions = entry.actions.iter().flatten();
            ENTRY_BYTES
                + text(&entry.kind)
                + text(&entry.name)
                + actions.map(|action| action.len() + 32).sum::<usize>()
        });
        ENTRY_BYTES + self.subject.len() + texts.sum::<usize>()
    }
}

impl TokenAuth {
    /// Tokens of `issuer` for `service`, signed by these keys.
    #[must_use]
    pub fn new(realm: Realm, service: String, issuer: String, keys: TrustedKeys) -> Self {
        let verified = Cache::builder()
            .weigher(|_, grant: &Arc<Grant>| u32::try_from(grant.size()).unwrap_or(u32::MAX))
            .max_capacity(CACHE_BYTES)
            .build();
        Self {
            realm,
            service,
            issuer,
            keys,
            verified,
        }
    }

    /// Verifies a token, or finds that it has been.
    pub(crate) fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Arc<Grant>, Refused> {
        if token.len() > jwt::MAX_BYTES {
            return Err(Malformed::Long.into());
        }
        let digest = sha256(token.as_bytes());
        if let Some(grant) = self.verified.get(&digest)
            && grant.window.contains(now)
        {
            return Ok(grant);
        }
        let grant = Arc::new(self.verify_anew(token, now)?);
        self.verified.insert(digest, Arc::clone(&grant));
        Ok(grant)
    }

    /// The order is Go's.
    fn verify_anew(&self, token: &str, now: OffsetDateTime) -> Result<Grant, Refused> {
        let Token {
            signed,
            header,
            claims,
            signature,
        } = Token::parse(token)?;
        if header.is_critical {
            return Err(Refused::Critical);
        }
        let issuer = claims.iss.unwrap_or_default();
        if issuer != self.issuer {
            return Err(Refused::Issuer(shown(&issuer)));
        }
        let audience = claims.aud.unwrap_or_default();
        if audience != self.service {
            return Err(Refused::Audience(shown(&audience)));
        }
        let window = Window::of_claims(
            claims.nbf.unwrap_or_default(),
            claims.exp.unwrap_or_default(),
        );
        if window.is_over(now) {
            return Err(Refused::Expired);
        }
        if !window.contains(now) {
            return Err(Refused::NotYet);
        }
        if signature.is_empty() {
            return Err(Refused::Unsigned);
        }
        let (key, of_key) = match (header.x5c.as_deref(), &header.jwk, header.kid.as_deref()) {
            (Some(chain @ [_, ..]), _, _) => self.keys.by_chain(chain, now)?,
            (_, Some(jwk), _) => self.keys.by_jwk(jwk, now)?,
            (_, None, Some(id)) if !id.is_empty() => (self.keys.by_id(id)?, Window::ALWAYS),
            _ => return Err(Untrusted::Nothing.into()),
        };
        let algorithm = header.alg.unwrap_or_default();
        if !key.verify(&algorithm, signed.as_bytes(), &signature) {
            return Err(Refused::Signature(shown(&algorithm)));
        }
        Ok(Grant {
            subject: claims.sub.unwrap_or_default(),
            entries: claims.access.unwrap_or_default(),
            window: window.and(of_key),
        })
    }
}

/// The first characters of a text that somebody else wrote.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// A span of time, both ends in it, in nanoseconds since 1970: claims are 64-bit numbers of seconds, more than a date can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Window {
    from: i128,
    until: i128,
}

impl Window {
    const ALWAYS: Self = Self {
        from: i128::MIN,
        until: i128::MAX,
    };

    fn of_claims(not_before: i64, expires: i64) -> Self {
        let leeway = i128::from(LEEWAY);
        Self {
            from: (i128::from(not_before) - leeway) * NANOSECONDS,
            until: (i128::from(expires) + leeway) * NANOSECONDS,
        }
    }

    fn of(certificate: &Certificate) -> Self {
        let (from, until) = certificate.validity();
        Self {
            from: from.unix_timestamp_nanos(),
            until: until.unix_timestamp_nanos(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        }
    }

    const fn contains(&self, now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp_nanos();
        self.from <= now && now <= self.until
    }

    const fn is_over(&self, now: OffsetDateTime) -> bool {
        self.until < now.unix_timestamp_nanos()
    }
}
