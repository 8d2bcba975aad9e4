//! The end of a service: SIGTERM or SIGINT let requests in flight finish within a time limit, a second signal ends at once.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells the parts of a service that it is to end. Clones belong to the same service.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// The other end of a [`Shutdown`].
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Shutdown {
    /// A service that runs until the trigger is pulled or dropped.
    #[must_use]
    pub fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Self(receiver))
    }

    /// Waits until the service is to end.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, and nobody else could ask.
        let _ = self.0.wait_for(|end| *end).await;
    }
}

impl Trigger {
    /// Asks the service to end.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }
}

/// The signals that end a process.
#[derive(Debug)]
pub struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// Takes over SIGTERM and SIGINT, which from now on do nothing but end [`EndSignals::next`].
    ///
    /// # Errors
    /// What the operating system says.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of the signals and gives its number.
    pub async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }
}

/// How a service came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// All requests were answered.
    Complete,
    /// The time limit passed with requests unanswered.
    TimedOut,
    /// A second signal came; this is its number.
    Forced(i32),
}

/// Waits for a signal, pulls the trigger and waits until `service` has ended, at most `limit`, or until a second signal.
/// If the service ends by itself, its result is given at once.
pub async fn run_until_signal<T>(
    signals: &mut EndSignals,
    trigger: &Trigger,
    limit: Duration,
    service: impl Future<Output = T>,
) -> (End, Option<T>) {
    tokio::pin!(service);
    tokio::select! {
        result = &mut service => return (End::Complete, Some(result)),
        _ = signals.next() => trigger.pull(),
    }
    tokio::select! {
        result = &mut service => (End::Complete, Some(result)),
        number = signals.next() => (End::Forced(number), None),
        () = tokio::time::sleep(limit) => (End::TimedOut, None),
    }
}

/// Runs `service` until it is told to end by a signal and has done so, or `limit` has passed. Gives the exit status of the process.
pub async fn serve_until_signal<F: Future<Output = ()>>(
    signals: &mut EndSignals,
    limit: Duration,
    service: impl FnOnce(Shutdown) -> F,
) -> u8 {
    let (trigger, shutdown) = Shutdown::new();
    match run_until_signal(signals, &trigger, limit, service(shutdown))
        .await
        .0
    {
        End::Complete => {
            tracing::info!("Stopped");
            0
        }
        End::TimedOut => {
            tracing::warn!(
                "stopped with requests unanswered after {} seconds",
                limit.as_secs()
            );
            0
        }
        // What a shell reports of a process that died of the signal.
        End::Forced(number) => u8::try_from(128 + number).unwrap_or(1),
    }
}
