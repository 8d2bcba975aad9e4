//! The life of the server, step by step. The order of the steps is that of the Go server: it decides which of several faults
//! in a configuration is reported.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use signet_server::store::MigrateOptions;
use signet_server::{Archives, Clock, Settings};
use signet_service::config::{Configuration, Environment};
use signet_service::debug;
use signet_service::health::Health;
use signet_service::listen::Address;
use signet_service::local_ca::Renewed;
use signet_service::process::{self, print};
use signet_service::serve::serve;
use signet_service::settings;
use signet_service::shutdown::{EndSignals, serve_until_signal};
use signet_service::telemetry::Telemetry;
use signet_service::tls::Tls;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::archives::{self, Gauges};
use super::audit;
use super::auth;
use super::check;
use super::config::{self, ConfigError, ENVIRONMENT_PREFIX};
use super::failure::Failure;
use super::figures::Figures;
use super::flags::Flags;
use super::front::{Front, Service};
use super::htpasswd;
use super::metrics::Metrics;
use super::migrate;
use super::quickstart::{self, DataFolder, Offer, QuickstartError};
use super::resources::Resources;
use super::signals;
use super::stores::Stores;
use super::survey::{self, LastSurvey};

/// What is served.
enum Source {
    /// What is published here.
    Stores(Stores),
    /// What was captured elsewhere. They are open before anybody can connect: that may take a moment, or fail.
    Archives(Arc<Archives>),
}

