//! Rows of the tables, read.

use data_encoding::HEXLOWER_PERMISSIVE;
use signet_tuf::crypto;
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use crate::{Change, Document, Head, Revision, Sha256, StoreError, sql_time};

/// The error of a row that no server writes.
pub(super) fn damaged(row: &MySqlRow, reason: &'static str) -> StoreError {
    let id = row.try_get("id").unwrap_or_default();
    StoreError::Damaged { id, reason }
}

pub(super) fn parse_sha256(hex: &str) -> Option<Sha256> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    bytes.try_into().ok()
}

pub(super) fn read_document(row: &MySqlRow) -> Result<Document, StoreError> {
    let data: Vec<u8> = row.try_get("data")?;
    let sha256 = match row.try_get::<Option<String>, _>("sha256")? {
        None => crypto::sha256(&data),
        Some(hex) => parse_sha256(&hex).ok_or_else(|| damaged(row, "its checksum is none"))?,
    };
    let role: String = row.try_get("role")?;
    Ok(Document {
        role: role.parse().map_err(|_| damaged(row, "its role is none"))?,
        version: row.try_get("version")?,
        sha256,
        data: data.into(),
        stored_at: sql_time::parse(row.try_get("created_at")?),
    })
}

pub(super) fn read_head(row: &MySqlRow) -> Result<Head, StoreError> {
    Ok(Head {
        incarnation: row
            .try_get::<Option<i64>, _>("incarnation")?
            .unwrap_or_default(),
        timestamp: read_revision(row)?,
    })
}

pub(super) fn read_revision(row: &MySqlRow) -> Result<Revision, StoreError> {
    let sha256: String = row.try_get("sha256")?;
    Ok(Revision {
        version: row.try_get("version")?,
        sha256: parse_sha256(&sha256).ok_or_else(|| damaged(row, "its checksum is none"))?,
    })
}

pub(super) fn read_change(row: &MySqlRow) -> Result<Change, sqlx::Error> {
    let sha256: Option<String> = row.try_get("sha256")?;
    Ok(Change {
        id: row.try_get("id")?,
        created_at: sql_time::parse(row.try_get("created_at")?),
        gun: row.try_get("gun")?,
        version: row.try_get("version")?,
        // A server may give the blanks at its end that fill the column.
        sha256: sha256.unwrap_or_default().trim_end().to_owned(),
        category: row.try_get("category")?,
    })
}
