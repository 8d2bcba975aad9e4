//! The life of the service, step by step. The order of the steps is that of the Go service: it decides which of several faults in a
//! configuration is reported.

use std::sync::Arc;

use signet_service::certificates;
use signet_service::config::{Configuration, Environment};
use signet_service::debug;
use signet_service::health::Health;
use signet_service::listen::Address;
use signet_service::process::{self, complain};
use signet_service::serve::serve;
use signet_service::settings;
use signet_service::shutdown::{EndSignals, serve_until_signal};
use signet_service::telemetry::Telemetry;
use signet_service::tls::{Protocols, Tls};
use signet_signer::{Clock, Front, HealthService, KeyService};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::config::{self, ENVIRONMENT_PREFIX};
use super::failure::Failure;
use super::flags::Flags;
use super::{stores, upkeep};

/// Runs the service until a signal ends it. Gives the exit status.
pub(crate) async fn run(flags: Flags, log: &Telemetry) -> Result<u8, Failure> {
    let clock: Clock = Arc::new(system_time);
    let environment = Environment::from_process();
    let health = Health::new();
    let mut tasks = JoinSet::new();
    if flags.debug {
        debug::listen(&health, &mut tasks)
            .await
            .map_err(Failure::Debug)?;
    } else {
        // Before any secret is read.
        process::protect_memory();
    }

    let configuration = Configuration::load(&flags.config, ENVIRONMENT_PREFIX, environment)?;
    config::sections(&configuration)?;
    log.set_level(settings::log_level(&configuration)?);
    settings::reporting(&configuration)?;
    for key in configuration.unknown_keys(config::KNOWN_KEYS) {
        tracing::warn!("the configuration has a key that means nothing to this service: {key}");
    }
    let serving = if flags.serves() {
        let files = config::tls_files(&configuration);
        let tls = Arc::new(Tls::load_for(files.clone(), Protocols::Http2)?);
        let (text, address) = config::address(&configuration)?;
        config::check_exposure(&configuration, &address, &files)?;
        Some((tls, text, address))
    } else {
        None
    };
    let storage = config::storage(&configuration)?;
    tracing::info!("Using {} backend", configuration.text("storage.backend"));
    let Some((tls, address_text, address)) = serving else {
        return upkeep::run(&flags, storage, &configuration, clock()).await;
    };
    let keys = stores::open(storage, &configuration).await?;
    let bounds = config::bounds(&configuration)?;
    let listeners = listen(&address_text, &address).await?;
    stores::watch(&keys, &health, &mut tasks);
    process::level_signals(log.clone(), &mut tasks).map_err(Failure::Signals)?;
    certificates::keep_current(Some(Arc::clone(&tls)), || false, &mut tasks)
        .map_err(Failure::Signals)?;
    let mut ends = EndSignals::install().map_err(Failure::Signals)?;
    if flags.debug {
        complain(&format!("RPC server listening on {address_text}\n"));
    }
    // As it is configured, unless that leaves the port open.
    match listeners.first().map(TcpListener::local_addr) {
        Some(Ok(chosen)) if address.port() == 0 => tracing::info!("Starting on {chosen}"),
        _ => tracing::info!("Starting on {address_text}"),
    }
    let service = KeyService::new(keys.clone(), clock);
    let status = serve_until_signal(&mut ends, bounds.shutdown, |shutdown| {
        let health = HealthService::new(keys.clone(), shutdown.clone());
        let front = Front::new(service, health, bounds.calls);
        serve(listeners, Some(tls), bounds.connections, front, shutdown)
    })
    .await;
    tasks.shutdown().await;
    stores::close(&keys).await;
    Ok(status)
}

async fn listen(text: &str, address: &Address) -> Result<Vec<TcpListener>, Failure> {
    address.bind().await.map_err(|source| Failure::Listen {
        address: text.to_owned(),
        source,
    })
}

fn system_time() -> OffsetDateTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is where the clock is read"
    )]
    OffsetDateTime::now_utc()
}
