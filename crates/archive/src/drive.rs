//! Updates that an archived repository answers in its server's place.

use signet_tuf::update::{Cached, Floors, Mode, Scope, Step, Update, UpdateError, Warning};
use signet_tuf::{TrustPinning, TrustedRepository};
use time::OffsetDateTime;

use crate::ArchivedRepository;

/// What a client has and wants when it meets a repository.
#[derive(Clone, Debug)]
pub struct Client {
    /// What its clock says.
    pub at: OffsetDateTime,
    /// What it looks for.
    pub scope: Scope,
    /// Which first roots it takes.
    pub pinning: TrustPinning,
    /// The documents that it remembers.
    pub cached: Cached,
    /// The versions that it remembers.
    pub floors: Floors,
}

impl Client {
    /// A client that remembers nothing and reads everything.
    #[must_use]
    pub fn new(at: OffsetDateTime) -> Self {
        Self {
            at,
            scope: Scope::All,
            pinning: TrustPinning::default(),
            cached: Cached::default(),
            floors: Floors::default(),
        }
    }
}

/// What came of an update.
#[derive(Debug)]
pub struct Driven {
    /// The repository, where it is trusted.
    pub trusted: Result<Box<TrustedRepository>, UpdateError>,
    /// What people should know.
    pub warnings: Vec<Warning>,
}

/// Runs a client's update, for reading, over archived documents. Nothing else is asked.
#[must_use]
pub fn drive(repository: &ArchivedRepository, client: Client) -> Driven {
    let mut update = Update::new(
        repository.record.gun.clone(),
        client.at,
        Mode::Read,
        client.scope,
        client.pinning,
        client.cached,
        client.floors,
    );
    let mut warnings = Vec::new();
    let trusted = loop {
        match update.step() {
            Ok(Step::Fetch(fetch)) => update.answer(repository.answer(&fetch)),
            Ok(Step::Persist { .. }) => {}
            Ok(Step::Warn(warning)) => warnings.push(warning),
            Ok(Step::Done(trusted)) => break Ok(trusted),
            Err(error) => break Err(error),
        }
    };
    Driven { trusted, warnings }
}
