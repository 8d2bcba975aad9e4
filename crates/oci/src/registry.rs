//! Manifests from a registry (the distribution API, version 2), read only.

mod error;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION,
};
use reqwest::{Response, StatusCode, Url};

use crate::challenge::{self, Challenge};
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest, MediaType};
use crate::reference::{Reference, Tag, is_loopback};

pub use error::{ErrorKind, RegistryError};

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Most bytes of an error response that are read for the server's explanation.
const MAX_EXPLANATION_BYTES: u64 = 16 << 10;

/// Most redirects that are followed, all within the registry.
const MAX_REDIRECTS: usize = 3;

/// What one exchange with a registry may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Largest manifest, in bytes. Default: [`MAX_MANIFEST_BYTES`].
    pub max_manifest_bytes: u64,
    /// Time for one manifest, from connecting to the last byte. Default: 60 seconds.
    pub manifest_time: Duration,
    /// Time for the first contact, over each of the protocols tried. Default: 15 seconds.
    pub ping_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_manifest_bytes: MAX_MANIFEST_BYTES,
            manifest_time: Duration::from_secs(60),
            ping_time: Duration::from_secs(15),
        }
    }
}

/// One repository at its registry.
#[derive(Clone, Debug)]
pub struct Registry {
    client: reqwest::Client,
    /// `https://host[:port]/`, or `http` for a registry on this machine that speaks no TLS.
    base: Url,
    /// Path of the repository.
    path: String,
    credentials: Credentials,
    authorization: Option<HeaderValue>,
    limits: Limits,
}

impl Registry {
    /// Contacts the registry of `reference` and learns how it wants to be spoken to.
    ///
    /// `client` brings the TLS configuration, and should be built with `reqwest::redirect::Policy::none()`: redirects
    /// within the registry are followed here, and an answer from anywhere else is refused.
    ///
    /// HTTPS is spoken always, except that a registry on this machine ([`is_loopback`]) which does not answer to it is
    /// tried with plain HTTP, as docker does.
    ///
    /// # Errors
    /// [`RegistryError`]; its [`kind`](RegistryError::kind) tells a network failure from a refusal. No manifest is asked
    /// for when the registry wants credentials that we do not have.
    pub async fn connect(
        client: reqwest::Client,
        reference: &Reference,
        credentials: Credentials,
        limits: Limits,
    ) -> Result<Self, RegistryError> {
        let authority = reference.registry_authority();
        let base = |scheme: &str| {
            Url::parse(&format!("{scheme}://{authority}/")).map_err(|source| {
                RegistryError::Authority {
                    authority: authority.to_owned(),
                    source,
                }
            })
        };
        let mut registry = Self {
            client,
            base: base("https")?,
            path: reference.path().to_owned(),
            credentials,
            authorization: None,
            limits,
        };
        let challenges = match registry.ping().await {
            Err(e) if is_loopback(authority) && e.may_be_plain_http() => {
                tracing::debug!(registry = authority, "no HTTPS, trying plain HTTP: {e}");
                let https = std::mem::replace(&mut registry.base, base("http")?);
                match registry.ping().await {
                    // Nobody there at all: then HTTPS is what was wanted.
                    Err(RegistryError::Unreachable { .. }) => {
                        registry.base = https;
                        return Err(e);
                    }
                    answer => answer?,
                }
            }
            answer => answer?,
        };
        registry.authorization = challenge::answer(&challenges, &registry.credentials)
            .map_err(|source| registry.no_answer(source))?;
        Ok(registry)
    }

