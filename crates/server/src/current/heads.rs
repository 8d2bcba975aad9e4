//! Asking a shared store which timestamp is the newest, for many requests by one query.
//!
//! A request waits for a query that began after it came in, and for no other: what such a query sees is at least as new as
//! the request. Those who come while queries are under way gather in a batch that begins when one of them ends; the busier
//! the server, the more requests a query answers.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use signet_tuf::Gun;
use tokio::sync::oneshot;

use crate::store::{Head, HeadAnswer, MetadataStore, SharedStore, StoreError};

/// Most queries that are under way at a time.
const IN_FLIGHT: usize = 2;
/// Most repositories in a query.
const BATCH: usize = 128;
/// Longest time that a query may take.
const PATIENCE: Duration = Duration::from_secs(15);

type Answer = Result<Option<Head>, Arc<StoreError>>;
/// A repository, with those who ask for it.
type Question = (Gun, Vec<oneshot::Sender<Answer>>);
/// Repositories, each with those who ask for it.
type Batch = HashMap<Gun, Vec<oneshot::Sender<Answer>>>;

/// Tells the heads of repositories in a store that other processes write to.
pub(super) struct Heads(Arc<Inner>);

struct Inner {
    store: Arc<dyn SharedStore>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Who is not yet part of a query, first come, first served. Only the last one has room.
    batches: VecDeque<Batch>,
    running: usize,
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heads").finish_non_exhaustive()
    }
}

impl Heads {
    /// `None` for a store that only this process writes to.
    pub(super) fn new(store: &Arc<dyn MetadataStore>) -> Option<Self> {
        store.shared()?;
        Some(Self::of_store(Arc::new(Shared(Arc::clone(store)))))
    }

    fn of_store(store: Arc<dyn SharedStore>) -> Self {
        let queue = Mutex::default();
        Self(Arc::new(Inner { store, queue }))
    }

    /// The head of a repository as the store has it at some moment after this call began.
    pub(super) async fn of(&self, gun: &Gun) -> Result<Option<Head>, StoreError> {
        let (sender, answer) = oneshot::channel();
        if self.0.queue().add(gun, sender) {
            // A task of its own: whoever asked first may go away, and the others wait on.
            tokio::spawn(run(Arc::clone(&self.0)));
        }
        match answer.await {
            Ok(Ok(head)) => Ok(head),
            Ok(Err(error)) => Err(StoreError::Joint(error)),
            Err(_) => Err(StoreError::Interrupted),
        }
    }
}

/// A metadata store that is shared.
struct Shared(Arc<dyn MetadataStore>);

