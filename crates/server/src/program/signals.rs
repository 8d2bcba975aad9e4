//! What signals do beside ending the server.

use std::sync::Arc;

use signet_server::Clock;
use signet_service::certificates;
use signet_service::listen::Address;
use signet_service::local_ca::Renewed;
use signet_service::process::chain;
use signet_service::tls::Tls;
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
    let renew = move || {
        let renewed = own
            .as_ref()
            .map(|folder| folder.certificate(&address, clock()));
        match renewed {
            None => false,
            Some(Ok(ca)) => ca.renewed != Renewed::Nothing,
            Some(Err(error)) => {
                tracing::error!("the certificate cannot be renewed: {}", chain(&error));
                false
            }
        }
    };
    certificates::keep_current(tls, renew, tasks).map_err(Failure::Signals)
}
