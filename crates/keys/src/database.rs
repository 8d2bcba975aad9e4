//! The key database of the services: table `private_keys`, each key encrypted for the passphrase that its row names
//! (specification, signer-and-keys section 4).
//!
//! A key that has never signed is *pending*: whoever asks for a new key of the same repository, role and algorithm gets
//! it again, so that requests which lead to nothing make no keys. Its first signature makes it active.
//!
//! [`KeyDatabase`] is the table on SQLite, PostgreSQL, MySQL or MariaDB, with the schema and the rows of Go's signer:
//! both may use one table, also at the same time. [`MemoryKeys`] are keys that go with the process, and [`ServiceKeys`]
//! is either, for a service that can be configured for both.

mod error;
mod memory;
mod opened;
mod rotation;
mod rows;
mod schema;
mod sealed;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use signet_sql::Database;
use time::OffsetDateTime;

use signet_tuf::{KeyId, PublicKey};

pub use self::error::{DatabaseError, Undecryptable};
pub use self::memory::{MemoryKeys, ServiceKeys};
use self::opened::{OpenKeys, Opened};
pub use self::rotation::{Rotation, Walk};
use self::rows::{NewRow, Owner, Row, Rows};
pub use self::schema::{MigrateError, Step, migrate, migrate_beside_documents};
use self::sealed::Seals;
use crate::jwe;
use crate::private::PrivateKey;
use crate::signer::Signer;

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
    /// How long a key that is open in memory signs without asking whether it is still there: so long it may sign on after
    /// another process has deleted it.
    pub check_after: Duration,
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
            check_after: Duration::from_secs(60),
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

impl Algorithm {
    fn generate(self) -> Result<PrivateKey, DatabaseError> {
        match self {
            Self::Ecdsa => PrivateKey::generate_ecdsa(),
            Self::Ed25519 => PrivateKey::generate_ed25519(),
        }
        .map_err(|_| DatabaseError::Random)
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

/// A signature, and the key that made it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signed {
    /// The key.
    pub key: Arc<StoredKey>,
    /// The signature, by the method that [`signet_tuf::KeyKind::signature_method`] names for the key.
    pub signature: Vec<u8>,
}

/// Keys in a database.
///
/// Signing writes to the database when it is a key's first time (and once an hour after that), and reads it when it has
/// not been asked for a minute whether the key is still there ([`Options::check_after`]). A key that another process has
/// deleted therefore signs for at most a minute longer. While the database is out of reach, active keys that are open in
/// memory go on signing, for an hour after the database last confirmed them; everything else fails, with an error of
/// which [`DatabaseError::is_unavailable`] holds.
///
/// With SQLite it must not be called from within a writing transaction of the same database.
#[derive(Clone)]
pub struct KeyDatabase(Arc<Inner>);

struct Inner {
    rows: Rows,
    options: Options,
    passphrases: Arc<dyn AliasPassphrases>,
    open: OpenKeys,
    seals: Seals,
    /// One at a time in this process for each owner, so that simultaneous requests for one key make one.
    creating: [tokio::sync::Mutex<()>; 16],
}

impl KeyDatabase {
    /// The key database behind these connections. In an SQLite file the table is made when it is missing; elsewhere
    /// nothing is asked of the database yet.
    ///
    /// # Errors
    /// [`DatabaseError::Database`]; [`DatabaseError::Long`] for an alias that fits no row.
    pub async fn open(
        database: Database,
        options: Options,
        passphrases: Arc<dyn AliasPassphrases>,
    ) -> Result<Self, DatabaseError> {
        fits("the passphrase alias", &options.default_alias, 50)?;
        if let Database::Sqlite(pool) = &database {
            schema::make_in_sqlite(pool).await?;
        }
        Ok(Self::of_table(database, options, passphrases))
    }

    /// The key database behind these connections, whose table is there. Nothing is asked of it, and nothing is made: also for connections
    /// that only read.
    #[must_use]
    pub fn of_table(
        database: Database,
        options: Options,
        passphrases: Arc<dyn AliasPassphrases>,
    ) -> Self {
        Self(Arc::new(Inner {
            rows: Rows::new(database),
            open: OpenKeys::new(options.max_open),
            seals: Seals::new(&options),
            options,
            passphrases,
            creating: Default::default(),
        }))
    }

