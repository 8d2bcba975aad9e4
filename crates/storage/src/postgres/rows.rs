//! Rows of the tables, read.

use data_encoding::HEXLOWER_PERMISSIVE;
use signet_tuf::{Version, crypto};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::{Change, Document, Head, Revision, Sha256, StoreError, ZERO_TIME};

/// The error of a row that no server writes.
pub(super) fn damaged(row: &PgRow, reason: &'static str) -> StoreError {
    let id = row.try_get::<i32, _>("id").unwrap_or_default();
    StoreError::Damaged {
        id: id.into(),
        reason,
    }
}

pub(super) fn parse_sha256(hex: &str) -> Option<Sha256> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.trim_end().as_bytes()).ok()?;
    bytes.try_into().ok()
}

fn moment(row: &PgRow) -> Result<OffsetDateTime, sqlx::Error> {
    let moment: Option<PrimitiveDateTime> = row.try_get("created_at")?;
    Ok(moment.map_or(ZERO_TIME, PrimitiveDateTime::assume_utc))
}

fn version(row: &PgRow) -> Result<Version, sqlx::Error> {
    row.try_get::<i32, _>("version").map(Version::from)
}

pub(super) fn read_document(row: &PgRow) -> Result<Document, StoreError> {
    let data: Vec<u8> = row.try_get("data")?;
    let sha256 = match row.try_get::<Option<String>, _>("sha256")? {
        None => crypto::sha256(&data),
        Some(hex) => parse_sha256(&hex).ok_or_else(|| damaged(row, "its checksum is none"))?,
    };
    let role: String = row.try_get("role")?;
    Ok(Document {
        role: role.parse().map_err(|_| damaged(row, "its role is none"))?,
        version: version(row)?,
        sha256,
        data: data.into(),
        stored_at: moment(row)?,
    })
}

/// A head, with its place (from 1) among those that were asked for.
pub(super) fn read_head(row: &PgRow) -> Result<(i64, Head), StoreError> {
    let incarnation: Option<i32> = row.try_get("incarnation")?;
    let head = Head {
        incarnation: incarnation.map_or(0, i64::from),
        timestamp: read_revision(row)?,
    };
    Ok((row.try_get("place")?, head))
}

pub(super) fn read_revision(row: &PgRow) -> Result<Revision, StoreError> {
    let sha256: String = row.try_get("sha256")?;
    Ok(Revision {
        version: version(row)?,
        sha256: parse_sha256(&sha256).ok_or_else(|| damaged(row, "its checksum is none"))?,
    })
}

pub(super) fn read_change(row: &PgRow) -> Result<Change, sqlx::Error> {
    let sha256: Option<String> = row.try_get("sha256")?;
    Ok(Change {
        id: row.try_get::<i32, _>("id")?.into(),
        created_at: moment(row)?,
        gun: row.try_get("gun")?,
        version: version(row)?,
        // The column fills up with blanks.
        sha256: sha256.unwrap_or_default().trim_end().to_owned(),
        category: row.try_get("category")?,
    })
}
