//! The Docker Engine API, as far as signing and enforcement need it: an image's description, its tags, pushing and pulling.
//!
//! The HTTP library that serves registries and trust servers serves here too, over the daemon's socket: it bounds what is read, and
//! nothing that a daemon sends is kept beyond its line.

mod bridge;
mod error;
mod stream;
mod transport;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::docker_context::Endpoint;
use stream::Decoder;
use transport::Transport;

pub use error::{DaemonError, ErrorKind};
pub use stream::{Amount, Message, Progress, Quiet};

/// The newest version of the API that is spoken: docker 28.2's.
const API_VERSION: ApiVersion = ApiVersion(1, 50);
/// What is spoken with daemons that do not name a version.
const OLDEST_API_VERSION: ApiVersion = ApiVersion(1, 24);
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");
const API_VERSION_HEADER: HeaderName = HeaderName::from_static("api-version");
/// Largest explanation of an error that is read, in bytes.
const MAX_ERROR_BYTES: usize = 1 << 20;
/// Largest description of an image that is read, in bytes.
const MAX_IMAGE_BYTES: usize = 16 << 20;

/// How to talk to a daemon, besides where it is.
#[derive(Clone, Debug, Default)]
pub struct DaemonOptions {
    /// What the daemon's log calls us.
    pub user_agent: String,
    /// Headers for every request: `HttpHeaders` of `config.json`, or `DOCKER_CUSTOM_HEADERS`.
    pub headers: BTreeMap<String, String>,
    /// `DOCKER_API_VERSION`: the version to speak, whatever the daemon says.
    pub api_version: Option<String>,
    /// A program to reach the daemon through, instead of its address: its input and output are the connection.
    pub dial: Option<Vec<OsString>>,
    /// How long to wait.
    pub limits: Limits,
}

/// How long a daemon is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To connect, TLS included.
    pub connect_time: Duration,
    /// For a short question to be answered.
    pub answer_time: Duration,
    /// For the next sign of life in the middle of long work.
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(60),
            // Between two messages a slow disk may have to copy or to unpack a large layer.
            idle_time: Duration::from_secs(600),
        }
    }
}

/// A daemon that answers.
pub struct Daemon {
    transport: Transport,
    headers: HeaderMap,
    version: ApiVersion,
    limits: Limits,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon")
            .field("host", &self.transport.host)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// An image that the daemon has.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LocalImage {
    /// Its ID, `sha256:…`.
    pub id: String,
    /// Its tags, `name:tag`.
    #[serde(deserialize_with = "null_is_empty")]
    pub repo_tags: Vec<String>,
    /// The manifests that registries have of it, `name@sha256:…`.
    #[serde(deserialize_with = "null_is_empty")]
    pub repo_digests: Vec<String>,
    /// What the tag leads to, with engines that store manifests themselves.
    pub descriptor: Option<Descriptor>,
}

/// A manifest or an index.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// `sha256:…`
    pub digest: String,
    /// Its size in bytes.
    pub size: i64,
}

/// What the daemon says it has pushed. It is compared with what the registry has, and never signed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pushed {
    /// Every tag with its digest.
    pub tags: Vec<PushedTag>,
    /// Of an index only one platform was pushed: the index and what was pushed instead.
    pub instead_of_index: Option<(Descriptor, Descriptor)>,
}

/// A tag that was pushed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub struct PushedTag {
    /// The tag.
    pub tag: String,
    /// The digest, in the daemon's words.
    pub digest: String,
    /// The size of the manifest.
    pub size: i64,
}

