//! Imports into PostgreSQL: one transaction a repository.

use signet_tuf::{RoleName, Version, crypto};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::rows::{damaged, parse_sha256};
use super::writer::{BEGIN, finish, insert, insert_change, lock, naive};
use super::{PostgresStore, is_broken};
use crate::attempt::{Fault, Next, bounded};
use crate::import::{Existing, decide};
use crate::{Import, Imported, ImportedDocument, Sha256, StoreError};

/// Bytes only where the row does not say their digest.
const EXISTING: &str = "SELECT id, role, version, sha256, CASE WHEN sha256 IS NULL THEN data END AS data FROM tuf_files \
    WHERE gun = $1 AND deleted_at IS NULL";

impl PostgresStore {
    /// Takes over a repository with its history.
    pub(super) async fn take_over(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        import.check_versions()?;
        let mut tries = 0;
        loop {
            tries += 1;
            let fault = match self.try_take_over(import).await {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => fault,
            };
            match fault.next(tries, is_broken).await {
                // What was done after all is there already.
                Next::Again | Next::Look => {}
                Next::Refuse(error) => return Err(error),
            }
        }
    }

    async fn try_take_over(&self, import: &Import<'_>) -> Result<Imported, Fault> {
        let mut transaction = bounded(self.pool.begin_with(BEGIN)).await?;
        let work = async {
            lock(&mut transaction, import.gun).await?;
            let rows = sqlx::query(EXISTING)
                .bind(import.gun.as_str())
                .fetch_all(&mut *transaction)
                .await?;
            let existing = rows
                .iter()
                .map(existing_row)
                .collect::<Result<Existing, _>>()?;
            drop(rows);
            let added = match decide(&existing, import) {
                Err(nothing) => return Ok(nothing),
                Ok(added) => added,
            };
            let outcome = Imported::Added {
                documents: added.len(),
                before: existing.len(),
            };
            if import.dry_run {
                return Ok(outcome);
            }
            let all: Vec<_> = added
                .iter()
                .map(|new| (&new.document, naive(new.stored_at)))
                .collect();
            insert(&mut transaction, import.gun, &all).await?;
            let is_news = |new: &&ImportedDocument| new.document.sha256 == import.timestamp.sha256;
            if added.iter().any(is_news) {
                let now = naive(import.now);
                insert_change(&mut transaction, import.gun, now, Some(import.timestamp)).await?;
            }
            Ok::<_, Fault>(outcome)
        };
        let outcome = bounded(work).await?;
        if !import.dry_run {
            finish(transaction).await?;
        }
        Ok(outcome)
    }
}

fn existing_row(row: &PgRow) -> Result<((RoleName, Version), Sha256), StoreError> {
    let role: String = row.try_get("role")?;
    let role = role.parse().map_err(|_| damaged(row, "its role is none"))?;
    let sha256 = match row.try_get::<Option<String>, _>("sha256")? {
        Some(hex) => parse_sha256(&hex).ok_or_else(|| damaged(row, "its checksum is none"))?,
        None => crypto::sha256(&row.try_get::<Vec<u8>, _>("data")?),
    };
    let version: i32 = row.try_get("version")?;
    Ok(((role, version.into()), sha256))
}
