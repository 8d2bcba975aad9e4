//! Who sent a request, and from where.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand;
use http::HeaderValue;

/// Longest text about a caller that is kept, in characters.
const MAX_TEXT: usize = 256;
/// Longest identifier of a request that is taken from the request itself, in bytes.
const MAX_ID: usize = 128;

/// Where a request came from, as far as the connection and its header tell.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// `X-Forwarded-For` as it came: anybody can write it.
    pub forwarded: Option<HeaderValue>,
    /// `X-Request-Id` as it came.
    pub request_id: Option<HeaderValue>,
    /// The subject of the client's certificate.
    pub certificate: Option<Arc<str>>,
}

/// Who sent a request. Whoever hands a request to the service may put one among its extensions and look at it afterwards; what it
/// says is for logs.
#[derive(Clone, Debug, Default)]
pub struct Caller(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    origin: Origin,
    id: OnceLock<String>,
    name: OnceLock<String>,
    refusal: OnceLock<Refused>,
}

/// A login that was not taken, or was not enough.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    /// The name that came with a wrong password.
    pub(crate) claimed: Option<String>,
    pub(crate) reason: String,
}

impl Caller {
    /// Somebody at this place, of whom no more is known yet.
    #[must_use]
    pub fn at(origin: Origin) -> Self {
        Self(Arc::new(Facts {
            origin,
            ..Facts::default()
        }))
    }

    /// The name, if one is known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.get().map(String::as_str)
    }

    /// Where the request came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// What tells this request from others: what it calls itself, if that is a plain word, else a random UUID.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.0.id.get_or_init(|| {
            self.given_id()
                .and_then(|id| id.to_str().ok())
                .map_or_else(random_id, str::to_owned)
        })
    }

    /// What the request calls itself, if that is a plain word.
    #[must_use]
    pub fn given_id(&self) -> Option<&HeaderValue> {
        let id = self.0.origin.request_id.as_ref()?;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let bytes = id.as_bytes();
        ((1..=MAX_ID).contains(&bytes.len()) && bytes.iter().all(is_plain)).then_some(id)
    }

    /// Says who it is. Nothing changes when that is known.
    pub(crate) fn is(&self, name: &str) {
        if !name.is_empty() {
            // Set before only when the same request comes twice.
            let _ = self.0.name.set(cut(name));
        }
    }

    /// Says that a login was not taken or was not enough.
    pub(crate) fn refused(&self, claimed: Option<&str>, reason: String) {
        let claimed = claimed.map(cut);
        let _ = self.0.refusal.set(Refused { claimed, reason });
    }

    pub(crate) fn refusal(&self) -> Option<&Refused> {
        self.0.refusal.get()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// A random UUID.
fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    // Without random numbers there is an identifier that says so: log lines are no place to fail.
    if rand::fill(&mut bytes).is_err() {
        bytes = [0; 16];
    }
    let number = u128::from_be_bytes(bytes);
    // Version 4, variant 1.
    let number = number & !(0xf000 << 64) & !(0xc000 << 48) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{number:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(id: &'static str) -> Caller {
        Caller::at(Origin {
            request_id: Some(HeaderValue::from_static(id)),
            ..Origin::default()
        })
    }

    #[test]
    fn identifiers_are_random_uuids() {
        let (one, two) = (random_id(), random_id());
        assert_ne!(one, two);
        let shape: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(shape, [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!("89ab".contains(one.as_bytes()[19] as char));
    }

    #[test]
    fn a_request_may_name_itself_by_a_plain_word() {
        for id in ["a", "7b0c-12.x_y", "F00"] {
            assert_eq!(caller(id).request_id(), id);
        }
        for id in ["", "a b", "a\"b", "a;b", "a,b", "<x>", "%0a"] {
            let caller = caller(id);
            assert_eq!(caller.given_id(), None, "{id}");
            assert_eq!(caller.request_id().len(), 36, "{id}");
            assert_eq!(caller.request_id(), caller.request_id());
        }
        let long = Caller::at(Origin {
            request_id: HeaderValue::try_from("a".repeat(129)).ok(),
            ..Origin::default()
        });
        assert_eq!(long.given_id(), None);
    }
}
