//! The login of a registry, and how servers that ask for it are answered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use signet_client::remote::RemoteError;
use signet_client::{Access, AuthorizationError, Authorizer, Challenge, Error, ErrorKind, Next};
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

/// Somebody's credentials: those of a registry, which docker uses for the trust server too, or others. They are looked up when a server asks,
/// and once.
pub(crate) struct Login {
    source: Source,
    /// What `docker login` must be told.
    registry: String,
    found: OnceCell<Credentials>,
    tokens: Arc<Tokens>,
}

/// Where credentials come from.
enum Source {
    Docker {
        config_dir: PathBuf,
        key: String,
        environment: CredentialEnvironment,
        printer: Printer,
    },
    Known,
    Person(Box<dyn Ask>),
}

/// Asks somebody who they are.
#[async_trait]
pub(crate) trait Ask: Send + Sync {
    /// Asks; this may wait for a person.
    async fn ask(&self) -> Credentials;
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
            source: Source::Docker {
                config_dir,
                key: reference.credentials_key().to_owned(),
                environment: CredentialEnvironment {
                    auth_config: env.auth_config.clone(),
                    search_path: env.path.clone(),
                    ..CredentialEnvironment::default()
                },
                printer: printer.clone(),
            },
            registry,
            found: OnceCell::new(),
            tokens: Arc::default(),
        }
    }

    /// A login that is known already.
    pub(crate) fn known(credentials: Credentials) -> Self {
        Self {
            source: Source::Known,
            registry: String::new(),
            found: OnceCell::new_with(Some(credentials)),
            tokens: Arc::default(),
        }
    }

    /// The login of whoever answers.
    pub(crate) fn asked(person: impl Ask + 'static) -> Self {
        Self {
            source: Source::Person(Box::new(person)),
            registry: String::new(),
            found: OnceCell::new(),
            tokens: Arc::default(),
        }
    }

    /// Who it is; nobody when that is not to be found out.
    pub(crate) async fn credentials(&self) -> &Credentials {
        self.found
            .get_or_init(|| async {
                match &self.source {
                    Source::Docker {
                        config_dir,
                        key,
                        environment,
                        printer,
                    } => stored(config_dir, key, environment, printer).await,
                    Source::Known => Credentials::anonymous(),
                    Source::Person(person) => person.ask().await,
                }
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

/// What docker has stored for a registry.
async fn stored(
    config_dir: &Path,
    key: &str,
    environment: &CredentialEnvironment,
    printer: &Printer,
) -> Credentials {
    let (config, warning) = DockerConfig::load(config_dir);
    if let Some(warning) = warning {
        printer.err(&format!("WARNING: {warning}\n"));
    }
    let (credentials, warnings) = Credentials::lookup(&config, key, environment).await;
    for warning in warnings {
        match warning {
            CredentialWarning::AuthConfig(_) => printer.err(&format!("{warning}\n")),
            _ => tracing::warn!("{warning}"),
        }
    }
    credentials
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
        let kind = match &self.source {
            Source::Docker { key, .. } => key,
            Source::Known => "known",
            Source::Person(_) => "asked for",
        };
        f.debug_tuple("Login").field(&kind).finish()
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

    async fn refused(
        &self,
        _: Option<&Gun>,
        header: &HeaderValue,
        challenges: &[Challenge],
    ) -> Next {
        if challenge::wants_new_token(&parse(challenges)) && self.login.tokens.discard(header).await
        {
            Next::NewToken
        } else {
            Next::Nothing
        }
    }
}

impl TrustLogin {
    /// The header for a token's scope.
    pub(crate) async fn header(
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
