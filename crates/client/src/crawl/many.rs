//! Many repositories, a few at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;

use signet_tuf::Gun;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use super::line::{CrawlError, Line};
use super::repository::{Capture, CaptureOptions, capture};

/// Repositories in a row that a server may leave without any answer before it is given up.
const MOST_SILENT: usize = 5;

/// Takes repositories, `jobs` at a time, makes of each what is wanted of it on a thread of its own (`make`), and hands that to `done` as soon as it
/// is there; in what order is chance. The server need not wait for what is made: others are taken meanwhile. No more than twice `jobs` are held at
/// any time besides the one that `done` has.
///
/// # Errors
/// What `done` fails with; and [`CrawlError`] when it makes no sense to ask this server on: it ends the crawl, and so does a server that does not
/// answer for several repositories in a row.
pub async fn run<T: Send + 'static, E: From<CrawlError>>(
    line: &Arc<Line>,
    repositories: impl IntoIterator<Item = Gun>,
    options: &CaptureOptions,
    jobs: NonZeroUsize,
    make: impl Fn(Capture) -> T + Clone + Send + 'static,
    mut done: impl AsyncFnMut(Gun, T) -> Result<(), E>,
) -> Result<(), E> {
    let mut waiting = repositories.into_iter();
    let mut running: JoinSet<(Gun, Result<Made<T>, CrawlError>)> = JoinSet::new();
    let asking = Arc::new(Semaphore::new(jobs.get().min(Semaphore::MAX_PERMITS)));
    let mut silent = 0;
    let mut answers = line.answers();
    loop {
        while running.len() < jobs.get().saturating_mul(2)
            && let Some(gun) = waiting.next()
        {
            let (line, options, make) = (Arc::clone(line), options.clone(), make.clone());
            let asking = Arc::clone(&asking);
            running.spawn(async move {
                let made = take(&line, &gun, &options, &asking, make).await;
                (gun, made)
            });
        }
        let Some(finished) = running.join_next().await else {
            return Ok(());
        };
        let (gun, made) = finished.unwrap_or_else(|error| resume(error));
        let Made { what, unreachable } = made?;
        done(gun, what).await?;
        let Some(reason) = unreachable else {
            silent = 0;
            continue;
        };
        if line.answers() != answers {
            (silent, answers) = (0, line.answers());
        }
        silent += 1;
        if silent >= MOST_SILENT {
            return Err(line.silent(reason).into());
        }
    }
}

struct Made<T> {
    what: T,
    /// Why the server gave nothing, if it may another time.
    unreachable: Option<String>,
}

async fn take<T: Send + 'static>(
    line: &Line,
    gun: &Gun,
    options: &CaptureOptions,
    asking: &Semaphore,
    make: impl FnOnce(Capture) -> T + Send + 'static,
) -> Result<Made<T>, CrawlError> {
    // Nobody closes it.
    let turn = asking.acquire().await.ok();
    let capture = capture(line, gun, options).await?;
    drop(turn);
    let verdict = &capture.repository.record.verdict;
    let reason = || verdict.reason.clone().unwrap_or_default();
    let unreachable = capture.is_temporary.then(reason);
    let making = tokio::task::spawn_blocking(move || make(capture));
    let what = making.await.unwrap_or_else(|error| resume(error));
    Ok(Made { what, unreachable })
}

/// A task that panicked panics here, too; nobody cancels one.
fn resume(error: JoinError) -> ! {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => unreachable!("a repository was given up: {error}"),
    }
}
