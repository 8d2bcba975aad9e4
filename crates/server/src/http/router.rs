//! From a request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Request, StatusCode};
use http_body_util::Full;
use signet_tuf::Gun;

use super::authorization::authorize;
use super::error::{ApiError, ErrorCode};
use super::path::Route;
use super::{changefeed, keys, metadata, update};
use crate::app::App;

/// An answer. Its body is complete, so that its length is known.
pub type Response = http::Response<Full<Bytes>>;

impl App {
    /// Answers a request.
    pub async fn handle<B>(self: &Arc<Self>, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let route = Route::of(request.method(), request.uri());
        self.respond(route, request).await
    }

    /// Answers a request whose route is known, so that the caller can count and log it as what it is.
    ///
    /// [`Route::Health`] and [`Route::Metrics`] belong to the program around the service; here nothing is found there.
    pub async fn respond<B>(self: &Arc<Self>, route: Route, request: Request<B>) -> Response
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.answer(route, request)
            .await
            .unwrap_or_else(ApiError::into_response)
    }

    async fn answer<B>(
        self: &Arc<Self>,
        route: Route,
        request: Request<B>,
    ) -> Result<Response, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let not_found = || ApiError::new(ErrorCode::MetadataNotFound);
        // The order is Go's: which repositories are served is no secret, which ones exist is.
        if let Some(name) = route.gun() {
            self.check_prefix(name, &route)?;
        }
        if let Some(auth) = &self.settings().auth
            && let Some(wanted) = route.wanted()
        {
            authorize(auth, &wanted, &request, self.now())?;
        }
        let gun = match route.gun() {
            None => None,
            Some(name) => Some(parse_gun(name, &route)?),
        };
        match (route, gun) {
            (Route::Metadata { role, name, .. }, Some(gun)) => {
                metadata::read(self, &gun, role.as_ref(), &name).await
            }
            (Route::Ping, _) => Ok(json("{}")),
            (Route::Update { .. }, Some(gun)) => Box::pin(update::update(self, gun, request)).await,
            (Route::GetKey { role, .. }, Some(gun)) => {
                Box::pin(keys::current(self, &gun, role)).await
            }
            (Route::RotateKey { role, .. }, Some(gun)) => {
                Box::pin(keys::rotate(self, &gun, role)).await
            }
            (Route::Delete { .. }, Some(gun)) => Box::pin(metadata::delete(self, gun)).await,
            (Route::Changefeed { .. }, gun) => {
                let query = request.uri().query().unwrap_or_default();
                Box::pin(changefeed::read(self, gun.as_ref(), query)).await
            }
            (Route::Redirect { location }, _) => Ok(redirect(&location)),
            (Route::MethodNotAllowed { allow }, _) => {
                let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
                let allow = HeaderValue::from_static(allow);
                response.headers_mut().insert(ALLOW, allow);
                Ok(response)
            }
            (Route::Malformed, _) => Ok(empty(StatusCode::BAD_REQUEST)),
            (
                Route::Health
                | Route::Metrics
                | Route::NotFound
                | Route::Metadata { .. }
                | Route::Update { .. }
                | Route::GetKey { .. }
                | Route::RotateKey { .. }
                | Route::Delete { .. },
                _,
            ) => Err(not_found()),
        }
    }

    /// Refuses a GUN that this server does not serve.
    fn check_prefix(&self, name: &str, route: &Route) -> Result<(), ApiError> {
        let prefixes = &self.settings().gun_prefixes;
        if prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            return Ok(());
        }
        Err(if matches!(route, Route::Update { .. }) {
            let list = prefixes.join(" ");
            let detail = format!("Require GUNs with prefix: [{list}]");
            ApiError::with_detail(ErrorCode::InvalidGun, &detail)
        } else {
            ApiError::new(ErrorCode::MetadataNotFound)
        })
    }
}

/// The GUN, if it is one.
fn parse_gun(name: &str, route: &Route) -> Result<Gun, ApiError> {
    name.parse::<Gun>().map_err(|invalid| {
        if matches!(route, Route::Update { .. }) {
            ApiError::with_detail(ErrorCode::InvalidGun, invalid.reason)
        } else {
            ApiError::new(ErrorCode::MetadataNotFound)
        }
    })
}

/// 200 with a JSON body.
pub(super) fn json(body: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(Full::new(body.into()));
    response.headers_mut().insert(
        CONTENT_TYPE,
        const { HeaderValue::from_static("application/json") },
    );
    response
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = status;
    response
}

fn redirect(location: &str) -> Response {
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    match HeaderValue::from_str(location) {
        Ok(location) => {
            response.headers_mut().insert(LOCATION, location);
            response
        }
        // The path is escaped and the query came in a header line, so this does not happen.
        Err(_) => empty(StatusCode::BAD_REQUEST),
    }
}
