//! Connections that one kind of question keeps for itself.
//!
//! A pool tests each connection that it gets back, which is a question of its own to the database. For what is asked thousands of times a second
//! and is one small query that is twice the cost: such a connection stays with who asks, and goes back to the pool when nobody does.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sqlx::pool::{CloseEvent, PoolConnection};
use sqlx::{Database, Pool};
use tokio::time::{Instant, timeout};

/// Most connections that are kept, and no more than the fourth part of the pool's.
const MOST: u32 = 2;
/// A connection that was idle for longer goes back to the pool, which tests it.
const TRUSTED_IDLE: Duration = Duration::from_secs(15);
/// A connection is kept for no longer than this, so that the pool's rules on their age hold.
const LONGEST: Duration = Duration::from_secs(600);

/// A few connections of a pool that are kept between questions. They count among the pool's.
#[derive(Debug)]
pub struct Kept<DB: Database> {
    pool: Pool<DB>,
    idle: Arc<Idle<DB>>,
}

/// Connections that nobody uses at the moment.
#[derive(Debug)]
struct Idle<DB: Database>(Mutex<Vec<Resting<DB>>>);

#[derive(Debug)]
struct Resting<DB: Database> {
    connection: PoolConnection<DB>,
    /// When it was taken from the pool.
    taken: Instant,
    /// When it was used last.
    used: Instant,
}

/// A connection in use. Without [`Loan::keep`] it goes back to the pool, which tests it: after an error, or a question that was given up.
#[derive(Debug)]
pub struct Loan<'a, DB: Database> {
    connection: PoolConnection<DB>,
    taken: Instant,
    of: &'a Kept<DB>,
}

impl<DB: Database> Kept<DB> {
    /// Keeps none yet. Must be called within a runtime: a task gives back what is kept when nobody asks, or the pool is closed.
    #[must_use]
    pub fn of(pool: Pool<DB>) -> Self {
        let idle = Arc::new(Idle(Mutex::default()));
        tokio::spawn(give_back(pool.close_event(), Arc::downgrade(&idle)));
        Self { pool, idle }
    }

    /// A connection, kept or from the pool.
    ///
    /// # Errors
    /// When the pool has none.
    pub async fn take(&self) -> Result<Loan<'_, DB>, sqlx::Error> {
        let rested = self.idle.list().pop();
        let (connection, taken) = match rested {
            Some(rested) if rested.used.elapsed() < TRUSTED_IDLE => {
                (rested.connection, rested.taken)
            }
            rested => {
                drop(rested);
                (self.pool.acquire().await?, Instant::now())
            }
        };
        Ok(Loan {
            connection,
            taken,
            of: self,
        })
    }

    fn most(&self) -> usize {
        let most = MOST.min(self.pool.options().get_max_connections() / 4);
        usize::try_from(most).unwrap_or_default()
    }
}

impl<DB: Database> Loan<'_, DB> {
    /// The connection itself.
    pub fn connection(&mut self) -> &mut DB::Connection {
        &mut self.connection
    }

    /// Keeps the connection for the next question. Its last one must have been answered in full.
    pub fn keep(self) {
        let mut idle = self.of.idle.list();
        let has_room = idle.len() < self.of.most();
        // Looked at under the lock, which `give_back` takes after the pool was closed.
        if has_room && self.taken.elapsed() < LONGEST && !self.of.pool.is_closed() {
            idle.push(Resting {
                connection: self.connection,
                taken: self.taken,
                used: Instant::now(),
            });
        }
    }
}

impl<DB: Database> Idle<DB> {
    fn list(&self) -> MutexGuard<'_, Vec<Resting<DB>>> {
        // Nothing that is done with the lock held can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back what nobody uses any more; all of it when the pool is closed, which waits for its connections.
async fn give_back<DB: Database>(closed: CloseEvent, idle: Weak<Idle<DB>>) {
    let mut closed = pin!(closed);
    loop {
        let is_closed = timeout(TRUSTED_IDLE, &mut closed).await.is_ok();
        let Some(idle) = idle.upgrade() else {
            return;
        };
        if is_closed {
            idle.list().clear();
            return;
        }
        idle.list()
            .retain(|rested| rested.used.elapsed() < TRUSTED_IDLE);
    }
}
