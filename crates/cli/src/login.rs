//! The login of a registry, and how servers that ask for it are answered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use signet_client::remote::RemoteError;
use signet_client::{Access, AuthorizationError, Authorizer, Challenge, Error, ErrorKind};
use signet_oci::challenge::{self, Answer, AnswerError};
use signet_oci::credentials::{CredentialEnvironment, CredentialWarning};
use signet_oci::token::{Asker, TokenError, TokenErrorKind};
use signet_oci::{Credentials, DockerConfig, Reference, Tokens};
use signet_tuf::Gun;
use signet_tuf::update::UpdateError;
use tokio::sync::OnceCell;

use crate::env::Environment;
use crate::texts::docker as texts;
use crate::ui::printer::Printer;

/// The logins of one command, one for every registry: helpers are asked once and tokens are used as long as they are good.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<BTreeMap<String, Arc<Login>>>);

impl Logins {
    /// The login for the registry of `reference`, made when it is the first of its registry.
    pub(crate) fn of(&self, reference: &Reference, make: impl FnOnce() -> Login) -> Arc<Login> {
        let key = reference.credentials_key();
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let login = logins
            .entry(key.to_owned())
            .or_insert_with(|| Arc::new(make()));
        Arc::clone(login)
    }
}

impl Logins {
    /// All logins that were asked for.
    pub(crate) fn all(&self) -> Vec<Arc<Login>> {
        let logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.values().map(Arc::clone).collect()
    }
}

/// The registry's credentials, which docker uses for the trust server too. They are looked up when a server asks, and once.
pub(crate) struct Login {
    config_dir: PathBuf,
    key: String,
    /// What `docker login` must be told.
    registry: String,
    environment: CredentialEnvironment,
    printer: Printer,
    found: OnceCell<Credentials>,
    tokens: Arc<Tokens>,
}

impl Login {
    /// The login that docker keeps for the registry of `reference` in `config_dir`. Nothing is read yet.
    pub(crate) fn of_registry(
        env: &Environment,
        config_dir: PathBuf,
        reference: &Reference,
        printer: &Printer,
    ) -> Self {
        let registry = if reference.is_official() {
            String::new()
        } else {
            format!(" {}", reference.domain())
        };
        Self {
            config_dir,
            key: reference.credentials_key().to_owned(),
            registry,
            environment: CredentialEnvironment {
                auth_config: env.auth_config.clone(),
                search_path: env.path.clone(),
                ..CredentialEnvironment::default()
            },
            printer: printer.clone(),
            found: OnceCell::new(),
            tokens: Arc::default(),
        }
    }

    /// A login that is known already.
    pub(crate) fn known(credentials: Credentials, printer: &Printer) -> Self {
        Self {
            config_dir: PathBuf::new(),
            key: String::new(),
            registry: String::new(),
            environment: CredentialEnvironment::default(),
            printer: printer.clone(),
            found: OnceCell::new_with(Some(credentials)),
            tokens: Arc::default(),
        }
    }

    /// What docker knows about the registry.
    pub(crate) async fn credentials(&self) -> &Credentials {
        self.found
            .get_or_init(|| async {
                let (config, warning) = DockerConfig::load(&self.config_dir);
                if let Some(warning) = warning {
                    self.printer.err(&format!("WARNING: {warning}\n"));
                }
                let (credentials, warnings) =
                    Credentials::lookup(&config, &self.key, &self.environment).await;
                for warning in warnings {
                    match warning {
                        CredentialWarning::AuthConfig(_) => {
                            self.printer.err(&format!("{warning}\n"));
                        }
                        _ => tracing::warn!("{warning}"),
                    }
                }
                credentials
            })
            .await
    }

