//! Bearer tokens: what a registry or a trust server sends its clients to a token server for.
//!
//! A server that wants a token names a *realm*, which is whatever URL it likes, and clients bring the user's password
//! there. So a realm must be reached over TLS, as the asking server is, and with the same certificates trusted. Plain
//! HTTP is spoken only where both the asking server and the realm are on this machine; a realm with a user name in it
//! is refused, and redirects do not leave it.
//!
//! Tokens are kept in memory as long as they are good, and nowhere else.

mod answer;
mod error;
mod request;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::challenge::BearerChallenge;
use crate::credentials::Credentials;
use crate::reference::is_loopback;

pub use error::{TokenError, TokenErrorKind};

/// Longest time for one token, from connecting to the last byte.
pub const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Largest answer of a token server, in bytes.
pub const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Longest token that is used, in bytes. Servers refuse longer headers.
pub const MAX_TOKEN_BYTES: usize = 64 << 10;

/// Most time before its end from which on a token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);

/// Makes HTTP clients for token servers: the certificates and the name of the client are those that the asking server
/// gets, the proxy is the token server's. They must not follow redirects.
#[derive(Clone)]
pub struct TokenClients(Arc<MakeClient>);

type MakeClient = dyn Fn(&Url) -> Result<reqwest::Client, BoxError> + Send + Sync;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl TokenClients {
    /// Clients made by `make` for the URL of a token server.
    pub fn new(
        make: impl Fn(&Url) -> Result<reqwest::Client, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }
}

impl fmt::Debug for TokenClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenClients")
    }
}

/// A server that asks for tokens.
#[derive(Clone, Debug)]
pub struct Asker {
    server: Url,
    clients: TokenClients,
}

impl Asker {
    /// The server at `server`; `clients` make the way to its token server.
    #[must_use]
    pub const fn new(server: Url, clients: TokenClients) -> Self {
        Self { server, clients }
    }

    /// The server.
    #[must_use]
    pub const fn server(&self) -> &Url {
        &self.server
    }
}

/// The tokens of one user in one command. `Debug` shows none.
pub struct Tokens {
    time_limit: Duration,
    slots: StdMutex<BTreeMap<Wanted, Slot>>,
}

/// A token's place. Who fetches one holds it locked, so that others wait for that answer instead of asking too.
type Slot = Arc<Mutex<Option<Held>>>;

/// What a token is for.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Wanted {
    realm: String,
    service: Option<String>,
    scope: String,
}

struct Held {
    header: HeaderValue,
    good_until: Instant,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self::with_time_limit(TIME_LIMIT)
    }
}

impl Tokens {
    /// No tokens yet; a token server may take this long for one. The default is [`TIME_LIMIT`].
    #[must_use]
    pub fn with_time_limit(time_limit: Duration) -> Self {
        Self {
            time_limit,
            slots: StdMutex::default(),
        }
    }

    /// The `Authorization` header for a server that wants a token for `scope` (`repository:<name>:<actions>`). The
    /// challenge's own scope is not looked at.
    ///
    /// A token that is at hand is used until shortly before its end.
    ///
    /// # Errors
    /// [`TokenError`]; its [kind](TokenError::kind) tells a token server that cannot be reached from one that refuses.
    pub async fn authorization(
        &self,
        asker: &Asker,
        challenge: &BearerChallenge,
        scope: &str,
        credentials: &Credentials,
    ) -> Result<HeaderValue, TokenError> {
        let realm = check_realm(challenge, &asker.server)?;
        let wanted = Wanted {
            realm: realm.to_string(),
            service: challenge.service.clone(),
            scope: scope.to_owned(),
        };
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(wanted).or_default())
        };
        let mut held = slot.lock().await;
        if let Some(held) = held
            .as_ref()
            .filter(|held| Instant::now() < held.good_until)
        {
            return Ok(held.header.clone());
        }
        let client = (asker.clients.0)(&realm).map_err(|source| TokenError::Client {
            realm: realm.to_string(),
            source,
        })?;
        let asked = Instant::now();
        let service = challenge.service.as_deref();
        let token = tokio::time::timeout(
            self.time_limit,
            request::fetch(&client, &realm, service, scope, credentials),
        )
        .await
        .unwrap_or_else(|_| {
            Err(TokenError::TimedOut {
                realm: realm.to_string(),
                limit: self.time_limit,
            })
        })?;
        let margin = (token.lifetime / 10).min(MARGIN);
        let header = token.header;
        *held = Some(Held {
            header: header.clone(),
            good_until: asked + token.lifetime.saturating_sub(margin),
        });
        Ok(header)
    }

    /// Whether this is one of these tokens.
    pub async fn holds(&self, header: &HeaderValue) -> bool {
        for slot in self.slots() {
            let held = slot.lock().await;
            if held.as_ref().is_some_and(|held| held.header == header) {
                return true;
            }
        }
        false
    }

    /// Forgets a token that a server did not accept although it should still be good. `false`: it is none of these.
    pub async fn discard(&self, header: &HeaderValue) -> bool {
        let mut found = false;
        for slot in self.slots() {
            let mut held = slot.lock().await;
            if held.as_ref().is_some_and(|held| held.header == header) {
                *held = None;
                found = true;
            }
        }
        found
    }

    fn slots(&self) -> Vec<Slot> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().cloned().collect()
    }
}

/// The realm, if a password may go there.
fn check_realm(challenge: &BearerChallenge, server: &Url) -> Result<Url, TokenError> {
    let realm = challenge.realm.as_deref().ok_or(TokenError::NoRealm)?;
    let invalid = |reason: &str| TokenError::Realm {
        realm: realm.chars().take(300).collect(),
        reason: reason.to_owned(),
    };
    let mut url = Url::parse(realm).map_err(|error| invalid(&error.to_string()))?;
    if !url.has_host() {
        return Err(invalid("there is no host in it"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("there is a user name or password in it"));
    }
    match url.scheme() {
        "https" => {}
        // What goes from this machine to itself passes nobody.
        "http" if on_this_machine(&url) && on_this_machine(server) => {}
        "http" => return Err(invalid("credentials are not sent without TLS")),
        _ => return Err(invalid("it is no https URL")),
    }
    url.set_fragment(None);
    Ok(url)
}

fn on_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback)
}

/// The scope to ask a registry's token server for: `actions` on `path`.
///
/// The registry's own words count for how it calls the repository's kind (`repository(plugin)`), and for nothing that
/// goes beyond what is asked here: a challenge cannot widen what a token is good for.
#[must_use]
pub fn registry_scope(challenge: &BearerChallenge, path: &str, actions: &str) -> String {
    let kind = challenge
        .scope
        .iter()
        .flat_map(|scopes| scopes.split(' '))
        .filter_map(|scope| {
            let (kind, rest) = scope.split_once(':')?;
            let (name, _) = rest.rsplit_once(':')?;
            (name == path).then_some(kind)
        })
        .find(|kind| is_repository(kind));
    format!("{}:{path}:{actions}", kind.unwrap_or("repository"))
}

/// `repository`, or `repository` with a class of lower-case letters in parentheses.
fn is_repository(kind: &str) -> bool {
    let Some(class) = kind.strip_prefix("repository") else {
        return false;
    };
    class.is_empty()
        || class
            .strip_prefix('(')
            .and_then(|class| class.strip_suffix(')'))
            .is_some_and(|class| {
                !class.is_empty() && class.bytes().all(|byte| byte.is_ascii_lowercase())
            })
}

#[cfg(test)]
mod tests;
