//! Key services: Go's `notary-signer` and ours behind one type, reached with mutual TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificate::{Authority, Identity};
use crate::file;
use crate::process::{Group, Service};
use crate::program::{self, NOTARY_SIGNER};

use super::{Database, Make, STOP_LIMIT, write_identity};

/// How a key service is set up: by default keys in memory, and errors alone in its log.
#[derive(Clone, Debug)]
pub struct SignerOptions {
    storage: Value,
    level: &'static str,
    environment: Vec<(String, String)>,
    algorithm: &'static str,
    /// Keys of the section `server` in place of the usual ones.
    server: Vec<(&'static str, Value)>,
    everywhere: bool,
}

impl Default for SignerOptions {
    fn default() -> Self {
        Self {
            storage: json!({"backend": "memory"}),
            level: "error",
            environment: vec![(
                "NOTARY_SIGNER_TIMESTAMP_1".to_owned(),
                "testpassword".to_owned(),
            )],
            algorithm: "ecdsa",
            server: Vec::new(),
            everywhere: false,
        }
    }
}

impl SignerOptions {
    /// Keys are in this database, for the passphrase of the alias `timestamp_1`.
    #[must_use]
    pub fn database(self, database: &dyn Database) -> Self {
        self.storage(database.storage())
    }

    /// Ours only: keys are in this SQLite file.
    #[must_use]
    pub fn sqlite(self, file: &Path) -> Self {
        self.storage(json!({"backend": "sqlite3", "db_url": file}))
    }

    fn storage(mut self, storage: Value) -> Self {
        self.storage = storage;
        self.storage["default_alias"] = json!("timestamp_1");
        self
    }

    /// What it writes to its log.
    #[must_use]
    pub fn level(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What kind of keys servers ask for.
    #[must_use]
    pub fn algorithm(mut self, algorithm: &'static str) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// A key of the section `server` of its configuration; `null` takes it out.
    #[must_use]
    pub fn server(mut self, key: &'static str, value: Value) -> Self {
        self.server.push((key, value));
        self
    }

    /// It listens on all addresses of the machine.
    #[must_use]
    pub fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    fn section(&self, address: SocketAddr) -> Value {
        let listen = if self.everywhere {
            format!(":{}", address.port())
        } else {
            address.to_string()
        };
        let mut section = json!({
            "grpc_addr": listen,
            "tls_cert_file": "signer.crt",
            "tls_key_file": "signer.key",
            "client_ca_file": "ca.crt",
        });
        for (key, value) in &self.server {
            section[key] = value.clone();
        }
        if let Some(keys) = section.as_object_mut() {
            keys.retain(|_, value| !value.is_null());
        }
        section
    }
}

/// A key service on a free port.
#[derive(Debug)]
pub struct Signer {
    service: Service,
    address: SocketAddr,
    program: PathBuf,
    options: SignerOptions,
    authority: Authority,
    folder: TempDir,
}

impl Signer {
    /// Starts Go's.
    ///
    /// # Errors
    /// When `notary-signer` is not installed or does not start.
    pub fn go() -> anyhow::Result<Self> {
        Self::go_with(&SignerOptions::default())
    }

    /// Starts Go's with options.
    ///
    /// # Errors
    /// When `notary-signer` is not installed or does not start.
    pub fn go_with(options: &SignerOptions) -> anyhow::Result<Self> {
        Self::start(NOTARY_SIGNER.find()?, options)
    }

    /// Starts ours.
    ///
    /// # Errors
    /// When our `notary-signer` has not been built or does not start.
    pub fn ours() -> anyhow::Result<Self> {
        Self::ours_with(&SignerOptions::default())
    }

    /// Starts ours with options.
    ///
    /// # Errors
    /// When our `notary-signer` has not been built or does not start.
    pub fn ours_with(options: &SignerOptions) -> anyhow::Result<Self> {
        Self::start(program::ours("notary-signer")?, options)
    }

    /// Starts the one of this make with options.
    ///
    /// # Errors
    /// When it is not there or does not start.
    pub fn start_with(make: Make, options: &SignerOptions) -> anyhow::Result<Self> {
        Self::start(make.program(NOTARY_SIGNER)?, options)
    }

    fn start(program: PathBuf, options: &SignerOptions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new("key service test CA")?;
        file::write(&folder.path().join("ca.crt"), authority.pem())?;
        write_identity(folder.path(), "signer", &authority.issue()?)?;
        write_identity(folder.path(), "client", &authority.issue()?)?;
        let (service, address) = super::start_on_free_port(
            "notary-signer",
            &folder.path().join("signer.log"),
            Group::Own,
            |address| {
                let config = json!({
                    "server": options.section(address),
                    "storage": options.storage,
                    "logging": {"level": options.level},
                });
                file::write(&folder.path().join("signer.json"), config.to_string())?;
                Ok(command(&program, options, folder.path()))
            },
        )?;
        Ok(Self {
            service,
            address,
            program,
            options: options.clone(),
            authority,
            folder,
        })
    }

    /// Starts it again on the same folder and port, after it has ended.
    ///
    /// # Errors
    /// When it does not come up again.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.service = Service::spawn(
            "notary-signer",
            &mut command(&self.program, &self.options, self.folder.path()),
            &self.folder.path().join("signer.log"),
            Group::Own,
        )?;
        self.service.wait_listening(self.address)
    }

    /// Stops it and starts this program in its place: on the same folder, with the same configuration.
    ///
    /// # Errors
    /// When the one does not end, or the other is not there or does not start.
    pub fn change_to(&mut self, make: Make) -> anyhow::Result<()> {
        self.service.stop(STOP_LIMIT)?;
        self.program = make.program(NOTARY_SIGNER)?;
        self.restart()
    }

    /// The running process.
    pub fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder, with the files `ca.crt`, `client.crt`, `client.key` of those who call it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another identity that it accepts and shows.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn issue(&self) -> anyhow::Result<Identity> {
        self.authority.issue()
    }

    /// Its configuration file.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("signer.json")
    }

    /// The section `trust_service` of a server that uses it.
    #[must_use]
    pub fn trust_service(&self) -> Value {
        let file = |name: &str| self.folder.path().join(name);
        json!({
            "type": "remote",
            "hostname": "localhost",
            "port": self.address.port().to_string(),
            "key_algorithm": self.options.algorithm,
            "tls_ca_file": file("ca.crt"),
            "tls_client_cert": file("client.crt"),
            "tls_client_key": file("client.key"),
        })
    }
}

fn command(program: &Path, options: &SignerOptions, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("-config").arg(folder.join("signer.json")).envs(
        options
            .environment
            .iter()
            .map(|(name, value)| (name, value)),
    );
    command
}
