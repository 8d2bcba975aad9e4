//! Manifests from a registry (the distribution API, version 2), read only.

mod error;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION,
};
use reqwest::{Response, StatusCode, Url};

use crate::challenge::{self, Answer, Challenge};
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest, MediaType};
use crate::reference::{Reference, Tag, is_loopback};
use crate::token::{Asker, TokenClients, Tokens, registry_scope};

pub use error::{ErrorKind, RegistryError};
pub(crate) use error::{find_tls_error, printable};

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
    /// Time until the first answer begins, over each of the protocols tried. Default: 15 seconds.
    pub first_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_manifest_bytes: MAX_MANIFEST_BYTES,
            manifest_time: Duration::from_secs(60),
            first_time: Duration::from_secs(15),
        }
    }
}

/// What a command does at a registry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Actions {
    /// It reads.
    #[default]
    Pull,
    /// It reads and writes.
    PullPush,
}

impl Actions {
    /// The actions of a token's scope.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::PullPush => "pull,push",
        }
    }
}

/// The way to a registry.
#[derive(Clone, Debug)]
pub struct Access {
    /// Brings the TLS configuration. It should be built with `reqwest::redirect::Policy::none()`: redirects within the
    /// registry are followed here, and an answer from anywhere else is refused.
    pub client: reqwest::Client,
    /// The user's credentials for the registry.
    pub credentials: Credentials,
    /// The tokens that the command holds.
    pub tokens: Arc<Tokens>,
    /// Makes the way to the token server, if the registry wants tokens.
    pub token_clients: TokenClients,
    /// What the command needs to be allowed.
    pub actions: Actions,
    /// What one exchange may cost.
    pub limits: Limits,
}

impl Access {
    /// Read access with this client, anonymously.
    #[must_use]
    pub fn new(client: reqwest::Client) -> Self {
        let for_tokens = client.clone();
        Self {
            client,
            credentials: Credentials::anonymous(),
            tokens: Arc::default(),
            token_clients: TokenClients::new(move |_| Ok(for_tokens.clone())),
            actions: Actions::Pull,
            limits: Limits::default(),
        }
    }

    /// The same with credentials.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// The same with limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// One repository at its registry.
///
/// Nothing is sent before something is asked for, and what the registry wants to see is learnt from its answer: a
/// registry that lets everybody in is asked once and no more.
#[derive(Debug)]
pub struct Registry {
    access: Access,
    /// Host and port as in references.
    authority: String,
    /// `https://host[:port]/`.
    https: Url,
    /// `https://host[:port]/`, or `http` for a registry on this machine that speaks no TLS; once it is known.
    base: OnceLock<Url>,
    /// Path of the repository.
    path: String,
    /// What the registry wants to see; once it has said so.
    challenges: OnceLock<Vec<Challenge>>,
}

impl Registry {
    /// The registry of `reference`. Nothing is sent yet.
    ///
    /// HTTPS is spoken always, except that a registry on this machine ([`is_loopback`]) which does not answer to it is
    /// tried with plain HTTP, as docker does.
    ///
    /// # Errors
    /// [`RegistryError::Authority`] when the reference's host and port cannot be an address.
    pub fn new(reference: &Reference, access: Access) -> Result<Self, RegistryError> {
        let authority = reference.registry_authority();
        Ok(Self {
            access,
            authority: authority.to_owned(),
            https: address("https", authority)?,
            base: OnceLock::new(),
            path: reference.path().to_owned(),
            challenges: OnceLock::new(),
        })
    }

    /// The registry's address, as spoken to.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.base.get().unwrap_or(&self.https)
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
        let path = format!("v2/{}/manifests/{name}", self.path);
        self.within(
            self.access.limits.manifest_time,
            self.fetch_path(&path, name),
        )
        .await
    }

