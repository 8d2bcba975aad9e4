//! Many repositories, a few at a time.

use std::num::NonZeroUsize;
use std::sync::Arc;

use signet_archive::record::State;
use signet_tuf::Gun;
use tokio::task::{JoinError, JoinSet};

use super::line::{CrawlError, Line};
use super::repository::{Capture, CaptureOptions, capture};

/// Repositories in a row that a server may leave without any answer before it is given up.
const MOST_SILENT: usize = 5;

/// Takes repositories, `jobs` at a time, and hands each to `done` as soon as it is there; in what order is chance. No more than `jobs` are held at
/// any time besides the one that `done` has.
///
/// # Errors
/// What `done` fails with; and [`CrawlError`] when it makes no sense to ask this server on: it ends the crawl, and so does a server that does not
/// answer for several repositories in a row.
pub async fn run<E: From<CrawlError>>(
    line: &Arc<Line>,
    repositories: impl IntoIterator<Item = Gun>,
    options: &CaptureOptions,
    jobs: NonZeroUsize,
    mut done: impl AsyncFnMut(Gun, Capture) -> Result<(), E>,
) -> Result<(), E> {
    let mut waiting = repositories.into_iter();
    let mut running: JoinSet<(Gun, Result<Capture, CrawlError>)> = JoinSet::new();
    let mut silent = 0;
    let mut answers = line.answers();
    loop {
        while running.len() < jobs.get()
            && let Some(gun) = waiting.next()
        {
            let (line, options) = (Arc::clone(line), options.clone());
            running.spawn(async move {
                let taken = capture(&line, &gun, &options).await;
                (gun, taken)
            });
        }
        let Some(finished) = running.join_next().await else {
            return Ok(());
        };
        let (gun, taken) = finished.unwrap_or_else(|error| resume(error));
        let taken = taken?;
        let verdict = &taken.repository.record.verdict;
        let reason = match verdict.state {
            State::Unreachable => verdict.reason.clone(),
            _ => None,
        };
        done(gun, taken).await?;
        let Some(reason) = reason else {
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

/// A task that panicked panics here, too; nobody cancels one.
fn resume(error: JoinError) -> ! {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => unreachable!("a repository was given up: {error}"),
    }
}
