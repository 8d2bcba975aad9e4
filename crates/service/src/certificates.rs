//! Certificates that are replaced while a service runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::process::chain;
use crate::tls::Tls;

/// Reads the files of `tls` again when they have changed, and at SIGHUP, which without TLS does nothing. Files that cannot be used change
/// nothing but the log: what was loaded before stays in use.
///
/// `renew` is called before that, and twice a day, and says whether it has written the files anew; services with certificates of somebody
/// else's have nothing to do there.
///
/// # Errors
/// What the operating system says.
pub fn keep_current(
    tls: Option<Arc<Tls>>,
    mut renew: impl FnMut() -> bool + Send + 'static,
    tasks: &mut JoinSet<()>,
) -> io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    tasks.spawn(async move {
        let mut daily = tokio::time::interval(RENEWAL_CHECK);
        daily.tick().await;
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => true,
                _ = daily.tick() => false,
                // Files change under a service where secrets are mounted, and nobody sends a signal.
                () = tokio::time::sleep(LOOK) => match &tls {
                    Some(tls) if tls.has_changed() => true,
                    _ => continue,
                },
            };
            let due = renew() || asked;
            // Without TLS there is nothing to read, and the signal must not end the process all the same.
            match tls.as_ref().filter(|_| due).map(|tls| tls.reload()) {
                None => {}
                Some(Ok(())) => tracing::info!("read the certificates again"),
                Some(Err(error)) => {
                    tracing::error!("the certificates stay as they are: {}", chain(&error));
                }
            }
        }
    });
    Ok(())
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
const RENEWAL_CHECK: Duration = Duration::from_secs(12 * 60 * 60);
