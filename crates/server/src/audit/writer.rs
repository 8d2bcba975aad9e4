//! The one who writes: a task that takes what is waiting and writes it at once, so that many records cost one wait for the disk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::Unwritten;
use super::refusals::{LeftOut, Refusals};

/// Most records that wait; who comes then waits before.
const QUEUE: usize = 1024;
/// Most records that are written at once.
const BATCH: usize = 256;
/// How often it is told how many refusals were left out.
pub(super) const SUMMARY: Duration = Duration::from_secs(10);

/// A line, and what it is for.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) line: Map<String, Value>,
    /// Whether it counts as written only when it is where the next power failure does not reach it.
    pub(super) durable: bool,
}

struct Waiting {
    /// Nothing for who only waits for those before.
    record: Option<Record>,
    written: oneshot::Sender<Result<(), Unwritten>>,
}

/// Writes lines in their order; all of them to the disk when the second value says so.
pub(super) type Write = dyn Fn(&[Map<String, Value>], bool) -> Result<(), Unwritten> + Send + Sync;
/// The line that tells how many refusals were left out.
pub(super) type Summary = dyn Fn(&LeftOut) -> Map<String, Value> + Send + Sync;

/// The way to the writer. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer(mpsc::Sender<Waiting>);

impl Writer {
    /// To be called within a Tokio runtime.
    pub(super) fn start(
        write: Arc<Write>,
        summary: Box<Summary>,
        refusals: Arc<Mutex<Refusals>>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(receiver, write, summary, refusals));
        Self(sender)
    }

    /// Writes a record, in the order in which they come.
    pub(super) async fn write(&self, record: Record) -> Result<(), Unwritten> {
        self.send(Some(record)).await
    }

    /// Waits until everything is written that came before, also what was left out.
    pub(super) async fn flush(&self) -> Result<(), Unwritten> {
        self.send(None).await
    }

    async fn send(&self, record: Option<Record>) -> Result<(), Unwritten> {
        let (written, outcome) = oneshot::channel();
        let waiting = Waiting { record, written };
        self.0.send(waiting).await.map_err(|_| Unwritten)?;
        outcome.await.unwrap_or(Err(Unwritten))
    }
}

async fn run(
    mut receiver: mpsc::Receiver<Waiting>,
    write: Arc<Write>,
    summary: Box<Summary>,
    refusals: Arc<Mutex<Refusals>>,
) {
    let mut ticks = interval(SUMMARY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut batch = Vec::new();
    loop {
        let mut is_time = false;
        tokio::select! {
            biased;
            // First, as records may wait always.
            _ = ticks.tick() => is_time = true,
            received = receiver.recv_many(&mut batch, BATCH) => {
                if received == 0 {
                    return;
                }
            }
        }
        let mut lines = Vec::new();
        let (mut durable, mut answers) = (false, Vec::new());
        for waiting in batch.drain(..) {
            answers.push(waiting.written);
            match waiting.record {
                Some(record) => {
                    durable |= record.durable;
                    lines.push(record.line);
                }
                None => is_time = true,
            }
        }
        if is_time {
            let mut refusals = refusals.lock().unwrap_or_else(PoisonError::into_inner);
            lines.extend(refusals.left_out().iter().map(&*summary));
        }
        let write = Arc::clone(&write);
        let outcome = if lines.is_empty() {
            Ok(())
        } else {
            tokio::task::spawn_blocking(move || write(&lines, durable))
                .await
                .unwrap_or(Err(Unwritten))
        };
        for answer in answers {
            // Who has gone away needs none.
            let _ = answer.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// What was written: how many lines at once, and whether to the disk.
    type Written = Arc<Mutex<Vec<(usize, bool)>>>;

    fn slow_disk(fails: bool) -> (Writer, Written) {
        let written = Written::default();
        let seen = Arc::clone(&written);
        let write = move |lines: &[Map<String, Value>], durable: bool| {
            seen.lock().unwrap().push((lines.len(), durable));
            std::thread::sleep(Duration::from_millis(50));
            if fails { Err(Unwritten) } else { Ok(()) }
        };
        let refusals = Arc::new(Mutex::new(Refusals::new(Instant::now())));
        let writer = Writer::start(Arc::new(write), Box::new(|_| Map::new()), refusals);
        (writer, written)
    }

    fn record(durable: bool) -> Record {
        Record {
            line: Map::new(),
            durable,
        }
    }

    #[tokio::test]
    async fn records_that_wait_together_are_written_to_the_disk_together() {
        let (writer, written) = slow_disk(false);
        let all = (0..100).map(|_| writer.write(record(true)));
        for outcome in futures_util::future::join_all(all).await {
            outcome.unwrap();
        }
        let written = written.lock().unwrap();
        assert!(written.len() <= 3, "{written:?}");
        assert_eq!(written.iter().map(|(lines, _)| lines).sum::<usize>(), 100);
        assert!(written.iter().all(|(_, durable)| *durable));
    }

    #[tokio::test]
    async fn what_need_not_be_on_the_disk_does_not_wait_for_it() {
        let (writer, written) = slow_disk(false);
        writer.write(record(false)).await.unwrap();
        writer.write(record(true)).await.unwrap();
        assert_eq!(*written.lock().unwrap(), [(1, false), (1, true)]);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_whose_record_it_was() {
        let (writer, _) = slow_disk(true);
        let all = (0..10).map(|_| writer.write(record(true)));
        let outcomes = futures_util::future::join_all(all).await;
        assert!(outcomes.iter().all(Result::is_err));
        writer.flush().await.unwrap();
    }
}
