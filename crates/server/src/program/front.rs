//! What stands between a connection and the service: counting, logging, and the paths that are not the service's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use signet_server::http::{Response, Route};
use signet_server::{App, Archives, Settings};
use signet_service::debug;
use signet_service::health::Health;
use signet_service::serve::Handler;
use signet_service::telemetry;

use super::access::{self, Described};
use super::archives;
use super::metrics::{self, Measured, Metrics};
use super::survey::LastSurvey;

/// What is served.
#[derive(Clone, Debug)]
pub(crate) enum Service {
    /// Repositories that are published here.
    Repositories(Arc<App>),
    /// Archives of repositories that were published elsewhere.
    Archives(Arc<Archives>),
}

impl Service {
    pub(super) fn settings(&self) -> &Settings {
        match self {
            Self::Repositories(app) => app.settings(),
            Self::Archives(archives) => archives.settings(),
        }
    }

    async fn respond(&self, route: Route, request: Request<Incoming>) -> Response {
        match self {
            Self::Repositories(app) => app.respond(route, request).await,
            Self::Archives(archives) => archives.respond(route, request).await,
        }
    }
}

/// The service with its surroundings.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    service: Service,
    metrics: Arc<Metrics>,
    health: Health,
    survey: LastSurvey,
}

impl Front {
    pub(crate) const fn new(
        service: Service,
        metrics: Arc<Metrics>,
        health: Health,
        survey: LastSurvey,
    ) -> Self {
        Self {
            service,
            metrics,
            health,
            survey,
        }
    }

    /// Whether requests can be answered well, with what is known of the repositories.
    fn ready(&self) -> Response {
        let failures = self.failures();
        let (status, word) = if failures.is_empty() {
            (StatusCode::OK, "ready")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "failing")
        };
        let report = serde_json::json!({
            "status": word,
            "failing": failures,
            "metadata": self.survey.report(),
        });
        json(status, report.to_string())
    }

    /// The failing checks with what is told of them. The texts name hosts, files and what databases say. Where logins keep others from
    /// knowing what is here, that is for the log, which has it.
    fn failures(&self) -> BTreeMap<String, String> {
        let mut failures = self.health.failures();
        if self.service.settings().auth.is_some() {
            for text in failures.values_mut() {
                "unavailable".clone_into(text);
            }
        }
        failures
    }

    async fn answer(
        &self,
        route: Route,
        mut request: Request<Incoming>,
        described: &Described,
    ) -> Response {
        let started = Instant::now();
        let settings = self.service.settings();
        if settings.auth.is_some() || settings.audit.is_some() {
            request.extensions_mut().insert(described.caller().clone());
        }
        let operation = route.operation();
        let request_bytes = if operation.is_some() {
            metrics::request_size(&request)
        } else {
            0
        };
        // A defect in one request is that request's: the connection and the others on it go on.
        let answer = AssertUnwindSafe(self.service.respond(route, request))
            .catch_unwind()
            .await;
        let mut response =
            answer.unwrap_or_else(|_| json(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR));
        if let Some(id) = described.caller().given_id() {
            response
                .headers_mut()
                .insert(access::REQUEST_ID, id.clone());
        }
        let now = Instant::now();
        let response_bytes = response.body().size_hint().exact().unwrap_or(0);
        if let Some(operation) = operation {
            let measured = Measured {
                operation,
                started,
                request_bytes,
                response_bytes,
            };
            self.metrics
                .record(&measured, described.method(), response.status(), now);
        }
        access::completed(described, &response, response_bytes, now - started);
        response
    }

    /// Healthy as the Go server says it; a server of archives also says what it has.
    fn health(&self) -> Response {
        match &self.service {
            Service::Archives(archives) if self.health.failures().is_empty() => {
                json(StatusCode::OK, archives::report(archives).to_string())
            }
            // Scripts compare with `{}`: there is more only when somebody should look.
            Service::Repositories(_)
                if self.health.failures().is_empty() && self.survey.is_alarming() =>
            {
                let report = serde_json::json!({ "metadata": self.survey.report() });
                json(StatusCode::OK, report.to_string())
            }
            _ => debug::health(&self.failures()),
        }
    }

    fn metrics(&self) -> Response {
        match self.metrics.text() {
            Ok(text) => with_type(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                text,
            ),
            Err(error) => {
                tracing::error!("metrics cannot be written: {error}");
                json(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR)
            }
        }
    }
}

impl Handler for Front {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        if request.method() == Method::GET {
            match request.uri().path() {
                "/livez" => return json(StatusCode::OK, "{}"),
                "/readyz" => return self.ready(),
                _ => {}
            }
        }
        let route = Route::of(request.method(), request.uri());
        match route {
            Route::Health => self.health(),
            Route::Metrics => self.metrics(),
            route => {
                let described = Described::of(&request, peer);
                let fields = Arc::clone(&described);
                telemetry::with_fields(fields, self.answer(route, request, &described)).await
            }
        }
    }
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    with_type(status, "application/json; charset=utf-8", body)
}

fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

const INTERNAL_ERROR: &str =
    "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"unknown error\",\"detail\":{}}]}\n";
