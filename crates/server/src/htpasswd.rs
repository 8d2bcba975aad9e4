//! Who may do what, for small teams: names and passwords in a file, and rules by name of repository.
//!
//! The file is one of Apache's `htpasswd` with bcrypt hashes, as registries take it. What it does not list and no rule allows is
//! refused.
//!
//! * `users` reads the file;
//! * `rules` says what each user may do;
//! * `throttle` slows down who guesses;
//! * `waiting` bounds how many passwords wait to be checked.

mod rules;
mod throttle;
mod users;
mod waiting;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use moka::sync::Cache;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use throttle::Throttle;
pub(crate) use throttle::network;
use users::{Stamp, Users};
use waiting::Waiting;

pub use rules::{InvalidRule, Right, Rule, Rules, Who};
pub use users::{InvalidUsers, MAX_COST, MIN_COST};

/// How many verified logins are remembered, and how long.
const REMEMBERED: u64 = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(300);

/// Authentication by name and password.
pub struct Htpasswd {
    realm: String,
    path: PathBuf,
    users: RwLock<Arc<Users>>,
    rules: Rules,
    /// Of this process alone: what is kept in memory about passwords cannot be looked up in any table.
    secret: hmac::Key,
    /// By a digest of name, stored hash and password: an entry means nothing once the file has another hash.
    verified: Cache<[u8; 32], ()>,
    /// By name and network.
    names: Throttle,
    /// By network.
    networks: Throttle,
    slots: Arc<Semaphore>,
    waiting: Waiting,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Htpasswd")
            .field("realm", &self.realm)
            .field("path", &self.path)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Why a server has no authentication by name and password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HtpasswdError {
    /// The file cannot be used.
    #[error("htpasswd file {path:?}: {fault}")]
    Users {
        /// Its name.
        path: PathBuf,
        /// Why.
        fault: InvalidUsers,
    },
    /// A rule names somebody who is not in the file, or cannot be.
    #[error("htpasswd file {path:?}: the user name {name:?} has a meaning of its own in rules")]
    Reserved {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// The system gives no random numbers.
    #[error("there are no random numbers")]
    Random,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Login {
    /// The password is that of the user.
    Verified,
    /// There is no such user, or the password is another.
    Wrong,
    /// Too many wrong passwords came for this name from this address.
    Throttled(Duration),
    /// Too many wrong passwords came from this address, whatever the names.
    Flooded(Duration),
    /// Too many passwords are being checked.
    Busy,
}

/// How the memory of verified logins does.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheFigures {
    /// Logins that had been verified before.
    pub hits: u64,
    /// Logins whose password was checked.
    pub misses: u64,
    /// Logins that are remembered now.
    pub entries: u64,
}

impl Htpasswd {
    /// Reads the file. Blocks.
    ///
    /// # Errors
    /// [`HtpasswdError`] when it cannot be used: nothing is passed over.
    pub fn open(realm: String, path: PathBuf, rules: Rules) -> Result<Self, HtpasswdError> {
        let users = load(&path)?;
        for name in rules.named() {
            if !users.contains(name) {
                tracing::warn!(
                    "a rule of auth.options.rules is for the user {name:?}, whom {path:?} does not have"
                );
            }
        }
        let mut secret = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *secret).map_err(|_| HtpasswdError::Random)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            realm,
            path,
            users: RwLock::new(Arc::new(users)),
            rules,
            secret: hmac::Key::new(hmac::HMAC_SHA256, &*secret),
            verified: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(REMEMBERED_FOR)
                .build(),
            names: Throttle::new(throttle::NAME),
            networks: Throttle::new(throttle::NETWORK),
            // Half of the processors: requests of others go on.
            slots: Arc::new(Semaphore::new((processors / 2).max(1))),
            waiting: Waiting::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// What clients show to people who are asked for a password.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Reads the file again if it is another than before. Blocks. Says whether it was read.
    ///
    /// # Errors
    /// [`HtpasswdError`] when it cannot be used; what was read before stays in use then.
    pub fn reload(&self) -> Result<bool, HtpasswdError> {
        let stamp = Stamp::of(&self.path).ok();
        if stamp.is_some() && stamp == self.users().stamp() {
            return Ok(false);
        }
        let users = Arc::new(load(&self.path)?);
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users;
        Ok(true)
    }

    /// How the memory of verified logins does.
    #[must_use]
    pub fn cache(&self) -> CacheFigures {
        CacheFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.verified.entry_count(),
        }
    }

    fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks a login that came from `address`.
    pub(crate) async fn verify(&self, login: &Credentials, address: Option<IpAddr>) -> Login {
        let users = self.users();
        let hash = users.hash(&login.user);
        let seen = hash.map(|hash| self.digest(&[&login.user, hash, &login.password]));
        let is_known = || seen.is_some_and(|seen| self.verified.contains_key(&seen));
        if is_known() {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Login::Verified;
        }
        let origin = address.map_or_else(String::new, network);
        let (guesser, network) = (
            self.digest(&[&login.user, &origin]),
            self.digest(&[&origin]),
        );
        let throttled = || {
            let now = Instant::now();
            let name = self.names.wait(&guesser, now).map(Login::Throttled);
            name.or_else(|| self.networks.wait(&network, now).map(Login::Flooded))
        };
        if let Some(refusal) = throttled() {
            return refusal;
        }
        let Some(_place) = self.waiting.enter(network) else {
            return Login::Busy;
        };
        // Never closed.
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
            return Login::Busy;
        };
        // Of the requests of one command that came together, the first has done the work. And of guesses that came together, no more are
        // checked than one after the other.
        if is_known() {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Login::Verified;
        }
        if let Some(refusal) = throttled() {
            return refusal;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        // Somebody else's hash for who is not in the file: the time tells nobody who is.
        let chance = self.digest(&[&login.user]);
        let checked = hash.unwrap_or_else(|| users.stand_in(chance)).to_owned();
        let password = login.password.clone();
        let fits = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            bcrypt::verify(password.as_bytes(), &checked).unwrap_or(false)
        });
        let fits = fits.await.unwrap_or(false);
        match seen.filter(|_| fits) {
            Some(seen) => {
                self.verified.insert(seen, ());
                Login::Verified
            }
            None => {
                let now = Instant::now();
                self.names.count(guesser, now);
                self.networks.count(network, now);
                Login::Wrong
            }
        }
    }

    /// A digest of texts, each apart from the next.
    fn digest(&self, texts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.secret);
        for text in texts {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        digest
    }
}

