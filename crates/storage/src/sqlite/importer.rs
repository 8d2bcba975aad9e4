//! Imports into SQLite: one transaction a repository.

use data_encoding::HEXLOWER;
use signet_tuf::crypto;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::parse_sha256;
use super::writer::Writer;
use crate::import::{Existing, decide};
use crate::{ChangeCategory, Import, Imported, StoreError, sql_time};

/// Bytes only where the row does not say their digest.
const EXISTING: &str = "SELECT id, role, version, sha256, CASE WHEN sha256 IS NULL THEN data END AS data FROM tuf_files \
    WHERE gun = ? AND deleted_at IS NULL";
const INSERT_FILE: &str = "INSERT INTO tuf_files (created_at, updated_at, deleted_at, gun, role, version, sha256, data) \
    VALUES (?, ?, NULL, ?, ?, ?, ?, ?)";
const INSERT_CHANGE: &str =
    "INSERT INTO changefeed (created_at, gun, version, sha256, category) VALUES (?, ?, ?, ?, ?)";

impl Writer {
    /// Takes over a repository with its history.
    pub(super) async fn import(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        import.check_versions()?;
        let gun = import.gun.as_str();
        // Dropped without a commit, the transaction leaves nothing behind.
        let mut transaction = self.pool().begin_with("BEGIN IMMEDIATE").await?;
        let rows = sqlx::query(EXISTING)
            .bind(gun)
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
        let mut is_news = false;
        for new in added {
            let (document, stored_at) = (&new.document, sql_time::write(new.stored_at));
            is_news |= document.sha256 == import.timestamp.sha256;
            sqlx::query(INSERT_FILE)
                .bind(stored_at.as_str())
                .bind(stored_at.as_str())
                .bind(gun)
                .bind(document.role.as_str())
                .bind(document.version)
                .bind(HEXLOWER.encode(&document.sha256))
                .bind(document.data.as_ref())
                .execute(&mut *transaction)
                .await?;
        }
        if is_news {
            sqlx::query(INSERT_CHANGE)
                .bind(sql_time::write(import.now))
                .bind(gun)
                .bind(import.timestamp.version)
                .bind(HEXLOWER.encode(&import.timestamp.sha256))
                .bind(ChangeCategory::Update.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(outcome)
    }
}

fn existing_row(
    row: &SqliteRow,
) -> Result<((signet_tuf::RoleName, signet_tuf::Version), crate::Sha256), StoreError> {
    let damaged = |reason| StoreError::Damaged {
        id: row.try_get("id").unwrap_or_default(),
        reason,
    };
    let role: String = row.try_get("role")?;
    let role = role.parse().map_err(|_| damaged("its role is none"))?;
    let sha256 = match row.try_get::<Option<String>, _>("sha256")? {
        Some(hex) => parse_sha256(&hex).ok_or_else(|| damaged("its checksum is none"))?,
        None => crypto::sha256(&row.try_get::<Vec<u8>, _>("data")?),
    };
    Ok(((role, row.try_get("version")?), sha256))
}