/// Runs the server until a signal ends it. Gives the exit status.
pub(crate) async fn run(flags: Flags, log: &Telemetry) -> Result<u8, Failure> {
    let clock: Clock = Arc::new(system_time);
    let environment = Environment::from_process();
    let health = Health::new();
    let mut tasks = JoinSet::new();
    if flags.switches.debug {
        debug::listen(&health, &mut tasks)
            .await
            .map_err(Failure::Debug)?;
    }

    let (configuration, folder) = configuration(&flags, environment)?;
    config::sections(&configuration)?;
    log.set_level(settings::log_level(&configuration).map_err(ConfigError::from)?);
    let gun_prefixes = config::gun_prefixes(&configuration)?;
    settings::reporting(&configuration).map_err(ConfigError::from)?;
    for key in configuration.unknown_keys(config::KNOWN_KEYS) {
        tracing::warn!("the configuration has a key that means nothing to this server: {key}");
    }
    let source = if flags.archives.is_empty() {
        if let Some(format) = flags.check {
            return check::run(&configuration, format, clock()).await;
        }
        if flags.switches.bootstrap {
            let options = MigrateOptions {
                dry_run: flags.switches.dry_run,
                binary_names: flags.switches.binary_names,
            };
            for line in migrate::run(&configuration, options).await? {
                print(&format!("{line}\n"));
            }
            return Ok(0);
        }
        let stores = Stores::configured(&configuration, &clock).await?;
        Source::Stores(stores)
    } else {
        archives::check(&flags, &configuration)?;
        let settings = Settings {
            max_age: config::max_age(&configuration)?,
            gun_prefixes: gun_prefixes.clone(),
            auth: auth::auth(&configuration)?,
            limits: config::bounds(&configuration)?.requests,
            ..Settings::default()
        };
        let files = flags.archives.clone();
        Source::Archives(archives::open(files, settings, Arc::clone(&clock)).await?)
    };

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
    let auth = match &source {
        Source::Stores(_) => auth::auth(&configuration)?,
        Source::Archives(archives) => archives.settings().auth.clone(),
    };
    htpasswd::check_transport(auth.as_deref(), &configuration, &address, tls.is_some())?;
    htpasswd::watch(auth.as_ref(), &mut tasks)?;
    if !flags.switches.debug {
        process::protect_memory();
    }

    let metrics = Arc::new(Metrics::new(Instant::now())?);
    let surveyed = LastSurvey::default();
    let survey_period = survey::period(&configuration)?;
    let service = match &source {
        Source::Stores(stores) => {
            stores.watch(&health, &mut tasks);
            let settings = Settings {
                max_age,
                gun_prefixes,
                auth,
                audit: audit::audit(&configuration, log, &clock)?,
                limits: bounds.requests.clone(),
                ..Settings::default()
            };
            let app = stores.serve(settings, Arc::clone(&clock));
            metrics.add(Box::new(Resources::new(&app, stores.database())?))?;
            if let Some(calls) = stores.calls() {
                metrics.add(Box::new(calls.clone()))?;
            }
            survey::watch(&app, survey_period, &surveyed, &mut tasks);
            Service::Repositories(app)
        }
        Source::Archives(archives) => {
            metrics.add(Box::new(Gauges::new(archives, Arc::clone(&clock))?))?;
            let tell = folder.is_some().then_some(print as fn(&str));
            archives::watch(archives, tell, Arc::clone(&clock), &mut tasks)?;
            Service::Archives(Arc::clone(archives))
        }
    };
    let audited = service.settings().audit.clone();
    let figures = Figures::new(service.settings().clone(), tls.clone(), surveyed.clone())?;
    metrics.add(Box::new(figures))?;
    process::level_signals(log.clone(), &mut tasks).map_err(Failure::Signals)?;
    let has_own = own_certificate
        .as_ref()
        .is_some_and(|own| own.authority.is_some());
    signals::certificate_signals(
        tls.clone(),
        folder.clone().filter(|_| has_own),
        address.clone(),
        Arc::clone(&clock),
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
    if let Some(welcome) = own_certificate.map(|ca| ca.welcome(&address, port, offer(&flags))) {
        print(&welcome);
    }
    let status = serve_until_signal(&mut ends, bounds.shutdown, |shutdown| {
        serve(
            listeners,
            tls,
            bounds.connections.clone(),
            Front::new(service, metrics, health, surveyed),
            shutdown,
        )
    })
    .await;
    tasks.shutdown().await;
    if let Some(audit) = &audited {
        audit.flush().await;
    }
    if let Source::Stores(stores) = source {
        stores.close().await;
    }
    // Also of what nobody waited for any more, and ended when it gave its connection back.
    if let Some(audit) = audited {
        audit.flush().await;
    }
    // The next server may have the folder now.
    drop(folder);
    Ok(status)
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
            let folder = data_folder(flags, &environment)?;
            (folder.configuration(environment)?, Some(Arc::new(folder)))
        }
    };
    if let Some(address) = &flags.http_addr {
        configuration.set("server.http_addr", address);
    }
    if folder.is_some() {
        // Before anything is opened: what listens where others can connect was asked for.
        let address = config::parse_address(&config::http_address(&configuration)?)?;
        quickstart::check_exposure(&address, offer(flags), flags.switches.insecure_no_auth)?;
    }
    Ok((configuration, folder))
}

/// The folder of a server without a configuration. Commands that change nothing work beside that server.
fn data_folder(flags: &Flags, environment: &Environment) -> Result<DataFolder, QuickstartError> {
    let chosen = flags.data_dir.as_deref();
    let is_migration = flags.switches.bootstrap && flags.archives.is_empty();
    if flags.check.is_some() || (is_migration && flags.switches.dry_run) {
        return DataFolder::look(chosen, environment);
    }
    DataFolder::open(chosen, environment).map_err(|error| match error {
        QuickstartError::InUse { path, process } if is_migration => {
            QuickstartError::InUseByServer { path, process }
        }
        error => error,
    })
}

const fn offer(flags: &Flags) -> Offer {
    if flags.archives.is_empty() {
        Offer::Publishing
    } else {
        Offer::Archives
    }
}

/// The certificate that the server made itself, for the lines that are printed.
struct OwnCertificate {
    folder: PathBuf,
    /// None when the operator has put another in its place.
    authority: Option<PathBuf>,
}

impl OwnCertificate {
    fn welcome(&self, address: &Address, port: u16, offer: Offer) -> String {
        quickstart::welcome(
            &self.folder,
            self.authority.as_deref(),
            address,
            port,
            offer,
        )
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

fn system_time() -> OffsetDateTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is where the clock is read"
    )]
    OffsetDateTime::now_utc()
}
