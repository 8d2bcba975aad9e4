//! What comes before every answer, whatever is served: which repositories there are, who may ask, and the paths that are about no
//! repository.

use http::header::{ALLOW, HeaderValue, LOCATION};
use http::{Request, StatusCode};
use signet_tuf::Gun;
use time::OffsetDateTime;

use super::authorization::{Asker, authorize};
use super::caller::Caller;
use super::error::{ApiError, ErrorCode};
use super::path::Route;
use super::router::{Response, empty, json};
use crate::settings::Settings;

/// Lets a request pass, or refuses it. Gives the repository that it is about, if it is about one.
///
/// The order is Go's: which repositories are served is no secret, which ones exist is.
pub(super) async fn admit(
    settings: &Settings,
    route: &Route,
    asker: Asker<'_>,
    now: OffsetDateTime,
) -> Result<Option<Gun>, ApiError> {
    if let Some(name) = route.gun() {
        check_prefix(&settings.gun_prefixes, name, route)?;
    }
    if let Some(auth) = &settings.auth {
        authorize(auth, route, asker, &settings.counters, now).await?;
    }
    route.gun().map(|name| parse_gun(name, route)).transpose()
}

/// What a request says about who sends it.
pub(super) fn asker<B>(request: &Request<B>) -> Asker<'_> {
    Asker {
        headers: request.headers(),
        uri: request.uri(),
        caller: request.extensions().get::<Caller>(),
    }
}

/// Refuses a GUN that this server does not serve.
fn check_prefix(prefixes: &[String], name: &str, route: &Route) -> Result<(), ApiError> {
    if prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(());
    }
    Err(
        if matches!(route, Route::Update { .. } | Route::Import { .. }) {
            let list = prefixes.join(" ");
            let detail = format!("Require GUNs with prefix: [{list}]");
            ApiError::with_detail(ErrorCode::InvalidGun, &detail)
        } else {
            ApiError::new(ErrorCode::MetadataNotFound)
        },
    )
}

/// The GUN, if it is one.
fn parse_gun(name: &str, route: &Route) -> Result<Gun, ApiError> {
    name.parse::<Gun>().map_err(|invalid| {
        if matches!(route, Route::Update { .. } | Route::Import { .. }) {
            ApiError::with_detail(ErrorCode::InvalidGun, invalid.reason)
        } else {
            ApiError::new(ErrorCode::MetadataNotFound)
        }
    })
}

/// The answer to what is about no repository.
pub(super) fn elsewhere(route: &Route) -> Result<Response, ApiError> {
    match route {
        Route::Ping => Ok(json("{}")),
        Route::Redirect { location } => Ok(redirect(location)),
        Route::MethodNotAllowed { allow } => {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            let allow = HeaderValue::from_static(allow);
            response.headers_mut().insert(ALLOW, allow);
            Ok(response)
        }
        Route::Malformed => Ok(empty(StatusCode::BAD_REQUEST)),
        Route::Health
        | Route::Metrics
        | Route::NotFound
        | Route::Metadata { .. }
        | Route::Update { .. }
        | Route::GetKey { .. }
        | Route::RotateKey { .. }
        | Route::Delete { .. }
        | Route::Import { .. }
        | Route::Changefeed { .. } => Err(ApiError::new(ErrorCode::MetadataNotFound)),
    }
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