    /// The registry's address, as spoken to.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.base
    }

    /// Fetches what the registry has under `tag` now.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn fetch_tag(&self, tag: &Tag) -> Result<Manifest, RegistryError> {
        self.fetch(tag.as_str()).await
    }

    /// Fetches the manifest of the given digest, and accepts no other.
    ///
    /// # Errors
    /// [`RegistryError`], in particular [`RegistryError::DigestMismatch`] when the bytes received have another digest.
    pub async fn fetch_digest(&self, digest: &Digest) -> Result<Manifest, RegistryError> {
        let manifest = self.fetch(&digest.to_string()).await?;
        self.expect_digest(&manifest, digest)?;
        Ok(manifest)
    }

    async fn fetch(&self, name: &str) -> Result<Manifest, RegistryError> {
        let url = self.join(&format!("v2/{}/manifests/{name}", self.path))?;
        self.within(self.limits.manifest_time, self.fetch_url(&url, name))
            .await
    }

    async fn fetch_url(&self, url: &Url, name: &str) -> Result<Manifest, RegistryError> {
        let mut response = self.send(url, self.authorization.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            // Some registries ask only where it matters, and not at the ping.
            let challenges = challenge::parse(response.headers());
            let answer = challenge::answer(&challenges, &self.credentials)
                .map_err(|source| self.no_answer(source))?;
            if answer.is_some() {
                response = self.send(url, answer.as_ref()).await?;
            }
        }
        // Only 200: the body of a 206, a 302 or a 500 is not what was asked for (security class A21).
        match response.status() {
            StatusCode::OK => self.read_manifest(response).await,
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound {
                image: self.image(name),
                message: self.explanation(response).await,
            }),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                Err(RegistryError::Unauthorized {
                    image: self.image(name),
                    status: status.as_u16(),
                    challenges: challenge::parse(response.headers()),
                    message: self.explanation(response).await,
                })
            }
            status => Err(RegistryError::Refused {
                image: self.image(name),
                status: status.as_u16(),
                message: self.explanation(response).await,
            }),
        }
    }

    async fn read_manifest(&self, response: Response) -> Result<Manifest, RegistryError> {
        let text = |name: &HeaderName| {
            let value = response.headers().get(name);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        if let Some(encoding) = text(&CONTENT_ENCODING)
            && !encoding.eq_ignore_ascii_case("identity")
        {
            return Err(RegistryError::Encoded { encoding });
        }
        let content_type = text(&CONTENT_TYPE).unwrap_or_default();
        let claimed = claimed_digests(response.headers())?;
        let bytes = self
            .read_body(response, self.limits.max_manifest_bytes)
            .await?;
        let manifest = Manifest::parse(bytes, &content_type).map_err(RegistryError::Malformed)?;
        for digest in &claimed {
            self.expect_digest(&manifest, digest)?;
        }
        Ok(manifest)
    }

    /// The body, as long as it is not longer than `max_bytes`; not a byte more is kept.
    async fn read_body(
        &self,
        mut response: Response,
        max_bytes: u64,
    ) -> Result<Bytes, RegistryError> {
        let too_large = || RegistryError::TooLarge { max_bytes };
        if response
            .content_length()
            .is_some_and(|length| length > max_bytes)
        {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failed(e))? {
            if (body.len() + chunk.len()) as u64 > max_bytes {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    async fn ping(&self) -> Result<Vec<Challenge>, RegistryError> {
        let url = self.join("v2/")?;
        let response = self
            .within(self.limits.ping_time, self.send(&url, None))
            .await?;
        // As docker: any other status means that nothing is asked for. What is wrong shows at the manifest.
        Ok(if response.status() == StatusCode::UNAUTHORIZED {
            challenge::parse(response.headers())
        } else {
            Vec::new()
        })
    }

    /// Sends a GET, and follows redirects within the registry.
    async fn send(
        &self,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.get(url.clone()).header(ACCEPT, accepted());
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            let response = request.send().await.map_err(|e| self.failed(e))?;
            self.expect_own(response.url())?;
            match redirect_target(&response) {
                None => return Ok(response),
                Some(target) => {
                    self.expect_own(&target)?;
                    url = target;
                }
            }
        }
        Err(RegistryError::Redirected {
            registry: self.base.to_string(),
            target: url.to_string(),
        })
    }

    /// Whom the user named answers, or nobody: a redirect cannot name another server, nor leave TLS.
    fn expect_own(&self, url: &Url) -> Result<(), RegistryError> {
        if url.origin() == self.base.origin() {
            return Ok(());
        }
        Err(RegistryError::Redirected {
            registry: self.base.to_string(),
            target: url.to_string(),
        })
    }

    fn expect_digest(&self, manifest: &Manifest, digest: &Digest) -> Result<(), RegistryError> {
        if manifest.digest() == digest {
            return Ok(());
        }
        Err(RegistryError::DigestMismatch {
            registry: self.base.to_string(),
            expected: *digest,
            received: *manifest.digest(),
        })
    }

    fn join(&self, path: &str) -> Result<Url, RegistryError> {
        self.base
            .join(path)
            .map_err(|source| RegistryError::Authority {
                authority: self.base.to_string(),
                source,
            })
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(RegistryError::TimedOut {
                registry: self.base.to_string(),
                limit,
            })
        })
    }

    /// What the server says about its refusal, made fit for a terminal.
    async fn explanation(&self, response: Response) -> Option<String> {
        // The refusal stands whether or not its explanation can be had.
        let body = self.read_body(response, MAX_EXPLANATION_BYTES).await.ok()?;
        error::first_message(&body)
    }

    fn image(&self, name: &str) -> String {
        let separator = if name.contains(':') { '@' } else { ':' };
        format!("{}{separator}{name}", self.path)
    }

    fn failed(&self, source: reqwest::Error) -> RegistryError {
        RegistryError::from_transport(&self.base, source)
    }

    fn no_answer(&self, source: challenge::AnswerError) -> RegistryError {
        RegistryError::Credentials {
            registry: self.base.to_string(),
            source,
        }
    }
}

fn accepted() -> HeaderValue {
    // In one line: older registries read only the first.
    let types = MediaType::ALL.map(MediaType::as_str).join(", ");
    HeaderValue::from_str(&types).unwrap_or_else(|_| HeaderValue::from_static("*/*"))
}

fn redirect_target(response: &Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()
}

/// Every digest that the server states. One that is no SHA-256 digest is an error: nothing could be compared with it.
fn claimed_digests(headers: &HeaderMap) -> Result<Vec<Digest>, RegistryError> {
    headers
        .get_all(DOCKER_CONTENT_DIGEST)
        .iter()
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            text.parse().map_err(|source| RegistryError::ClaimedDigest {
                claimed: text.chars().take(200).collect(),
                source,
            })
        })
        .collect()
}
