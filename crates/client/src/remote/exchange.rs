//! One request and its answer, by a proxy or without one.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::RemoteError;
use super::error::{Stage, transport_error};
use crate::http::{self, Direct, HttpError, TlsOptions};

/// The way to a server.
pub(super) enum Way {
    /// Nothing stands before it.
    Direct(Box<Direct>),
    /// What reqwest knows of proxies and of logins in addresses.
    Proxied(reqwest::Client),
}

/// What is sent.
pub(super) struct Sent<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) authorization: Option<&'a HeaderValue>,
    /// The body and its content type.
    pub(super) body: Option<&'a (Bytes, Option<String>)>,
    /// Longest time until the whole answer is there.
    pub(super) total: Duration,
}

impl Way {
    pub(super) fn new(server: &Url, tls: &TlsOptions, user_agent: &str) -> Result<Self, HttpError> {
        if let Some(direct) = Direct::new(server, tls, user_agent)? {
            return Ok(Self::Direct(Box::new(direct)));
        }
        let client = http::builder(server, tls, user_agent)?.build();
        client.map(Self::Proxied).map_err(HttpError::Client)
    }

    /// Sends a request and waits until the answer begins.
    pub(super) async fn send(&self, sent: Sent<'_>) -> Result<Reply, RemoteError> {
        match self {
            Self::Direct(direct) => direct_reply(direct, sent).await,
            Self::Proxied(client) => proxied_reply(client, sent).await,
        }
    }
}

async fn direct_reply(direct: &Direct, sent: Sent<'_>) -> Result<Reply, RemoteError> {
    let until = Instant::now() + sent.total;
    let (body, content_type) = sent.body.cloned().unwrap_or_default();
    let mut request = ::http::Request::builder()
        .method(sent.method)
        .uri(sent.url.as_str());
    if let Some(authorization) = sent.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    let request = request
        .body(Full::new(body))
        .map_err(|error| Stage::Sending.failed(&error))?;
    let answer = tokio::time::timeout_at(until, direct.send(request)).await;
    let response = answer
        .map_err(|_| Stage::Sending.timed_out())?
        .map_err(|error| Stage::Sending.failed(&error))?;
    Ok(Reply::Direct { response, until })
}

async fn proxied_reply(client: &reqwest::Client, sent: Sent<'_>) -> Result<Reply, RemoteError> {
    let mut request = client
        .request(sent.method.clone(), sent.url.clone())
        .timeout(sent.total);
    if let Some(authorization) = sent.authorization {
        request = request.header(AUTHORIZATION, authorization.clone());
    }
    if let Some((body, content_type)) = sent.body {
        request = request.body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type.as_str());
        }
    }
    let response = request.send().await.map_err(transport_error)?;
    Ok(Reply::Proxied(response))
}

/// An answer whose body is still to be read.
pub(super) enum Reply {
    Direct {
        response: ::http::Response<Incoming>,
        /// When all of it must be there.
        until: Instant,
    },
    Proxied(reqwest::Response),
}

impl Reply {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Direct { response, .. } => response.status(),
            Self::Proxied(response) => response.status(),
        }
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        match self {
            Self::Direct { response, .. } => response.headers(),
            Self::Proxied(response) => response.headers(),
        }
    }

    /// The length of the body, where the server announces it.
    pub(super) fn content_length(&self) -> Option<u64> {
        match self {
            Self::Direct { response, .. } => response.body().size_hint().exact(),
            Self::Proxied(response) => response.content_length(),
        }
    }

    /// What comes of the body within `silence`.
    pub(super) async fn read(&mut self, silence: Duration) -> Result<Read, RemoteError> {
        match self {
            Self::Direct { response, until } => {
                let patience = Instant::now() + silence;
                let reading = next_data(response.body_mut());
                match tokio::time::timeout_at(patience.min(*until), reading).await {
                    Ok(read) => read,
                    Err(_) if *until < patience => Err(Stage::Reading.timed_out()),
                    Err(_) => Ok(Read::Silence),
                }
            }
            Self::Proxied(response) => {
                match tokio::time::timeout(silence, response.chunk()).await {
                    Ok(read) => Ok(read.map_err(transport_error)?.map_or(Read::End, Read::Part)),
                    Err(_) => Ok(Read::Silence),
                }
            }
        }
    }
}

/// What comes of a body.
pub(super) enum Read {
    /// Its next part.
    Part(Bytes),
    /// There is no more of it.
    End,
    /// Nothing, for too long.
    Silence,
}

async fn next_data(body: &mut Incoming) -> Result<Read, RemoteError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Stage::Reading.failed(&error))?;
        // Trailers say nothing.
        if let Ok(data) = frame.into_data() {
            return Ok(Read::Part(data));
        }
    }
    Ok(Read::End)
}
