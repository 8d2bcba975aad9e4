//! Reading and deleting documents (specification, `server.md` sections 7.2, 7.3 and 7.6).

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, PRAGMA, VARY,
};
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use signet_tuf::{BaseRole, Gun, RoleName, Version};
use time::{OffsetDateTime, UtcOffset};

use super::error::{ApiError, ErrorCode};
use super::negotiation::{EntityTags, takes_gzip};
use super::path::MetadataName;
use super::router::{Response, empty};
use crate::app::App;
use crate::current::Served;
use crate::settings::{MaxAge, Settings};
use crate::store::{Sha256, StoreError};

/// Header values that are the same in every answer, made once.
#[derive(Debug)]
pub(crate) struct Headers {
    public: Lifetimes,
    private: Lifetimes,
}

#[derive(Debug)]
struct Lifetimes {
    current: CacheHeaders,
    consistent: CacheHeaders,
}

#[derive(Debug)]
pub(super) struct CacheHeaders {
    cache_control: HeaderValue,
    vary: HeaderValue,
    uncached: bool,
}

impl CacheHeaders {
    /// For what everybody may read.
    fn public(max_age: u32, suffix: &str) -> Self {
        let scope = format!("public, max-age={max_age}, s-maxage={max_age}{suffix}");
        Self::new(
            max_age,
            scope,
            const { HeaderValue::from_static("accept-encoding") },
        )
    }

    /// For what only some may read: nobody's answer is for others.
    fn private(max_age: u32, suffix: &str) -> Self {
        let scope = format!("private, max-age={max_age}{suffix}");
        let vary = const { HeaderValue::from_static("accept-encoding, authorization") };
        Self::new(max_age, scope, vary)
    }

    fn new(max_age: u32, text: String, vary: HeaderValue) -> Self {
        let never = HeaderValue::from_static("max-age=0, no-cache, no-store");
        Self {
            cache_control: match max_age {
                0 => never,
                _ => HeaderValue::try_from(text).unwrap_or(never),
            },
            vary,
            uncached: max_age == 0,
        }
    }

    fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        headers.insert(VARY, self.vary.clone());
        if self.uncached {
            headers.insert(PRAGMA, const { HeaderValue::from_static("no-cache") });
        }
    }
}

impl Headers {
    pub(crate) fn new(max_age: MaxAge) -> Self {
        let lifetimes = |headers: fn(u32, &str) -> CacheHeaders| Lifetimes {
            current: headers(max_age.current, ", must-revalidate"),
            consistent: headers(max_age.consistent, ""),
        };
        Self {
            public: lifetimes(CacheHeaders::public),
            private: lifetimes(CacheHeaders::private),
        }
    }

    /// Those for a document of this repository that was asked for by this name.
    pub(super) fn of(&self, settings: &Settings, gun: &Gun, name: &MetadataName) -> &CacheHeaders {
        let auth = settings.auth.as_deref();
        let lifetimes = if auth.is_some_and(|auth| auth.is_private(gun)) {
            &self.private
        } else {
            &self.public
        };
        match name {
            MetadataName::Current => &lifetimes.current,
            MetadataName::Checksum(_) | MetadataName::Version(_) => &lifetimes.consistent,
        }
    }
}

/// A moment as HTTP writes it: `Sun, 22 Nov 2026 19:16:52 GMT`.
pub(crate) fn http_date(moment: OffsetDateTime) -> HeaderValue {
    let m = moment.to_offset(UtcOffset::UTC);
    let (weekday, month) = (m.weekday().to_string(), m.month().to_string());
    let text = format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        weekday.get(..3).unwrap_or_default(),
        m.day(),
        month.get(..3).unwrap_or_default(),
        m.year(),
        m.hour(),
        m.minute(),
        m.second()
    );
    HeaderValue::try_from(text)
        .unwrap_or(const { HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT") })
}

/// Answers with a document.
pub(super) async fn read(
    app: &Arc<App>,
    gun: &Gun,
    role: Option<&RoleName>,
    name: &MetadataName,
    asked: &HeaderMap,
) -> Result<Response, ApiError> {
    let selector = Selector::of(name)?;
    let found = match (role, selector) {
        (Some(role), Some(Selector::Current)) => current(app, gun, role).await,
        (Some(role), Some(Selector::Checksum(checksum))) => {
            by_checksum(app, gun, role, &checksum).await
        }
        (Some(role), Some(Selector::Version(version))) => by_version(app, gun, role, version).await,
        (None, _) | (_, None) => Ok(None),
    };
    let served = match found {
        Ok(Some(served)) => served,
        Ok(None) => {
            tracing::debug!(%gun, "404 GET role");
            return Err(ApiError::no_such_document());
        }
        Err(error) => {
            if let Some(busy) = ApiError::of_busy(&error) {
                return Err(busy);
            }
            tracing::error!(%gun, error = &error as &dyn std::error::Error, "500 GET role");
            return Err(ApiError::internal());
        }
    };
    let cache = app.headers().of(app.settings(), gun, name);
    let takes_gzip = takes_gzip(asked);
    if let Some(tag) = served.tags.held(asked, takes_gzip) {
        return Ok(not_modified(tag, &served.last_modified, cache));
    }
    let compressed = if takes_gzip {
        app.compressor().gzip(&served.document).await
    } else {
        None
    };
    let tag = served.tags.tag(compressed.is_some());
    Ok(match compressed {
        Some(data) => {
            let mut response = answer(data, tag, &served.last_modified, cache);
            let headers = response.headers_mut();
            headers.insert(CONTENT_ENCODING, const { HeaderValue::from_static("gzip") });
            response
        }
        None => answer(
            served.document.data.clone(),
            tag,
            &served.last_modified,
            cache,
        ),
    })
}

/// The answer with a document as it is, or that the reader has it.
pub(super) fn plain(
    asked: &HeaderMap,
    data: Bytes,
    tags: &EntityTags,
    last_modified: &HeaderValue,
    cache: &CacheHeaders,
) -> Response {
    match tags.held(asked, false) {
        Some(tag) => not_modified(tag, last_modified, cache),
        None => answer(data, tags.tag(false), last_modified, cache),
    }
}

/// 200 with a document.
fn answer(
    data: Bytes,
    tag: HeaderValue,
    last_modified: &HeaderValue,
    cache: &CacheHeaders,
) -> Response {
    let mut response = http::Response::new(Full::new(data));
    let headers = response.headers_mut();
    headers.reserve(8);
    headers.insert(
        CONTENT_TYPE,
        const { HeaderValue::from_static("application/json") },
    );
    describe(headers, tag, last_modified, cache);
    response
}

/// 304: the reader has what it asks for.
fn not_modified(tag: HeaderValue, last_modified: &HeaderValue, cache: &CacheHeaders) -> Response {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    describe(response.headers_mut(), tag, last_modified, cache);
    response
}

/// What both answers say of the document.
fn describe(
    headers: &mut HeaderMap,
    tag: HeaderValue,
    last_modified: &HeaderValue,
    cache: &CacheHeaders,
) {
    headers.insert(ETAG, tag);
    headers.insert(LAST_MODIFIED, last_modified.clone());
    cache.apply(headers);
}

/// Which copy of a role's document can be looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Selector {
    Current,
    Checksum(Sha256),
    Version(Version),
}

