//! The key database of the services: table `private_keys`, each key encrypted for the passphrase that its row names
//! (specification, signer-and-keys section 4).
//!
//! A key that has never signed is *pending*: whoever asks for a new key of the same repository, role and algorithm gets
//! it again, so that requests which lead to nothing make no keys. Its first signature makes it active.

mod rows;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::sqlite::SqlitePool;
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use signet_tuf::{KeyId, KeyKind, PublicKey};

use self::rows::{NewRow, Owner, Row, Rows};
use crate::jwe;
use crate::private::PrivateKey;
use crate::signer::{SignError, Signer};

/// The passphrases of the database, by alias. Asked at each use, so that they may change while the service runs.
pub trait AliasPassphrases: Send + Sync {
    /// The passphrase of an alias; `None` when it is not configured.
    fn passphrase(&self, alias: &str) -> Option<SecretString>;
}

impl<F: Fn(&str) -> Option<SecretString> + Send + Sync> AliasPassphrases for F {
    fn passphrase(&self, alias: &str) -> Option<SecretString> {
        self(alias)
    }
}

/// How a [`KeyDatabase`] works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Alias of the passphrase that new keys are encrypted for; at most 50 characters.
    pub default_alias: String,
    /// Iterations of key derivation for new keys.
    pub iterations: NonZeroU32,
    /// Most iterations that an existing row may ask for.
    pub max_iterations: u32,
    /// How old the note of a key's last use may become before it is renewed.
    pub mark_after: Duration,
    /// How many decrypted keys are kept in memory.
    pub max_open: usize,
}

impl Options {
    /// The defaults, for this alias.
    #[must_use]
    pub fn new(default_alias: impl Into<String>) -> Self {
        Self {
            default_alias: default_alias.into(),
            iterations: jwe::DEFAULT_ITERATIONS,
            max_iterations: jwe::MAX_ITERATIONS,
            mark_after: Duration::from_secs(3600),
            max_open: 10_000,
        }
    }
}

/// What kinds of key the database makes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

impl Algorithm {
    /// The name in the database, in configurations and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// A name that no key can be made for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("algorithm {0} not supported for create key")]
pub struct UnknownAlgorithm(pub String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "ecdsa" => Ok(Self::Ecdsa),
            "ed25519" => Ok(Self::Ed25519),
            other => Err(UnknownAlgorithm(other.to_owned())),
        }
    }
}

/// What a row says about a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredKey {
    /// The public key.
    pub public: PublicKey,
    /// The role that it was made for.
    pub role: String,
    /// The repository that it was made for.
    pub gun: String,
}

