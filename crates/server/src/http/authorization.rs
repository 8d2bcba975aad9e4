//! What a request may do, and what is answered when it may not (specification, `server.md` sections 3 and 4).

use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http::{Request, Uri};
use serde::Serialize;

use super::error::ApiError;
use super::path::Route;
use crate::token::{Realm, TokenAuth};

/// Longest name of a caller that is kept for log lines, in characters.
const MAX_CALLER: usize = 256;

/// Who sent a request, once a token has told. Whoever hands a request to the service may put one among its extensions and look
/// at it afterwards; the name is for logs.
#[derive(Clone, Debug, Default)]
pub struct Caller(Arc<OnceLock<String>>);

impl Caller {
    /// The name, if one is known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// A resource and what is to be done with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Wanted<'a> {
    kind: &'static str,
    name: &'a str,
    actions: &'static [&'static str],
}

/// One element of the answer's `detail`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Access<'a> {
    r#type: &'a str,
    class: &'static str,
    name: &'a str,
    action: &'a str,
}

const CATALOG: Wanted<'static> = Wanted {
    kind: "registry",
    name: "catalog",
    actions: &["*"],
};

impl Route {
    /// What must be allowed; `None` for what is open to everybody.
    pub(super) fn wanted(&self) -> Option<Wanted<'_>> {
        let (gun, actions): (_, &'static [&'static str]) = match self {
            Self::Update { gun } | Self::GetKey { gun, .. } => (gun, &["push", "pull"]),
            Self::Metadata { gun, .. } | Self::Changefeed { gun: Some(gun) } => (gun, &["pull"]),
            Self::RotateKey { gun, .. } | Self::Delete { gun } | Self::Import { gun } => {
                (gun, &["*"])
            }
            Self::Ping | Self::Changefeed { gun: None } | Self::NotFound => return Some(CATALOG),
            Self::Health
            | Self::Metrics
            | Self::Redirect { .. }
            | Self::MethodNotAllowed { .. }
            | Self::Malformed => return None,
        };
        Some(Wanted {
            kind: "repository",
            name: gun,
            actions,
        })
    }
}

/// Why a request may not do what it asks for.
enum Refusal {
    /// It has no token.
    NoToken,
    /// Its token is not believed.
    Invalid,
    /// Its token does not allow it.
    Insufficient,
}

/// Lets a request pass that has a token which allows what it wants.
pub(super) fn authorize<B>(
    auth: &TokenAuth,
    wanted: &Wanted<'_>,
    request: &Request<B>,
    now: time::OffsetDateTime,
) -> Result<(), ApiError> {
    let refuse = |refusal: Refusal| {
        let challenge = challenge(auth, wanted, &refusal, request.headers(), request.uri());
        let access = |action: &&'static str| Access {
            r#type: wanted.kind,
            class: "",
            name: wanted.name,
            action,
        };
        let detail: Vec<Access<'_>> = wanted.actions.iter().map(access).collect();
        ApiError::unauthorized(&detail, challenge)
    };
    let token = bearer_token(request.headers()).ok_or_else(|| refuse(Refusal::NoToken))?;
    let grant = auth.verify(token, now).map_err(|reason| {
        tracing::info!("the token is refused: {reason}");
        refuse(Refusal::Invalid)
    })?;
    if let Some(caller) = request.extensions().get::<Caller>()
        && !grant.subject().is_empty()
    {
        let name = grant.subject().chars().take(MAX_CALLER).collect();
        // Set before only when the same request comes twice.
        let _ = caller.0.set(name);
    }
    let allowed = |action: &&str| grant.allows(wanted.kind, wanted.name, action);
    if wanted.actions.iter().all(allowed) {
        Ok(())
    } else {
        Err(refuse(Refusal::Insufficient))
    }
}

/// The token of a header `Bearer <token>`: two words with one blank between them. Anything else is no token, as in Go.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_one_word = !token.is_empty() && !token.contains(' ');
    (is_one_word && scheme.eq_ignore_ascii_case("bearer")).then_some(token)
}

/// The value of `Www-Authenticate`.
fn challenge(
    auth: &TokenAuth,
    wanted: &Wanted<'_>,
    refusal: &Refusal,
    headers: &HeaderMap,
    uri: &Uri,
) -> Option<HeaderValue> {
    let realm = match &auth.realm {
        Realm::Url(url) => url.clone(),
        Realm::RequestedHost => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            let authority = uri.authority().map(|authority| authority.as_str());
            let host = host.or(authority).unwrap_or_default();
            format!("https://{host}/auth/token")
        }
    };
    let Wanted {
        kind,
        name,
        actions,
    } = wanted;
    let scope = format!("{kind}:{name}:{}", actions.join(","));
    let error = match refusal {
        Refusal::NoToken => "",
        Refusal::Invalid => r#",error="invalid_token""#,
        Refusal::Insufficient => r#",error="insufficient_scope""#,
    };
    let [realm, service, scope] = [&realm, &auth.service, &scope].map(|text| quoted(text));
    let value = format!("Bearer realm={realm},service={service},scope={scope}{error}");
    // Control characters are escaped, so there is always a value.
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// A text in quotation marks as Go's `%q` writes it.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_ascii() || c.escape_debug().len() == 1 => out.push(c),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // Sent by notary-server 0.7.0 for GUNs with these characters.
    #[test]
    fn texts_are_quoted_as_in_go() {
        assert_eq!(quoted("a\"b\né\u{7f}"), "\"a\\\"b\\né\\x7f\"");
        assert_eq!(quoted("\\\u{1}\u{200b}"), r#""\\\x01\u200b""#);
    }

    #[test]
    fn a_token_is_the_second_of_two_words() {
        let token = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            bearer_token(&headers).map(str::to_owned)
        };
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c"] {
            assert_eq!(token(value).as_deref(), Some("a.b.c"), "{value}");
        }
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  a.b.c",
            "Bearer a.b.c ",
            "Bearer a b",
            " Bearer a",
            "Basic YTpi",
            "Token a.b.c",
            "a.b.c",
        ] {
            assert_eq!(token(value), None, "{value}");
        }
    }
}