    /// The tokens that this command holds.
    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens)
    }

    /// What the person can do when a server does not let them in; `None` when that is not what went wrong.
    pub(crate) fn advice(&self, error: &Error) -> Option<String> {
        let refused = match error {
            Error::Remote(RemoteError::Refused { refusal, .. })
            | Error::Update(UpdateError::Refused { refusal, .. }) => match refusal.status {
                401 | 403 => Refused::Access,
                _ => return None,
            },
            Error::Remote(RemoteError::Authorization(error)) => {
                match error.source.downcast_ref::<AnswerError>()? {
                    AnswerError::Token(error) if error.is_wrong_login() => Refused::Login,
                    AnswerError::Token(TokenError::Refused { .. }) => Refused::Access,
                    AnswerError::NoBasicCredentials => Refused::Access,
                    _ => return None,
                }
            }
            _ => return None,
        };
        self.advice_after(refused)
    }

    /// The same for a registry.
    pub(crate) fn advice_after(&self, refused: Refused) -> Option<String> {
        let credentials = self.found.get();
        let user = credentials.and_then(Credentials::username);
        Some(match (credentials, refused) {
            (Some(known), Refused::Login) if !known.is_anonymous() => {
                texts::login_not_accepted(user, &self.registry)
            }
            (Some(known), Refused::Access) if !known.is_anonymous() => {
                texts::access_not_granted(user, &self.registry)
            }
            _ => texts::not_logged_in(&self.registry),
        })
    }
}

/// What a server does not accept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// The user's password or identity token.
    Login,
    /// That this user does this.
    Access,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A login, as a trust server is shown it.
#[derive(Debug)]
pub(crate) struct TrustLogin {
    login: Arc<Login>,
    asker: Asker,
}

impl TrustLogin {
    /// The login for the server that `asker` is.
    pub(crate) fn new(login: Arc<Login>, asker: Asker) -> Self {
        Self { login, asker }
    }
}

#[async_trait]
impl Authorizer for TrustLogin {
    async fn authorize(
        &self,
        gun: &Gun,
        access: Access,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        let scope = format!("repository:{gun}:{}", access.actions());
        self.header(challenges, &scope).await
    }

    async fn authorize_catalog(
        &self,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        self.header(challenges, "registry:catalog:*").await
    }

    async fn refused(&self, header: &HeaderValue, challenges: &[Challenge]) -> bool {
        challenge::wants_new_token(&parse(challenges)) && self.login.tokens.discard(header).await
    }
}

impl TrustLogin {
    async fn header(
        &self,
        challenges: &[Challenge],
        scope: &str,
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        let challenges = parse(challenges);
        if challenges.is_empty() {
            return Ok(None);
        }
        let credentials = self.login.credentials().await;
        let answer = challenge::answer(&challenges, credentials, self.asker.server());
        let challenge = match answer.map_err(failed)? {
            Answer::Nothing => return Ok(None),
            Answer::Basic(header) => return Ok(Some(header)),
            Answer::Token(challenge) => challenge,
        };
        self.login
            .tokens
            .authorization(&self.asker, challenge, scope, credentials)
            .await
            .map(Some)
            .map_err(|error| failed(error.into()))
    }
}

fn parse(challenges: &[Challenge]) -> Vec<challenge::Challenge> {
    let headers: HeaderMap = challenges
        .iter()
        .filter_map(|Challenge(text)| Some((WWW_AUTHENTICATE, HeaderValue::from_str(text).ok()?)))
        .collect();
    challenge::parse(&headers)
}

fn failed(error: AnswerError) -> AuthorizationError {
    let kind = match &error {
        AnswerError::Token(error) => match error.kind() {
            TokenErrorKind::Network => ErrorKind::Network,
            TokenErrorKind::Refused => ErrorKind::Refused,
            _ => ErrorKind::Violation,
        },
        _ => ErrorKind::Local,
    };
    let status = match &error {
        AnswerError::Token(TokenError::Refused { status, .. }) => Some(*status),
        _ => None,
    };
    AuthorizationError {
        kind,
        status,
        source: Box::new(error),
    }
}
