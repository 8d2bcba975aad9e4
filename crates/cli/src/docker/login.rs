//! The login of an image's registry, and how servers that ask for it are answered.

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

use super::context::Context;
use crate::texts::docker as texts;
use crate::ui::printer::Printer;

/// The logins of one command, one for every registry: helpers are asked once and tokens are used as long as they are good.
#[derive(Debug, Default)]
pub(super) struct Logins(Mutex<BTreeMap<String, Arc<Login>>>);

impl Logins {
    /// The login for the registry of `reference`. Nothing is read yet.
    pub(super) fn of(
        &self,
        context: &Context,
        config_dir: PathBuf,
        reference: &Reference,
    ) -> Arc<Login> {
        let key = reference.credentials_key();
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let login = logins
            .entry(key.to_owned())
            .or_insert_with(|| Arc::new(Login::new(context, config_dir, reference)));
        Arc::clone(login)
    }
}

/// The registry's credentials, which docker uses for the trust server too. They are looked up when a server asks, and once.
pub(super) struct Login {
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
    fn new(context: &Context, config_dir: PathBuf, reference: &Reference) -> Self {
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
                auth_config: context.env.auth_config.clone(),
                search_path: context.env.path.clone(),
                ..CredentialEnvironment::default()
            },
            printer: context.printer.clone(),
            found: OnceCell::new(),
            tokens: Arc::default(),
        }
    }

    /// What docker knows about the registry.
    pub(super) async fn credentials(&self) -> &Credentials {
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
    pub(super) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.tokens)
    }

    /// What the person can do when a server does not let them in; `None` when that is not what went wrong.
    pub(super) fn advice(&self, error: &Error) -> Option<String> {
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
    pub(super) fn advice_after(&self, refused: Refused) -> Option<String> {
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
pub(super) enum Refused {
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
pub(super) struct TrustLogin {
    login: Arc<Login>,
    asker: Asker,
}

impl TrustLogin {
    /// The login for the server that `asker` is.
    pub(super) fn new(login: Arc<Login>, asker: Asker) -> Self {
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
        let challenge = match challenge::answer(&challenges, credentials).map_err(failed)? {
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
