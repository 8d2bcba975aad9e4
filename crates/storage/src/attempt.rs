//! Trying a transaction again: others stand in the way, or the connection breaks.

use std::time::Duration;

use signet_sql::Failure;

use crate::StoreError;

/// How long an operation may take before it is given up, whatever the server says.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// How often a transaction is tried.
const TRIES: u32 = 6;
/// The first pause between two tries; each is twice as long as the one before it.
const PAUSE: Duration = Duration::from_millis(10);

/// Why a transaction was not done.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It may not be done.
    Refused(StoreError),
    /// It was not done.
    Failed(sqlx::Error),
    /// The connection broke while it was committed.
    Unknown(sqlx::Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => Self::Failed(error),
            error => Self::Refused(error),
        }
    }
}

/// What to do after a fault.
pub(crate) enum Next {
    /// Nothing was done, and it may work now.
    Again,
    /// The connection broke during the commit: look whether it is done.
    Look,
    /// Give up.
    Refuse(StoreError),
}

impl Fault {
    /// What to do after the try number `tries`, which was not done. `is_broken` tells the errors of a connection, after which another one
    /// may succeed.
    pub(crate) async fn next(self, tries: u32, is_broken: fn(&sqlx::Error) -> bool) -> Next {
        let (error, looks) = match self {
            Self::Refused(error) => return Next::Refuse(error),
            Self::Failed(error) => (error, false),
            Self::Unknown(error) => (error, true),
        };
        let may_repeat = tries < TRIES;
        match Failure::of(&error) {
            Failure::Taken => Next::Refuse(StoreError::Conflict),
            Failure::Contended if !may_repeat => Next::Refuse(StoreError::Conflict),
            Failure::Contended => {
                tokio::time::sleep(pause(tries)).await;
                Next::Again
            }
            Failure::Unreachable if looks && may_repeat => {
                tokio::time::sleep(pause(tries)).await;
                Next::Look
            }
            Failure::Unreachable if may_repeat && is_broken(&error) => {
                tokio::time::sleep(pause(tries)).await;
                Next::Again
            }
            Failure::Unreachable | Failure::Other => Next::Refuse(StoreError::Database(error)),
        }
    }
}

/// How long to wait after a try: longer each time, and not as long as others who failed at the same moment.
fn pause(tries: u32) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let full = PAUSE.saturating_mul(1 << tries.min(6));
    // Its seed is random, which is all that is needed here.
    let chance = RandomState::new().hash_one(tries) % 1000;
    full.mul_f64(0.5 + u32::try_from(chance).map_or(0.0, f64::from) / 1000.0)
}

/// Gives up after [`LIMIT`], for a server that neither answers nor goes away.
pub(crate) async fn bounded<T, E: From<sqlx::Error>>(
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()),
    }
}
