//! Private keys as rows hold them: encrypted, and decrypted at a cost that nobody can multiply.
//!
//! Each passphrase is stretched for every key anew, which takes a processor for milliseconds, or as long as a row asks for.
//! There are therefore only as many derivations at a time as there are processors, and a row that could not be decrypted is
//! not tried again for a while: else everybody who names its key has the service do that work for nothing.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use signet_tuf::{KeyId, KeyKind, crypto};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::rows::Row;
use super::{DatabaseError, Options, StoredKey, Undecryptable};
use crate::jwe;
use crate::private::PrivateKey;
use crate::signer::Signer;

/// Decrypts and encrypts the keys of one database.
pub(super) struct Seals {
    derivations: Arc<Semaphore>,
    /// Rows that could not be decrypted a short while ago.
    refused: Cache<Fingerprint, Arc<Refused>>,
    max_iterations: u32,
}

/// A key, and what its row holds.
type Fingerprint = (KeyId, [u8; 32]);

/// Why a row could not be decrypted with this passphrase.
struct Refused {
    passphrase: SecretString,
    fault: Fault,
}

/// Why a row is not the key that it should be.
#[derive(Clone)]
enum Fault {
    Inconsistent,
    Undecryptable(Undecryptable),
}

impl Fault {
    fn of(self, id: KeyId, alias: String) -> DatabaseError {
        match self {
            Self::Inconsistent => DatabaseError::Inconsistent { id },
            Self::Undecryptable(source) => DatabaseError::Undecryptable { id, alias, source },
        }
    }
}

impl Seals {
    pub(super) fn new(options: &Options) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            derivations: Arc::new(Semaphore::new(processors)),
            refused: Cache::builder()
                .max_capacity(MOST_REFUSED)
                .time_to_live(REFUSED_FOR)
                .build(),
            max_iterations: options.max_iterations,
        }
    }

    /// The private key of a row, which is the one that the row says.
    pub(super) async fn open(
        &self,
        row: Row,
        passphrase: SecretString,
    ) -> Result<(StoredKey, PrivateKey), DatabaseError> {
        let id = row.id();
        let fingerprint = (id.clone(), digest(&row));
        let max = self.max_iterations;
        let remembered = {
            let (refused, fingerprint) = (self.refused.clone(), fingerprint.clone());
            move |passphrase: &SecretString| {
                let known = refused.get(&fingerprint)?;
                let same = known.passphrase.expose_secret() == passphrase.expose_secret();
                same.then(|| known.fault.clone())
            }
        };
        let refused = self.refused.clone();
        // Before others are waited for; and after that, because they may have tried the same.
        if let Some(fault) = remembered(&passphrase) {
            return Err(fault.of(id, row.passphrase_alias));
        }
        self.derive(move || {
            let opened = match remembered(&passphrase) {
                Some(fault) => Err(fault),
                None => decrypt(&row, &passphrase, max).inspect_err(|fault| {
                    let fault = fault.clone();
                    refused.insert(fingerprint, Arc::new(Refused { passphrase, fault }));
                }),
            };
            match opened {
                Ok(key) => {
                    let stored = StoredKey {
                        public: key.public().clone(),
                        role: row.role,
                        gun: row.gun,
                    };
                    Ok((stored, key))
                }
                Err(fault) => Err(fault.of(id, row.passphrase_alias)),
            }
        })
        .await?
    }

    /// A private key as a row holds it.
    pub(super) async fn seal(
        &self,
        key: &PrivateKey,
        passphrase: SecretString,
        options: &Options,
    ) -> Result<String, DatabaseError> {
        let iterations = options.iterations;
        let plain = Zeroizing::new(key.private_bytes().to_vec());
        self.derive(move || {
            let passphrase = passphrase.expose_secret().as_bytes();
            jwe::seal(&plain, passphrase, iterations).map_err(|_| DatabaseError::Random)
        })
        .await?
    }

    /// Does work that takes a processor, when there is one for it. Work that has begun is one of those at a time until it ends,
    /// also when nobody waits for it any more.
    async fn derive<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let turn = Arc::clone(&self.derivations).acquire_owned().await;
        let turn = turn.map_err(|_| DatabaseError::Interrupted)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
        .await
        .map_err(|_| DatabaseError::Interrupted)
    }
}

fn decrypt(row: &Row, passphrase: &SecretString, max_iterations: u32) -> Result<PrivateKey, Fault> {
    let kind = KeyKind::from(row.algorithm.as_str());
    let passphrase = passphrase.expose_secret().as_bytes();
    let key = jwe::open(&row.private, passphrase, max_iterations)
        .map_err(Undecryptable::from)
        .and_then(|plain| Ok(PrivateKey::from_private_bytes(&kind, &plain)?))
        .map_err(Fault::Undecryptable)?;
    let public = key.public();
    if public.public_bytes() == row.public && public.id().as_str() == row.key_id {
        Ok(key)
    } else {
        Err(Fault::Inconsistent)
    }
}

/// What a row holds, as far as it decides whether it can be decrypted.
fn digest(row: &Row) -> [u8; 32] {
    let parts = [
        row.algorithm.as_bytes(),
        row.passphrase_alias.as_bytes(),
        &row.public,
        &row.private,
    ];
    // Of digests, whose length is known, so that no two rows run together to the same.
    let digests = parts.map(crypto::sha256);
    crypto::sha256(digests.as_flattened())
}

/// How long a row that could not be decrypted is not tried again, unless it or its passphrase changes.
const REFUSED_FOR: Duration = Duration::from_secs(30);
const MOST_REFUSED: u64 = 1000;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a17_there_are_no_more_derivations_at_a_time_than_processors() {
        let seals = Arc::new(Seals::new(&Options::new("x")));
        let most = seals.derivations.available_permits();
        let (running, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut works = JoinSet::new();
        for _ in 0..4 * most {
            let (seals, running, seen) = (seals.clone(), running.clone(), seen.clone());
            works.spawn(async move {
                let work = move || {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    seen.fetch_max(now, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(10));
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                seals.derive(work).await.unwrap();
            });
        }
        works.join_all().await;
        assert_eq!(seen.load(Ordering::SeqCst), most);
    }
}
