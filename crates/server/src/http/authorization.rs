//! What a request may do, and what is answered when it may not (specification, `server.md` sections 3 and 4).

use http::HeaderMap;
use http::Uri;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use serde::Serialize;

use super::caller::Caller;
use super::error::{ApiError, ErrorCode};
use super::path::Route;
use crate::authentication::Authenticator;
use crate::counters::Counters;
use crate::htpasswd::{Credentials, Htpasswd, Login, Right};
use crate::token::{Realm, TokenAuth};

/// What a request says about who sends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) uri: &'a Uri,
    pub(super) caller: Option<&'a Caller>,
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

/// Lets a request pass that may do what it asks for.
pub(super) async fn authorize(
    auth: &Authenticator,
    route: &Route,
    asker: Asker<'_>,
    counters: &Counters,
    now: time::OffsetDateTime,
) -> Result<(), ApiError> {
    let Some(wanted) = route.wanted() else {
        return Ok(());
    };
    match auth {
        Authenticator::Token(auth) => by_token(auth, &wanted, asker, counters, now),
        Authenticator::Htpasswd(auth) => {
            // Most servers have no such file, and every request's future would be as large as this one.
            Box::pin(by_password(auth, route, &wanted, asker, counters)).await
        }
    }
}

impl Wanted<'_> {
    /// The refusal of a request that wants this.
    fn unauthorized(&self, challenge: Option<HeaderValue>) -> ApiError {
        let access = |action: &&'static str| Access {
            r#type: self.kind,
            class: "",
            name: self.name,
            action,
        };
        let detail: Vec<Access<'_>> = self.actions.iter().map(access).collect();
        ApiError::unauthorized(&detail, challenge)
    }

    /// Why a login was not enough, for logs.
    fn beyond(&self) -> String {
        format!(
            "{} of {} {} is not allowed",
            self.actions.join(","),
            self.kind,
            self.name
        )
    }
}

/// Lets a request pass that has a token which allows what it wants.
fn by_token(
    auth: &TokenAuth,
    wanted: &Wanted<'_>,
    asker: Asker<'_>,
    counters: &Counters,
    now: time::OffsetDateTime,
) -> Result<(), ApiError> {
    let refuse = |refusal: Refusal| {
        wanted.unauthorized(challenge(auth, wanted, &refusal, asker.headers, asker.uri))
    };
    let token = bearer_token(asker.headers).ok_or_else(|| refuse(Refusal::NoToken))?;
    let grant = auth.verify(token, now).map_err(|reason| {
        tracing::info!("the token is refused: {reason}");
        counters.logins_wrong.count();
        if let Some(caller) = asker.caller {
            caller.refused(None, format!("the token is refused: {reason}"));
        }
        refuse(Refusal::Invalid)
    })?;
    if let Some(caller) = asker.caller {
        caller.is(grant.subject());
    }
    let allowed = |action: &&str| grant.allows(wanted.kind, wanted.name, action);
    if wanted.actions.iter().all(allowed) {
        return Ok(());
    }
    counters.logins_insufficient.count();
    if let Some(caller) = asker.caller {
        caller.refused(None, wanted.beyond());
    }
    Err(refuse(Refusal::Insufficient))
}

/// Lets a request pass whose user, or everybody, may do what it wants by the rules.
async fn by_password(
    auth: &Htpasswd,
    route: &Route,
    wanted: &Wanted<'_>,
    asker: Asker<'_>,
    counters: &Counters,
) -> Result<(), ApiError> {
    let refuse = || {
        let value = format!("Basic realm={}", quoted(auth.realm()));
        wanted.unauthorized(HeaderValue::from_bytes(value.as_bytes()).ok())
    };
    let refused = |claimed: Option<&str>, reason: String| {
        tracing::info!("the login is refused: {reason}");
        if let Some(caller) = asker.caller {
            caller.refused(claimed, reason);
        }
    };
    let user = match basic_login(asker.headers) {
        None => None,
        Some(None) => {
            counters.logins_wrong.count();
            refused(None, "it is no name and password".to_owned());
            return Err(refuse());
        }
        Some(Some(login)) => {
            let peer = asker.caller.and_then(|caller| caller.origin().peer);
            let outcome = auth.verify(&login, peer.map(|peer| peer.ip())).await;
            let later = |seconds: u64, code: ErrorCode, reason: &str| {
                counters.logins_throttled.count();
                refused(Some(&login.user), reason.to_owned());
                Err(ApiError::with_empty_detail(code).after(seconds))
            };
            match outcome {
                Login::Verified => Some(login.user),
                Login::Wrong => {
                    counters.logins_wrong.count();
                    refused(Some(&login.user), "wrong name or password".to_owned());
                    return Err(refuse());
                }
                Login::Throttled(wait) => {
                    let reason = "too many wrong passwords for this name from this address";
                    return later(wait.as_secs() + 1, ErrorCode::TooManyRequests, reason);
                }
                Login::Flooded(wait) => {
                    let reason = "too many wrong passwords from this address";
                    return later(wait.as_secs() + 1, ErrorCode::TooManyRequests, reason);
                }
                Login::Busy => {
                    let reason = "too many passwords are being checked";
                    return later(1, ErrorCode::Unavailable, reason);
                }
            }
        }
    };
    if let (Some(caller), Some(user)) = (asker.caller, &user) {
        caller.is(user);
    }
    if may(auth, route, user.as_deref()) {
        return Ok(());
    }
    if user.is_some() {
        counters.logins_insufficient.count();
        refused(None, wanted.beyond());
    }
    Err(refuse())
}

/// What the rules say.
fn may(auth: &Htpasswd, route: &Route, user: Option<&str>) -> bool {
    let rules = auth.rules();
    match route {
        Route::Update { gun } | Route::GetKey { gun, .. } => rules.allow(user, gun, Right::Push),
        Route::Metadata { gun, .. } | Route::Changefeed { gun: Some(gun) } => {
            rules.allow(user, gun, Right::Pull)
        }
        Route::RotateKey { gun, .. } | Route::Delete { gun } | Route::Import { gun } => {
            rules.allow(user, gun, Right::Admin)
        }
        // Names every repository there is.
        Route::Changefeed { gun: None } => rules.allow_everywhere(user, Right::Pull),
        // From its answer clients learn that they have to log in, so it asks everybody, whatever the rules allow without.
        Route::Ping | Route::NotFound => user.is_some(),
        Route::Health
        | Route::Metrics
        | Route::Redirect { .. }
        | Route::MethodNotAllowed { .. }
        | Route::Malformed => true,
    }
}

/// The login of a header `Basic …`; `Some(None)` when it is none that can be understood.
fn basic_login(headers: &HeaderMap) -> Option<Option<Credentials>> {
    let value = headers.get(AUTHORIZATION)?;
    let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
    Some(parts.and_then(|(scheme, encoded)| {
        scheme
            .eq_ignore_ascii_case("basic")
            .then(|| Credentials::parse(encoded))
            .flatten()
    }))
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
