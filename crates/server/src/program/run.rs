//! The life of the server, step by step. The order of the steps is that of the Go server: it decides which of several faults
//! in a configuration is reported.

use std::error::Error as StdError;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit};
use signet_server::store::{MemoryStore, MetadataStore, SqliteStore, StoreError};
use signet_server::trust::{MemoryTrust, TrustService};
use signet_server::{App, Clock, Settings};
use signet_service::config::{Configuration, Environment};
use signet_service::health::Health;
use signet_service::listen::Address;
use signet_service::local_ca::Renewed;
use signet_service::serve::serve;
use signet_service::shutdown::{End, EndSignals, Shutdown, run_until_signal};
use signet_service::telemetry::Telemetry;
use signet_service::tls::Tls;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::auth;
use super::config::{self, Bounds, ConfigError, ENVIRONMENT_PREFIX, Storage, TrustSource};
use super::flags::Flags;
use super::front::{DebugFront, Front};
use super::keys::{self, KeysError};
use super::metrics::Metrics;
use super::quickstart::{self, DataFolder, QuickstartError};

/// Why the server does not start, or ended. What is shown is [`Failure::message`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("error listening on debug interface")]
    Debug(#[source] ConfigError),
    #[error("-data-dir is for running without -config: the configuration file says where data is")]
    DataFolderWithConfig,
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("cannot set up metrics")]
    Metrics(#[from] prometheus::Error),
    #[error("store does not support bootstrapping")]
    NothingToBootstrap,
    #[error(transparent)]
    Quickstart(#[from] QuickstartError),
    #[error(
        "trust_service.type \"remote\" needs a client for notary-signer, which comes with a later version of this server; with \
         \"local\" the signing keys are kept in the server's own database"
    )]
    RemoteTrust,
    #[error("cannot take over signals")]
    Signals(#[source] io::Error),
    #[error("Error starting {backend} driver")]
    Storage {
        backend: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error(transparent)]
    Tls(#[from] signet_service::tls::TlsError),
    #[error(transparent)]
    Unreadable(#[from] signet_service::config::Unreadable),
}

impl Failure {
    /// The error with its causes, in one line.
    pub(crate) fn message(&self) -> String {
        chain(self)
    }
}

/// Runs the server until a signal ends it. Gives the exit status.
pub(crate) async fn run(flags: Flags, log: &Telemetry) -> Result<u8, Failure> {
    let clock: Clock = Arc::new(system_time);
    let environment = Environment::from_process();
    let health = Health::new();
    let mut tasks = JoinSet::new();
    if flags.switches.debug {
        debug_listener(&health, &mut tasks).await?;
    }

    let (configuration, folder) = configuration(&flags, environment)?;
    config::sections(&configuration)?;
    log.set_level(config::log_level(&configuration)?);
    let gun_prefixes = config::gun_prefixes(&configuration)?;
    if config::reporting(&configuration)? {
        tracing::warn!(
            "reporting.bugsnag is configured: this server reports nothing to anybody, errors are in its log"
        );
    }
    for key in configuration.unknown_keys(config::KNOWN_KEYS) {
        tracing::warn!("the configuration has a key that means nothing to this server: {key}");
    }
    let trust = config::trust_source(&configuration)?;
    tracing::info!("{}", trust_message(&trust));
    let storage = config::storage(&configuration)?;
    if trust == TrustSource::Remote {
        return Err(Failure::RemoteTrust);
    }
    tracing::info!("Using {} backend", configuration.text("storage.backend"));
    if flags.switches.bootstrap && storage == Storage::Memory {
        return Err(Failure::NothingToBootstrap);
    }
    let stores = Stores::open(&storage, &configuration, &clock).await?;
    if flags.switches.bootstrap {
        stores.close().await;
        print(&format!(
            "the tables of {} are ready\n",
            configuration.text("storage.db_url")
        ));
        return Ok(0);
    }

    let max_age = config::max_age(&configuration)?;
    let address_text = config::http_address(&configuration)?;
    let tls_files = config::tls_files(&configuration)?;
    let bounds = config::bounds(&configuration)?;
    let parsed_address = config::parse_address(&address_text);
    let own_certificate = own_certificate(
        folder.as_deref(),
        parsed_address.as_ref().ok(),
        tls_files.as_ref(),
        &clock,
    )?;
    let tls = tls_files.map(Tls::load).transpose()?.map(Arc::new);
    let address = parsed_address?;
    let listeners = match address.bind().await {
        Ok(listeners) => listeners,
        Err(error) if folder.is_some() => return Err(QuickstartError::Listen(error).into()),
        Err(error) => return Err(ConfigError::from(error).into()),
    };
    let port = listeners
        .first()
        .and_then(|listener| listener.local_addr().ok())
        .map_or(0, |address| address.port());
    let auth = auth::auth(&configuration)?;
    if !flags.switches.debug {
        // Keys are in memory: no core dumps, and no other process of this user looks in.
        protect_memory();
    }

    let settings = Settings {
        max_age,
        gun_prefixes,
        auth,
        limits: bounds.requests.clone(),
    };
    let app = App::new(
        Arc::clone(&stores.metadata),
        Arc::clone(&stores.trust),
        settings,
        Arc::clone(&clock),
    );
    let metrics = Arc::new(Metrics::new(Instant::now())?);
    stores.watch(&health, &mut tasks);
    level_signals(log.clone(), &mut tasks)?;
    let has_own = own_certificate
        .as_ref()
        .is_some_and(|own| own.authority.is_some());
    certificate_signals(
        tls.clone(),
        folder.clone().filter(|_| has_own),
        address.clone(),
        clock,
        &mut tasks,
    )?;
    let mut ends = EndSignals::install().map_err(Failure::Signals)?;

    tracing::info!("Starting Server");
    if tls.is_some() {
        tracing::info!("Enabling TLS");
    }
    // As it is configured, unless that leaves the port open.
    match listeners.first().map(TcpListener::local_addr) {
        Some(Ok(chosen)) if address.port() == 0 => tracing::info!("Starting on {chosen}"),
        _ => tracing::info!("Starting on {address_text}"),
    }
    if let Some(welcome) = own_certificate.map(|ca| ca.welcome(&address, port)) {
        print(&welcome);
    }
    let status = serve_until_signal(&mut ends, &bounds, |shutdown| {
        serve(
            listeners,
            tls,
            bounds.connections.clone(),
            Front::new(app, metrics, health),
            shutdown,
        )
    })
    .await;
    tasks.shutdown().await;
    stores.close().await;
    // The next server may have the folder now.
    drop(folder);
    Ok(status)
}

async fn serve_until_signal<F: Future<Output = ()>>(
    ends: &mut EndSignals,
    bounds: &Bounds,
    service: impl FnOnce(Shutdown) -> F,
) -> u8 {
    let (trigger, shutdown) = Shutdown::new();
    match run_until_signal(ends, &trigger, bounds.shutdown, service(shutdown))
        .await
        .0
    {
        End::Complete => {
            tracing::info!("Stopped");
            0
        }
        End::TimedOut => {
            tracing::warn!(
                "stopped with requests unanswered after {} seconds",
                bounds.shutdown.as_secs()
            );
            0
        }
        // What a shell reports of a process that died of the signal.
        End::Forced(number) => u8::try_from(128 + number).unwrap_or(1),
    }
}

fn configuration(
    flags: &Flags,
    environment: Environment,
) -> Result<(Configuration, Option<Arc<DataFolder>>), Failure> {
    let (mut configuration, folder) = match &flags.config {
        Some(_) if flags.data_dir.is_some() => return Err(Failure::DataFolderWithConfig),
        Some(path) => (
            Configuration::load(path, ENVIRONMENT_PREFIX, environment)?,
            None,
        ),
        None => {
            let folder = DataFolder::open(flags.data_dir.as_deref(), &environment)?;
            (folder.configuration(environment)?, Some(Arc::new(folder)))
        }
    };
    if let Some(address) = &flags.http_addr {
        configuration.set("server.http_addr", address);
    }
    if folder.is_some() {
        // Before anything is opened: what listens where others can connect was asked for.
        let address = config::parse_address(&config::http_address(&configuration)?)?;
        quickstart::check_exposure(&address, flags.switches.insecure_no_auth)?;
    }
    Ok((configuration, folder))
}

const fn trust_message(source: &TrustSource) -> &'static str {
    match source {
        TrustSource::Local => {
            "Using local signing service, which requires ED25519. Ignoring all other trust_service parameters, including keyAlgorithm"
        }
        TrustSource::Remote => "Using remote signing service",
    }
}

/// The certificate that the server made itself, for the lines that are printed.
struct OwnCertificate {
    folder: PathBuf,
    /// None when the operator has put another in its place.
    authority: Option<PathBuf>,
}

impl OwnCertificate {
    fn welcome(&self, address: &Address, port: u16) -> String {
        quickstart::welcome(&self.folder, self.authority.as_deref(), address, port)
    }
}

fn own_certificate(
    folder: Option<&DataFolder>,
    address: Option<&Address>,
    files: Option<&signet_service::tls::Files>,
    clock: &Clock,
) -> Result<Option<OwnCertificate>, Failure> {
    let (Some(folder), Some(address)) = (folder, address) else {
        return Ok(None);
    };
    let own = files.is_some_and(|files| folder.is_own_certificate(&files.certificate));
    let authority = if own {
        let ca = folder.certificate(address, clock())?;
        if ca.renewed != Renewed::Nothing {
            tracing::info!("made a certificate: {:?}", ca.renewed);
        }
        Some(ca.ca_certificate)
    } else {
        None
    };
    Ok(Some(OwnCertificate {
        folder: folder.path().to_owned(),
        authority,
    }))
}

/// Where metadata and signing keys are.
struct Stores {
    metadata: Arc<dyn MetadataStore>,
    trust: Arc<dyn TrustService>,
    sqlite: Option<Arc<SqliteStore>>,
}

impl Stores {
    async fn open(
        storage: &Storage,
        configuration: &Configuration,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let fail = |source: Box<dyn StdError + Send + Sync>| Failure::Storage {
            backend: configuration.text("storage.backend"),
            source,
        };
        match storage {
            Storage::Memory => {
                let metadata = Arc::new(MemoryStore::default());
                Ok(Self { metadata, trust: Arc::new(MemoryTrust::new()), sqlite: None })
            }
            Storage::Sqlite(location) => {
                let store = Arc::new(SqliteStore::open(location).await.map_err(|error| fail(error.into()))?);
                let trust = keys::open(&store, configuration.environment(), Arc::clone(clock)).await?;
                Ok(Self { metadata: Arc::clone(&store) as _, trust: Arc::new(trust), sqlite: Some(store) })
            }
            Storage::NotYet(backend) => Err(fail(
                format!("{backend} comes with a later version of this server; use the embedded database, storage.backend sqlite3").into(),
            )),
        }
    }

    fn watch(&self, health: &Health, tasks: &mut JoinSet<()>) {
        if self.sqlite.is_none() {
            return;
        }
        let store = Arc::clone(&self.metadata);
        tasks.spawn(health.watch("DB operational", move || {
            let store = Arc::clone(&store);
            Box::pin(async move { store.check().await.map_err(|error| database_fault(&error)) })
        }));
        let trust = Arc::clone(&self.trust);
        tasks.spawn(health.watch("Trust operational", move || {
            let trust = Arc::clone(&trust);
            Box::pin(async move { trust.check().await.map_err(|error| chain(&error)) })
        }));
    }

    async fn close(&self) {
        if let Some(sqlite) = &self.sqlite {
            sqlite.close().await;
        }
    }
}

/// What the health report says of the database: the text of the Go server when the database answers without the table.
fn database_fault(error: &StoreError) -> String {
    match error {
        StoreError::Database(sqlx::Error::Database(_)) => {
            "Cannot access table: tuf_files".to_owned()
        }
        error => chain(error),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some libraries repeat the text of the cause in their own.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// SIGUSR1 and SIGUSR2 change the log level and say so on standard output.
fn level_signals(log: Telemetry, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
    let mut raise = signal(SignalKind::user_defined1()).map_err(Failure::Signals)?;
    let mut lower = signal(SignalKind::user_defined2()).map_err(Failure::Signals)?;
    tasks.spawn(async move {
        loop {
            let up = tokio::select! {
                _ = raise.recv() => true,
                _ = lower.recv() => false,
            };
            print(&format!("{}\n", log.step(up)));
        }
    });
    Ok(())
}

/// SIGHUP reads the certificates again; those that the server made itself are renewed in time.
fn certificate_signals(
    tls: Option<Arc<Tls>>,
    own: Option<Arc<DataFolder>>,
    address: Address,
    clock: Clock,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::Signals)?;
    tasks.spawn(async move {
        let mut daily = tokio::time::interval(RENEWAL_CHECK);
        daily.tick().await;
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => true,
                _ = daily.tick() => false,
            };
            let renewed = match own
                .as_ref()
                .map(|folder| folder.certificate(&address, clock()))
            {
                None => asked,
                Some(Ok(ca)) => asked || ca.renewed != Renewed::Nothing,
                Some(Err(error)) => {
                    tracing::error!("the certificate cannot be renewed: {}", chain(&error));
                    asked
                }
            };
            // Without TLS there is nothing to read, and the signal must not end the process all the same.
            match tls.as_ref().filter(|_| renewed).map(|tls| tls.reload()) {
                None => {}
                Some(Ok(())) => tracing::info!("read the certificates again"),
                Some(Err(error)) => {
                    tracing::error!("the certificates stay as they are: {}", chain(&error));
                }
            }
        }
    });
    Ok(())
}

