//! The way to a server that may be busy, slow or gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signet_archive::Source;
use signet_tuf::Gun;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use crate::http::HttpError;
use crate::remote::{RemoteError, RetryAfter};
use crate::{AuthorizationError, Clock, ErrorKind, Remote, RemoteOptions, random};

/// How patient a crawl is with its server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Patience {
    /// How often a question is asked at most. Default 5.
    pub attempts: u32,
    /// The pause before the second attempt, which doubles from then on. Default 0.5 s.
    pub first_pause: Duration,
    /// The longest such pause. Default 30 s.
    pub longest_pause: Duration,
    /// The longest time that the server may want to be left alone (`Retry-After`). Default 10 minutes.
    pub longest_wait: Duration,
    /// The longest time that it may be left alone in all, over one crawl. Default 6 hours.
    pub longest_waiting: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            longest_wait: Duration::from_secs(600),
            longest_waiting: Duration::from_secs(6 * 3600),
        }
    }
}

/// How often a server may put off one question while it goes on answering others.
const MOST_DELAYS: u32 = 1000;

/// Why a crawl cannot go on. What was taken until then stays taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrawlError {
    /// There is no login, or it cannot be used.
    #[error(transparent)]
    Authorization(AuthorizationError),
    /// The changefeed cannot be read as a list of names.
    #[error("{0}")]
    Feed(String),
    /// The connection cannot be set up.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server refuses the login, whatever it is used for.
    #[error("{server} does not accept the login")]
    Login {
        /// The server's `host[:port]`.
        server: String,
    },
    /// The server refuses what the whole crawl needs.
    #[error("{server} refuses {what}: status {status}")]
    Refused {
        /// The server's `host[:port]`.
        server: String,
        /// What was asked for.
        what: &'static str,
        /// The status.
        status: u16,
    },
    /// The server answers nobody any more.
    #[error("{server} does not answer: {reason}")]
    Silent {
        /// The server's `host[:port]`.
        server: String,
        /// What happened last.
        reason: String,
    },
    /// The server's certificate is not trusted, or TLS failed otherwise.
    #[error("{message}")]
    Tls {
        /// What happened.
        message: String,
    },
    /// The server has been left alone again and again, and wants that once more.
    #[error(
        "{server} has been left alone for {seconds} seconds in all, and wants to be left alone again"
    )]
    Waited {
        /// The server's `host[:port]`.
        server: String,
        /// For how long.
        seconds: u64,
    },
    /// The server wants to be left alone for longer than anybody waits.
    #[error("{server} wants to be left alone for {seconds} seconds")]
    Wait {
        /// The server's `host[:port]`.
        server: String,
        /// For how long.
        seconds: u64,
    },
}

/// Why a question brought nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Nothing {
    /// The server does not have it.
    Absent,
    /// It is larger than asked for.
    TooLarge,
    /// The server refuses; `is_temporary` says whether it may change its mind.
    Refused {
        /// The status.
        status: u16,
        /// Whether that may pass.
        is_temporary: bool,
    },
    /// No answer, after every attempt.
    Unreachable(String),
}

/// Something that may have to be asked more than once.
pub(super) trait Question: Sync {
    /// What comes of it.
    type Answer: Send;

    /// Asks once.
    fn put(
        &self,
        remote: &Remote,
    ) -> impl Future<Output = Result<Self::Answer, RemoteError>> + Send;
}

struct WhetherLoginIsRefused<'a>(&'a Gun);

impl Question for WhetherLoginIsRefused<'_> {
    type Answer = bool;

    async fn put(&self, remote: &Remote) -> Result<bool, RemoteError> {
        remote.refuses_login(self.0).await
    }
}

impl Nothing {
    /// Whether there may be something another time.
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Absent | Self::TooLarge => false,
            Self::Refused { is_temporary, .. } => *is_temporary,
            Self::Unreachable(_) => true,
        }
    }
}

/// A server as records name it: without user, query and fragment.
#[must_use]
pub fn source(server: &Url) -> Source {
    let mut address = server.clone();
    // Addresses that can have no user have none.
    let _ = address.set_username("");
    let _ = address.set_password(None);
    address.set_query(None);
    address.set_fragment(None);
    Source::Server {
        address: address.as_str().trim_end_matches('/').to_owned(),
    }
}