    /// A key for this repository and role: the pending one if there is one that decrypts, else a new one.
    ///
    /// GUN and role are compared byte for byte. Of several processes that ask for one key at the same time, one makes it.
    ///
    /// # Errors
    /// [`DatabaseError`]; no key was made then, or none that is known.
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
        let _creating = self.turn(owner).await?;
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
            let key = algorithm.generate()?;
            let token = self.encrypt(&key, &self.0.options.default_alias).await?;
            let public = key.public().clone();
            let row = NewRow {
                key_id: public.id().as_str(),
                encryption_alg: jwe::ENCRYPTION_ALG,
                keywrap_alg: jwe::KEYWRAP_ALG,
                passphrase_alias: &self.0.options.default_alias,
                public: public.public_bytes(),
                private: token.as_bytes(),
                owner,
            };
            if self.0.rows.insert(&row, &unusable, now).await? {
                let stored = Arc::new(StoredKey {
                    public: public.clone(),
                    role: role.to_owned(),
                    gun: gun.to_owned(),
                });
                let opened = Arc::new(Opened::new(stored, key, None));
                self.0.open.slot(public.id()).set(opened).ok();
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
    pub async fn load(
        &self,
        id: &KeyId,
        now: OffsetDateTime,
    ) -> Result<Option<Arc<StoredKey>>, DatabaseError> {
        Ok(self
            .find(id, now)
            .await?
            .map(|opened| Arc::clone(&opened.stored)))
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
    ) -> Result<Signed, DatabaseError> {
        let opened = self
            .find(id, now)
            .await?
            .ok_or_else(|| DatabaseError::NotFound(id.clone()))?;
        let signed = Signed {
            signature: opened.key.sign(message).map_err(DatabaseError::Sign)?,
            key: Arc::clone(&opened.stored),
        };
        let last_used = opened.last_used();
        let is_recent =
            |used: OffsetDateTime| (now - used).unsigned_abs() < self.0.options.mark_after;
        if last_used.is_some_and(is_recent) {
            return Ok(signed);
        }
        match self.0.rows.mark(id.as_str(), now).await {
            Ok(true) => {
                opened.is_live(now);
                opened.is_used(now);
            }
            Ok(false) => {
                self.0.open.forget(id);
                return Err(DatabaseError::NotFound(id.clone()));
            }
            // Of an active key only the date of its use gets lost; it goes on signing while the database is away.
            Err(error) if last_used.is_some() => {
                self.outlive(&opened, id, error.into(), now)?;
                opened.is_used(now - self.0.options.mark_after + ASK_AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(signed)
    }

    /// Deletes a key, as Go does: its row stays, marked. Says whether there was one; that there was none is no error.
    ///
    /// # Errors
    /// [`DatabaseError::Database`]: the key may still be there.
    pub async fn delete(&self, id: &KeyId, now: OffsetDateTime) -> Result<bool, DatabaseError> {
        if !is_id(id) {
            return Ok(false);
        }
        let deleted = self.0.rows.delete(id.as_str(), now).await;
        self.0.open.forget(id);
        Ok(deleted?)
    }

    /// Whether the table is there and readable, for health reports.
    ///
    /// # Errors
    /// [`DatabaseError::Database`].
    pub async fn check(&self) -> Result<(), DatabaseError> {
        Ok(self.0.rows.check().await?)
    }

    /// Whether the database has the table.
    ///
    /// # Errors
    /// [`DatabaseError::Database`].
    pub async fn is_there(database: &Database) -> Result<bool, DatabaseError> {
        Ok(Rows::new(database.clone()).has_table().await?)
    }

    /// The newest key whose row names this passphrase alias, for a look at the start whether the passphrase is the right
    /// one; `None` also when there is no table yet.
    ///
    /// # Errors
    /// [`DatabaseError::Database`].
    pub async fn newest(database: &Database, alias: &str) -> Result<Option<KeyId>, DatabaseError> {
        let rows = Rows::new(database.clone());
        if !rows.has_table().await? {
            return Ok(None);
        }
        Ok(rows.newest(alias).await?.and_then(|id| id.parse().ok()))
    }

    /// The passphrase aliases that keys name, in order, at most 1000: all of them must be configured.
    ///
    /// # Errors
    /// [`DatabaseError::Database`].
    pub async fn aliases(&self) -> Result<Vec<String>, DatabaseError> {
        Ok(self.0.rows.aliases().await?)
    }

    /// The database that the keys are in.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.0.rows.database()
    }

    async fn turn(
        &self,
        owner: Owner<'_>,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, DatabaseError> {
        let index = usize::from(owner.lock().to_be_bytes()[7] % 16);
        let turn = self.0.creating.get(index);
        let turn = turn.ok_or(DatabaseError::Interrupted)?;
        tokio::time::timeout(TURN, turn.lock())
            .await
            .map_err(|_| DatabaseError::Interrupted)
    }

    async fn row(&self, id: &KeyId) -> Result<Option<Row>, DatabaseError> {
        // Metadata may hold any text as an ID; such a one is in no row.
        if !is_id(id) {
            return Ok(None);
        }
        Ok(self.0.rows.load(id.as_str()).await?)
    }

    async fn find(
        &self,
        id: &KeyId,
        now: OffsetDateTime,
    ) -> Result<Option<Arc<Opened>>, DatabaseError> {
        if let Some(known) = self.0.open.get(id) {
            if known.was_live(now, self.0.options.check_after) {
                return Ok(Some(known));
            }
            match self.0.rows.is_live(id.as_str()).await {
                Ok(true) => known.is_live(now),
                Ok(false) => {
                    self.0.open.forget(id);
                    return Ok(None);
                }
                // It goes on signing while the database is away, and nobody waits for that each time. Whether a key may
                // sign for the first time, marking its use decides.
                Err(error) => {
                    self.outlive(&known, id, error.into(), now)?;
                    known.is_taken_for_live(now - self.0.options.check_after + ASK_AGAIN);
                }
            }
            return Ok(Some(known));
        }
        let Some(row) = self.row(id).await? else {
            return Ok(None);
        };
        let opened = self.opened(row).await?;
        opened.is_live(now);
        Ok(Some(opened))
    }

    /// Lets an open key sign on although the database failed: only when it is out of reach, and not for long. Any other
    /// error, such as a table that is gone or a right that was taken away, may well mean that the key is not to be used.
    fn outlive(
        &self,
        known: &Opened,
        id: &KeyId,
        error: DatabaseError,
        now: OffsetDateTime,
    ) -> Result<(), DatabaseError> {
        if error.is_unavailable() && known.was_confirmed(now, MAX_AWAY) {
            return Ok(());
        }
        self.0.open.forget(id);
        Err(error)
    }

    /// The key of a row, decrypted once however many ask for it at the same time.
    async fn opened(&self, row: Row) -> Result<Arc<Opened>, DatabaseError> {
        let id = row.id();
        let slot = self.0.open.slot(&id);
        let opened = slot
            .get_or_try_init(|| async {
                let last_used = row.last_used;
                let (stored, key) = self.decrypt(row).await?;
                Ok(Arc::new(Opened::new(Arc::new(stored), key, last_used)))
            })
            .await
            .cloned();
        if opened.is_err() {
            self.0.open.forget(&id);
        }
        opened
    }

    /// The private key of a row, which is the one that the row says.
    async fn decrypt(&self, row: Row) -> Result<(StoredKey, PrivateKey), DatabaseError> {
        let id = row.id();
        if id.as_str() != row.key_id {
            return Err(DatabaseError::Inconsistent { id });
        }
        match self.0.passphrases.passphrase(&row.passphrase_alias) {
            Some(passphrase) => self.0.seals.open(row, passphrase).await,
            None => Err(DatabaseError::Undecryptable {
                id,
                alias: row.passphrase_alias,
                source: Undecryptable::MissingPassphrase,
            }),
        }
    }

    /// The private key as a row holds it, for the passphrase of an alias.
    async fn encrypt(&self, key: &PrivateKey, alias: &str) -> Result<String, DatabaseError> {
        let passphrase = self
            .0
            .passphrases
            .passphrase(alias)
            .ok_or_else(|| DatabaseError::MissingPassphrase(alias.to_owned()))?;
        self.0.seals.seal(key, passphrase, &self.0.options).await
    }
}

impl fmt::Debug for KeyDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyDatabase")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

fn is_id(id: &KeyId) -> bool {
    id.as_str().parse::<KeyId>().is_ok()
}

fn fits(what: &'static str, text: &str, max: usize) -> Result<(), DatabaseError> {
    if text.chars().count() > max {
        Err(DatabaseError::Long { what, max })
    } else {
        Ok(())
    }
}

/// How long a database that did not answer about an open key is left alone.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long after the database last confirmed an open key it signs on without it.
const MAX_AWAY: Duration = Duration::from_secs(3600);
/// How long one that wants to make a key waits for others.
const TURN: Duration = Duration::from_secs(10);
