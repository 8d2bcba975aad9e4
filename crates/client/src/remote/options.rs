//! How a trust server is reached, and how long its answers may take.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Access, Authorizer};
use crate::http::{self, TlsOptions};

/// Limits on time and size of a server's answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longest wait for the probe `GET /v2/`. Default 5 s.
    pub ping: Duration,
    /// Longest silence: before an answer begins, and between two parts of it. Default 30 s.
    pub silence: Duration,
    /// Longest time for one request and its whole answer. Default 10 minutes.
    pub total: Duration,
    /// Slowest rate, in bytes per second, that an answer may have once `silence` is over. Default 4096.
    pub min_rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(5),
            silence: http::READ_TIMEOUT,
            total: Duration::from_secs(600),
            min_rate: 4096,
        }
    }
}

/// How to reach a trust server.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Its address, `https://host[:port][/prefix]`.
    pub server: Url,
    /// TLS.
    pub tls: TlsOptions,
    /// What the client calls itself, for example `Docker-Client/28.2.2 (linux)`.
    pub user_agent: String,
    /// Where `Authorization` headers come from.
    pub authorizer: Option<Arc<dyn Authorizer>>,
    /// What the command needs to be allowed.
    pub access: Access,
    /// Whether what is remembered may stand in for a document that is refused for lack of a right (401, 403, or the token service's refusal), as
    /// it may when the server fails.
    /// Default: no, the refusal ends the update.
    pub refusal_is_outage: bool,
    /// Whether to send nothing at all, and answer everything as a server that cannot be reached.
    pub offline: bool,
    /// Limits.
    pub limits: Limits,
}

impl RemoteOptions {
    /// A server with everything else at its default: system roots, no authorisation, read access.
    #[must_use]
    pub fn new(server: Url, user_agent: impl Into<String>) -> Self {
        Self {
            server,
            tls: TlsOptions::default(),
            user_agent: user_agent.into(),
            authorizer: None,
            access: Access::Pull,
            refusal_is_outage: false,
            offline: false,
            limits: Limits::default(),
        }
    }
}

impl std::fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteOptions")
            .field("server", &self.server.as_str())
            .field("tls", &self.tls)
            .field("access", &self.access)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
