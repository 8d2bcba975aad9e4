//! Trust servers: Go's `notary-server` and ours behind one type.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificate::{Authority, Identity};
use crate::clock;
use crate::file;
use crate::http::Client;
use crate::process::{Group, Service};
use crate::program::{self, NOTARY_SERVER};

use super::{Database, Make, STOP_LIMIT, Signer, TokenAuth, write_identity};

/// Where a trust server keeps its metadata.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Storage {
    /// Gone when the server stops.
    Memory,
    /// A SQLite file in the server's folder. Ours only: the packaged Go server has no SQLite.
    Sqlite,
}

/// Whether a trust server's port speaks TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// Plain HTTP, for a proxy in front.
    Plain,
    /// TLS with a certificate of the server's own authority for `localhost`.
    Tls,
}

/// How a trust server is set up: by default TLS, memory, keys of its own, everybody may do everything.
#[derive(Clone, Debug)]
pub struct TrustOptions {
    transport: Transport,
    storage: Storage,
    /// The section `storage` for a database that is a service of its own.
    database: Option<Value>,
    keys: Value,
    token: Option<TokenAuth>,
    /// Lines of users and hashes, and rules.
    htpasswd: Option<(String, Value)>,
    archives: Vec<PathBuf>,
    environment: Vec<(&'static str, String)>,
}

impl Default for TrustOptions {
    fn default() -> Self {
        Self {
            transport: Transport::Tls,
            storage: Storage::Memory,
            database: None,
            keys: json!({"type": "local"}),
            token: None,
            htpasswd: None,
            archives: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl TrustOptions {
    /// Without TLS, for a proxy in front.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.transport = Transport::Plain;
        self
    }

    /// Where the metadata are kept.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Documents are in this database.
    #[must_use]
    pub fn database(mut self, database: &dyn Database) -> Self {
        self.database = Some(database.storage());
        self
    }

    /// With its keys (ECDSA) in a key service.
    #[must_use]
    pub fn signer(mut self, signer: &Signer) -> Self {
        self.keys = signer.trust_service();
        self
    }

    /// Ours only: these trust archives in place of a storage and keys.
    #[must_use]
    pub fn archives(mut self, files: &[&Path]) -> Self {
        self.archives = files.iter().map(|file| (*file).to_owned()).collect();
        self
    }

    /// Ours only: those in this file of users may do what these rules allow.
    #[must_use]
    pub fn htpasswd(mut self, users: &str, rules: Value) -> Self {
        self.htpasswd = Some((users.to_owned(), rules));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// It starts at this moment, see [`clock::at`]. Ours only: Go's server asks the kernel itself, and goes by the real time.
    ///
    /// # Errors
    /// When the library for it is not installed.
    pub fn at(mut self, moment: &str) -> anyhow::Result<Self> {
        self.environment.extend(clock::variables(moment)?);
        Ok(self)
    }

    /// Only those who bring a token of this service may do something.
    #[must_use]
    pub fn token(mut self, token: TokenAuth) -> Self {
        self.token = Some(token);
        self
    }
}

/// A trust server on a free port.
#[derive(Debug)]
pub struct TrustServer {
    service: Service,
    address: SocketAddr,
    transport: Transport,
    token: Option<TokenAuth>,
    archives: Vec<PathBuf>,
    environment: Vec<(&'static str, String)>,
    authority: Authority,
    program: PathBuf,
    folder: TempDir,
}

impl TrustServer {
    /// Starts Go's server on memory, signing timestamps with keys of its own (Ed25519).
    ///
    /// # Errors
    /// When `notary-server` is not installed or does not start.
    pub fn go() -> anyhow::Result<Self> {
        Self::go_with(&TrustOptions::default())
    }

    /// Starts Go's server on memory without TLS, for a proxy in front.
    ///
    /// # Errors
    /// When `notary-server` is not installed or does not start.
    pub fn go_plain() -> anyhow::Result<Self> {
        Self::go_with(&TrustOptions::default().plain())
    }

    /// Starts Go's server on memory with its keys (ECDSA) in a key service.
    ///
    /// # Errors
    /// When `notary-server` is not installed or does not start.
    pub fn go_with_signer(signer: &Signer) -> anyhow::Result<Self> {
        Self::go_with(&TrustOptions::default().signer(signer))
    }

    /// Starts Go's server with options.
    ///
    /// # Errors
    /// When `notary-server` is not installed or does not start.
    pub fn go_with(options: &TrustOptions) -> anyhow::Result<Self> {
        Self::start(NOTARY_SERVER.find()?, options)
    }

    /// Starts our server from a configuration file, with keys of its own.
    ///
    /// # Errors
    /// When our `notary-server` has not been built or does not start.
    pub fn ours(storage: Storage) -> anyhow::Result<Self> {
        Self::ours_with(&TrustOptions::default().storage(storage))
    }

    /// Starts our server without TLS, for a proxy in front.
    ///
    /// # Errors
    /// When our `notary-server` has not been built or does not start.
    pub fn ours_plain(storage: Storage) -> anyhow::Result<Self> {
        Self::ours_with(&TrustOptions::default().storage(storage).plain())
    }

    /// Starts our server with options.
    ///
    /// # Errors
    /// When our `notary-server` has not been built or does not start.
    pub fn ours_with(options: &TrustOptions) -> anyhow::Result<Self> {
        Self::start(program::ours("notary-server")?, options)
    }

    /// Starts our server on trust archives.
    ///
    /// # Errors
    /// When our `notary-server` has not been built or does not start.
    pub fn ours_of_archives(files: &[&Path]) -> anyhow::Result<Self> {
        Self::ours_with(&TrustOptions::default().archives(files))
    }

    fn start(program: PathBuf, options: &TrustOptions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("trust server test CA")?;
        write_identity(folder.path(), "server", &authority.issue()?)?;
        let (service, address) = super::start_on_free_port(
            "notary-server",
            &folder.path().join("server.log"),
            Group::Own,
            |address| {
                let mut config = json!({
                    "server": server_section(address, options.transport),
                    "trust_service": options.keys,
                    "storage": match (&options.database, options.storage) {
                        (Some(database), _) => database.clone(),
                        (None, Storage::Memory) => json!({"backend": "memory"}),
                        (None, Storage::Sqlite) => json!({"backend": "sqlite3", "db_url": folder.path().join("trust.db")}),
                    },
                    "logging": {"level": "error"},
                });
                if !options.archives.is_empty() {
                    let mut all = config.take();
                    config = json!({"server": all["server"].take(), "logging": {"level": "info"}});
                }
                if let Some(token) = &options.token {
                    config["auth"] = json!({"type": "token", "options": token.options()});
                }
                if let Some((users, rules)) = &options.htpasswd {
                    file::write(&folder.path().join("users"), users)?;
                    config["auth"] =
                        json!({"type": "htpasswd", "options": {"path": "users", "rules": rules}});
                }
                file::write(&folder.path().join("server.json"), config.to_string())?;
                Ok(server_command(
                    &program,
                    folder.path(),
                    &options.archives,
                    &options.environment,
                ))
            },
        )?;
        Ok(Self {
            service,
            address,
            transport: options.transport,
            token: options.token.clone(),
            archives: options.archives.clone(),
            environment: options.environment.clone(),
            authority,
            program,
            folder,
        })
    }

    /// Kills the server and starts it again on the same folder and port.
    ///
    /// # Errors
    /// When it does not come up again.
    pub fn crash_and_restart(&mut self) -> anyhow::Result<()> {
        self.service.kill();
        self.spawn()
    }

    /// Stops the server and starts this program in its place: on the same folder, with the same configuration.
    ///
    /// # Errors
    /// When the one does not end, or the other is not there or does not start.
    pub fn change_to(&mut self, make: Make) -> anyhow::Result<()> {
        self.service.stop(STOP_LIMIT)?;
        self.program = make.program(NOTARY_SERVER)?;
        self.spawn()
    }

    fn spawn(&mut self) -> anyhow::Result<()> {
        let mut command = server_command(
            &self.program,
            self.folder.path(),
            &self.archives,
            &self.environment,
        );
        self.service = Service::spawn(
            "notary-server",
            &mut command,
            &self.folder.path().join("server.log"),
            Group::Own,
        )?;
        self.service.wait_listening(self.address)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as clients are told, for example `https://localhost:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate authority that clients must trust, PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// An identity of that authority, for a proxy in front.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn issue(&self) -> anyhow::Result<Identity> {
        self.authority.issue()
    }

    /// An identity of that authority for another name, for a proxy in front.
    ///
    /// # Errors
    /// When no key can be made or the name is none.
    pub fn issue_as(&self, name: &str) -> anyhow::Result<Identity> {
        self.authority.issue_as(&[name])
    }

    /// A client that looks at it directly.
    ///
    /// # Errors
    /// When its own certificate cannot be read.
    pub fn client(&self) -> anyhow::Result<Client> {
        match self.transport {
            Transport::Plain => Ok(Client::plain(self.address)),
            Transport::Tls => Client::tls(self.address, &self.ca_pem()),
        }
    }

    /// A metadata file of a repository as the server gives it out now; `None` when it has none.
    ///
    /// # Errors
    /// When the server does not answer with 200 or 404.
    pub fn metadata(&self, gun: &str, file_name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = format!("/v2/{gun}/_trust/tuf/{file_name}");
        let mut client = self.client()?;
        if let Some(token) = &self.token {
            client = client.with_bearer(&token.token(gun, "pull")?);
        }
        let response = client.get(&path)?;
        match response.status {
            200 => Ok(Some(response.body)),
            404 => Ok(None),
            status => anyhow::bail!("{path}: status {status}, {}", response.text()),
        }
    }

    /// The version number in a metadata file that must be there.
    ///
    /// # Errors
    /// When the file is absent or has no version.
    pub fn version(&self, gun: &str, role: &str) -> anyhow::Result<u64> {
        let bytes = self
            .metadata(gun, &format!("{role}.json"))?
            .with_context(|| format!("no {role} of {gun}"))?;
        let document: Value = serde_json::from_slice(&bytes)?;
        document["signed"]["version"]
            .as_u64()
            .with_context(|| format!("no version in {role} of {gun}"))
    }

    /// The running process.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// The folder with its configuration, certificate and database.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn server_command(
    program: &Path,
    folder: &Path,
    archives: &[PathBuf],
    environment: &[(&'static str, String)],
) -> Command {
    let mut command = Command::new(program);
    command
        .arg("-config")
        .arg(folder.join("server.json"))
        .current_dir(folder)
        .env("HOME", folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .envs(environment.iter().map(|(name, value)| (name, value)));
    for archive in archives {
        command.arg("-archive").arg(archive);
    }
    command
}

fn server_section(address: SocketAddr, transport: Transport) -> Value {
    let mut section = json!({"http_addr": address.to_string()});
    if transport == Transport::Tls {
        section["tls_cert_file"] = json!("server.crt");
        section["tls_key_file"] = json!("server.key");
    }
    section
}
