//! What signals do beside ending the server.

use std::sync::Arc;
use std::time::Duration;

use signet_server::Clock;
use signet_service::listen::Address;
use signet_service::local_ca::Renewed;
use signet_service::process::chain;
use signet_service::tls::Tls;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::failure::Failure;
use super::quickstart::DataFolder;

/// SIGHUP reads the certificates again, and so does a change of their files; those that the server made itself are renewed in time.
pub(super) fn certificate_signals(
    tls: Option<Arc<Tls>>,
    own: Option<Arc<DataFolder>>,
    address: Address,
    clock: Clock,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::Signals)?;
    tasks.spawn(async move {
        let mut daily = tokio::time::interval(RENEWAL_CHECK);
        daily.tick().await;
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => true,
                _ = daily.tick() => false,
                // Files change under the server where secrets are mounted, and nobody sends a signal.
                () = tokio::time::sleep(LOOK) => match &tls {
                    Some(tls) if tls.has_changed() => true,
                    _ => continue,
                },
            };
            let renewed = match own
                .as_ref()
                .map(|folder| folder.certificate(&address, clock()))
            {
                None => asked,
                Some(Ok(ca)) => asked || ca.renewed != Renewed::Nothing,
                Some(Err(error)) => {
                    tracing::error!("the certificate cannot be renewed: {}", chain(&error));
                    asked
                }
            };
            // Without TLS there is nothing to read, and the signal must not end the process all the same.
            match tls.as_ref().filter(|_| renewed).map(|tls| tls.reload()) {
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
