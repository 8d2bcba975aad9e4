//! A repository as the commands open it: its name is checked, its server is asked whether it is there, and what is noticed is logged.

use std::sync::Arc;

use signet_client::remote::RemoteError;
use signet_client::{
    Access, Error, ErrorKind, Options, PinnedRoots, Remote, RemoteOptions, Repository,
};
use signet_tuf::rules::{RootError, RuleError};
use signet_tuf::update::{Mode, Scope, UnusableReason, UpdateError, Warning};
use signet_tuf::{Gun, TrustedRepository};
use url::Url;

use super::{Context, hints};
use crate::network;
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// A repository, and whether its server can be asked.
#[derive(Debug)]
pub(super) struct Opened {
    /// The repository.
    pub(super) repository: Repository,
    /// Whether the server did not answer the probe, so that nothing more is sent.
    pub(super) offline: bool,
    /// Whether the configuration forbids to go on with what is remembered.
    demands_server: bool,
}

/// The name of a repository on the command line. Nothing is touched before this: a name must not lead out of the trust directory (Q2).
pub(super) fn gun(name: &str) -> Result<Gun, Failure> {
    name.parse().map_err(|error: signet_tuf::InvalidGun| {
        hints::after_name(Failure::new(error.to_string()), name)
    })
}

/// Opens a repository and asks its server whether it is there. Offline is who gets no answer, or another one than Go's servers give; a server
/// that cannot prove who it is ends the command (Q8).
pub(super) async fn open(context: &Context, gun: &Gun, access: Access) -> Result<Opened, Failure> {
    let server = context.server()?;
    let mut remote = remote(context, access)?;
    let mut options = Options::new(
        gun.clone(),
        context.trust_dir()?,
        Arc::clone(&remote),
        Arc::new(context.clock),
    );
    options.keys = context.keys()?;
    options.pinning = context.pinning()?;
    // compat: pins of the configuration are for first roots.
    options.pinned_roots = PinnedRoots::First;
    let reason = match remote.ping().await {
        Ok(Ok(ping)) if matches!(ping.status, 200..=299 | 401) => None,
        Ok(Ok(ping)) => Some(ping.status.to_string()),
        Ok(Err(message)) => Some(network::problem(message)),
        Err(error) => return Err(failure(&Error::Remote(error), false)),
    };
    let offline = reason.is_some();
    if let Some(reason) = reason {
        tracing::error!("{}", texts::could_not_reach(&server.given, &reason));
        tracing::info!("{}", texts::CONTINUING_OFFLINE);
        let mut nothing = context.remote_options(access)?;
        nothing.offline = true;
        remote = connect(nothing)?;
    }
    options.remote = remote;
    let repository = Repository::open(options).map_err(|error| failure(&error, offline))?;
    // Go makes them whatever comes of the command.
    repository.make_folders();
    Ok(Opened {
        repository,
        offline,
        demands_server: context.config()?.demands_server(),
    })
}

/// Opens a repository for what happens on this machine alone. Nothing is sent, not even a probe; a server that is named wrongly does not matter.
pub(super) fn open_offline(context: &Context, gun: &Gun) -> Result<Repository, Failure> {
    let mut nowhere = RemoteOptions::new(nowhere()?, "");
    nowhere.offline = true;
    let mut options = Options::new(
        gun.clone(),
        context.trust_dir()?,
        connect(nowhere)?,
        Arc::new(context.clock),
    );
    options.keys = context.keys()?;
    options.pinning = context.pinning()?;
    options.pinned_roots = PinnedRoots::First;
    let repository = Repository::open(options).map_err(|error| failure(&error, true))?;
    repository.make_folders();
    Ok(repository)
}

/// The address of a server that is never asked.
fn nowhere() -> Result<Url, Failure> {
    Url::parse("https://offline.invalid").map_err(|error| Failure::new(error.to_string()))
}

/// The server of a repository. Who reads goes on with what is remembered, as Go's notary does, when a right is gone, and is told of it (Q8).
fn remote(context: &Context, access: Access) -> Result<Arc<Remote>, Failure> {
    if access != Access::Pull {
        return context.remote(access);
    }
    let mut options = context.remote_options(access)?;
    options.refusal_is_outage = !context.config()?.demands_server();
    connect(options)
}

fn connect(options: RemoteOptions) -> Result<Arc<Remote>, Failure> {
    Remote::new(options)
        .map(Arc::new)
        .map_err(|error| Failure::new(texts::tls_unusable(&with_sources(&error))))
}

