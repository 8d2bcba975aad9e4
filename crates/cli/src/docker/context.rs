//! What every command is given.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use signet_client::policy::{Policy, UserPolicy};
use signet_keys::{FileKeyStore, KeyStore};
use time::OffsetDateTime;

use super::login::Logins;
use super::passphrases::DockerPassphrases;
use super::problems;
use crate::cobra::Program;
use crate::env::Environment;
use crate::network;
use crate::plugin::Globals;
use crate::texts::docker as texts;
use crate::ui::log::Clock;
use crate::ui::printer::Printer;
use crate::ui::prompt::Terminal;
use crate::ui::report::Failure;
use crate::ui::secrets;

/// The surroundings of a command: who it talks to, where its files are, what time it is.
#[derive(Debug)]
pub struct Context {
    /// How the user calls the program.
    pub program: Program,
    /// The environment.
    pub env: Environment,
    /// The output.
    pub printer: Printer,
    /// The person.
    pub terminal: Arc<Terminal>,
    /// The clock.
    pub clock: Clock,
    pub(super) globals: Globals,
    /// The logins, found when a server asks.
    pub(super) logins: Logins,
    keys: OnceLock<Arc<FileKeyStore>>,
    policy: OnceLock<Policy>,
}

impl Context {
    pub(super) fn new(
        program: Program,
        env: Environment,
        globals: Globals,
        printer: Printer,
        clock: Clock,
    ) -> Self {
        Self {
            program,
            env,
            terminal: Arc::new(Terminal::new(printer.clone())),
            printer,
            clock,
            globals,
            logins: Logins::default(),
            keys: OnceLock::new(),
            policy: OnceLock::new(),
        }
    }

    /// Runs something that waits for the network, on this thread.
    ///
    /// # Errors
    /// What it fails with, or that the system refuses what waiting needs.
    pub fn block_on<T>(
        &self,
        task: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        network::block_on(task)
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// The user's keys, opened when a command first needs them.
    ///
    /// # Errors
    /// When there is no configuration folder.
    pub fn keys(&self) -> Result<Arc<dyn KeyStore>, Failure> {
        Ok(self.key_files()?)
    }

    /// The files of the user's keys.
    ///
    /// # Errors
    /// When there is no configuration folder.
    pub fn key_files(&self) -> Result<Arc<FileKeyStore>, Failure> {
        let trust_dir = self.trust_dir()?;
        secrets::keep_out_of_core_dumps();
        let open = || {
            Arc::new(FileKeyStore::open(
                &trust_dir,
                Arc::new(DockerPassphrases::new(self)),
            ))
        };
        Ok(Arc::clone(self.keys.get_or_init(open)))
    }

    /// Says what was noticed about the key files.
    pub(super) fn log_key_warnings(&self) {
        for warning in self.keys.get().iter().flat_map(|keys| keys.take_warnings()) {
            tracing::warn!("{warning}");
        }
    }

    /// The policy in force, read when a command first needs it.
    ///
    /// # Errors
    /// When a policy file is there, or named, and cannot be used.
    pub fn policy(&self) -> Result<&Policy, Failure> {
        if let Some(policy) = self.policy.get() {
            return Ok(policy);
        }
        let user = match &self.env.trust_policy {
            Some(path) if path.as_os_str().is_empty() => {
                return Err(Failure::new(texts::POLICY_VARIABLE_EMPTY));
            }
            Some(path) => Some(UserPolicy::Named(path.clone())),
            // Without a home there is no usual place. What needs the folder for more says so itself.
            None => {
                let usual = self.trust_dir().map(|folder| folder.join("policy.json"));
                usual.ok().map(UserPolicy::Usual)
            }
        };
        let policy = Policy::load(self.env.machine_policy.as_deref(), user.as_ref())
            .map_err(|error| problems::policy_failure(&error))?;
        Ok(self.policy.get_or_init(|| policy))
    }

    /// Docker's configuration folder: `--config`, else `DOCKER_CONFIG`, else `$HOME/.docker`.
    ///
    /// # Errors
    /// When none of them is given.
    pub fn config_dir(&self) -> Result<PathBuf, Failure> {
        let given = self
            .globals
            .config
            .as_ref()
            .or(self.env.docker_config.as_ref())
            .cloned();
        given
            .or_else(|| self.env.home.as_ref().map(|home| home.join(".docker")))
            .ok_or_else(|| Failure::new(texts::NO_HOME))
    }

    /// The trust directory: `trust` in docker's configuration folder.
    ///
    /// # Errors
    /// When there is no configuration folder.
    pub fn trust_dir(&self) -> Result<PathBuf, Failure> {
        Ok(self.config_dir()?.join("trust"))
    }
}
