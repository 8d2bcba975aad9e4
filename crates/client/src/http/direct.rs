//! Requests to a server that no proxy stands before.
//!
//! It is the client that reqwest is made of, without what is around it there: that reads each address three times over and copies the headers in
//! case the server sends the request elsewhere, which costs a crawl more than the request itself.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;
use url::Url;

use super::{CONNECT_TIMEOUT, HttpError, TlsOptions, is_loopback, tls_config};

/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(90);
/// When, and how often, a silent peer is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long what was sent may stay without a sign that it came.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(30);

/// The connections to a server, by which each request goes straight to it.
#[derive(Clone)]
pub(crate) struct Direct {
    client: Client<Timed, Full<Bytes>>,
    user_agent: HeaderValue,
}

impl Direct {
    /// Prepares connections to `server`. `None`: it is reached by a proxy, or its address holds a login.
    ///
    /// # Errors
    /// [`HttpError`] when a client certificate is unusable.
    pub(crate) fn new(
        server: &Url,
        tls: &TlsOptions,
        user_agent: &str,
    ) -> Result<Option<Self>, HttpError> {
        let Ok(user_agent) = HeaderValue::from_str(user_agent) else {
            return Ok(None);
        };
        let has_login = !server.username().is_empty() || server.password().is_some();
        if has_login || !is_reached_directly(server) {
            return Ok(None);
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNHEARD));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(Timed(connector));
        Ok(Some(Self { client, user_agent }))
    }

    /// Sends a request. The caller looks at the clock.
    ///
    /// # Errors
    /// What went wrong before the answer began.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Error> {
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, self.user_agent.clone());
        self.client.request(request).await
    }
}

/// Whether the environment names no proxy for `server`.
fn is_reached_directly(server: &Url) -> bool {
    let Ok(address) = server.as_str().parse::<Uri>() else {
        return false;
    };
    is_loopback(server) || Matcher::from_system().intercept(&address).is_none()
}

type Connected = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
type Failed = <HttpsConnector<HttpConnector> as Service<Uri>>::Error;

/// Connects within [`CONNECT_TIMEOUT`], TLS handshake included.
#[derive(Clone)]
struct Timed(HttpsConnector<HttpConnector>);

impl Service<Uri> for Timed {
    type Response = Connected;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<Connected, Failed>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.0.call(server);
        Box::pin(async {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
            connected.unwrap_or_else(|_| {
                let late = io::Error::new(io::ErrorKind::TimedOut, super::TIMED_OUT);
                Err(late.into())
            })
        })
    }
}
