//! Taking one repository.

use std::sync::Arc;

use signet_archive::ArchivedRepository;
use signet_archive::record::{Moment, State};
use signet_tuf::Gun;
use tokio::sync::OwnedSemaphorePermit;

use super::CrawlError;
use super::line::{Line, Nothing, source};
use super::walk::Walk;
use crate::Clock;

/// What is taken of a repository.
#[derive(Clone)]
pub struct CaptureOptions {
    /// The moments that records carry.
    pub moments: Arc<dyn Clock>,
    /// Whether earlier states are taken, too, as far as the server still has them.
    pub history: bool,
}

impl std::fmt::Debug for CaptureOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureOptions")
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// One repository, as a server gave it.
#[derive(Debug)]
pub struct Capture {
    /// What there is. It is not judged yet.
    pub repository: ArchivedRepository,
    /// Whether asking another time may bring more: the server did not answer, or was busy.
    pub is_temporary: bool,
    /// What was left out because it is beyond a limit, in a sentence.
    pub left_out: Option<String>,
    /// Held by who holds much.
    pub(super) _heavy: Option<OwnedSemaphorePermit>,
}

/// Why a repository is not asked about any further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The crawl ends.
    Crawl(CrawlError),
    /// The server does not give this repository.
    Given(Nothing),
}

impl From<CrawlError> for Stop {
    fn from(error: CrawlError) -> Self {
        Self::Crawl(error)
    }
}

/// How often a repository is begun anew because somebody published while it was taken.
const MOST_BEGINNINGS: u32 = 5;

/// Takes the repository `gun`: its current state and the chain of its roots, and with [`CaptureOptions::history`] every earlier state that the
/// server still has. A publication meanwhile does no harm: the state is taken by checksums, and anew where something is gone.
///
/// What the server lacks, refuses or does not answer ends up in the record.
///
/// # Errors
/// [`CrawlError`] when it makes no sense to ask this server on.
pub async fn capture(
    line: &Line,
    gun: &Gun,
    options: &CaptureOptions,
) -> Result<Capture, CrawlError> {
    let source = source(line.remote().server());
    let mut walk = Walk::new(line, gun, source, options);
    let ended = take(&mut walk, options).await;
    let captured = Moment::of(options.moments.now());
    let (state, reason, is_temporary) = match ended {
        Ok(()) if walk.found.is_empty() => match walk.refused {
            None => (State::Absent, None, false),
            Some(status) => (State::Refused, Some(told(status)), status >= 500),
        },
        // Found out by who judges it.
        Ok(()) => (State::Incomplete, None, false),
        Err(Stop::Crawl(error)) => return Err(error),
        Err(Stop::Given(nothing)) => {
            let is_temporary = nothing.may_pass();
            match nothing {
                Nothing::Refused { status, .. } => {
                    (State::Refused, Some(told(status)), is_temporary)
                }
                Nothing::Unreachable(reason) => (State::Unreachable, Some(reason), is_temporary),
                Nothing::Absent | Nothing::TooLarge => (State::Incomplete, None, false),
            }
        }
    };
    Ok(Capture {
        repository: walk.found.finish(captured, state, reason),
        is_temporary,
        left_out: walk.left_out,
        _heavy: walk.heavy,
    })
}

async fn take(walk: &mut Walk<'_>, options: &CaptureOptions) -> Result<(), Stop> {
    for beginning in 1.. {
        let root = walk.root().await?;
        let timestamp = walk.timestamp().await?;
        walk.state(root, timestamp.clone()).await?;
        if !walk.is_torn || beginning >= MOST_BEGINNINGS {
            break;
        }
        // Something that belongs together is not there. Either somebody has published meanwhile, or it is really so. Who published after the
        // root had come has left the timestamp as it is by now.
        let is_new = match walk.peek_timestamp().await? {
            Some(now) => Some(now) != timestamp,
            None => false,
        };
        let may_help = is_new || (walk.has_other_root && beginning == 1);
        if !may_help {
            break;
        }
        walk.begin_anew();
    }
    walk.chain().await?;
    if options.history {
        walk.history().await?;
    }
    walk.changes().await
}

fn told(status: u16) -> String {
    format!("the server answered with status {status}")
}