/// Why the key database did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The database cannot be reached, or refuses.
    #[error("the key database failed")]
    Database(#[source] sqlx::Error),
    /// The row's public key, its ID and its private key do not belong together.
    #[error("key {id} in the database is not the key that its row says")]
    Inconsistent {
        /// The row's key ID.
        id: KeyId,
    },
    /// The work was given up because the process is ending, or failed inside.
    #[error("the work on a key was interrupted")]
    Interrupted,
    /// A value that does not fit its column.
    #[error("{what} is longer than {max} characters")]
    Long {
        /// Which value.
        what: &'static str,
        /// The column's width.
        max: usize,
    },
    /// No key was made, because there is nothing to encrypt it with.
    #[error("the passphrase of alias {0} is not configured")]
    MissingPassphrase(String),
    /// There is no such key.
    #[error("key {0} not found")]
    NotFound(KeyId),
    /// No key was made.
    #[error("making a key failed: no randomness")]
    Random,
    /// The key did not sign.
    #[error("signing failed")]
    Sign(#[source] SignError),
    /// The key is there and cannot be opened: never a reason to make another one.
    #[error("key {id} with passphrase alias {alias} cannot be decrypted")]
    Undecryptable {
        /// The key.
        id: KeyId,
        /// The alias that its row names.
        alias: String,
        /// Why.
        #[source]
        source: Undecryptable,
    },
}

/// Why a row's private key cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undecryptable {
    /// What was decrypted is no key.
    #[error(transparent)]
    Key(#[from] crate::InvalidPrivateKey),
    /// The alias has no passphrase.
    #[error("the passphrase is not configured")]
    MissingPassphrase,
    /// The token cannot be opened.
    #[error(transparent)]
    Token(#[from] jwe::OpenError),
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Keys in a database.
///
/// Signing writes to the database when it is a key's first time (and once an hour after that). With SQLite it must
/// therefore not be called from within a writing transaction of the same database.
#[derive(Clone)]
pub struct KeyDatabase(Arc<Inner>);

struct Inner {
    rows: Rows,
    options: Options,
    passphrases: Arc<dyn AliasPassphrases>,
    open: Mutex<HashMap<KeyId, Arc<OnceCell<Arc<Opened>>>>>,
    /// One at a time in this process, so that simultaneous requests for one key make one.
    creating: tokio::sync::Mutex<()>,
}

/// A decrypted key.
struct Opened {
    stored: StoredKey,
    key: PrivateKey,
    last_used: Mutex<Option<OffsetDateTime>>,
}

impl KeyDatabase {
    /// Opens the key database behind a pool and makes its table when it is missing.
    ///
    /// # Errors
    /// [`DatabaseError::Database`]; [`DatabaseError::Long`] for an alias that fits no row.
    pub async fn open(
        pool: SqlitePool,
        options: Options,
        passphrases: Arc<dyn AliasPassphrases>,
    ) -> Result<Self, DatabaseError> {
        fits("the passphrase alias", &options.default_alias, 50)?;
        let rows = Rows(pool);
        rows.prepare().await?;
        Ok(Self(Arc::new(Inner {
            rows,
            options,
            passphrases,
            open: Mutex::default(),
            creating: tokio::sync::Mutex::default(),
        })))
    }

    /// A key for this repository and role: the pending one if there is one that decrypts, else a new one.
    ///
    /// GUN and role are compared byte for byte.
    ///
    /// # Errors
    /// [`DatabaseError`]; no key was made then.
    pub async fn create(
        &self,
        algorithm: Algorithm,
        gun: &str,
        role: &str,
        now: OffsetDateTime,
    ) -> Result<PublicKey, DatabaseError> {
        fits("the GUN", gun, 255)?;
        fits("the role", role, 255)?;
        let owner = Owner {
            gun,
            role,
            algorithm: algorithm.as_str(),
        };
        let _creating = self.0.creating.lock().await;
        let mut unusable = Vec::new();
        loop {
            for row in self.0.rows.pending(owner).await? {
                if unusable.contains(&row.key_id) {
                    continue;
                }
                let key_id = row.key_id.clone();
                match self.opened(row).await {
                    Ok(opened) => return Ok(opened.stored.public.clone()),
                    // Go hands these out, and nobody can ever sign with them.
                    Err(
                        DatabaseError::Undecryptable { .. } | DatabaseError::Inconsistent { .. },
                    ) => unusable.push(key_id),
                    Err(error) => return Err(error),
                }
            }
            let (key, token) = self.generate(algorithm).await?;
            let public = key.public().clone();
            let row = NewRow {
                key_id: public.id().as_str(),
                encryption_alg: jwe::ENCRYPTION_ALG,
                keywrap_alg: jwe::KEYWRAP_ALG,
                algorithm: algorithm.as_str(),
                passphrase_alias: &self.0.options.default_alias,
                public: public.public_bytes(),
                private: token.as_bytes(),
                gun,
                role,
            };
            if self.0.rows.insert(&row, &unusable, now).await? {
                self.slot(public.id())
                    .set(Arc::new(Opened {
                        stored: StoredKey {
                            public: public.clone(),
                            role: role.to_owned(),
                            gun: gun.to_owned(),
                        },
                        key,
                        last_used: Mutex::new(None),
                    }))
                    .ok();
                return Ok(public);
            }
            // Another process was faster; its key is the one.
        }
    }

    /// What is known about a key; `None` when there is none of this ID. The key is not opened.
    ///
    /// # Errors
    /// [`DatabaseError::Database`]: whether the key exists is not known then.
    pub async fn info(&self, id: &KeyId) -> Result<Option<StoredKey>, DatabaseError> {
        let Some(row) = self.row(id).await? else {
            return Ok(None);
        };
        let public = PublicKey::new(row.algorithm.as_str().into(), row.public);
        if public.id() != id {
            return Err(DatabaseError::Inconsistent { id: id.clone() });
        }
        Ok(Some(StoredKey {
            public,
            role: row.role,
            gun: row.gun,
        }))
    }

    /// Opens a key, so that it is known to be usable; `None` when there is none of this ID.
    ///
    /// # Errors
    /// [`DatabaseError`]: the key may well exist then, and is never to be replaced by a new one.
    pub async fn load(&self, id: &KeyId) -> Result<Option<StoredKey>, DatabaseError> {
        Ok(self.find(id).await?.map(|opened| opened.stored.clone()))
    }

    /// Signs a document. The key's first signature is returned only after the key is noted as used.
    ///
    /// # Errors
    /// [`DatabaseError::NotFound`] when there is no such key, also when it was deleted since it was opened.
    pub async fn sign(
        &self,
        id: &KeyId,
        message: &[u8],
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, DatabaseError> {
        let opened = self
            .find(id)
            .await?
            .ok_or_else(|| DatabaseError::NotFound(id.clone()))?;
        let signature = opened.key.sign(message).map_err(DatabaseError::Sign)?;
        let last_used = *opened
            .last_used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_recent =
            |used: OffsetDateTime| (now - used).unsigned_abs() < self.0.options.mark_after;
        if last_used.is_some_and(is_recent) {
            return Ok(signature);
        }
        match self.0.rows.mark(id.as_str(), now).await {
            Ok(true) => {
                *opened
                    .last_used
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(now);
            }
            Ok(false) => {
                self.forget(id);
                return Err(DatabaseError::NotFound(id.clone()));
            }
            // Of an active key only the date of its use gets lost; it goes on signing while the database is away.
            Err(_) if last_used.is_some() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(signature)
    }

    /// Whether the table is there and readable, for health reports.
    ///
    /// # Errors
    /// [`DatabaseError::Database`].
    pub async fn check(&self) -> Result<(), DatabaseError> {
        Ok(self.0.rows.check().await?)
    }

    async fn row(&self, id: &KeyId) -> Result<Option<Row>, DatabaseError> {
        // Metadata may hold any text as an ID; such a one is in no row.
        if id.as_str().parse::<KeyId>().is_err() {
            return Ok(None);
        }
        Ok(self.0.rows.load(id.as_str()).await?)
    }

    async fn find(&self, id: &KeyId) -> Result<Option<Arc<Opened>>, DatabaseError> {
        let known = {
            let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.get(id).and_then(|slot| slot.get().cloned())
        };
        if known.is_some() {
            return Ok(known);
        }
        match self.row(id).await? {
            Some(row) => self.opened(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The key of a row, decrypted once however many ask for it at the same time.
    async fn opened(&self, row: Row) -> Result<Arc<Opened>, DatabaseError> {
        let id: KeyId = row
            .key_id
            .parse()
            .map_err(|_| DatabaseError::Inconsistent {
                id: PublicKey::new(row.algorithm.as_str().into(), row.public.as_slice())
                    .id()
                    .clone(),
            })?;
        let opened = self
            .slot(&id)
            .get_or_try_init(|| self.decrypt(id.clone(), row))
            .await
            .cloned();
        if opened.is_err() {
            self.forget(&id);
        }
        opened
    }

    async fn decrypt(&self, id: KeyId, row: Row) -> Result<Arc<Opened>, DatabaseError> {
        let undecryptable = |id: KeyId, alias: &str, source| DatabaseError::Undecryptable {
            id,
            alias: alias.to_owned(),
            source,
        };
        let Some(passphrase) = self.0.passphrases.passphrase(&row.passphrase_alias) else {
            let source = Undecryptable::MissingPassphrase;
            return Err(undecryptable(id, &row.passphrase_alias, source));
        };
        let max = self.0.options.max_iterations;
        tokio::task::spawn_blocking(move || {
            let alias = row.passphrase_alias.as_str();
            let kind = KeyKind::from(row.algorithm.as_str());
            let key = jwe::open(&row.private, passphrase.expose_secret().as_bytes(), max)
                .map_err(Undecryptable::from)
                .and_then(|plain| Ok(PrivateKey::from_private_bytes(&kind, &plain)?))
                .map_err(|source| undecryptable(id.clone(), alias, source))?;
            let public = key.public();
            if public.public_bytes() != row.public || *public.id() != id {
                return Err(DatabaseError::Inconsistent { id });
            }
            Ok(Arc::new(Opened {
                stored: StoredKey {
                    public: public.clone(),
                    role: row.role,
                    gun: row.gun,
                },
                key,
                last_used: Mutex::new(row.last_used),
            }))
        })
        .await
        .map_err(|_| DatabaseError::Interrupted)?
    }

    async fn generate(&self, algorithm: Algorithm) -> Result<(PrivateKey, String), DatabaseError> {
        let alias = &self.0.options.default_alias;
        let passphrase = self
            .0
            .passphrases
            .passphrase(alias)
            .ok_or_else(|| DatabaseError::MissingPassphrase(alias.clone()))?;
        let iterations = self.0.options.iterations;
        tokio::task::spawn_blocking(move || {
            let key = match algorithm {
                Algorithm::Ecdsa => PrivateKey::generate_ecdsa(),
                Algorithm::Ed25519 => PrivateKey::generate_ed25519(),
            }
            .map_err(|_| DatabaseError::Random)?;
            let passphrase = passphrase.expose_secret().as_bytes();
            let token = jwe::seal(key.private_bytes(), passphrase, iterations)
                .map_err(|_| DatabaseError::Random)?;
            Ok((key, token))
        })
        .await
        .map_err(|_| DatabaseError::Interrupted)?
    }

    /// The place of an opened key.
    fn slot(&self, id: &KeyId) -> Arc<OnceCell<Arc<Opened>>> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = open.get(id) {
            return slot.clone();
        }
        // Some other key goes; it will be decrypted again when it is needed.
        if open.len() >= self.0.options.max_open.max(1)
            && let Some(other) = open.keys().next().cloned()
        {
            open.remove(&other);
        }
        open.entry(id.clone()).or_default().clone()
    }

    fn forget(&self, id: &KeyId) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(id);
    }
}

impl fmt::Debug for KeyDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyDatabase")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

fn fits(what: &'static str, text: &str, max: usize) -> Result<(), DatabaseError> {
    if text.chars().count() > max {
        Err(DatabaseError::Long { what, max })
    } else {
        Ok(())
    }
}
