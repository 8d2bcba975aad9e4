//! Receiving a repository from an archive: `POST /v2/<GUN>/_trust/import`, an addition of this server (`docs/server.md`).
//!
//! The body is a multipart form as that of an update: a part named `record.json` and one named `objects/<sha256>.json` for every document
//! of the record, in any order.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use multer::Multipart;
use serde::Serialize;
use signet_archive::bounds::MAX_RECORD_BYTES;
use signet_tuf::Gun;

use super::body::{self, BodyError};
use super::error::{ApiError, ErrorCode, MAX_MESSAGE, cut};
use super::router::{Response, json};
use super::update::{boundary, refused_by_tables};
use crate::app::App;
use crate::import::{Delivery, ImportError, ImportOutcome};
use crate::store::{Imported, StoreError};

/// Most documents that an answer names as left out.
const MAX_LEFT_OUT: usize = 100;

/// Checks and stores a repository.
pub(super) async fn import<B>(
    app: &Arc<App>,
    gun: Gun,
    request: Request<B>,
) -> Result<Response, ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let dry_run = match head.uri.query().unwrap_or_default() {
        "" => false,
        "dry-run=1" => true,
        _ => return Err(ApiError::new(ErrorCode::InvalidParameters)),
    };
    let limits = &app.settings().limits;
    let read = body::read(body, limits, app.upload_budget()).await;
    let (body, share) = read.map_err(|error| match error {
        BodyError::NoMemory => {
            tracing::warn!(%gun, "503 POST too many updates at the same time");
            ApiError::with_empty_detail(ErrorCode::Unavailable)
        }
        BodyError::TooLarge => {
            let max = limits.max_upload_bytes;
            tracing::info!(%gun, "400 POST the import has more than {max} bytes");
            refusal(&format!(
                "with its history it has more than the {max} bytes that this server takes in one upload; \
                 import it into the database while the server is stopped"
            ))
        }
        BodyError::Incomplete | BodyError::TooSlow => {
            tracing::info!(%gun, %error, "400 POST unable to parse the import");
            ApiError::new(ErrorCode::MalformedUpload)
        }
    })?;
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let boundary = content_type.and_then(boundary);
    let boundary = boundary.ok_or(ApiError::new(ErrorCode::MalformedUpload))?;
    let whole = futures_util::stream::iter([Ok::<_, Infallible>(body)]);
    let delivery = read_parts(Multipart::new(whole, boundary), limits.max_upload_parts)
        .await
        .ok()
        .flatten()
        .ok_or_else(|| {
            tracing::info!(%gun, "400 POST unable to parse the import");
            ApiError::new(ErrorCode::MalformedUpload)
        })?;
    app.begin().await?;
    let (task, name) = (Arc::clone(app), gun.clone());
    // An import that has begun comes to its end, whether or not the client waits for it.
    let outcome = app
        .run(async move {
            // Held while the work lasts, not only while the client waits.
            let _share = share;
            task.import(&name, delivery, dry_run).await
        })
        .await;
    match outcome {
        Some(Ok(outcome)) => answer(&outcome),
        Some(Err(error)) => Err(refused(&gun, &error)),
        None => Err(ApiError::internal()),
    }
}

/// The parts of the form; `None` when they are not what they must be.
async fn read_parts(
    mut multipart: Multipart<'_>,
    max_parts: usize,
) -> Result<Option<Delivery>, multer::Error> {
    let mut delivery = Delivery::default();
    let mut has_record = false;
    while let Some(field) = multipart.next_field().await? {
        let name = field.file_name().unwrap_or_default();
        let is_record = name == "record.json";
        if !is_record && !name.starts_with("objects/") {
            return Ok(None);
        }
        let data = field.bytes().await?;
        if !is_record {
            if delivery.objects.len() == max_parts {
                return Ok(None);
            }
            delivery.objects.push(data);
        } else if has_record || data.len() as u64 > MAX_RECORD_BYTES {
            return Ok(None);
        } else {
            (has_record, delivery.record) = (true, data);
        }
    }
    Ok(has_record.then_some(delivery))
}

fn answer(outcome: &ImportOutcome) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Answer<'a> {
        /// `imported` or `already-there`.
        result: &'static str,
        /// Documents that were stored, or would be.
        added: usize,
        /// Documents of the repository that were there before.
        before: Option<usize>,
        /// The version of the current timestamp in the archive.
        timestamp: i64,
        /// How many documents stay behind.
        left_out: usize,
        /// The first of them.
        examples: Vec<Example<'a>>,
    }
    #[derive(Serialize)]
    struct Example<'a> {
        role: &'a str,
        version: i64,
        reason: &'a str,
    }
    let (result, added, before) = match outcome.stored {
        Imported::Added { documents, before } => ("imported", documents, Some(before)),
        _ => ("already-there", 0, None),
    };
    let examples = outcome.left_out.iter().take(MAX_LEFT_OUT);
    let answer = Answer {
        result,
        added,
        before,
        timestamp: outcome.timestamp,
        left_out: outcome.left_out.len(),
        examples: examples
            .map(|left| Example {
                role: left.role.as_str(),
                version: left.version,
                reason: cut(&left.reason, MAX_MESSAGE),
            })
            .collect(),
    };
    let text = serde_json::to_string(&answer).map_err(|_| ApiError::internal())?;
    Ok(json(text))
}

/// An answer in the form of a refused update, whose message clients show.
fn refusal(message: &str) -> ApiError {
    ApiError::told(ErrorCode::InvalidUpdate, "ErrValidation", None, message)
}

fn refused(gun: &Gun, error: &ImportError) -> ApiError {
    match error {
        ImportError::Store(StoreError::Conflict) => {
            tracing::info!(%gun, "400 POST old version error");
            ApiError::with_empty_detail(ErrorCode::Version)
        }
        ImportError::Store(error) if let Some(refusal) = refused_by_tables(error) => {
            tracing::info!(%gun, error = error as &dyn std::error::Error, "400 POST the database cannot hold it");
            refusal
        }
        ImportError::Store(error) if let Some(busy) = ApiError::of_busy(error) => busy,
        ImportError::Store(_) => {
            tracing::error!(%gun, error = error as &dyn std::error::Error, "500 POST error applying import");
            ApiError::new(ErrorCode::Updating)
        }
        ImportError::Panicked => ApiError::internal(),
        ImportError::Record(_)
        | ImportError::Objects(_)
        | ImportError::OtherRepository(_)
        | ImportError::Refused(_)
        | ImportError::Differs { .. }
        | ImportError::Ahead { .. } => {
            tracing::info!(%gun, error = error as &dyn std::error::Error, "400 POST import refused");
            refusal(&error.to_string())
        }
    }
}
