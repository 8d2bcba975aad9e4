//! The HTTP API of a trust server (specification, `tuf.md` section 9 and `server.md` sections 6 to 8).
//!
//! Every answer is bounded in bytes and in time. What kind of failure it was is kept: no answer, an untrusted
//! certificate, a refused login, an error status. Only the first may ever be taken for an outage.

mod answer;
mod authorize;
mod changes;
mod error;
mod exchange;
mod import;
mod login;
mod options;
mod retry_after;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use signet_tuf::update::{Answer, Fetch};
use signet_tuf::{BaseRole, Gun, MetadataPath, PublicKey};
use tokio::sync::OnceCell;
use url::Url;

pub use answer::Validation;
pub use authorize::{Access, AuthorizationError, Authorizer, Challenge, Next};
pub use changes::{FeedEntry, MAX_FEED_BYTES};
pub use error::RemoteError;
pub use import::ImportAnswer;
pub use options::{Limits, RemoteOptions};
pub use retry_after::RetryAfter;
pub use upload::Part;

use self::exchange::{Read, Reply, Sent, Way};
use crate::ErrorKind;
use crate::http::HttpError;

/// What stands for the network's reason where nothing is sent.
const OFFLINE: &str = "working offline";

/// A trust server. Connections are kept and reused while it lives.
pub struct Remote {
    /// `None` sends nothing.
    way: Option<Way>,
    base: Url,
    host: String,
    authorizer: Option<Arc<dyn Authorizer>>,
    access: Access,
    refusal_is_outage: bool,
    limits: Limits,
    ping: OnceCell<Result<Ping, String>>,
}

/// What `GET /v2/` answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ping {
    /// The status.
    pub status: u16,
    /// What the server wants to see, from its `WWW-Authenticate` headers; empty unless the status is 401.
    pub challenges: Vec<Challenge>,
    /// When the server wants to be asked again.
    pub retry_after: Option<RetryAfter>,
}

impl Remote {
    /// Prepares connections; nothing is sent yet.
    ///
    /// # Errors
    /// [`HttpError`] when the TLS options are unusable.
    pub fn new(options: RemoteOptions) -> Result<Self, HttpError> {
        let mut base = options.server;
        // A trailing slash would give `//v2/`, which servers redirect (`docker-trust.md` section 3.2).
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        base.set_query(None);
        base.set_fragment(None);
        let host = match (base.host_str(), base.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        // Who stages a change pays for no TLS.
        let way = if options.offline {
            None
        } else {
            Some(Way::new(&base, &options.tls, &options.user_agent)?)
        };
        Ok(Self {
            way,
            base,
            host,
            authorizer: options.authorizer,
            access: options.access,
            refusal_is_outage: options.refusal_is_outage,
            limits: options.limits,
            ping: OnceCell::new(),
        })
    }

    /// The server's `host[:port]`, as messages name it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The server's address, without a slash at its end.
    #[must_use]
    pub fn server(&self) -> &Url {
        &self.base
    }

    /// Whether a refused login stands for no answer ([`RemoteOptions::refusal_is_outage`]).
    pub(crate) const fn takes_refusal_for_outage(&self) -> bool {
        self.refusal_is_outage
    }

    /// Asks once whether the server is there and what it wants to see. `Err` holds what the network said.
    ///
    /// # Errors
    /// [`RemoteError::Tls`]: an untrusted certificate is no outage.
    pub async fn ping(&self) -> Result<Result<&Ping, &str>, RemoteError> {
        let Some(way) = &self.way else {
            return Ok(Err(OFFLINE));
        };
        let result = self
            .ping
            .get_or_try_init(|| async {
                match self.send_ping(way).await {
                    Ok(ping) => Ok(Ok(ping)),
                    Err(RemoteError::Unreachable { message }) => Ok(Err(message)),
                    Err(other) => Err(other),
                }
            })
            .await?;
        Ok(result.as_ref().map_err(String::as_str))
    }

    async fn send_ping(&self, way: &Way) -> Result<Ping, RemoteError> {
        let sent = Sent {
            method: &Method::GET,
            url: &self.url(&["v2", ""]),
            authorization: None,
            body: None,
            total: self.limits.ping,
        };
        let response = way.send(sent).await?;
        let status = response.status();
        let retry_after = RetryAfter::read(response.headers());
        let challenges = if status == StatusCode::UNAUTHORIZED {
            Challenge::all(response.headers())
        } else {
            Vec::new()
        };
        // Read, so that the connection can be used again.
        self.body(response, MAX_ERROR_BYTES).await?;
        Ok(Ping {
            status: status.as_u16(),
            challenges,
            retry_after,
        })
    }

    /// Fetches a document for an update.
    ///
    /// # Errors
    /// [`RemoteError::Tls`] and [`RemoteError::Authorization`], which are no answers; and 401 and 403 where there is an
    /// [`Authorizer`]. Everything else is an [`Answer`].
    pub async fn fetch(&self, gun: &Gun, fetch: &Fetch) -> Result<Answer, RemoteError> {
        match self.document(gun, &fetch.path, fetch.max_bytes).await {
            Ok(bytes) => Ok(Answer::Bytes(bytes)),
            Err(RemoteError::Absent { .. }) => Ok(Answer::Absent),
            Err(RemoteError::BadResponse { .. }) => Ok(Answer::TooLarge),
            // The server is well and refuses who we are. Going on with what is cached, as Go does, hides that a right is gone from
            // who does not say so.
            Err(error @ RemoteError::Refused { .. })
                if self.authorizer.is_some()
                    && !self.refusal_is_outage
                    && error.is_refused_login() =>
            {
                Err(error)
            }
            Err(RemoteError::Refused { refusal, .. }) => Ok(Answer::Refused(refusal)),
            Err(RemoteError::Unreachable { message }) => Ok(Answer::Unreachable(message)),
            // The token server belongs to the server: without it there is no answer either.
            Err(RemoteError::Authorization(error)) if error.kind == ErrorKind::Network => {
                Ok(Answer::Unreachable(error.to_string()))
            }
            Err(error @ (RemoteError::Authorization(_) | RemoteError::Tls { .. })) => Err(error),
        }
    }

    /// The bytes of a document, cut at `max_bytes` where the server announces no length. **Nothing about them is checked.**
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn document(
        &self,
        gun: &Gun,
        path: &MetadataPath,
        max_bytes: u64,
    ) -> Result<Bytes, RemoteError> {
        let response = self
            .send(gun, Method::GET, &format!("{path}.json"), None)
            .await?;
        let response = self.success(response, &path.to_string()).await?;
        if response.content_length().is_some_and(|n| n > max_bytes) {
            return Err(RemoteError::BadResponse {
                what: path.to_string(),
            });
        }
        self.body(response, max_bytes).await
    }

    /// The key that the server will sign `role` with.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn key(&self, gun: &Gun, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.key_request(gun, Method::GET, role).await
    }

