//! Receiving updates (specification, `server.md` section 8.1) and saying why they were refused (8.6).

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, StatusCode};
use multer::Multipart;
use signet_tuf::Gun;

use super::body::{self, BodyError};
use super::error::{ApiError, ErrorCode, MAX_MESSAGE, cut};
use super::router::{Response, empty};
use crate::app::App;
use crate::settings::Limits;
use crate::store::StoreError;
use crate::trust::TrustError;
use crate::upload::{Part, Rejection, UpdateError};

/// Validates and stores an update.
pub(super) async fn update<B>(
    app: &Arc<App>,
    gun: Gun,
    request: Request<B>,
) -> Result<Response, ApiError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let limits = &app.settings().limits;
    let read = body::read(body, limits, app.upload_budget()).await;
    let (body, share) = read.map_err(|error| match error {
        BodyError::NoMemory => {
            tracing::warn!(%gun, "503 POST too many updates at the same time");
            ApiError::with_empty_detail(ErrorCode::Unavailable)
        }
        BodyError::Incomplete | BodyError::TooLarge | BodyError::TooSlow => {
            tracing::info!(%gun, %error, "400 POST unable to parse TUF data");
            ApiError::new(ErrorCode::MalformedUpload)
        }
    })?;
    let (parts, refused) = split(&head.headers, body, limits).await?;
    let (task, name) = (Arc::clone(app), gun.clone());
    // An update that has begun comes to its end, whether or not the client waits for it.
    let outcome = app
        .run(async move {
            // Held while the work lasts, not only while the client waits.
            let _share = share;
            let submission = task.parse(parts).await?;
            if let Some(refused) = refused {
                return Ok(Err(refused));
            }
            if let Err(unrecorded) = task.begin().await {
                return Ok(Err(unrecorded));
            }
            task.update(&name, submission).await.map(Ok)
        })
        .await;
    match outcome {
        Some(Ok(Ok(()))) => Ok(empty(StatusCode::OK)),
        Some(Ok(Err(refused))) => Err(refused),
        Some(Err(error)) => {
            if matches!(error, UpdateError::Store(StoreError::Conflict)) {
                app.settings().counters.conflicts.count();
            }
            Err(refusal(&gun, &error))
        }
        None => Err(ApiError::internal()),
    }
}

/// Splits a body into its parts, up to the first whose name is refused.
async fn split(
    headers: &HeaderMap,
    body: Bytes,
    limits: &Limits,
) -> Result<(Vec<Part>, Option<ApiError>), ApiError> {
    let malformed = || {
        tracing::info!("400 POST unable to parse TUF data");
        ApiError::new(ErrorCode::MalformedUpload)
    };
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let boundary = content_type.and_then(boundary).ok_or_else(malformed)?;
    // The parser searches anew whenever more has arrived, so it is given everything at once.
    let whole = futures_util::stream::iter([Ok::<_, Infallible>(body)]);
    let multipart = Multipart::new(whole, boundary);
    read_parts(multipart, limits.max_upload_parts)
        .await
        .map_err(|_| malformed())
}

async fn read_parts(
    mut multipart: Multipart<'_>,
    max_parts: usize,
) -> Result<(Vec<Part>, Option<ApiError>), multer::Error> {
    let mut parts = Vec::new();
    while let Some(field) = multipart.next_field().await? {
        if parts.len() == max_parts {
            return Ok((parts, Some(ApiError::new(ErrorCode::MalformedUpload))));
        }
        match part_role(field.file_name()) {
            Ok(role) => {
                let data = field.bytes().await?;
                parts.push(Part { role, data });
            }
            Err(error) => return Ok((parts, Some(error))),
        }
    }
    Ok((parts, None))
}

/// The role that a part is named after. Never reduced to its last segment: delegations contain slashes.
fn part_role(file_name: Option<&str>) -> Result<signet_tuf::RoleName, ApiError> {
    let name = file_name.unwrap_or_default();
    let name = name.strip_suffix(".json").unwrap_or(name);
    if name.is_empty() {
        tracing::info!("400 POST empty role");
        return Err(ApiError::new(ErrorCode::NoFilename));
    }
    name.parse().map_err(|_| {
        let name = cut(name, MAX_MESSAGE);
        tracing::info!("400 POST invalid role: {}", name.escape_debug());
        ApiError::with_detail(ErrorCode::InvalidRole, name)
    })
}

