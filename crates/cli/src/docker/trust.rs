//! From an image reference to its trust repository: which server, over which TLS, with whose credentials.

use std::sync::Arc;

use signet_client::http::{ClientIdentity, TlsOptions, Verification};
use signet_client::policy::{Demands, Stated};
use signet_client::{Access, Error, Options, Remote, RemoteOptions, Repository};
use signet_oci::challenge::AnswerError;
use signet_oci::daemon::RegistryLogin;
use signet_oci::registry::{self, RegistryError};
use signet_oci::tls::TlsDirectory;
use signet_oci::token::{Asker, TokenClients};
use signet_oci::{Reference, Registry};
use signet_tuf::Gun;
use url::Url;

use super::context::Context;
use super::login::{self, Login, Refused, TrustLogin};
use super::problems;
use super::resolve::Subject;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// An image, and the way to its trust repository and to its registry.
pub(super) struct Image {
    /// The image as the user named it.
    pub(super) reference: Reference,
    /// Its trust repository's name.
    pub(super) gun: Gun,
    /// Whether only what is remembered of the trust repository may be used.
    pub(super) offline: bool,
    /// What the policy demands of it.
    pub(super) demands: Demands,
    pub(super) login: Arc<Login>,
    pub(super) server: Server,
    pub(super) tls: TlsOptions,
}

/// Parses a reference. What is wrong with it is said before what is wrong with the server.
pub(super) fn parse(typed: &str) -> Result<Reference, Failure> {
    typed
        .parse()
        .map_err(|error: signet_oci::reference::InvalidReference| Failure::new(error.to_string()))
}

impl Image {
    /// Parses a reference and finds its server. Nothing is sent.
    pub(super) fn find(context: &Context, typed: &str) -> Result<Self, Failure> {
        let reference = parse(typed)?;
        let gun: Gun = reference
            .gun()
            .parse()
            .map_err(|error: signet_tuf::InvalidGun| Failure::new(error.to_string()))?;
        let demands = context
            .policy()?
            .demands(&gun)
            .map_err(|error| Failure::new(problems::with_sources(&error)))?;
        let configured = context.env.trust_server.as_deref();
        let server = match &demands.server {
            Some(stated) => Server::of_policy(stated, &gun, configured)?,
            None => Server::choose(configured, &reference)?,
        };
        let config_dir = context.config_dir()?;
        let tls = tls_options(&config_dir, &server.authority, &reference)?;
        let login = login::of(context, config_dir, &reference);
        Ok(Self {
            reference,
            gun,
            offline: false,
            demands,
            login,
            server,
            tls,
        })
    }