async fn debug_listener(health: &Health, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
    tracing::info!("Debug server listening on {DEBUG_ADDRESS}");
    let bind = async { Ok::<_, ConfigError>(Address::parse(DEBUG_ADDRESS)?.bind().await?) };
    let listeners = bind.await.map_err(Failure::Debug)?;
    let front = DebugFront::new(health.clone());
    tasks.spawn(async move {
        let (_trigger, shutdown) = Shutdown::new();
        serve(
            listeners,
            None,
            signet_service::serve::Limits::default(),
            front,
            shutdown,
        )
        .await;
    });
    Ok(())
}

/// As many open files as the system allows: every connection is one.
pub(crate) fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Without permission the limit stays as it is, and so does the server's work.
    let _ = setrlimit(Resource::Nofile, limit);
}

fn protect_memory() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("core dumps of this process cannot be switched off: {error}");
    }
}

fn system_time() -> OffsetDateTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is where the clock is read"
    )]
    OffsetDateTime::now_utc()
}

/// Writes to standard output. If nobody reads it, the server goes on.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

const DEBUG_ADDRESS: &str = "localhost:8080";
const RENEWAL_CHECK: Duration = Duration::from_secs(12 * 60 * 60);

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn a07_no_memory_dump_shows_a_key() {
        protect_memory();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