/// Reads a file and refuses names that rules understand otherwise.
fn load(path: &Path) -> Result<Users, HtpasswdError> {
    let users = Users::read(path).map_err(|fault| HtpasswdError::Users {
        path: path.to_owned(),
        fault,
    })?;
    for name in [rules::EVERYBODY, rules::ANONYMOUS] {
        if users.contains(name) {
            return Err(HtpasswdError::Reserved {
                path: path.to_owned(),
                name: name.to_owned(),
            });
        }
    }
    Ok(users)
}

/// A name and a password as a request brought them.
pub(crate) struct Credentials {
    pub(crate) user: String,
    password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Longest header of a login, in bytes.
const MAX_LOGIN: usize = 4096;

impl Credentials {
    /// Reads the part of an `Authorization` header after `Basic`.
    pub(crate) fn parse(encoded: &str) -> Option<Self> {
        if encoded.len() > MAX_LOGIN {
            return None;
        }
        let decoded = data_encoding::BASE64
            .decode(encoded.trim().as_bytes())
            .ok()?;
        let decoded = Zeroizing::new(decoded);
        let text = std::str::from_utf8(&decoded).ok()?;
        let (user, password) = text.split_once(':')?;
        // Hashes end at a NUL, whatever comes behind it.
        let is_plain = !user.is_empty() && !user.chars().any(char::is_control);
        (is_plain && !password.contains('\0')).then(|| Self {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        })
    }
}

/// A line for the file: the user and a bcrypt hash of the password. Slow on purpose.
///
/// # Errors
/// [`InvalidPassword`].
pub fn line(user: &str, password: &str) -> Result<String, InvalidPassword> {
    if !users::is_name(user) || [rules::EVERYBODY, rules::ANONYMOUS].contains(&user) {
        return Err(InvalidPassword::User);
    }
    hashed(password).map(|hash| format!("{user}:{hash}"))
}

/// A bcrypt hash of the password. Slow on purpose.
///
/// # Errors
/// [`InvalidPassword`].
pub fn hashed(password: &str) -> Result<String, InvalidPassword> {
    match password {
        "" => Err(InvalidPassword::Empty),
        text if text.len() > MAX_PASSWORD => Err(InvalidPassword::Long),
        text if text.contains(['\0', '\n', '\r']) => Err(InvalidPassword::Character),
        text => {
            let parts = bcrypt::hash_with_result(text.as_bytes(), COST);
            let parts = parts.map_err(|error| InvalidPassword::Random(io::Error::other(error)))?;
            // The form that every program knows.
            Ok(parts.format_for_version(bcrypt::Version::TwoY))
        }
    }
}

/// As long as bcrypt looks at passwords, in bytes.
const MAX_PASSWORD: usize = 72;
/// About a quarter of a second.
const COST: u32 = 12;

/// What cannot be written into the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPassword {
    /// A line break or a NUL.
    #[error("the password has a line break or a NUL in it")]
    Character,
    /// Nothing at all.
    #[error("the password is empty")]
    Empty,
    /// More than is looked at.
    #[error("the password has more than 72 bytes, and bcrypt looks at no more")]
    Long,
    /// The system gives no random numbers.
    #[error("there are no random numbers")]
    Random(#[source] io::Error),
    /// No name.
    #[error(
        "the user name must be 1 to 255 bytes without \":\" and control characters, and neither \"*\" nor \"anonymous\""
    )]
    User,
}

#[cfg(test)]
mod tests;
