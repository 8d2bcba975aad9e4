//! The public log of what was published and deleted (specification, `server.md` section 7.7).

use std::sync::Arc;

use serde::Serialize;
use signet_tuf::Gun;
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

use super::error::{ApiError, ErrorCode, cut};
use super::path::percent_decode;
use super::router::{Response, json};
use crate::app::App;
use crate::store::{Change, Window};

/// How many changes `records=0` means.
const DEFAULT_RECORDS: u32 = 100;

#[derive(Serialize)]
struct Feed<'a> {
    count: usize,
    records: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Record<'a> {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "CreatedAt")]
    created_at: String,
    #[serde(rename = "GUN")]
    gun: &'a str,
    #[serde(rename = "Version")]
    version: i64,
    #[serde(rename = "SHA256")]
    sha256: &'a str,
    #[serde(rename = "Category")]
    category: &'a str,
}

impl<'a> From<&'a Change> for Record<'a> {
    fn from(change: &'a Change) -> Self {
        let moment = change.created_at.to_offset(UtcOffset::UTC);
        Self {
            id: change.id.to_string(),
            created_at: moment
                .format(&Rfc3339)
                .unwrap_or_else(|_| "0001-01-01T00:00:00Z".to_owned()),
            gun: &change.gun,
            version: change.version,
            // PostgreSQL pads the column with blanks.
            sha256: change.sha256.trim_end(),
            category: &change.category,
        }
    }
}

/// Answers with the changes that `query` asks for.
pub(super) async fn read(
    app: &Arc<App>,
    gun: Option<&Gun>,
    query: &str,
) -> Result<Response, ApiError> {
    let (window, limit) = parse(query)?;
    let limit = limit.min(app.settings().limits.max_changes);
    let changes = match app.store().changes(gun, window, limit).await {
        Ok(changes) => changes,
        Err(error) => {
            if let Some(busy) = ApiError::of_busy(&error) {
                return Err(busy);
            }
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "500 GET changefeed"
            );
            return Err(ApiError::internal());
        }
    };
    answer(&changes)
}

/// 200 with changes.
pub(super) fn answer(changes: &[Change]) -> Result<Response, ApiError> {
    let feed = Feed {
        count: changes.len(),
        records: changes.iter().map(Record::from).collect(),
    };
    serde_json::to_vec(&feed)
        .map(json)
        .map_err(|_| ApiError::internal())
}

/// What a query asks for: a negative number of records, or a negative ID, looks backwards.
pub(super) fn parse(query: &str) -> Result<(Window, u32), ApiError> {
    let records = parameter(query, "records");
    let records = parse_i32(&records).map_err(|reason| {
        let records = serde_json::Value::from(cut(&records, 300)).to_string();
        let detail =
            format!("invalid records parameter: strconv.ParseInt: parsing {records}: {reason}");
        ApiError::with_detail(ErrorCode::InvalidParameters, &detail)
    })?;
    let change_id = parameter(query, "change_id");
    let change_id = match &*change_id {
        "" => 0,
        text => parse_i32(text)
            .map_err(|_| ApiError::with_empty_detail(ErrorCode::InvalidParameters))?,
    };
    let limit = match records.unsigned_abs() {
        0 => DEFAULT_RECORDS,
        n => n,
    };
    let id = i64::from(change_id);
    let window = if records < 0 || change_id < 0 {
        Window::Before((id > 0).then_some(id))
    } else {
        Window::After(id)
    };
    Ok((window, limit))
}

/// The first value of a query parameter, empty without one.
fn parameter(query: &str, name: &str) -> String {
    query
        .split('&')
        .find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then(|| value.replace('+', " "))
        })
        .and_then(|value| percent_decode(&value).map(std::borrow::Cow::into_owned))
        .unwrap_or_default()
}

/// Go's `ParseInt(text, 10, 32)` and its two ways to fail.
fn parse_i32(text: &str) -> Result<i32, &'static str> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    text.parse().map_err(|_| "value out of range")
}