#[async_trait]
impl SharedStore for Shared {
    async fn heads(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
        match self.0.shared() {
            Some(shared) => shared.heads(guns).await,
            None => Err(StoreError::Interrupted),
        }
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that is done with the lock held can panic half-way.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Adds who asks to the batch that fills up. Says whether a query has to be begun for it.
    fn add(&mut self, gun: &Gun, sender: oneshot::Sender<Answer>) -> bool {
        let has_room = |batch: &&mut Batch| batch.len() < BATCH || batch.contains_key(gun);
        match self.batches.back_mut().filter(has_room) {
            Some(batch) => batch.entry(gun.clone()).or_default().push(sender),
            None => self
                .batches
                .push_back(Batch::from([(gun.clone(), vec![sender])])),
        }
        let begin = self.running < IN_FLIGHT;
        self.running += usize::from(begin);
        begin
    }

    /// The next batch; nobody joins it any more. Without one the caller ends.
    fn next(&mut self) -> Option<Batch> {
        let next = self.batches.pop_front();
        self.running -= usize::from(next.is_none());
        next
    }
}

/// Answers batches until nobody waits.
async fn run(inner: Arc<Inner>) {
    loop {
        // Requests that have arrived already are to be in the same query.
        tokio::task::yield_now().await;
        let Some(mut batch) = inner.queue().next() else {
            return;
        };
        batch.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        if !batch.is_empty() {
            answer(&*inner.store, batch.into_iter().collect()).await;
        }
    }
}

async fn answer(store: &dyn SharedStore, questions: Vec<Question>) {
    let mut parts = vec![questions];
    while let Some(mut part) = parts.pop() {
        let guns: Vec<Gun> = part.iter().map(|(gun, _)| gun.clone()).collect();
        match ask(store, &guns).await {
            Ok(heads) => {
                for (head, (_, senders)) in heads.into_iter().zip(part) {
                    tell(senders, &head.map_err(Arc::new));
                }
            }
            Err(error) if part.len() > 1 && is_about_a_name(&error) => {
                // Whose name it is shows in few queries, and most of the others are answered together.
                parts.push(part.split_off(part.len() / 2));
                parts.push(part);
            }
            Err(error) => {
                let error = Arc::new(error);
                for (_, senders) in part {
                    tell(senders, &Err(Arc::clone(&error)));
                }
            }
        }
    }
}

/// One query, which ends in any case.
async fn ask(store: &dyn SharedStore, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
    let query = AssertUnwindSafe(store.heads(guns)).catch_unwind();
    match tokio::time::timeout(PATIENCE, query).await {
        Ok(Ok(heads)) => heads,
        Ok(Err(_)) => Err(StoreError::Interrupted),
        Err(_) => {
            let late = io::Error::from(io::ErrorKind::TimedOut);
            Err(sqlx::Error::Io(late).into())
        }
    }
}

/// Whether a query may have failed for what one of the names is, which must not concern those who ask for others.
fn is_about_a_name(error: &StoreError) -> bool {
    use signet_sql::Failure;
    // What takes too long for all of them would for each half, too.
    matches!(error, StoreError::Database(error) if Failure::of(error) == Failure::Other && !Failure::is_cut_short(error))
}

fn tell(senders: Vec<oneshot::Sender<Answer>>, answer: &Answer) {
    for sender in senders {
        // Who has gone away needs no answer.
        let _ = sender.send(answer.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use signet_tuf::Version;

    use super::*;
    use crate::store::Revision;

    /// A database of one version number, read by each query when the query has been under way for a while.
    #[derive(Default)]
    struct Fake {
        version: AtomicU64,
        running: AtomicUsize,
        most_running: AtomicUsize,
        /// The repositories of every query.
        queries: Mutex<Vec<Vec<String>>>,
    }

    impl Fake {
        fn heads(self: &Arc<Self>) -> Arc<Heads> {
            Arc::new(Heads::of_store(Arc::clone(self) as Arc<dyn SharedStore>))
        }

        fn asked(&self) -> usize {
            self.queries.lock().unwrap().len()
        }
    }

    fn head(version: u64) -> Head {
        Head {
            incarnation: 1,
            timestamp: Revision {
                version: Version::try_from(version).unwrap(),
                sha256: [0; 32],
            },
        }
    }

    #[async_trait]
    impl SharedStore for Fake {
        async fn heads(&self, guns: &[Gun]) -> Result<Vec<HeadAnswer>, StoreError> {
            let names: Vec<String> = guns.iter().map(ToString::to_string).collect();
            self.queries.lock().unwrap().push(names.clone());
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_running.fetch_max(running, Ordering::SeqCst);
            // What a query sees is fixed when it begins; its answer comes later.
            let version = self.version.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(version % 3)).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            if names.iter().any(|name| name == "panic") {
                panic!("a defect of the store");
            }
            if names.iter().any(|name| name == "down") {
                return Err(sqlx::Error::PoolTimedOut.into());
            }
            if names.iter().any(|name| name == "odd") {
                return Err(sqlx::Error::RowNotFound.into());
            }
            let of = |name: &String| match name.as_str() {
                "damaged" => Err(StoreError::Damaged {
                    id: 1,
                    reason: "its checksum is none",
                }),
                "none" => Ok(None),
                _ => Ok(Some(head(version))),
            };
            Ok(names.iter().map(of).collect())
        }
    }

    fn gun(name: &str) -> Gun {
        name.parse().unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_answer_is_older_than_its_question() {
        let fake = Arc::new(Fake::default());
        let heads = fake.heads();
        let mut readers = tokio::task::JoinSet::new();
        for reader in 0..32_u64 {
            let (fake, heads) = (Arc::clone(&fake), Arc::clone(&heads));
            readers.spawn(async move {
                for round in 0..100 {
                    let name = gun(&format!("r{}", (reader + round) % 7));
                    let before = if reader % 4 == 0 {
                        fake.version.fetch_add(1, Ordering::SeqCst) + 1
                    } else {
                        fake.version.load(Ordering::SeqCst)
                    };
                    let seen = heads.of(&name).await.unwrap().unwrap();
                    let seen = u64::try_from(seen.timestamp.version).unwrap();
                    assert!(seen >= before, "{seen} is older than {before}");
                }
            });
        }
        while let Some(outcome) = readers.join_next().await {
            outcome.unwrap();
        }
        assert!(fake.most_running.load(Ordering::SeqCst) <= IN_FLIGHT);
        let queries = fake.asked();
        assert!(queries < 2000, "{queries} queries for 3200 questions");
        for query in &*fake.queries.lock().unwrap() {
            let mut names: BTreeMap<&String, usize> = BTreeMap::new();
            for name in query {
                *names.entry(name).or_default() += 1;
            }
            assert!(names.values().all(|count| *count == 1), "{query:?}");
        }
    }

    #[tokio::test]
    async fn questions_of_one_moment_share_a_query() {
        let fake = Arc::new(Fake::default());
        let heads = fake.heads();
        let names: Vec<Gun> = (0..2 * BATCH + 10).map(|n| gun(&format!("r{n}"))).collect();
        let all = names.iter().chain(&names).map(|name| heads.of(name));
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer.unwrap(), Some(head(0)));
        }
        let queries = fake.queries.lock().unwrap();
        assert!(queries.len() <= 6, "{} queries", queries.len());
        assert!(queries.iter().all(|query| query.len() <= BATCH));
    }

    #[tokio::test]
    async fn who_goes_away_takes_nobody_along() {
        let fake = Arc::new(Fake::default());
        fake.version.store(2, Ordering::SeqCst);
        let heads = fake.heads();
        for _ in 0..50 {
            // Polled once, so that its question is asked, then dropped.
            let gone = heads.of(&gun("a")).now_or_never();
            assert!(gone.is_none());
            let (a, b) = (gun("a"), gun("b"));
            let (a, b) = tokio::join!(heads.of(&a), heads.of(&b));
            assert_eq!((a.unwrap(), b.unwrap()), (Some(head(2)), Some(head(2))));
        }
        for _ in 0..5 {
            assert!(heads.of(&gun("a")).now_or_never().is_none());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let queue = heads.0.queue();
        assert_eq!((queue.running, queue.batches.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_wait_and_ends_there() {
        let fake = Arc::new(Fake::default());
        let heads = fake.heads();
        for name in ["down", "panic"] {
            let (a, b) = (gun(name), gun("a"));
            let (bad, other) = tokio::join!(heads.of(&a), heads.of(&b));
            assert!(bad.is_err() && other.is_err(), "{name}");
            assert_eq!(heads.of(&gun("a")).await.unwrap(), Some(head(0)));
        }
    }

    #[tokio::test]
    async fn a_name_that_the_database_cannot_take_fails_alone() {
        let fake = Arc::new(Fake::default());
        let heads = fake.heads();
        let others: Vec<Gun> = (0..BATCH - 2).map(|n| gun(&format!("r{n}"))).collect();
        let (odd, none) = (gun("odd"), gun("none"));
        let others = others.iter().map(|gun| heads.of(gun));
        let (odd, none, others) = tokio::join!(
            heads.of(&odd),
            heads.of(&none),
            futures_util::future::join_all(others)
        );
        assert!(odd.is_err());
        assert_eq!(none.unwrap(), None);
        for answer in others {
            assert_eq!(answer.unwrap(), Some(head(0)));
        }
        let queries = fake.asked();
        assert!(queries <= 15, "{queries} queries for {BATCH} names");
    }

    #[tokio::test]
    async fn a_damaged_row_costs_nobody_else_anything() {
        let fake = Arc::new(Fake::default());
        let heads = fake.heads();
        let (damaged, a, b) = (gun("damaged"), gun("a"), gun("none"));
        let (damaged, a, none) = tokio::join!(heads.of(&damaged), heads.of(&a), heads.of(&b));
        let damaged = damaged.unwrap_err().to_string();
        assert!(damaged.contains("row 1"), "{damaged}");
        assert_eq!((a.unwrap(), none.unwrap()), (Some(head(0)), None));
        assert_eq!(fake.asked(), 1);
    }
}