    /// What is asked about.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            reference: &self.reference,
            demands: &self.demands,
            offline: self.offline,
        }
    }

    /// Opens the trust repository for what a command needs to do. Nothing is sent.
    pub(super) fn open(&self, context: &Context, access: Access) -> Result<Repository, Failure> {
        let mut options = self.options(context, access)?;
        // Reading needs no keys, and looking for them takes time.
        if access != Access::Pull {
            options.keys = context.keys()?;
        }
        Repository::open(options).map_err(|error| Failure::new(problems::client_problem(&error)))
    }

    /// Opens the trust repository for looking only: without keys, and what is learnt is not remembered.
    pub(super) fn look(&self, context: &Context, access: Access) -> Result<Repository, Failure> {
        let mut options = self.options(context, access)?;
        options.remember = false;
        Repository::open(options).map_err(|error| Failure::new(problems::client_problem(&error)))
    }

    /// The login as the trust server is shown it.
    pub(super) fn trust_login(&self) -> TrustLogin {
        let asker = Asker::new(self.server.url.clone(), token_clients(&self.tls));
        TrustLogin::new(Arc::clone(&self.login), asker)
    }

    fn options(&self, context: &Context, access: Access) -> Result<Options, Failure> {
        let mut options = RemoteOptions::new(self.server.url.clone(), user_agent());
        options.tls = self.tls.clone();
        options.access = access;
        options.offline = self.offline;
        options.authorizer = Some(Arc::new(self.trust_login()));
        let remote =
            Remote::new(options).map_err(|error| Failure::new(problems::with_sources(&error)))?;
        let mut options = Options::new(
            self.gun.clone(),
            context.trust_dir()?,
            Arc::new(remote),
            Arc::new(context.clock),
        );
        options.pinning = self.demands.pinnings(&self.gun);
        Ok(options)
    }

    /// The registry's user name, if docker is logged in.
    pub(super) async fn user(&self) -> Option<String> {
        self.login.credentials().await.username().map(str::to_owned)
    }

    /// The registry's login, for a daemon that pushes or pulls.
    pub(super) async fn daemon_login(&self) -> RegistryLogin<'_> {
        RegistryLogin {
            credentials: self.login.credentials().await,
            registry: self.reference.credentials_key(),
        }
    }

    /// The image's registry. Nothing is sent.
    pub(super) async fn registry(&self, context: &Context) -> Result<Registry, Failure> {
        let authority = self.reference.registry_authority();
        let url = Url::parse(&format!("https://{authority}"))
            .map_err(|error| Failure::new(format!("{authority}: {error}")))?;
        let tls = tls_options(&context.config_dir()?, authority, &self.reference)?;
        let client = signet_client::http::client(&url, &tls, &user_agent())
            .map_err(|error| Failure::new(problems::with_sources(&error)))?;
        let access = registry::Access {
            credentials: self.login.credentials().await.clone(),
            tokens: self.login.tokens(),
            token_clients: token_clients(&tls),
            ..registry::Access::new(client)
        };
        Registry::new(&self.reference, access).map_err(|error| self.registry_failure(&error))
    }

    /// A failure of that text, with advice on what caused it.
    pub(super) fn failure(&self, text: String, error: &Error) -> Failure {
        match self.login.advice(error) {
            Some(advice) => Failure::new(text).hint(advice),
            None => problems::client_failure(text, error),
        }
    }

    /// Why the registry's manifest is not to be had.
    pub(super) fn registry_failure(&self, error: &RegistryError) -> Failure {
        let failure = problems::registry_failure(error);
        let refused = match error {
            RegistryError::Credentials {
                source: AnswerError::NoBasicCredentials,
                ..
            } => Refused::Login,
            RegistryError::Credentials {
                source: AnswerError::Token(error),
                ..
            } if error.is_wrong_login() => Refused::Login,
            RegistryError::Unauthorized { status: 401, .. } => Refused::Access,
            _ => return failure,
        };
        match self.login.advice_after(refused) {
            Some(advice) => failure.hint(advice),
            None => failure,
        }
    }
}

/// A trust server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Server {
    pub(super) url: Url,
    /// Host and port as they stand in the URL: the name of the folder with its certificates.
    pub(super) authority: String,
}

impl Server {
    /// `DOCKER_CONTENT_TRUST_SERVER`, else Docker Hub's server, else the registry's own host.
    fn choose(configured: Option<&str>, reference: &Reference) -> Result<Self, Failure> {
        let text = match configured {
            Some(configured) => configured.to_owned(),
            None if reference.is_official() => "https://notary.docker.io".to_owned(),
            None => format!("https://{}", reference.domain()),
        };
        Self::parse(&text)
    }

    /// The server that the policy names. A variable that names another one does not lead away from it.
    fn of_policy(
        stated: &Stated<Url>,
        gun: &Gun,
        configured: Option<&str>,
    ) -> Result<Self, Failure> {
        let server = Self::parse(stated.value.as_str())?;
        let same = |text: &str| Url::parse(text).is_ok_and(|url| url == server.url);
        if configured.is_some_and(|text| !same(text)) {
            let rule = texts::policy_rule(&stated.file, &stated.scope);
            tracing::warn!(
                "{}",
                texts::policy_server_used(gun.as_str(), &rule, server.url.as_str())
            );
        }
        Ok(server)
    }

    /// What its folder says about TLS.
    pub(super) fn tls(
        &self,
        config_dir: &std::path::Path,
        verification: Verification,
    ) -> Result<TlsOptions, Failure> {
        tls_folder(config_dir, &self.authority, verification)
    }

    /// A server by its address, which must begin with `https://`.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let invalid = || Failure::new(texts::https_required(text));
        let url = Url::parse(text).map_err(|_| invalid())?;
        if url.scheme() != "https" || url.host_str().is_none() {
            return Err(invalid());
        }
        let after = text.split_once("//").map_or("", |(_, after)| after);
        let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        Ok(Self {
            url,
            authority: authority.to_owned(),
        })
    }
}

