//! From a request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::Full;

use super::admission::{admit, asker, elsewhere};
use super::error::ApiError;
use super::path::Route;
use super::{changefeed, import, keys, metadata, update};
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
        let answer = match &self.settings().audit {
            None => self.answer(route, request).await,
            Some(audit) => Box::pin(self.answer_recorded(audit, route, request)).await,
        };
        answer.unwrap_or_else(ApiError::into_response)
    }

    pub(super) async fn answer<B>(
        self: &Arc<Self>,
        route: Route,
        request: Request<B>,
    ) -> Result<Response, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let gun = admit(self.settings(), &route, asker(&request), self.now()).await?;
        match (route, gun) {
            (Route::Metadata { role, name, .. }, Some(gun)) => {
                metadata::read(self, &gun, role.as_ref(), &name, request.headers()).await
            }
            (Route::Update { .. }, Some(gun)) => Box::pin(update::update(self, gun, request)).await,
            (Route::GetKey { role, .. }, Some(gun)) => {
                Box::pin(keys::current(self, &gun, role)).await
            }
            (Route::RotateKey { role, .. }, Some(gun)) => {
                Box::pin(keys::rotate(self, &gun, role)).await
            }
            (Route::Delete { .. }, Some(gun)) => Box::pin(metadata::delete(self, gun)).await,
            (Route::Import { .. }, Some(gun)) => Box::pin(import::import(self, gun, request)).await,
            (Route::Changefeed { .. }, gun) => {
                let query = request.uri().query().unwrap_or_default();
                Box::pin(changefeed::read(self, gun.as_ref(), query)).await
            }
            (route, _) => elsewhere(&route),
        }
    }
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
