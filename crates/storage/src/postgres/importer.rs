//! Imports into PostgreSQL: one transaction a repository.

use data_encoding::HEXLOWER;
use signet_sql::Failure;
use signet_tuf::{RoleName, Version};
use sqlx::Row as _;
use sqlx::postgres::{PgPool, PgRow, PgTransaction};

use super::{ask, column, digest, id, utc};
use crate::attempt::bounded;
use crate::import::{Existing, decide};
use crate::{Import, Imported, ImportedDocument, Sha256, StoreError};

/// Waits for whoever is publishing, and makes others wait.
const HOLD: &str = "SELECT 1 FROM tuf_files WHERE gun = $1 AND role = 'timestamp' AND deleted_at IS NULL \
    ORDER BY version DESC LIMIT 1 FOR NO KEY UPDATE";
/// Bytes only where the row does not say their digest.
const EXISTING: &str = "SELECT id, role, version, sha256, CASE WHEN sha256 IS NULL THEN data END AS data FROM tuf_files \
    WHERE gun = $1 AND deleted_at IS NULL";
const INSERT_FILES: &str = "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) \
    SELECT new.stored_at, new.stored_at, $1, new.role, new.version, new.sha256, new.data \
    FROM unnest($2::timestamp[], $3::text[], $4::int[], $5::text[], $6::bytea[]) \
        AS new(stored_at, role, version, sha256, data)";
const INSERT_CHANGE: &str = "INSERT INTO changefeed (created_at, gun, version, sha256, category) \
    VALUES ($1, $2, $3, $4, 'update')";

/// Most bytes of documents in one statement, beside the last document.
const BATCH: usize = 4 << 20;
/// Most documents in one statement.
const BATCH_DOCUMENTS: usize = 512;

/// Takes over a repository with its history.
pub(super) async fn import(pool: &PgPool, import: &Import<'_>) -> Result<Imported, StoreError> {
    import.check_versions()?;
    match bounded(Box::pin(try_import(pool, import))).await {
        // Whoever is in the way is publishing this repository.
        Err(StoreError::Database(error)) if Failure::of(&error) == Failure::Contended => {
            Err(StoreError::Conflict)
        }
        outcome => outcome,
    }
}

async fn try_import(pool: &PgPool, import: &Import<'_>) -> Result<Imported, StoreError> {
    // Dropped without a commit, the transaction leaves nothing behind.
    let mut transaction = ask(pool, || pool.begin()).await?;
    sqlx::query(HOLD)
        .bind(import.gun.as_str())
        .execute(&mut *transaction)
        .await?;
    let rows = sqlx::query(EXISTING)
        .bind(import.gun.as_str())
        .fetch_all(&mut *transaction)
        .await?;
    let existing = rows.iter().map(read).collect::<Result<Existing, _>>()?;
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
    for batch in batches(&added) {
        insert(&mut transaction, import, batch).await?;
    }
    let mut documents = added.iter().map(|new| &new.document);
    if documents.any(|document| document.sha256 == import.timestamp.sha256) {
        sqlx::query(INSERT_CHANGE)
            .bind(utc(import.now))
            .bind(import.gun.as_str())
            .bind(column(import.timestamp.version))
            .bind(HEXLOWER.encode(&import.timestamp.sha256))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(outcome)
}

fn batches<'a, 'b>(
    mut rest: &'b [&'a ImportedDocument],
) -> impl Iterator<Item = &'b [&'a ImportedDocument]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let mut count = 0;
        for new in rest.iter().take(BATCH_DOCUMENTS) {
            count += 1;
            bytes += new.document.data.len();
            if bytes >= BATCH {
                break;
            }
        }
        let (batch, after) = rest.split_at_checked(count)?;
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

async fn insert(
    transaction: &mut PgTransaction<'_>,
    import: &Import<'_>,
    batch: &[&ImportedDocument],
) -> Result<(), sqlx::Error> {
    let stored_at: Vec<_> = batch.iter().map(|new| utc(new.stored_at)).collect();
    let roles: Vec<_> = batch.iter().map(|new| new.document.role.as_str()).collect();
    let versions: Vec<_> = batch
        .iter()
        .map(|new| column(new.document.version))
        .collect();
    let sha256: Vec<_> = batch
        .iter()
        .map(|new| HEXLOWER.encode(&new.document.sha256))
        .collect();
    let data: Vec<_> = batch.iter().map(|new| new.document.data.as_ref()).collect();
    sqlx::query(INSERT_FILES)
        .bind(import.gun.as_str())
        .bind(stored_at)
        .bind(roles)
        .bind(versions)
        .bind(sha256)
        .bind(data)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn read(row: &PgRow) -> Result<((RoleName, Version), Sha256), StoreError> {
    let role: &str = row.try_get("role")?;
    let role = role.parse().map_err(|_| StoreError::Damaged {
        id: id(row),
        reason: "its role is none",
    })?;
    let version: i32 = row.try_get("version")?;
    Ok(((role, version.into()), digest(row)?))
}
