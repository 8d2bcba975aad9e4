//! The answers of a server of archives: documents as they were captured, and refusals of everything that would change something.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use signet_tuf::{BaseRole, Gun, MetadataPath, Received, RoleName, Root};

use super::admission::{admit, asker, elsewhere};
use super::error::{ApiError, ErrorCode};
use super::metadata::{self, Selector, http_date};
use super::negotiation::EntityTags;
use super::path::{ManagedRole, MetadataName, Route};
use super::router::Response;
use super::{body, changefeed, keys};
use crate::archives::{Archives, Held, LoadError, Lookup, of_record};

/// When the repository was captured that a document belongs to.
const CAPTURED: HeaderName = HeaderName::from_static("signet-archive-captured");
/// Since when the repository is expired, and which of its roles expired first.
const EXPIRED: HeaderName = HeaderName::from_static("signet-archive-expired");

impl Archives {
    /// Answers a request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let route = Route::of(request.method(), request.uri());
        self.respond(route, request).await
    }

    /// Answers a request whose route is known, so that the caller can count and log it as what it is.
    ///
    /// [`Route::Health`] and [`Route::Metrics`] belong to the program around the service; here nothing is found there.
    pub async fn respond<B>(&self, route: Route, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        self.answer(route, request)
            .await
            .unwrap_or_else(ApiError::into_response)
    }

    async fn answer<B>(&self, route: Route, request: Request<B>) -> Result<Response, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        let gun = admit(self.settings(), &route, asker(&request), self.now()).await?;
        match (route, gun) {
            (Route::Metadata { role, name, .. }, Some(gun)) => {
                self.document(&gun, role.as_ref(), &name, request.headers())
                    .await
            }
            (Route::GetKey { role, .. }, Some(gun)) => self.key(&gun, role).await,
            (
                Route::Update { .. }
                | Route::RotateKey { .. }
                | Route::Delete { .. }
                | Route::Import { .. },
                Some(gun),
            ) => {
                body::discard(request.into_body(), &self.settings().limits).await;
                Err(self.read_only(&gun))
            }
            (Route::Changefeed { .. }, gun) => {
                let query = request.uri().query().unwrap_or_default();
                self.changes(gun.as_ref(), query).await
            }
            (route, _) => elsewhere(&route),
        }
    }

    /// Answers with a document.
    async fn document(
        &self,
        gun: &Gun,
        role: Option<&RoleName>,
        name: &MetadataName,
        asked: &HeaderMap,
    ) -> Result<Response, ApiError> {
        let selector = Selector::of(name)?;
        let absent = || {
            tracing::debug!(%gun, "404 GET role");
            ApiError::no_such_document()
        };
        let (Some(role), Some(selector)) = (role, selector) else {
            return Err(absent());
        };
        let held = self.held(gun).await?.ok_or_else(absent)?;
        let kept = match &*held {
            Held::Repository(kept) => kept,
            Held::Contradiction(contradiction) => {
                tracing::error!(%gun, "400 GET role: archives contradict each other: {contradiction}");
                return Err(contradicts(&contradiction.public()));
            }
        };
        let role = role.clone();
        let path = match selector {
            Selector::Current => MetadataPath::Current(role),
            Selector::Checksum(checksum) => {
                let hex = data_encoding::HEXLOWER.encode(&checksum);
                MetadataPath::Checksum(role, hex)
            }
            Selector::Version(version) => MetadataPath::Version(role, version),
        };
        let (document, bytes) = kept.repository.document(&path).ok_or_else(absent)?;
        let published = document
            .published
            .unwrap_or(kept.repository.record.captured);
        let cache = self.headers().of(self.settings(), gun, name);
        let tags = EntityTags::of(&document.sha256.0);
        let modified = http_date(published.time());
        let mut response = metadata::plain(asked, bytes.clone(), &tags, &modified, cache);
        let headers = response.headers_mut();
        headers.insert(CAPTURED, kept.captured.clone());
        if let Some((expired, end)) = kept.expired(path.role(), self.now()) {
            if self.shelf().tell(gun) {
                tracing::warn!(
                    %gun,
                    "{gun} is asked for, and its {expired} was valid until {end}: it is served as it was captured, and clients will refuse it"
                );
            }
            if let Ok(value) = HeaderValue::try_from(format!("{end}; role={expired}")) {
                headers.insert(EXPIRED, value);
            }
        }
        Ok(response)
    }

    /// Answers with the key that the current root lists for a role.
    async fn key(&self, gun: &Gun, role: ManagedRole) -> Result<Response, ApiError> {
        let held = self.held(gun).await?;
        let Some(Held::Repository(kept)) = held.as_deref() else {
            return Err(self.read_only(gun));
        };
        let path = MetadataPath::Current(BaseRole::Root.into());
        let root = kept.repository.document(&path);
        let root = root.and_then(|(document, bytes)| {
            Received::<Root>::parse(&document.role, bytes.clone()).ok()
        });
        let keys = root.map(|root| root.unverified().role_keys(role.base()));
        match keys.as_ref().and_then(|keys| keys.keys().next()) {
            Some(key) => Ok(keys::answer(key)),
            None => Err(self.read_only(gun)),
        }
    }

    /// Answers with recorded changes.
    async fn changes(&self, gun: Option<&Gun>, query: &str) -> Result<Response, ApiError> {
        let (window, limit) = changefeed::parse(query)?;
        let limit = limit.min(self.settings().limits.max_changes);
        let changes = match gun {
            Some(gun) => match self.held(gun).await?.as_deref() {
                Some(Held::Repository(kept)) => of_record(&kept.repository.record, window, limit),
                Some(Held::Contradiction(contradiction)) => {
                    return Err(contradicts(&contradiction.public()));
                }
                None => Vec::new(),
            },
            None => match self.shelf().changes(window, limit) {
                Lookup::Changes(changes) => changes,
                Lookup::NotYet => return Err(ApiError::with_empty_detail(ErrorCode::Unavailable)),
                Lookup::TooLong => {
                    let detail = "there are too many changes; ask for those of a repository";
                    return Err(ApiError::with_detail(ErrorCode::InvalidParameters, detail));
                }
            },
        };
        changefeed::answer(&changes)
    }

    async fn held(&self, gun: &Gun) -> Result<Option<Arc<Held>>, ApiError> {
        self.shelf().get(gun).await.map_err(|error: LoadError| {
            let error = &error as &dyn std::error::Error;
            tracing::error!(%gun, error, "500 GET: {gun} cannot be read from its archive");
            ApiError::internal()
        })
    }

    /// The refusal of a change.
    fn read_only(&self, gun: &Gun) -> ApiError {
        let message = match self.shelf().captured(gun) {
            Some(captured) => format!(
                "this server is a read-only archive of what the repository was on {captured}: nothing can be published, rotated or deleted here"
            ),
            None => "this server is a read-only archive, and this repository is not in it: nothing can be published here".to_owned(),
        };
        ApiError::told(ErrorCode::ReadOnly, VALIDATION, None, &message)
    }
}

fn contradicts(how: &str) -> ApiError {
    let message =
        format!("the archives of this server contradict each other about this repository: {how}");
    ApiError::told(ErrorCode::Contradiction, VALIDATION, None, &message)
}

/// The kind of refusal whose text Go's clients show as it is.
const VALIDATION: &str = "ErrValidation";
