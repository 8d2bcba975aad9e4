//! What every command is given.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use signet_client::{Access, Remote, RemoteOptions};
use signet_keys::{FileKeyStore, KeyStore};
use signet_tuf::TrustPinning;
use time::OffsetDateTime;

use super::config::Config;
use super::login::{NamedBy, NotaryLogins};
use super::passphrases::NotaryPassphrases;
use super::server::{self, Remotes, Server};
use crate::cobra::parse::Matches;
use crate::cobra::plain::Page;
use crate::env::{self, Environment};
use crate::network;
use crate::texts::notary as texts;
use crate::ui::log::Clock;
use crate::ui::printer::Printer;
use crate::ui::prompt::Terminal;
use crate::ui::report::Failure;

/// The surroundings of a command: who it talks to, where its files are, what time it is.
#[derive(Debug)]
pub struct Context {
    /// The environment.
    pub env: Environment,
    /// The output.
    pub printer: Printer,
    /// The person.
    pub terminal: Arc<Terminal>,
    /// The clock.
    pub clock: Clock,
    pub(super) globals: Globals,
    pub(super) page: Page,
    config: OnceLock<Config>,
    keys: OnceLock<Arc<FileKeyStore>>,
    logins: OnceLock<Arc<NotaryLogins>>,
    remotes: Remotes,
}

/// The flags that every command takes. Empty is as not given.
#[derive(Clone, Debug, Default)]
pub(super) struct Globals {
    pub(super) config_file: Option<PathBuf>,
    pub(super) server: Option<String>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) trust_dir: Option<String>,
}

impl Globals {
    fn of(matches: &Matches) -> Self {
        let text = |name| Some(matches.text(name).to_owned()).filter(|text| !text.is_empty());
        Self {
            config_file: text("configFile").map(PathBuf::from),
            server: text("server"),
            tls_ca: text("tlscacert").map(PathBuf::from),
            tls_cert: text("tlscert").map(PathBuf::from),
            tls_key: text("tlskey").map(PathBuf::from),
            trust_dir: text("trustDir"),
        }
    }
}

