//! A token service: what registries and trust servers with `auth: token` send their clients to.
//!
//! It issues signed tokens (JWT, ES256, certificate chain in `x5c`) as the distribution project's token authentication specifies them, keeps
//! account of every request, and misbehaves when told to.

mod signer;
mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificate::{Authority, server_config};
use crate::file;
use crate::listener::Listener;
use signer::{ISSUER, Signer};
use work::{Account, State, Work, read_rights};

/// How long a token is good for: what docker's own service answers.
const LIFETIME: u64 = 300;

/// What the token service does instead of its work.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TokenFault {
    /// Nothing: it works.
    #[default]
    None,
    /// This status with this body.
    Status(u16, String),
    /// 200 with this body.
    Body(String),
    /// This status with a `Location`.
    Redirect(u16, String),
    /// It takes the request and does not answer.
    Silent,
    /// 200, and bytes without end.
    Endless,
    /// The connection ends without a byte of answer.
    Cut,
}

/// Under which names the answer has the token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TokenMember {
    /// `token` and `access_token`, as docker's own service answers.
    #[default]
    Both,
    /// `token` only.
    Token,
    /// `access_token` only.
    AccessToken,
    /// The token is in `access_token`, and `token` has nonsense.
    AccessTokenBesideNonsense,
}

/// A request as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for GET.
    pub body: String,
}

impl TokenRequest {
    /// The first header field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// What decides about the answer: method, target, credentials, body.
    #[must_use]
    pub fn essence(&self) -> String {
        let line = format!("{} {}", self.method, self.target);
        let rest = [
            self.header("authorization").unwrap_or_default(),
            self.header("content-type").unwrap_or_default(),
            &self.body,
        ];
        rest.into_iter()
            .filter(|part| !part.is_empty())
            .fold(line, |text, part| format!("{text} | {part}"))
    }
}

/// What a server must know to accept the service's tokens.
#[derive(Clone, Debug)]
pub struct TokenAuth {
    /// URL of the service.
    pub realm: String,
    /// What the server calls itself.
    pub service: String,
    /// Who issues the tokens.
    pub issuer: String,
    /// File with the certificates that tokens must chain to, PEM.
    pub bundle: PathBuf,
    signer: Arc<Signer>,
}

impl TokenAuth {
    /// A token for a repository, as the service would give it to somebody who may do all of `actions` (`pull,push`).
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, repository: &str, actions: &str) -> anyhow::Result<String> {
        let actions: Vec<&str> = actions.split(',').collect();
        let access = json!([{"type": "repository", "name": repository, "actions": actions}]);
        self.signer.token("test", &self.service, &access, LIFETIME)
    }

    /// The options `auth.token` of a registry and `auth.options` of a trust server.
    pub(super) fn options(&self) -> Value {
        json!({
            "realm": self.realm,
            "service": self.service,
            "issuer": self.issuer,
            "rootcertbundle": self.bundle,
        })
    }
}

/// A token service on a free port, over TLS for `localhost` or plain.
#[derive(Debug)]
pub struct TokenService {
    listener: Listener,
    state: Arc<State>,
    signer: Arc<Signer>,
    authority: Authority,
    folder: TempDir,
}

impl TokenService {
    /// Starts one over TLS.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(true)
    }

    /// Starts one on plain HTTP.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start_plain() -> anyhow::Result<Self> {
        Self::start_as(false)
    }

    fn start_as(tls: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("token service test CA")?;
        file::write(&folder.path().join("bundle.crt"), authority.pem())?;
        let signer = Arc::new(Signer::new(&authority)?);
        let state = Arc::new(State {
            tls: tls
                .then(|| server_config(&authority.issue()?))
                .transpose()?,
            signer: Arc::clone(&signer),
            stale: AtomicU64::new(0),
            work: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let listener = Listener::start(move |stream| shared.serve(stream))?;
        Ok(Self {
            listener,
            state,
            signer,
            authority,
            folder,
        })
    }

    /// An account. `rights` are repositories with actions (`("team/app", "pull,push")`): a repository `*` means every one, any other one also
    /// with a registry's name before it.
    #[must_use]
    pub fn user(self, name: &str, password: &str, rights: &[(&str, &str)]) -> Self {
        let account = Account {
            password: password.to_owned(),
            rights: read_rights(rights),
        };
        self.work().accounts.insert(name.to_owned(), account);
        self
    }

    /// What everybody may.
    #[must_use]
    pub fn anonymous(self, rights: &[(&str, &str)]) -> Self {
        self.work().anonymous = read_rights(rights);
        self
    }

    /// Gives identity tokens to those who ask for one (`offline_token=true`), as `docker login` does.
    #[must_use]
    pub fn with_identity_tokens(self) -> Self {
        self.work().identity_tokens = true;
        self
    }

    /// The identity token of an account.
    #[must_use]
    pub fn identity_token(&self, name: &str) -> String {
        format!("identity-of-{name}")
    }

    /// What goes wrong from now on.
    pub fn set(&self, fault: TokenFault) {
        self.work().fault = fault;
    }

    /// Where the token stands in the answer from now on.
    pub fn set_member(&self, member: TokenMember) {
        self.work().member = member;
    }

    /// The next `count` tokens have run out when they are issued, and the answer does not say so.
    pub fn issue_stale(&self, count: u64) {
        self.state.stale.store(count, Ordering::Relaxed);
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<TokenRequest> {
        std::mem::take(&mut self.work().requests)
    }

    /// Its URL, which servers name as realm.
    #[must_use]
    pub fn realm(&self) -> String {
        let scheme = if self.state.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}/token", self.listener.port())
    }

    /// The certificate authority that clients of a service over TLS must trust, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// What a server that calls itself `service` must know.
    #[must_use]
    pub fn auth(&self, service: &str) -> TokenAuth {
        TokenAuth {
            realm: self.realm(),
            service: service.to_owned(),
            issuer: ISSUER.to_owned(),
            bundle: self.folder.path().join("bundle.crt"),
            signer: Arc::clone(&self.signer),
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.state.work()
    }
}
