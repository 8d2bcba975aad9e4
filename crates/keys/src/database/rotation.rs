//! Keys that are encrypted for another passphrase, and the look whether every key can be used.

use signet_tuf::KeyId;
use time::OffsetDateTime;

use super::rows::{Reencrypted, Row};
use super::{DatabaseError, KeyDatabase, fits};

/// How far a walk over all keys has come, or what it did.
#[derive(Debug, Default)]
pub struct Walk {
    /// Keys that were looked at; deleted ones never are.
    pub keys: u64,
    /// Keys that are encrypted for the new passphrase now, or would be in a dry run.
    pub rotated: u64,
    /// Keys that another process changed or deleted meanwhile: another run sees to them.
    pub changed: u64,
    /// How many keys cannot be used.
    pub failed: u64,
    /// The first of those, and why.
    pub failures: Vec<(KeyId, DatabaseError)>,
}

impl Walk {
    fn fail(&mut self, id: KeyId, error: DatabaseError) {
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push((id, error));
        }
    }
}

/// What a rotation of passphrases is to do.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// The alias whose passphrase keys are to be encrypted for.
    pub alias: &'a str,
    /// Decrypts and encrypts every key, and writes nothing.
    pub dry_run: bool,
    /// What rows record as the time of their change.
    pub now: OffsetDateTime,
}

impl KeyDatabase {
    /// Encrypts every key that is not deleted for the passphrase of another alias.
    ///
    /// Each row is changed in a transaction of its own and only while it holds what was read, so that a rotation may be
    /// interrupted and run again, and services may use the keys meanwhile: they need both passphrases until it is done.
    /// A key that cannot be decrypted stays as it is and is counted. Rows of deleted keys keep their passphrase.
    ///
    /// `progress` is told now and then.
    ///
    /// # Errors
    /// [`DatabaseError::MissingPassphrase`] when the new alias has none: nothing was changed then.
    /// [`DatabaseError::Database`] when the database fails: keys before that are rotated.
    pub async fn rotate_alias(
        &self,
        rotation: Rotation<'_>,
        progress: &mut (dyn FnMut(&Walk) + Send),
    ) -> Result<Walk, DatabaseError> {
        fits("the passphrase alias", rotation.alias, 50)?;
        if self.0.passphrases.passphrase(rotation.alias).is_none() {
            let alias = rotation.alias.to_owned();
            return Err(DatabaseError::MissingPassphrase(alias));
        }
        self.walk(Some(rotation), progress).await
    }

    /// Decrypts every key that is not deleted, and sees that it is the one that its row says.
    ///
    /// `progress` is told now and then.
    ///
    /// # Errors
    /// [`DatabaseError::Database`].
    pub async fn verify(
        &self,
        progress: &mut (dyn FnMut(&Walk) + Send),
    ) -> Result<Walk, DatabaseError> {
        self.walk(None, progress).await
    }

    async fn walk(
        &self,
        rotation: Option<Rotation<'_>>,
        progress: &mut (dyn FnMut(&Walk) + Send),
    ) -> Result<Walk, DatabaseError> {
        let mut walk = Walk::default();
        let mut after = i64::MIN;
        loop {
            let rows = self.0.rows.walk(after, BATCH).await?;
            let Some(last) = rows.last() else {
                return Ok(walk);
            };
            after = last.id;
            for row in rows {
                walk.keys += 1;
                match rotation {
                    Some(rotation) if row.passphrase_alias == rotation.alias => {}
                    Some(rotation) => self.rotate(row, rotation, &mut walk).await?,
                    None => {
                        let id = row.id();
                        if let Err(error) = self.decrypt(row).await {
                            walk.fail(id, fault(error)?);
                        }
                    }
                }
            }
            progress(&walk);
        }
    }

    async fn rotate(
        &self,
        row: Row,
        rotation: Rotation<'_>,
        walk: &mut Walk,
    ) -> Result<(), DatabaseError> {
        let (id, number, before) = (row.id(), row.id, row.private.clone());
        let key = match self.decrypt(row).await {
            Ok((_, key)) => key,
            Err(error) => {
                walk.fail(id, fault(error)?);
                return Ok(());
            }
        };
        let token = self.encrypt(&key, rotation.alias).await?;
        let reencrypted = Reencrypted {
            id: number,
            before: &before,
            private: token.as_bytes(),
            passphrase_alias: rotation.alias,
        };
        if rotation.dry_run || self.0.rows.reencrypt(&reencrypted, rotation.now).await? {
            walk.rotated += 1;
        } else {
            walk.changed += 1;
        }
        Ok(())
    }
}

/// A fault of one key, and not of the whole walk.
fn fault(error: DatabaseError) -> Result<DatabaseError, DatabaseError> {
    match error {
        DatabaseError::Interrupted | DatabaseError::Database(_) => Err(error),
        fault => Ok(fault),
    }
}

/// Keys that are read at a time.
const BATCH: i64 = 50;
/// Faults that are told in full.
const MAX_FAILURES: usize = 100;
