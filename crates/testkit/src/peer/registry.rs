//! A real image registry (`docker-registry`) with a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::file;
use crate::http::Client;
use crate::process::{Group, Service};
use crate::program::DOCKER_REGISTRY;

/// `alice` with the password `wonderland`, bcrypt with cost 4.
const HTPASSWD: &str = "alice:$2b$04$U8XwnXXurVMn72xpwSsvVucGNztQUmIuON.930ITjJk/2EVqhfBQK\n";

/// How a registry is set up.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// Lets in only [`Registry::USER`] with [`Registry::PASSWORD`].
    pub htpasswd: bool,
    /// PEM files of certificate and key; plain HTTP without.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Lets in those who bring a token of this service.
    #[cfg(feature = "tls")]
    pub token: Option<super::TokenAuth>,
}

/// A registry on a free port.
#[derive(Debug)]
pub struct Registry {
    service: Service,
    address: SocketAddr,
    basic: bool,
    #[cfg(feature = "tls")]
    token: Option<super::TokenAuth>,
    _folder: Option<TempDir>,
}

impl Registry {
    /// The one user of a registry with `htpasswd`.
    pub const USER: &str = "alice";
    /// Her password.
    pub const PASSWORD: &str = "wonderland";

    /// Starts one on plain HTTP that lets everybody in.
    ///
    /// # Errors
    /// When `docker-registry` is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&RegistryOptions::default())
    }

    /// Starts one with options.
    ///
    /// # Errors
    /// When `docker-registry` is not installed or does not start.
    pub fn start_with(options: &RegistryOptions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut registry = Self::start_in(folder.path(), options, Group::Own)?;
        registry._folder = Some(folder);
        Ok(registry)
    }

    /// Starts one that keeps its images in `folder`, which stays.
    ///
    /// # Errors
    /// When `docker-registry` is not installed or does not start.
    pub fn start_in(
        folder: &Path,
        options: &RegistryOptions,
        group: Group,
    ) -> anyhow::Result<Self> {
        let program = DOCKER_REGISTRY.find()?;
        let htpasswd = folder.join("htpasswd");
        file::write(&htpasswd, HTPASSWD)?;
        let config = folder.join("registry.json");
        let log = folder.join("registry.log");
        let (service, address) = super::start_on_free_port(
            "docker-registry",
            &log,
            group,
            |address| {
                let mut settings = json!({
                    "version": "0.1",
                    "log": {"level": "error", "accesslog": {"disabled": true}},
                    "storage": {"filesystem": {"rootdirectory": folder.join("images")}, "delete": {"enabled": true}},
                    "http": {"addr": address.to_string()},
                });
                if options.htpasswd {
                    settings["auth"] = json!({"htpasswd": {"realm": "registry", "path": htpasswd}});
                }
                #[cfg(feature = "tls")]
                if let Some(token) = &options.token {
                    settings["auth"] = json!({"token": token.options()});
                }
                if let Some((certificate, key)) = &options.tls {
                    settings["http"]["tls"] = json!({"certificate": certificate, "key": key});
                }
                // Its configuration is YAML; JSON is YAML.
                file::write(&config, settings.to_string())?;
                let mut command = Command::new(&program);
                command.arg("serve").arg(&config);
                Ok(command)
            },
        )?;
        Ok(Self {
            service,
            address,
            basic: options.htpasswd,
            #[cfg(feature = "tls")]
            token: options.token.clone(),
            _folder: None,
        })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name in image references, for example `localhost:40123`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// A client for its plain HTTP side, with credentials when it wants some.
    #[must_use]
    pub fn client(&self) -> Client {
        let client = Client::plain(self.address);
        if self.basic {
            client.with_basic(Self::USER, Self::PASSWORD)
        } else {
            client
        }
    }

    /// As [`Registry::client`], good for pushing to `repository` of a registry that wants tokens.
    ///
    /// # Errors
    /// When no token can be signed.
    #[cfg(feature = "tls")]
    pub fn client_for(&self, repository: &str) -> anyhow::Result<Client> {
        Ok(match &self.token {
            Some(token) => self
                .client()
                .with_bearer(&token.token(repository, "pull,push")?),
            None => self.client(),
        })
    }

    /// The running process.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }
}