    /// Has the server make a new key for `role`. It takes effect when a root that names it is published.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn rotate_key(&self, gun: &Gun, role: BaseRole) -> Result<PublicKey, RemoteError> {
        self.key_request(gun, Method::POST, role).await
    }

    async fn key_request(
        &self,
        gun: &Gun,
        method: Method,
        role: BaseRole,
    ) -> Result<PublicKey, RemoteError> {
        let what = format!("{role} key");
        let body = (method == Method::POST).then(|| (Bytes::new(), None));
        let response = self.send(gun, method, &format!("{role}.key"), body).await?;
        let response = self.success(response, &what).await?;
        let bad = || RemoteError::BadResponse { what: what.clone() };
        if response.content_length().is_some_and(|n| n > MAX_KEY_BYTES) {
            return Err(bad());
        }
        let bytes = self.body(response, MAX_KEY_BYTES).await?;
        let key: PublicKey = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        // A root that names an unusable key could never be signed for again.
        if key.public_bytes().is_empty() || key.kind().signature_method().is_none() {
            return Err(bad());
        }
        Ok(key)
    }

    /// Uploads documents in one request: all are taken or none.
    ///
    /// # Errors
    /// [`RemoteError`]; [`RemoteError::is_version_conflict`] when another publisher was faster.
    pub async fn upload(&self, gun: &Gun, parts: &[Part<'_>]) -> Result<(), RemoteError> {
        let (body, content_type) = upload::multipart(parts);
        let response = self
            .send(gun, Method::POST, "", Some((body, Some(content_type))))
            .await?;
        let response = self.success(response, "POST metadata endpoint").await?;
        self.body(response, MAX_ERROR_BYTES).await.map(drop)
    }

    /// Removes all documents of `gun` from the server. A GUN that it does not know is no error.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn delete(&self, gun: &Gun) -> Result<(), RemoteError> {
        let response = self.send(gun, Method::DELETE, "", None).await?;
        let response = self
            .success(response, "DELETE metadata for GUN endpoint")
            .await?;
        self.body(response, MAX_ERROR_BYTES).await.map(drop)
    }

    async fn send(
        &self,
        gun: &Gun,
        method: Method,
        name: &str,
        body: Option<(Bytes, Option<String>)>,
    ) -> Result<Reply, RemoteError> {
        let mut segments = vec!["v2"];
        segments.extend(gun.as_str().split('/'));
        segments.extend(["_trust", "tuf"]);
        segments.extend(name.split('/'));
        let url = self.url(&segments);
        self.send_to(Scope::Repository(gun), method, &url, body)
            .await
    }

    async fn send_to(
        &self,
        scope: Scope<'_>,
        method: Method,
        url: &Url,
        body: Option<(Bytes, Option<String>)>,
    ) -> Result<Reply, RemoteError> {
        let ping = self
            .ping()
            .await?
            .map_err(|message| RemoteError::Unreachable {
                message: message.to_owned(),
            })?;
        let (mut logins, mut is_renewed) = (1, false);
        loop {
            let authorization = self.authorization(scope, &ping.challenges).await?;
            let response = self
                .exchange(&method, url, authorization.as_ref(), body.as_ref())
                .await?;
            let (Some(authorizer), Some(refused), StatusCode::UNAUTHORIZED) =
                (&self.authorizer, &authorization, response.status())
            else {
                return Ok(response);
            };
            let challenges = Challenge::all(response.headers());
            match authorizer.refused(scope.gun(), refused, &challenges).await {
                Next::NewToken if !is_renewed => is_renewed = true,
                Next::OtherLogin if logins < MAX_LOGINS => {
                    logins += 1;
                    is_renewed = false;
                }
                _ => return Ok(response),
            }
            // Read, so that the connection can be used again.
            self.body(response, MAX_ERROR_BYTES).await?;
        }
    }

    async fn authorization(
        &self,
        scope: Scope<'_>,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, RemoteError> {
        let Some(authorizer) = &self.authorizer else {
            return Ok(None);
        };
        let mut header = match scope {
            Scope::Repository(gun) => authorizer.authorize(gun, self.access, challenges).await?,
            Scope::Catalog => authorizer.authorize_catalog(challenges).await?,
        };
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        Ok(header)
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        authorization: Option<&HeaderValue>,
        body: Option<&(Bytes, Option<String>)>,
    ) -> Result<Reply, RemoteError> {
        let Some(way) = &self.way else {
            return Err(RemoteError::Unreachable {
                message: OFFLINE.to_owned(),
            });
        };
        let uploads = body.is_some_and(|(body, _)| !body.is_empty());
        let answer = way.send(Sent {
            method,
            url,
            authorization,
            body,
            total: self.limits.total,
        });
        if uploads {
            // How long the body may take depends on the line; the whole request is bounded by `total`.
            return answer.await;
        }
        tokio::time::timeout(self.limits.silence, answer)
            .await
            .unwrap_or_else(|_| Err(self.silent()))
    }

    /// Turns everything but 200 into an error.
    async fn success(&self, response: Reply, what: &str) -> Result<Reply, RemoteError> {
        let status = response.status();
        match status {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND => {
                self.body(response, MAX_ERROR_BYTES).await?;
                Err(RemoteError::Absent {
                    what: what.to_owned(),
                })
            }
            _ => {
                let retry_after = RetryAfter::read(response.headers());
                let body = self.body(response, MAX_ERROR_BYTES).await?;
                Err(answer::refusal(status.as_u16(), &body, retry_after))
            }
        }
    }

    /// Reads at most `max_bytes`, watching the clock.
    async fn body(&self, mut response: Reply, max_bytes: u64) -> Result<Bytes, RemoteError> {
        let announced = response.content_length().unwrap_or(0).min(max_bytes);
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0).min(1 << 20));
        let started = tokio::time::Instant::now();
        loop {
            let chunk = match response.read(self.limits.silence).await? {
                Read::Part(chunk) => chunk,
                Read::End => return Ok(body.into()),
                Read::Silence => return Err(self.silent()),
            };
            let room = usize::try_from(max_bytes).unwrap_or(usize::MAX) - body.len();
            if chunk.len() > room {
                // Cut here, as Go does. The connection is of no further use.
                body.extend(chunk.iter().take(room));
                return Ok(body.into());
            }
            body.extend_from_slice(&chunk);
            self.check_rate(started.elapsed(), body.len())?;
        }
    }

    /// Whoever sends a byte now and then must not keep a command for hours.
    fn check_rate(&self, elapsed: Duration, received: usize) -> Result<(), RemoteError> {
        let due = elapsed.saturating_sub(self.limits.silence).as_secs_f64()
            * f64::from(self.limits.min_rate);
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let received = received as f64;
        if received < due {
            return Err(RemoteError::Unreachable {
                message: format!("{} sends its answer too slowly", self.host),
            });
        }
        Ok(())
    }

    fn silent(&self) -> RemoteError {
        RemoteError::Unreachable {
            message: format!(
                "{} did not answer within {} s",
                self.host,
                self.limits.silence.as_secs()
            ),
        }
    }

    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote")
            .field("server", &self.base.as_str())
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// What a request is about, as rights are given for it.
#[derive(Clone, Copy, Debug)]
enum Scope<'a> {
    Repository(&'a Gun),
    /// The server as a whole: the names of its repositories.
    Catalog,
}

impl Scope<'_> {
    const fn gun(&self) -> Option<&Gun> {
        match self {
            Self::Repository(gun) => Some(gun),
            Self::Catalog => None,
        }
    }
}

/// Most logins that one request is sent with.
const MAX_LOGINS: usize = 4;
/// Most bytes of an answer that holds a key.
const MAX_KEY_BYTES: u64 = 256 << 10;
/// Most bytes of an answer that holds an error. Go reads 1 KiB.
const MAX_ERROR_BYTES: u64 = 4 << 10;
