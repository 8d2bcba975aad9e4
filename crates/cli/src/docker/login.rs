//! The login of an image's registry, and how servers that ask for it are answered.

use std::path::PathBuf;

use async_trait::async_trait;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use signet_client::{Access, AuthorizationError, Authorizer, Challenge, ErrorKind};
use signet_oci::credentials::CredentialEnvironment;
use signet_oci::{Credentials, DockerConfig, Reference, challenge};
use signet_tuf::Gun;
use tokio::sync::OnceCell;

use super::context::Context;
use crate::ui::printer::Printer;

/// The registry's credentials, which docker uses for the trust server too. They are looked up when a server asks, and once.
pub(super) struct Login {
    config_dir: PathBuf,
    key: String,
    environment: CredentialEnvironment,
    printer: Printer,
    found: OnceCell<Credentials>,
}

impl Login {
    /// The login for the registry of `reference`. Nothing is read yet.
    pub(super) fn new(context: &Context, config_dir: PathBuf, reference: &Reference) -> Self {
        Self {
            config_dir,
            key: reference.credentials_key().to_owned(),
            environment: CredentialEnvironment {
                search_path: context.env.path.clone(),
                ..CredentialEnvironment::default()
            },
            printer: context.printer.clone(),
            found: OnceCell::new(),
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
                    tracing::warn!("{warning}");
                }
                credentials
            })
            .await
    }
}

#[async_trait]
impl Authorizer for Login {
    async fn authorize(
        &self,
        _: &Gun,
        _: Access,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        let headers: HeaderMap = challenges
            .iter()
            .filter_map(|Challenge(text)| {
                Some((WWW_AUTHENTICATE, HeaderValue::from_str(text).ok()?))
            })
            .collect();
        let challenges = challenge::parse(&headers);
        if challenges.is_empty() {
            return Ok(None);
        }
        challenge::answer(&challenges, self.credentials().await).map_err(|source| {
            AuthorizationError {
                kind: ErrorKind::Local,
                source: Box::new(source),
            }
        })
    }
}