    async fn fetch_path(&self, path: &str, name: &str) -> Result<Manifest, RegistryError> {
        let response = self.request(path).await?;
        // Only 200: the body of a 206, a 302 or a 500 is not what was asked for (security class A21).
        match response.status() {
            StatusCode::OK => self.read_manifest(response).await,
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound {
                registry: self.url().to_string(),
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
            .read_body(response, self.access.limits.max_manifest_bytes)
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

    /// Sends a GET and answers what the registry asks for.
    async fn request(&self, path: &str) -> Result<Response, RegistryError> {
        let known = self.challenges.get().is_some();
        let mut authorization = self.authorization().await?;
        let mut response = self.first(path, authorization.as_ref()).await?;
        if !known && authorization.is_none() {
            self.learn(&response).await?;
            authorization = self.authorization().await?;
            if authorization.is_none() {
                return Ok(response);
            }
            response = self.send(path, authorization.as_ref()).await?;
        }
        if response.status() == StatusCode::UNAUTHORIZED
            && challenge::wants_new_token(&challenge::parse(response.headers()))
            && let Some(refused) = &authorization
            && self.access.tokens.discard(refused).await
        {
            // It was good when it was fetched. Once only.
            let authorization = self.authorization().await?;
            response = self.send(path, authorization.as_ref()).await?;
        }
        Ok(response)
    }

    /// Remembers what the registry wants to see, after an answer to a request without `Authorization`.
    async fn learn(&self, response: &Response) -> Result<(), RegistryError> {
        let challenges = match response.status() {
            StatusCode::UNAUTHORIZED => challenge::parse(response.headers()),
            // Some registries hide from strangers what there is, and ask who they are only at the front door.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
                if !self.access.credentials.is_anonymous() =>
            {
                let answer = self.send("v2/", None).await?;
                match answer.status() {
                    StatusCode::UNAUTHORIZED => challenge::parse(answer.headers()),
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        // Whoever was faster learnt the same.
        let _ = self.challenges.set(challenges);
        Ok(())
    }

    async fn authorization(&self) -> Result<Option<HeaderValue>, RegistryError> {
        let Some(challenges) = self.challenges.get() else {
            return Ok(None);
        };
        let credentials = &self.access.credentials;
        let challenge = match challenge::answer(challenges, credentials, self.url()) {
            Ok(Answer::Nothing) => return Ok(None),
            Ok(Answer::Basic(header)) => return Ok(Some(header)),
            Ok(Answer::Token(challenge)) => challenge,
            Err(source) => return Err(self.no_answer(source)),
        };
        let asker = Asker::new(self.url().clone(), self.access.token_clients.clone());
        let scope = registry_scope(challenge, &self.path, self.access.actions.as_str());
        self.access
            .tokens
            .authorization(&asker, challenge, &scope, credentials)
            .await
            .map(Some)
            .map_err(|source| self.no_answer(source.into()))
    }

    /// As [`Registry::send`]; the first time it finds out whether the registry speaks TLS.
    async fn first(
        &self,
        path: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        if self.base.get().is_some() {
            return self.send(path, authorization).await;
        }
        let limit = self.access.limits.first_time;
        let attempt = async |base: &Url| {
            let sent = self.send_to(base, path, authorization);
            self.within(limit, sent).await
        };
        let (base, answer) = match attempt(&self.https).await {
            Err(e) if is_loopback(&self.authority) && e.may_be_plain_http() => {
                tracing::debug!(registry = %self.https, "no HTTPS, trying plain HTTP: {e}");
                let http = address("http", &self.authority)?;
                match attempt(&http).await {
                    // Nobody there at all: then HTTPS is what was wanted.
                    Err(RegistryError::Unreachable { .. }) => return Err(e),
                    answer => (http, answer?),
                }
            }
            answer => (self.https.clone(), answer?),
        };
        let _ = self.base.set(base);
        Ok(answer)
    }

    async fn send(
        &self,
        path: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        self.send_to(self.url(), path, authorization).await
    }

    /// Sends a GET, and follows redirects within the registry.
    async fn send_to(
        &self,
        base: &Url,
        path: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut url = base.join(path).map_err(|source| RegistryError::Authority {
            authority: base.to_string(),
            source,
        })?;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self
                .access
                .client
                .get(url.clone())
                .header(ACCEPT, accepted());
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            let response = request
                .send()
                .await
                .map_err(|source| RegistryError::from_transport(base, source))?;
            expect_own(base, response.url())?;
            match redirect_target(&response) {
                None => return Ok(response),
                Some(target) => {
                    expect_own(base, &target)?;
                    url = target;
                }
            }
        }
        Err(RegistryError::Redirected {
            registry: base.to_string(),
            target: url.to_string(),
        })
    }

    fn expect_digest(&self, manifest: &Manifest, digest: &Digest) -> Result<(), RegistryError> {
        if manifest.digest() == digest {
            return Ok(());
        }
        Err(RegistryError::DigestMismatch {
            registry: self.url().to_string(),
            expected: *digest,
            received: *manifest.digest(),
        })
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            Err(RegistryError::TimedOut {
                registry: self.url().to_string(),
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
        RegistryError::from_transport(self.url(), source)
    }

    fn no_answer(&self, source: challenge::AnswerError) -> RegistryError {
        RegistryError::Credentials {
            registry: self.url().to_string(),
            source,
        }
    }
}

fn address(scheme: &str, authority: &str) -> Result<Url, RegistryError> {
    Url::parse(&format!("{scheme}://{authority}/")).map_err(|source| RegistryError::Authority {
        authority: authority.to_owned(),
        source,
    })
}

/// Whom the user named answers, or nobody: a redirect cannot name another server, nor leave TLS.
fn expect_own(base: &Url, url: &Url) -> Result<(), RegistryError> {
    if url.origin() == base.origin() {
        return Ok(());
    }
    Err(RegistryError::Redirected {
        registry: base.to_string(),
        target: url.to_string(),
    })
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