impl Selector {
    /// What a name stands for; `None` where no document can have it.
    pub(super) fn of(name: &MetadataName) -> Result<Option<Self>, ApiError> {
        Ok(match name {
            MetadataName::Current => Some(Self::Current),
            MetadataName::Checksum(hex) => parse_sha256(hex).map(Self::Checksum),
            MetadataName::Version(digits) => {
                let version = parse_version(digits)?;
                (version > 0).then_some(Self::Version(version))
            }
        })
    }
}

async fn current(
    app: &Arc<App>,
    gun: &Gun,
    role: &RoleName,
) -> Result<Option<Arc<Served>>, StoreError> {
    let view = match role.base() {
        Some(BaseRole::Timestamp | BaseRole::Snapshot) => app.fresh_view(gun).await?,
        Some(BaseRole::Root | BaseRole::Targets) | None => app.library().view(gun).await?,
    };
    app.library().current(gun, &view, role).await
}

async fn by_checksum(
    app: &App,
    gun: &Gun,
    role: &RoleName,
    checksum: &Sha256,
) -> Result<Option<Arc<Served>>, StoreError> {
    let view = app.library().view(gun).await?;
    app.library().by_checksum(gun, &view, role, checksum).await
}

async fn by_version(
    app: &App,
    gun: &Gun,
    role: &RoleName,
    version: Version,
) -> Result<Option<Arc<Served>>, StoreError> {
    let view = app.library().view(gun).await?;
    app.library().by_version(gun, &view, role, version).await
}

/// SHA-256 in hex of either case. Documents are not found by longer digests.
fn parse_sha256(hex: &str) -> Option<Sha256> {
    let bytes = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// The version that decimal digits stand for; what 64 bits cannot hold gets the answer of Go's parser.
fn parse_version(digits: &str) -> Result<Version, ApiError> {
    #[derive(Serialize)]
    struct Overflow<'a> {
        #[serde(rename = "Func")]
        func: &'static str,
        #[serde(rename = "Num")]
        num: &'a str,
        #[serde(rename = "Err")]
        err: Nothing,
    }
    #[derive(Serialize)]
    struct Nothing {}
    digits.parse().map_err(|_| {
        let detail = Overflow {
            func: "Atoi",
            num: digits.get(..64).unwrap_or(digits),
            err: Nothing {},
        };
        ApiError::with_detail(ErrorCode::MetadataNotFound, &detail)
    })
}

/// Deletes a repository.
pub(super) async fn delete(app: &Arc<App>, gun: Gun) -> Result<Response, ApiError> {
    app.begin().await?;
    let (task, name) = (Arc::clone(app), gun.clone());
    let outcome = app.run(async move { task.delete(&name).await }).await;
    match outcome {
        Some(Ok(existed)) => {
            if existed {
                tracing::info!(%gun, "trust data deleted for {gun}");
            }
            Ok(empty(StatusCode::OK))
        }
        Some(Err(error)) => {
            if let Some(busy) = ApiError::of_busy(&error) {
                return Err(busy);
            }
            tracing::error!(%gun, error = &error as &dyn std::error::Error, "500 DELETE repository");
            Err(ApiError::internal())
        }
        None => Err(ApiError::internal()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(
            http_date(datetime!(2026-11-22 20:16:52.9 +1)),
            "Sun, 22 Nov 2026 19:16:52 GMT"
        );
        assert_eq!(
            http_date(crate::store::ZERO_TIME),
            "Mon, 01 Jan 0001 00:00:00 GMT"
        );
    }
}