/// The boundary in the `Content-Type` of a multipart body of any kind.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind
        .trim()
        .get(.."multipart/".len())?
        .eq_ignore_ascii_case("multipart/")
    {
        return None;
    }
    let mut rest = parameters;
    loop {
        let (name, value) = rest.split_once('=')?;
        let (value, tail) = parameter_value(value)?;
        if name.trim().eq_ignore_ascii_case("boundary") {
            // RFC 2046, section 5.1.1.
            return (1..=70).contains(&value.len()).then_some(value);
        }
        rest = tail.trim_start().strip_prefix(';')?;
    }
}

/// A parameter's value, quoted or not, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, tail) = text.split_at_checked(end)?;
        return Some((value.trim_end().to_owned(), tail));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

/// The answer to an update that was not stored.
fn refusal(gun: &Gun, error: &UpdateError) -> ApiError {
    match error {
        UpdateError::MalformedJson { .. } => {
            tracing::info!(%gun, error = error as &dyn std::error::Error, "400 POST malformed update JSON");
            ApiError::new(ErrorCode::MalformedJson)
        }
        UpdateError::Rejected(rejection) => {
            tracing::info!(%gun, error = error as &dyn std::error::Error, "400 POST error validating update");
            let kind = match rejection {
                Rejection::ForeignKeys(missing) => missing,
                other => other,
            };
            let (name, missing) = match kind {
                Rejection::Root(_)
                | Rejection::RootStep { .. }
                | Rejection::TooManyKeys { .. }
                | Rejection::TimestampKeyMissing => ("ErrBadRoot", None),
                Rejection::Targets(_) | Rejection::TargetsJump { .. } => ("ErrBadTargets", None),
                Rejection::Snapshot(_) | Rejection::SnapshotJump { .. } => ("ErrBadSnapshot", None),
                Rejection::SnapshotKeyMissing => ("ErrBadHierarchy", Some("snapshot")),
                Rejection::NoRoot | Rejection::TargetsMissing => ("ErrValidation", None),
                Rejection::ForeignKeys(_) | Rejection::StoredUnusable { .. } => {
                    return ApiError::new(ErrorCode::InvalidUpdate);
                }
            };
            let message = rejection.to_string();
            ApiError::told(ErrorCode::InvalidUpdate, name, missing, &message)
        }
        UpdateError::Store(StoreError::Conflict) => {
            tracing::info!(%gun, "400 POST old version error");
            ApiError::with_empty_detail(ErrorCode::Version)
        }
        UpdateError::Store(error) if let Some(refusal) = refused_by_tables(error) => {
            tracing::info!(%gun, error = error as &dyn std::error::Error, "400 POST the database cannot hold it");
            refusal
        }
        UpdateError::Store(error) if let Some(busy) = ApiError::of_busy(error) => busy,
        UpdateError::Store(_) | UpdateError::Unwritable(_) => {
            tracing::error!(%gun, error = error as &dyn std::error::Error, "500 POST error applying update request");
            ApiError::new(ErrorCode::Updating)
        }
        UpdateError::Trust(TrustError::Unavailable(_)) => {
            tracing::error!(%gun, error = error as &dyn std::error::Error, "503 POST cannot sign");
            ApiError::with_empty_detail(ErrorCode::Unavailable)
        }
        UpdateError::Trust(_) | UpdateError::Panicked => {
            tracing::error!(%gun, error = error as &dyn std::error::Error, "500 POST cannot sign");
            ApiError::internal()
        }
    }
}

/// The answer to what the tables of a database cannot hold, with what can be done about it.
pub(super) fn refused_by_tables(error: &StoreError) -> Option<ApiError> {
    let (code, advice) = match error {
        StoreError::NameTaken { .. } => (
            ErrorCode::InvalidGun,
            "; `notary-server migrate --binary-names` makes it compare names by their bytes",
        ),
        StoreError::NameUnsupported => (ErrorCode::InvalidGun, ""),
        StoreError::TooLarge { .. } => (
            ErrorCode::InvalidUpdate,
            "; a greater max_allowed_packet of the database makes room",
        ),
        _ => return None,
    };
    let message = format!("{error}{advice}");
    Some(ApiError::told(code, "ErrValidation", None, &message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_boundary_of_any_multipart() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            (
                "Multipart/Mixed;charset=utf-8; Boundary=\"a;\\\"b\"; x=y",
                Some("a;\"b"),
            ),
            ("multipart/form-data;boundary=abc ; charset=x", Some("abc")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"abc", None),
            ("application/json; boundary=abc", None),
            ("é", None),
        ] {
            assert_eq!(
                boundary(content_type).as_deref(),
                expected,
                "{content_type}"
            );
        }
        assert_eq!(
            boundary(&format!("multipart/x; boundary={}", "a".repeat(71))),
            None
        );
    }
}