impl Opened {
    /// Brings the repository up to date for reading, and logs what is noticed.
    pub(super) async fn read(
        &mut self,
        context: &Context,
        gun: &Gun,
    ) -> Result<&TrustedRepository, Failure> {
        let updated = {
            let _busy = context.printer.busy(&texts::reading(gun.as_str()));
            self.repository
                .update(Mode::Read, Scope::All)
                .await
                .map(|_| ())
        };
        let cached = self.log_warnings();
        if let Err(error) = updated {
            let failure = self.failure(&error);
            return Err(hints::after_reading(failure, &error, context, gun));
        }
        if let Some(reason) = cached.filter(|_| self.demands_server) {
            let reason = if self.offline {
                texts::OFFLINE
            } else {
                &reason
            };
            return Err(
                Failure::new(texts::cached_data_refused(reason)).hint(texts::CACHED_DATA_HINT)
            );
        }
        let trusted = self
            .repository
            .trusted()
            .ok_or_else(|| Failure::new(texts::OFFLINE))?;
        hints::about_unusable(trusted, gun, context);
        Ok(trusted)
    }

    /// Logs what the last update noticed. Gives the reason where it had to do with what is remembered.
    pub(super) fn log_warnings(&mut self) -> Option<String> {
        let mut cached = None;
        let warnings = self.repository.take_warnings();
        let unusable = self.repository.trusted().map(TrustedRepository::unusable);
        for warning in warnings {
            match &warning {
                Warning::DelegationUnusable { role, .. }
                    if unusable
                        .and_then(|unusable| unusable.get(role))
                        .is_some_and(|found| {
                            matches!(found.reason(), UnusableReason::Expired(_))
                        }) =>
                {
                    tracing::error!("{}", texts::metadata_expired(role.as_str()));
                    tracing::warn!("{warning}");
                }
                Warning::Expired { .. } => tracing::error!("{warning}"),
                _ => tracing::warn!("{warning}"),
            }
            match &warning {
                // The server is well: that a right is gone must not look like an outage.
                Warning::CachedTimestamp {
                    reason,
                    status: Some(401 | 403),
                } => {
                    tracing::error!("{reason}");
                    cached = Some(reason.clone());
                }
                Warning::CachedTimestamp { reason, .. } => {
                    tracing::debug!("{}", network::problem(reason));
                    cached = Some(network::problem(reason));
                }
                _ => {}
            }
        }
        // A token service that refuses is no outage, either.
        if let Some(refusal) = self.repository.refusal().filter(|_| cached.is_some()) {
            tracing::error!("{refusal}");
        }
        cached
    }

    /// What the person is told of an error.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        let failure = failure(error, self.offline);
        if self.repository.refusal().is_some() || is_refused_login(error) {
            return failure.hint(texts::LOGIN_HINT);
        }
        failure
    }
}

fn is_refused_login(error: &Error) -> bool {
    match error {
        Error::Remote(RemoteError::Authorization(error)) => error.kind == ErrorKind::Refused,
        Error::Remote(error) => error.is_refused_login(),
        Error::Update(UpdateError::Refused { refusal, .. }) => matches!(refusal.status, 401 | 403),
        _ => false,
    }
}

/// What the person is told of an error.
pub(super) fn failure(error: &Error, offline: bool) -> Failure {
    match error {
        Error::Update(UpdateError::Unreachable { .. })
        | Error::Remote(RemoteError::Unreachable { .. })
            if offline =>
        {
            Failure::new(texts::OFFLINE).hint(texts::OFFLINE_HINT)
        }
        Error::Update(UpdateError::Unreachable { message, .. })
        | Error::Remote(RemoteError::Unreachable { message }) => {
            Failure::new(network::problem(message))
        }
        Error::Remote(RemoteError::Tls { message }) => {
            Failure::new(texts::server_not_trusted(&network::problem(message)))
                .hint(texts::TLS_HINT)
        }
        Error::Update(UpdateError::Rule(RuleError::Expired { role, .. })) => {
            tracing::error!("{}", texts::metadata_expired(role.as_str()));
            Failure::new(error.to_string()).hint(texts::expired_hint(role))
        }
        _ => Failure::new(with_sources(error)),
    }
}

/// Whether no certificate of the root is valid: where it only ended, time alone is wrong.
pub(super) fn has_ended_certificate(error: &Error) -> bool {
    matches!(
        error,
        Error::Update(UpdateError::Rule(RuleError::Root(RootError::NoValidLeaf)))
    )
}