impl Context {
    pub(super) fn new(
        env: Environment,
        matches: &Matches,
        page: Page,
        printer: Printer,
        clock: Clock,
    ) -> Self {
        let mut terminal = Terminal::new(printer.clone());
        // What a program reads has no questions in it.
        if matches.text("format") == "json" {
            terminal = terminal.asking_on_stderr();
        }
        Self {
            env,
            terminal: Arc::new(terminal),
            printer,
            clock,
            globals: Globals::of(matches),
            page,
            config: OnceLock::new(),
            keys: OnceLock::new(),
            logins: OnceLock::new(),
            remotes: Remotes::default(),
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

    /// A failure of that text with the command's usage before it: the arguments are wrong.
    ///
    /// # Errors
    /// Always.
    pub fn wrong_arguments<T>(&self, text: impl Into<String>) -> Result<T, Failure> {
        self.printer.out(&self.page.usage())?;
        Err(Failure::new(text))
    }

    /// The configuration file, read when a command first needs it.
    ///
    /// # Errors
    /// When it is there, or named, and cannot be used.
    pub fn config(&self) -> Result<&Config, Failure> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let config = match (&self.globals.config_file, &self.env.home) {
            (Some(path), _) => Config::named(path)?,
            (None, Some(home)) => Config::usual(&home.join(".notary/config.json"))?,
            (None, None) => Config::default(),
        };
        Ok(self.config.get_or_init(|| config))
    }

    /// The trust directory: `-d`, else `trust_dir` of the configuration, else `~/.notary`.
    ///
    /// # Errors
    /// When the configuration cannot be used, or the folder is below a home that is not known.
    pub fn trust_dir(&self) -> Result<PathBuf, Failure> {
        let given = match &self.globals.trust_dir {
            Some(given) => Some(given),
            None => self.config()?.trust_dir.as_ref(),
        };
        match given {
            Some(given) => self.below_home(given),
            None => match &self.env.home {
                Some(home) => Ok(home.join(".notary")),
                None => {
                    let folder = env::current_dir()
                        .map_err(|error| Failure::new(error.to_string()))?
                        .join(".notary");
                    tracing::warn!("{}", texts::NO_HOME);
                    tracing::warn!("{}", texts::without_home(&folder.to_string_lossy()));
                    Ok(folder)
                }
            },
        }
    }

    /// `~` and `~/…` stand for the home folder.
    fn below_home(&self, path: &str) -> Result<PathBuf, Failure> {
        let Some(below) = path.strip_prefix('~') else {
            return Ok(path.into());
        };
        if !below.is_empty() && !below.starts_with('/') {
            return Ok(path.into());
        }
        let home = self.env.home.as_ref();
        let home = home.ok_or_else(|| Failure::new(texts::home_needed(path)))?;
        Ok(home.join(below.trim_start_matches('/')))
    }

    /// The user's keys, opened when a command first needs them.
    ///
    /// # Errors
    /// When there is no trust directory.
    pub fn keys(&self) -> Result<Arc<dyn KeyStore>, Failure> {
        Ok(self.key_files()?)
    }

    /// The files of the user's keys.
    ///
    /// # Errors
    /// When there is no trust directory.
    pub fn key_files(&self) -> Result<Arc<FileKeyStore>, Failure> {
        let trust_dir = self.trust_dir()?;
        crate::ui::secrets::keep_out_of_core_dumps();
        let open = || {
            Arc::new(FileKeyStore::open(
                &trust_dir,
                Arc::new(NotaryPassphrases::new(self)),
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

    /// Which first roots are trusted.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn pinning(&self) -> Result<Vec<TrustPinning>, Failure> {
        Ok(vec![self.config()?.pinning().clone()])
    }

    /// The trust server: `-s`, else `remote_server.url`, else the one that Go's notary has built in.
    ///
    /// # Errors
    /// When the configuration or the address cannot be used.
    pub fn server(&self) -> Result<Server, Failure> {
        Server::choose(self)
    }

    /// The way to the trust server, for any number of repositories: connections and tokens are shared by all calls with the same access.
    /// Credentials are those for the registry that a repository's name begins with, or `NOTARY_AUTH`. Nothing is sent.
    ///
    /// # Errors
    /// When the configuration, the address or what TLS needs cannot be used.
    pub fn remote(&self, access: Access) -> Result<Arc<Remote>, Failure> {
        self.remote_at(&self.server()?, access)
    }

    /// The same for a server that is named elsewhere. What the user configured for TLS counts for it too.
    ///
    /// # Errors
    /// When what TLS needs cannot be used.
    pub fn remote_at(&self, server: &Server, access: Access) -> Result<Arc<Remote>, Failure> {
        self.remote_for(server, access, NamedBy::default())
    }

    /// The same for repositories whose names may not be the user's.
    ///
    /// # Errors
    /// When what TLS needs cannot be used.
    pub(super) fn remote_for(
        &self,
        server: &Server,
        access: Access,
        named_by: NamedBy,
    ) -> Result<Arc<Remote>, Failure> {
        self.remotes
            .get(self, server, access, named_by, self.logins())
    }

    /// The same before connections are made, for who makes them.
    ///
    /// # Errors
    /// When the configuration, the address or what TLS needs cannot be used.
    pub(super) fn remote_options(&self, access: Access) -> Result<RemoteOptions, Failure> {
        self.remote_options_for(access, NamedBy::default())
    }

    /// The same for repositories whose names may not be the user's.
    ///
    /// # Errors
    /// When the configuration, the address or what TLS needs cannot be used.
    pub(super) fn remote_options_for(
        &self,
        access: Access,
        named_by: NamedBy,
    ) -> Result<RemoteOptions, Failure> {
        server::options(self, &self.server()?, access, named_by, self.logins())
    }

    /// From now on nobody is asked for a login; what is known is used. Before anything is sent.
    pub(super) fn ask_nobody(&self) {
        let _ = self.logins.set(Arc::new(NotaryLogins::silent(self)));
    }

    pub(super) fn logins(&self) -> &Arc<NotaryLogins> {
        self.logins
            .get_or_init(|| Arc::new(NotaryLogins::new(self)))
    }
}
