//! Imports into MySQL: one transaction a repository.

use signet_tuf::{RoleName, Version, crypto};
use sqlx::Row as _;
use sqlx::mysql::{MySqlArguments, MySqlRow};

use super::rows::{damaged, parse_sha256};
use super::writer::{Fault, Next, Tries, finish, insert_change, limited};
use super::{MySqlStore, bind_gun, of_gun};
use crate::import::{Existing, decide};
use crate::{Import, Imported, ImportedDocument, Sha256, StoreError, sql_time};

/// Bytes only where the row does not say their digest.
const EXISTING: &str = concat!(
    "SELECT id, role, version, sha256, CASE WHEN sha256 IS NULL THEN data END AS data FROM tuf_files WHERE ",
    of_gun!(),
    " AND deleted_at IS NULL"
);

impl MySqlStore {
    /// Takes over a repository with its history.
    pub(super) async fn take_over(&self, import: &Import<'_>) -> Result<Imported, StoreError> {
        import.check_versions()?;
        self.check_sizes(import.documents.iter().map(|new| &new.document))?;
        self.check_characters(import.gun)?;
        let mut tries = Tries::new();
        loop {
            let fault = match self.try_take_over(import).await {
                Ok(outcome) => return Ok(outcome),
                Err(fault) => fault,
            };
            match tries.after(fault).await {
                // What was done after all is there already.
                Next::Again | Next::Look => {}
                Next::Refuse(StoreError::Conflict) => {
                    let all = import.documents.iter().map(|new| &new.document);
                    return Err(self.why_taken(import.gun, all).await);
                }
                Next::Refuse(error) => return Err(error),
            }
        }
    }

    async fn try_take_over(&self, import: &Import<'_>) -> Result<Imported, Fault> {
        let mut transaction = self.begin(self.server.begin).await?;
        let work = async {
            self.lock(&mut transaction, import.gun, true).await?;
            self.lock(&mut transaction, import.gun, false).await?;
            let mut arguments = MySqlArguments::default();
            bind_gun(&mut arguments, import.gun)?;
            let rows = sqlx::query_with(EXISTING, arguments)
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
            let moments: Vec<String> = added
                .iter()
                .map(|new| sql_time::write_naive(new.stored_at))
                .collect();
            let all: Vec<_> = added
                .iter()
                .zip(&moments)
                .map(|(new, moment)| (&new.document, moment.as_str()))
                .collect();
            self.insert(&mut transaction, import.gun, &all).await?;
            let is_news = |new: &&ImportedDocument| new.document.sha256 == import.timestamp.sha256;
            if added.iter().any(is_news) {
                let now = sql_time::write_naive(import.now);
                insert_change(&mut transaction, import.gun, &now, Some(import.timestamp)).await?;
            }
            Ok(outcome)
        };
        let outcome = limited(work).await?;
        if !import.dry_run {
            finish(transaction).await?;
        }
        Ok(outcome)
    }
}

fn existing_row(row: &MySqlRow) -> Result<((RoleName, Version), Sha256), StoreError> {
    let role: String = row.try_get("role")?;
    let role = role.parse().map_err(|_| damaged(row, "its role is none"))?;
    let sha256 = match row.try_get::<Option<String>, _>("sha256")? {
        Some(hex) => parse_sha256(&hex).ok_or_else(|| damaged(row, "its checksum is none"))?,
        None => crypto::sha256(&row.try_get::<Vec<u8>, _>("data")?),
    };
    Ok(((role, row.try_get("version")?), sha256))
}