/// The login that a daemon needs to push or pull for us.
#[derive(Clone, Copy, Debug)]
pub struct RegistryLogin<'a> {
    /// The credentials.
    pub credentials: &'a Credentials,
    /// The registry, as credentials are stored under it ([`Reference::credentials_key`]).
    ///
    /// [`Reference::credentials_key`]: crate::Reference::credentials_key
    pub registry: &'a str,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct ApiVersion(u16, u16);

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Daemon {
    /// Connects to a daemon and agrees on a version of the API, unless one is prescribed.
    ///
    /// # Errors
    /// [`DaemonError`] when the address cannot be used or nobody answers.
    pub async fn connect(
        endpoint: &Endpoint,
        options: &DaemonOptions,
    ) -> Result<Self, DaemonError> {
        let prescribed = match options.api_version.as_deref() {
            None => None,
            Some(text) => Some(
                ApiVersion::parse(text.strip_prefix('v').unwrap_or(text)).ok_or_else(|| {
                    DaemonError::ApiVersion {
                        version: text.to_owned(),
                    }
                })?,
            ),
        };
        let mut daemon = Self {
            transport: Transport::new(endpoint, options)?,
            headers: headers(&options.headers)?,
            version: prescribed.unwrap_or(API_VERSION),
            limits: options.limits,
        };
        if prescribed.is_none() {
            daemon.version = daemon.negotiate().await?;
        }
        Ok(daemon)
    }

    /// The daemon's address, as messages have it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.transport.host
    }

    /// The image that the daemon has under a name or ID. The daemon repeats the name in its error.
    ///
    /// # Errors
    /// [`ErrorKind::Absent`] when it has none.
    pub async fn image(&self, name: &str) -> Result<LocalImage, DaemonError> {
        let request = self.request(Method::GET, &format!("images/{}/json", checked(name)?))?;
        let response = self.ask(request).await?;
        let body = self.read(response, MAX_IMAGE_BYTES).await?;
        serde_json::from_slice(&body).map_err(|error| DaemonError::Malformed {
            reason: error.to_string(),
        })
    }

    /// The names `repository:tag` that the daemon has of a repository, and perhaps others.
    ///
    /// # Errors
    /// [`DaemonError`]
    pub async fn names(&self, repository: &str) -> Result<Vec<String>, DaemonError> {
        let filter = serde_json::json!({"reference": [checked(repository)?]}).to_string();
        let request = self
            .request(Method::GET, "images/json")?
            .query(&[("filters", filter)]);
        let response = self.ask(request).await?;
        let body = self.read(response, MAX_IMAGE_BYTES).await?;
        let images: Vec<LocalImage> =
            serde_json::from_slice(&body).map_err(|error| DaemonError::Malformed {
                reason: error.to_string(),
            })?;
        Ok(images
            .into_iter()
            .flat_map(|image| image.repo_tags)
            .collect())
    }

    /// Gives the image `source` the name `repository:tag`.
    ///
    /// # Errors
    /// [`ErrorKind::Absent`] when there is no such image.
    pub async fn tag(&self, source: &str, repository: &str, tag: &str) -> Result<(), DaemonError> {
        let path = format!("images/{}/tag", checked(source)?);
        let request = self
            .request(Method::POST, &path)?
            .query(&[("repo", repository), ("tag", tag)]);
        self.ask(request).await.map(|_| ())
    }

    /// Pushes `repository:tag`, or every tag of the repository, and shows how it goes.
    ///
    /// # Errors
    /// [`DaemonError::Work`] when the registry refuses, with the registry's words.
    pub async fn push(
        &self,
        repository: &str,
        tag: Option<&str>,
        login: Option<RegistryLogin<'_>>,
        progress: &mut dyn Progress,
    ) -> Result<Pushed, DaemonError> {
        let path = format!("images/{}/push", checked(repository)?);
        let request = self
            .request(Method::POST, &path)?
            .query(&[("tag", tag.unwrap_or_default())])
            .header(REGISTRY_AUTH, registry_auth(login)?);
        let mut pushed = Pushed::default();
        self.watch(request, progress, &mut |aux| pushed.note(aux))
            .await?;
        Ok(pushed)
    }

    /// Pulls `repository` with a tag or digest, and shows how it goes.
    ///
    /// # Errors
    /// [`DaemonError`], with the registry's words where it refuses.
    pub async fn pull(
        &self,
        repository: &str,
        tag_or_digest: &str,
        platform: Option<&str>,
        login: Option<RegistryLogin<'_>>,
        progress: &mut dyn Progress,
    ) -> Result<(), DaemonError> {
        let mut query = vec![("fromImage", repository), ("tag", tag_or_digest)];
        query.extend(platform.map(|platform| ("platform", platform)));
        let request = self
            .request(Method::POST, "images/create")?
            .query(&query)
            .header(REGISTRY_AUTH, registry_auth(login)?);
        self.watch(request, progress, &mut |_| {}).await
    }

    async fn negotiate(&self) -> Result<ApiVersion, DaemonError> {
        let url = self.url("_ping")?;
        let ask = |method| {
            self.transport
                .client
                .request(method, url.clone())
                .headers(self.headers.clone())
                .timeout(self.limits.answer_time)
        };
        let mut response = self.send(ask(Method::HEAD)).await?;
        if !response.status().is_success() {
            // Proxies in between may know no HEAD.
            response = self.send(ask(Method::GET)).await?;
            if !response.status().is_success() {
                return Err(self.refusal(response).await);
            }
        }
        let named = response
            .headers()
            .get(API_VERSION_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(ApiVersion::parse);
        Ok(named.unwrap_or(OLDEST_API_VERSION).min(API_VERSION))
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, DaemonError> {
        let url = self.url(&format!("v{}/{path}", self.version))?;
        Ok(self
            .transport
            .client
            .request(method, url)
            .headers(self.headers.clone()))
    }

    fn url(&self, path: &str) -> Result<Url, DaemonError> {
        let mut url = self.transport.base.clone();
        url.set_path(&format!("{}{path}", self.transport.base.path()));
        Ok(url)
    }

    /// A short question.
    async fn ask(&self, request: RequestBuilder) -> Result<Response, DaemonError> {
        let response = self.send(request.timeout(self.limits.answer_time)).await?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response).await)
        }
    }

    /// Long work, which the daemon tells about while it does it.
    async fn watch(
        &self,
        request: RequestBuilder,
        progress: &mut dyn Progress,
        note: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), DaemonError> {
        let mut response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let mut show = |messages: Vec<Message>| {
            for message in messages {
                // compat: what is for programs is not shown, whatever else the object holds.
                if let Some(aux) = message.aux() {
                    note(aux.get());
                } else if let Some(fault) = message.fault() {
                    return Err(fault);
                } else {
                    progress.show(&message).map_err(DaemonError::Output)?;
                }
            }
            Ok(())
        };
        let mut decoder = Decoder::default();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failed(&error))?
        {
            show(decoder.push(&chunk)?)?;
        }
        show(decoder.finish()?)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, DaemonError> {
        request.send().await.map_err(|error| self.failed(&error))
    }

    async fn read(&self, mut response: Response, most: usize) -> Result<Vec<u8>, DaemonError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failed(&error))?
        {
            if body.len().saturating_add(chunk.len()) > most {
                return Err(DaemonError::Malformed {
                    reason: format!("an answer of more than {most} bytes"),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The daemon's own words for a refusal.
    async fn refusal(&self, response: Response) -> DaemonError {
        #[derive(Deserialize)]
        struct Explanation {
            message: String,
        }
        let status = response.status();
        let url = response.url().to_string();
        let is_json = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let body = match self.read(response, MAX_ERROR_BYTES).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let explained = if is_json {
            serde_json::from_slice(&body)
                .map(|explanation: Explanation| explanation.message)
                .unwrap_or_default()
        } else {
            String::from_utf8_lossy(&body).into_owned()
        };
        let message = explained.trim();
        if message.is_empty() {
            return DaemonError::Unexplained {
                status: status.to_string(),
                url,
            };
        }
        DaemonError::Refused {
            status: status.as_u16(),
            message: message.to_owned(),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> DaemonError {
        let complaint = self.transport.bridge.as_ref().and_then(|b| b.complaint());
        if let Some(reason) = complaint {
            return DaemonError::Connection { reason };
        }
        DaemonError::from_transport(&self.transport.host, error, self.limits.idle_time)
    }
}

impl Pushed {
    /// Remembers what a daemon says to programs: a tag that it has pushed, or that it has pushed something else.
    fn note(&mut self, aux: &str) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Instead {
            manifest_pushed_instead_of_index: bool,
            #[serde(default)]
            original_index: Descriptor,
            #[serde(default)]
            selected_manifest: Descriptor,
        }
        // An endless stream of these must not fill the memory; no repository has so many tags.
        const MAX_TAGS: usize = 100_000;
        if let Ok(tag) = serde_json::from_str(aux) {
            if self.tags.len() < MAX_TAGS {
                self.tags.push(tag);
            }
        } else if let Ok(instead) = serde_json::from_str::<Instead>(aux)
            && instead.manifest_pushed_instead_of_index
        {
            self.instead_of_index = Some((instead.original_index, instead.selected_manifest));
        }
    }
}

/// A name that stays within its part of a path.
fn checked(name: &str) -> Result<&str, DaemonError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:@+[]".contains(&byte);
    let steps = |part: &str| matches!(part, "" | "." | "..");
    if name.bytes().all(fits) && !name.split('/').any(steps) {
        Ok(name)
    } else {
        Err(DaemonError::Name)
    }
}

/// The `X-Registry-Auth` header, which the daemon wants even when there is nothing to say.
fn registry_auth(login: Option<RegistryLogin<'_>>) -> Result<HeaderValue, DaemonError> {
    #[derive(Default, Serialize)]
    struct Auth<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        username: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        password: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        serveraddress: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        identitytoken: &'a str,
    }
    let mut auth = Auth::default();
    if let Some(RegistryLogin {
        credentials,
        registry,
    }) = login
        && !credentials.is_anonymous()
    {
        auth.serveraddress = registry;
        if let Some((username, password)) = credentials.basic() {
            auth.username = username;
            auth.password = password.expose_secret();
        }
        if let Some(token) = credentials.identity_token() {
            auth.username = credentials.username().unwrap_or_default();
            auth.identitytoken = token.expose_secret();
        }
    }
    let unusable = |_| DaemonError::Header {
        name: REGISTRY_AUTH.to_string(),
    };
    let json =
        Zeroizing::new(
            serde_json::to_vec(&auth).map_err(|error| DaemonError::Malformed {
                reason: error.to_string(),
            })?,
        );
    let encoded = Zeroizing::new(data_encoding::BASE64URL.encode(&json));
    let mut value = HeaderValue::from_str(&encoded).map_err(unusable)?;
    value.set_sensitive(true);
    Ok(value)
}

fn headers(named: &BTreeMap<String, String>) -> Result<HeaderMap, DaemonError> {
    named
        .iter()
        .map(|(name, value)| {
            let header = HeaderName::from_bytes(name.as_bytes()).ok();
            let mut value = HeaderValue::from_str(value).ok();
            if let Some(value) = &mut value {
                // People put tokens here.
                value.set_sensitive(true);
            }
            header
                .zip(value)
                .ok_or_else(|| DaemonError::Header { name: name.clone() })
        })
        .collect()
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
