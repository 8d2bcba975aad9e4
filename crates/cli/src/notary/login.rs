//! How the trust server is answered when it asks who it is: `NOTARY_AUTH`, else docker's login for the registry that a repository is named after,
//! else, where others than the user chose the names, docker's login for the server itself.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use data_encoding::BASE64;
use http::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use signet_client::{Access, AuthorizationError, Authorizer, Challenge};
use signet_oci::token::Asker;
use signet_oci::{Credentials, Reference};
use signet_tuf::Gun;
use url::Url;
use zeroize::Zeroizing;

use super::context::Context;
use crate::env::Environment;
use crate::login::{Login, Logins, TrustLogin};
use crate::texts::notary as texts;
use crate::ui::printer::Printer;
use crate::ui::report::Failure;

/// The trust server of Docker Hub, for which docker uses the login of Docker Hub.
const HUBS_SERVER: &str = "notary.docker.io";

/// Who chose the names of the repositories that a server is asked for.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::notary) enum NamedBy {
    /// The user, who thereby says which registries' logins the server may see.
    #[default]
    User,
    /// The server or an archive. Whoever wrote their names could name every registry there is, and collect the passwords of all; so the server
    /// sees the login for itself and no other.
    Others {
        /// The registries whose logins it may see too, by docker's keys for credentials.
        logins_for: BTreeSet<String>,
    },
}

impl NamedBy {
    /// Names that are not the user's, with the registries of `--login-for`.
    ///
    /// # Errors
    /// When one of them is no registry.
    pub(super) fn others(registries: &[&str]) -> Result<Self, Failure> {
        let key = |registry: &&str| -> Result<String, Failure> {
            let reference = of_registry(registry);
            let reference =
                reference.ok_or_else(|| Failure::new(texts::login_for_form(registry)))?;
            Ok(reference.credentials_key().to_owned())
        };
        let logins_for = registries.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self::Others { logins_for })
    }

    /// Whether the server may see the login for a registry because of a repository's name.
    fn shows(&self, registry: &Reference) -> bool {
        match self {
            Self::User => true,
            Self::Others { logins_for } => logins_for.contains(registry.credentials_key()),
        }
    }
}

/// The logins of one command.
#[derive(Debug)]
pub(super) struct NotaryLogins {
    auth: Option<SecretString>,
    env: Environment,
    config_dir: Option<PathBuf>,
    printer: Printer,
    given: OnceLock<Option<Arc<Login>>>,
    dockers: Logins,
    nobody: OnceLock<Arc<Login>>,
}

impl NotaryLogins {
    pub(super) fn new(context: &Context) -> Self {
        let env = &context.env;
        let config_dir = env
            .docker_config
            .clone()
            .or_else(|| env.home.as_ref().map(|home| home.join(".docker")));
        Self {
            auth: env.notary.auth.clone(),
            env: Environment {
                auth_config: env.auth_config.clone(),
                path: env.path.clone(),
                ..Environment::default()
            },
            config_dir,
            printer: context.printer.clone(),
            given: OnceLock::new(),
            dockers: Logins::default(),
            nobody: OnceLock::new(),
        }
    }

    /// The login for a repository. Nothing is read yet.
    fn of(&self, gun: &Gun, server: &Url, named_by: &NamedBy) -> Arc<Login> {
        match (registry_of(gun), named_by) {
            (Some(registry), _) if named_by.shows(&registry) => self.choose(Some(&registry)),
            (_, NamedBy::Others { .. }) => self.of_server(server),
            (_, NamedBy::User) => self.choose(None),
        }
    }

    /// The login for what concerns no single repository: docker's for the server itself.
    fn of_server(&self, server: &Url) -> Arc<Login> {
        self.choose(registry_at(server).as_ref())
    }

    fn choose(&self, registry: Option<&Reference>) -> Arc<Login> {
        let given = self.given.get_or_init(|| {
            let auth = self.auth.as_ref()?;
            // What is wrong with the variable has been said; it still means that no other login is wanted.
            let credentials = decode(auth).unwrap_or_else(|problem| {
                tracing::error!("{problem}");
                Credentials::anonymous()
            });
            Some(Arc::new(Login::known(credentials, &self.printer)))
        });
        if let Some(login) = given {
            return Arc::clone(login);
        }
        if let Some(reference) = registry
            && let Some(config_dir) = &self.config_dir
        {
            return self.dockers.of(reference, || {
                Login::of_registry(&self.env, config_dir.clone(), reference, &self.printer)
            });
        }
        let nobody = || Arc::new(Login::known(Credentials::anonymous(), &self.printer));
        Arc::clone(self.nobody.get_or_init(nobody))
    }
}

impl NotaryLogins {
    fn all(&self) -> Vec<Arc<Login>> {
        let given = self.given.get().and_then(Option::as_ref);
        let mut all = self.dockers.all();
        all.extend(given.into_iter().chain(self.nobody.get()).map(Arc::clone));
        all
    }
}

/// The image that a repository is named after. A name that does not begin with a registry is nobody's image: docker would take it for one of
/// Docker Hub, whose login is no business of the server that has the repository.
fn registry_of(gun: &Gun) -> Option<Reference> {
    let reference: Reference = gun.as_str().parse().ok()?;
    (reference.gun() == gun.as_str()).then_some(reference)
}