/// The way to one server: its connections, and how it wants to be treated.
pub struct Line {
    remote: Remote,
    patience: Patience,
    clock: Arc<dyn Clock>,
    /// Before this moment nothing is asked.
    gate: Mutex<Option<Instant>>,
    /// How long nothing was asked, in milliseconds.
    waited: AtomicU64,
    /// Answers so far.
    answers: AtomicU64,
    login_is_good: AtomicBool,
    /// Who holds more than a little takes this: only one does at a time.
    pub(super) heavy: Arc<Semaphore>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("remote", &self.remote)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Line {
    /// Finds out whether the server is there and what it wants to see. `clock` is the real one: it turns a moment at which the server wants to
    /// be asked again into a time.
    ///
    /// # Errors
    /// [`CrawlError`] when it is not there, or does not want to be asked.
    pub async fn open(
        options: RemoteOptions,
        patience: Patience,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CrawlError> {
        let mut line = Self {
            remote: Remote::new(options.clone())?,
            patience,
            clock,
            gate: Mutex::default(),
            waited: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            login_is_good: AtomicBool::new(false),
            heavy: Arc::new(Semaphore::new(1)),
        };
        let mut attempt = 0;
        loop {
            let (reason, retry_after) = match line.remote.ping().await {
                Ok(Ok(ping)) if !is_busy(ping.status) => return Ok(line),
                Ok(Ok(ping)) => (format!("status {}", ping.status), ping.retry_after),
                Ok(Err(message)) => (message.to_owned(), None),
                Err(error) => return Err(line.fatal(error)),
            };
            attempt += 1;
            if attempt >= line.patience.attempts {
                return Err(line.silent(reason));
            }
            match retry_after {
                Some(retry_after) => line.close(retry_after)?,
                None => tokio::time::sleep(line.pause(attempt)).await,
            }
            line.pass().await;
            // What a server answered is remembered for as long as the connections.
            line.remote = Remote::new(options.clone())?;
        }
    }

    /// The server.
    #[must_use]
    pub const fn remote(&self) -> &Remote {
        &self.remote
    }

    /// How much longer the server wants to be left alone.
    #[must_use]
    pub fn waits(&self) -> Option<Duration> {
        let until = (*self.gate.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// How long the server has been left alone, because it wanted that.
    pub(super) fn waited(&self) -> Duration {
        Duration::from_millis(self.waited.load(Ordering::Relaxed))
    }

    /// How many answers there were.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Asks until there is an answer, or no hope of one.
    pub(super) async fn ask<Q: Question>(
        &self,
        question: Q,
    ) -> Result<Result<Q::Answer, Nothing>, CrawlError> {
        let (mut attempt, mut delays) = (0, 0);
        loop {
            self.pass().await;
            let before = self.answers();
            let error = match question.put(&self.remote).await {
                Ok(found) => {
                    self.answers.fetch_add(1, Ordering::Relaxed);
                    return Ok(Ok(found));
                }
                Err(error) => error,
            };
            let (nothing, retry_after) = self.classify(error)?;
            if !nothing.may_pass() {
                self.answers.fetch_add(1, Ordering::Relaxed);
                return Ok(Err(nothing));
            }
            let Some(retry_after) = retry_after else {
                attempt += 1;
                if attempt >= self.patience.attempts {
                    return Ok(Err(nothing));
                }
                tokio::time::sleep(self.pause(attempt)).await;
                continue;
            };
            self.close(retry_after)?;
            delays += 1;
            // A server that answers others meanwhile is well and only slow.
            if before == self.answers() {
                attempt += 1;
            }
            if attempt >= self.patience.attempts || delays >= MOST_DELAYS {
                return Ok(Err(nothing));
            }
        }
    }

    /// What an error means for one question; the others mean the end.
    fn classify(&self, error: RemoteError) -> Result<(Nothing, Option<RetryAfter>), CrawlError> {
        Ok(match error {
            RemoteError::Absent { .. } => (Nothing::Absent, None),
            RemoteError::BadResponse { .. } => (Nothing::TooLarge, None),
            RemoteError::Refused {
                refusal,
                retry_after,
                ..
            } => {
                let status = refusal.status;
                let is_temporary = is_busy(status);
                let refused = Nothing::Refused {
                    status,
                    is_temporary,
                };
                (
                    refused,
                    retry_after.filter(|_| is_temporary).map(|after| *after),
                )
            }
            RemoteError::Unreachable { message } => (Nothing::Unreachable(message), None),
            RemoteError::Authorization(error) if error.kind == ErrorKind::Network => {
                (Nothing::Unreachable(error.to_string()), None)
            }
            // A token server that knows who asks, and gives no token for this.
            RemoteError::Authorization(AuthorizationError {
                kind: ErrorKind::Refused,
                status: Some(status),
                ..
            }) if status != 401 => {
                let is_temporary = is_busy(status);
                let refused = Nothing::Refused {
                    status,
                    is_temporary,
                };
                (refused, None)
            }
            error @ (RemoteError::Authorization(_) | RemoteError::Tls { .. }) => {
                return Err(self.fatal(error));
            }
        })
    }

    fn fatal(&self, error: RemoteError) -> CrawlError {
        match error {
            RemoteError::Authorization(error) => CrawlError::Authorization(error),
            RemoteError::Tls { message } => CrawlError::Tls { message },
            other => self.silent(other.to_string()),
        }
    }

    pub(super) fn silent(&self, reason: String) -> CrawlError {
        CrawlError::Silent {
            server: self.remote.host().to_owned(),
            reason,
        }
    }

    /// After a 401: whether it is for this repository only.
    pub(super) async fn check_login(&self, gun: &Gun) -> Result<(), CrawlError> {
        if self.login_is_good.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.ask(WhetherLoginIsRefused(gun)).await? {
            Ok(true) => Err(CrawlError::Login {
                server: self.remote.host().to_owned(),
            }),
            Ok(false) => {
                self.login_is_good.store(true, Ordering::Relaxed);
                Ok(())
            }
            // It will be found out with the next one.
            Err(_) => Ok(()),
        }
    }

    /// Leaves the server alone, all of it, for as long as it wants.
    fn close(&self, retry_after: RetryAfter) -> Result<(), CrawlError> {
        // Without any pause a server could keep us busy with nothing.
        let wait = retry_after.from(self.clock.now()).max(SHORTEST_WAIT);
        if wait > self.patience.longest_wait {
            return Err(CrawlError::Wait {
                server: self.remote.host().to_owned(),
                seconds: wait.as_secs(),
            });
        }
        let now = Instant::now();
        let until = now + wait;
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let before = gate.map_or(now, |gate| gate.max(now));
        if until > before {
            let (waited, more) = (self.waited(), until - before);
            if waited.saturating_add(more) > self.patience.longest_waiting {
                return Err(CrawlError::Waited {
                    server: self.remote.host().to_owned(),
                    // What lies ahead has not been waited.
                    seconds: waited.saturating_sub(before - now).as_secs(),
                });
            }
            let more = u64::try_from(more.as_millis()).unwrap_or(u64::MAX);
            self.waited.fetch_add(more, Ordering::Relaxed);
            *gate = Some(until);
        }
        Ok(())
    }

    async fn pass(&self) {
        while self.waits().is_some() {
            let until = *self.gate.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(until) = until {
                tokio::time::sleep_until(until).await;
            }
        }
    }

    /// Between half of the due pause and all of it, so that many clients do not come back together.
    fn pause(&self, attempt: u32) -> Duration {
        let factor = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let due = self
            .patience
            .first_pause
            .saturating_mul(factor)
            .min(self.patience.longest_pause);
        let random = u32::from(u16::from_le_bytes(random::bytes()));
        due / 2 + (due / 2).saturating_mul(random) / u32::from(u16::MAX)
    }
}

const SHORTEST_WAIT: Duration = Duration::from_millis(500);

/// Statuses of servers, and of proxies before them, that may be well again soon.
const fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}
