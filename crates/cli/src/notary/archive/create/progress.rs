//! How far a long command has got: on a terminal one line, elsewhere nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use signet_client::crawl::Line;

use crate::texts::notary as texts;
use crate::ui::interrupt;
use crate::ui::printer::{Busy, Printer};

/// How often the line is brought up to date.
const STEP: Duration = Duration::from_millis(500);

/// The state of a crawl, shown until it is dropped.
pub(super) struct Progress {
    shared: Arc<Shared>,
    ticker: tokio::task::JoinHandle<()>,
    folder: String,
}

struct Shared {
    busy: Busy,
    began: Instant,
    total: usize,
    count: Mutex<Count>,
}

#[derive(Clone, Copy)]
struct Count {
    /// Finished, those of earlier runs included.
    done: usize,
    /// Of earlier runs.
    before: usize,
}

impl Progress {
    /// Shows how many of `total` repositories are finished; `before` are since an earlier run. Who interrupts is told how to go on.
    pub(super) fn new(
        printer: &Printer,
        line: Arc<Line>,
        total: usize,
        before: usize,
        folder: String,
    ) -> Self {
        let shared = Arc::new(Shared {
            busy: printer.busy(&texts::archive_progress(before, total, None)),
            began: Instant::now(),
            total,
            count: Mutex::new(Count {
                done: before,
                before,
            }),
        });
        let ticking = Arc::clone(&shared);
        let ticker = tokio::spawn(async move {
            loop {
                tokio::time::sleep(STEP).await;
                ticking.show(&line);
            }
        });
        let progress = Self {
            shared,
            ticker,
            folder,
        };
        progress.prepare_farewell(before);
        progress
    }

    /// One more is finished.
    pub(super) fn advance(&self) {
        let done = {
            let mut count = self
                .shared
                .count
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            count.done += 1;
            count.done
        };
        self.prepare_farewell(done);
    }

    fn prepare_farewell(&self, done: usize) {
        let text = texts::archive_interrupted(done, self.shared.total, &self.folder);
        interrupt::set_farewell(Some(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ticker.abort();
        interrupt::set_farewell(None);
    }
}

impl Shared {
    fn show(&self, line: &Line) {
        let count = *self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match line.waits() {
            Some(left) => texts::archive_waits(count.done, self.total, left),
            None => {
                let pace = pace(count.done - count.before, self.began.elapsed());
                let left = pace.map(|pace| (pace, self.total.saturating_sub(count.done)));
                texts::archive_progress(count.done, self.total, left)
            }
        };
        self.busy.say(&text);
    }
}

/// How long one takes, once there is something to tell it from.
fn pace(done: usize, elapsed: Duration) -> Option<Duration> {
    let done = u32::try_from(done).ok().filter(|done| *done > 0)?;
    Some(elapsed / done)
}