/// The registry as which docker knows the server itself.
fn registry_at(server: &Url) -> Option<Reference> {
    let host = server.host_str()?;
    if server.scheme() == "https" && server.port().is_none() && host == HUBS_SERVER {
        return of_registry("docker.io");
    }
    let port = server.port().map(|port| format!(":{port}"));
    of_registry(&format!("{host}{}", port.unwrap_or_default()))
}

/// A registry by its name. Logins are kept by the registries of images; any image will do.
fn of_registry(name: &str) -> Option<Reference> {
    let reference: Reference = format!("{name}/library/image").parse().ok()?;
    let is_hub = reference.is_official() && matches!(name, "docker.io" | "index.docker.io");
    (is_hub || (reference.domain() == name && !reference.is_official())).then_some(reference)
}

/// Base64 of `user:password`, with Go's words for what is wrong.
fn decode(auth: &SecretString) -> Result<Credentials, &'static str> {
    let bytes = BASE64
        .decode(auth.expose_secret().as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| texts::AUTH_NOT_BASE64)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| texts::AUTH_FORM)?;
    let (user, password) = text.split_once(':').ok_or(texts::AUTH_FORM)?;
    if user.is_empty() {
        return Err(texts::AUTH_NO_USER);
    }
    Ok(Credentials::password(
        user,
        SecretString::from(password.trim()),
    ))
}

/// The logins as one trust server is shown them.
#[derive(Debug)]
pub(super) struct NotaryLogin {
    logins: Arc<NotaryLogins>,
    server: Url,
    named_by: NamedBy,
    asker: Asker,
}

impl NotaryLogin {
    pub(super) fn new(
        logins: Arc<NotaryLogins>,
        server: Url,
        named_by: NamedBy,
        asker: Asker,
    ) -> Self {
        Self {
            logins,
            server,
            named_by,
            asker,
        }
    }
}

#[async_trait]
impl Authorizer for NotaryLogin {
    async fn authorize(
        &self,
        gun: &Gun,
        access: Access,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        let login = self.logins.of(gun, &self.server, &self.named_by);
        TrustLogin::new(login, self.asker.clone())
            .authorize(gun, access, challenges)
            .await
    }

    async fn authorize_catalog(
        &self,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        TrustLogin::new(self.logins.of_server(&self.server), self.asker.clone())
            .authorize_catalog(challenges)
            .await
    }

    async fn refused(&self, header: &HeaderValue, challenges: &[Challenge]) -> bool {
        for login in self.logins.all() {
            let login = TrustLogin::new(login, self.asker.clone());
            if login.refused(header, challenges).await {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Case 57 of the specification.
    #[test]
    fn the_variable_is_refused_in_gos_words() {
        let problem = |text: &str| decode(&SecretString::from(text)).unwrap_err();
        assert_eq!(
            problem("!!!"),
            "Could not base64-decode authentication string"
        );
        assert_eq!(
            problem("bm9jb2xvbg=="),
            "Malformatted authentication string; format must be <username>:<password>"
        );
        assert_eq!(
            problem("OnB3"),
            "Authentication string with zero-length username"
        );
        let credentials = decode(&SecretString::from("YWRtaW46IHM6dCA=")).unwrap();
        let (user, password) = credentials.basic().unwrap();
        assert_eq!((user, password.expose_secret()), ("admin", "s:t"));
    }

    /// A login goes to no server that only happens to have a repository of that name.
    #[test]
    fn only_names_of_registries_have_logins() {
        let key = |gun: &str| {
            registry_of(&gun.parse().unwrap()).map(|found| found.credentials_key().to_owned())
        };
        assert_eq!(
            key("docker.io/library/alpine").as_deref(),
            Some("https://index.docker.io/v1/")
        );
        assert_eq!(
            key("registry.example.com:5000/a/b").as_deref(),
            Some("registry.example.com:5000")
        );
        assert_eq!(key("team/app"), None);
        assert_eq!(key("alpine"), None);
        assert_eq!(key("Team/App"), None);
    }

    #[test]
    fn a_servers_own_login_is_that_of_its_address() {
        let key = |server: &str| {
            registry_at(&server.parse().unwrap()).map(|found| found.credentials_key().to_owned())
        };
        assert_eq!(
            key("https://notary.docker.io").as_deref(),
            Some("https://index.docker.io/v1/")
        );
        for (server, expected) in [
            ("https://notary.example.com", "notary.example.com"),
            ("https://notary.example.com:4443", "notary.example.com:4443"),
            ("http://127.0.0.1:4443/sub", "127.0.0.1:4443"),
            ("http://notary.docker.io", "notary.docker.io"),
            ("https://notary.docker.io:444", "notary.docker.io:444"),
        ] {
            assert_eq!(key(server).as_deref(), Some(expected), "{server}");
        }
        assert_eq!(key("https://notary-server"), None);
        for wrong in ["", "ghcr", "https://ghcr.io", "ghcr.io/team", "ghcr.io/"] {
            assert!(NamedBy::others(&[wrong]).is_err(), "{wrong}");
        }
    }
}