/// The certificates that the user has put down for a server.
///
/// For a registry on this machine docker verifies no trust server, wherever that is (Q9). Here the trust server itself must be on this machine
/// for that, which [`Verification::SkipForLoopback`] looks at.
fn tls_options(
    config_dir: &std::path::Path,
    authority: &str,
    reference: &Reference,
) -> Result<TlsOptions, Failure> {
    let verification = if reference.is_on_loopback() {
        Verification::SkipForLoopback
    } else {
        Verification::System
    };
    tls_folder(config_dir, authority, verification)
}

fn tls_folder(
    config_dir: &std::path::Path,
    authority: &str,
    verification: Verification,
) -> Result<TlsOptions, Failure> {
    let folder = TlsDirectory::load(config_dir, authority)
        .map_err(|error| Failure::new(error.to_string()))?;
    let mut extra_roots_pem = Vec::new();
    for file in folder.roots {
        extra_roots_pem.extend(file.bytes);
        extra_roots_pem.push(b'\n');
    }
    let identities = folder
        .identities
        .into_iter()
        .map(|identity| ClientIdentity {
            certificates_pem: identity.certificate.bytes,
            key_pem: identity.key,
        })
        .collect();
    Ok(TlsOptions {
        extra_roots_pem,
        identities,
        verification,
    })
}

/// Token servers are spoken to as the server that asked for the token is.
fn token_clients(tls: &TlsOptions) -> TokenClients {
    let tls = tls.clone();
    TokenClients::new(move |realm| {
        signet_client::http::client(realm, &tls, &user_agent()).map_err(Into::into)
    })
}

/// What servers, registries and daemons see in their logs.
pub(super) fn user_agent() -> String {
    // compat: servers and proxies know docker's client by the beginning of this text.
    format!(
        "Docker-Client/28.2.2 ({}) signet/{}",
        std::env::consts::OS,
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(configured: Option<&str>, image: &str) -> Result<(String, String), String> {
        let server = Server::choose(configured, &image.parse().unwrap())
            .map_err(|failure| failure.text().to_owned())?;
        Ok((server.url.to_string(), server.authority))
    }

    /// Acceptance cases 20 to 24 of the specification: where docker connects to.
    #[test]
    fn the_registry_names_its_trust_server() {
        for (image, url, authority) in [
            ("alpine", "https://notary.docker.io/", "notary.docker.io"),
            (
                "index.docker.io/alpine",
                "https://notary.docker.io/",
                "notary.docker.io",
            ),
            ("myorg/app", "https://notary.docker.io/", "notary.docker.io"),
            (
                "registry-1.docker.io/z",
                "https://registry-1.docker.io/",
                "registry-1.docker.io",
            ),
            (
                "registry.example.com:5443/x",
                "https://registry.example.com:5443/",
                "registry.example.com:5443",
            ),
            (
                "Registry.Example.com/x",
                "https://registry.example.com/",
                "Registry.Example.com",
            ),
            ("[::1]:5000/a/b", "https://[::1]:5000/", "[::1]:5000"),
        ] {
            assert_eq!(
                choose(None, image).unwrap(),
                (url.to_owned(), authority.to_owned()),
                "{image}"
            );
        }
    }

    /// Acceptance cases 26 and 27.
    #[test]
    fn the_variable_goes_before_the_registry_and_must_be_https() {
        let ok = |url: &str| choose(Some(url), "registry.example.com/x").unwrap();
        assert_eq!(ok("HTTPS://h"), ("https://h/".to_owned(), "h".to_owned()));
        assert_eq!(
            ok("https://h:4443/sub"),
            ("https://h:4443/sub".to_owned(), "h:4443".to_owned())
        );
        assert_eq!(ok("https://LOCALHOST:4443/").1, "LOCALHOST:4443");
        for wrong in ["http://x", "x", "https://", "ftp://x", "//x"] {
            assert_eq!(
                choose(Some(wrong), "registry.example.com/x").unwrap_err(),
                format!("valid https URL required for trust server, got {wrong}")
            );
        }
    }

    /// Q9: a registry on this machine opens no door to a trust server elsewhere.
    #[test]
    fn verification_is_skipped_for_loopback_registries_only() {
        let none = std::path::Path::new("/nonexistent");
        let verification = |image: &str| {
            tls_options(none, "h", &image.parse().unwrap())
                .unwrap()
                .verification
        };
        assert_eq!(
            verification("localhost:5000/x"),
            Verification::SkipForLoopback
        );
        assert_eq!(verification("registry.example.com/x"), Verification::System);
    }
}
