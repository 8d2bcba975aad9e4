//! The listener of `-debug`: health, and the variables that Go's `expvar` shows.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::task::JoinSet;

use crate::health::Health;
use crate::listen::{Address, ListenError};
use crate::serve::{Handler, Limits, serve};
use crate::shutdown::Shutdown;

/// Where it listens.
pub const ADDRESS: &str = "localhost:8080";

/// Listens in a task of its own.
///
/// # Errors
/// When the port is taken.
pub async fn listen(health: &Health, tasks: &mut JoinSet<()>) -> Result<(), ListenError> {
    tracing::info!("Debug server listening on {ADDRESS}");
    let listeners = Address::parse(ADDRESS)?.bind().await?;
    let front = Front(health.clone());
    tasks.spawn(async move {
        let (_trigger, shutdown) = Shutdown::new();
        serve(listeners, None, Limits::default(), front, shutdown).await;
    });
    Ok(())
}

#[derive(Clone, Debug)]
struct Front(Health);

impl Handler for Front {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/debug/health" => health(&self.0.failures()),
            "/debug/vars" => {
                let command: Vec<String> = std::env::args_os()
                    .map(|word| word.to_string_lossy().into_owned())
                    .collect();
                let body = serde_json::json!({ "cmdline": command }).to_string();
                answer(StatusCode::OK, JSON, body)
            }
            _ => answer(
                StatusCode::NOT_FOUND,
                "text/plain; charset=utf-8",
                "404 page not found\n",
            ),
        }
    }
}

/// The failing checks as the Go services answer: 200 and `{}`, or 503 and their texts by name.
#[must_use]
pub fn health(failures: &BTreeMap<String, String>) -> Response<Full<Bytes>> {
    let status = if failures.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(status, JSON, serde_json::json!(failures).to_string())
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

const JSON: &str = "application/json; charset=utf-8";
