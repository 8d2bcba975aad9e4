//! Keys of the server that a repository does not need any more.
//!
//! A key is retired when a root is stored that lists it no longer. That happens after the commit, and a failure is logged
//! and nothing else: a key that is kept for nothing does no harm, one that is missed does. The keys of a repository that is
//! deleted stay for the same reason: its owner may publish it again with the root that lists them.

use std::collections::BTreeSet;
use std::iter;
use std::time::Duration;

use signet_tuf::{Gun, KeyId, Root};
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::http::ManagedRole;
use crate::seal::server_keys;
use crate::trust::TrustService;

/// The keys of the server's roles in the root before that the new root lists for no role.
pub(crate) fn dropped_keys(before: &Root, after: &Root) -> BTreeSet<KeyId> {
    let listed = |root: &Root, roles: &[signet_tuf::BaseRole]| -> BTreeSet<KeyId> {
        let keys = roles.iter().map(|role| root.role_keys(*role));
        keys.flat_map(|keys| keys.keys().map(|key| key.id().clone()).collect::<Vec<_>>())
            .collect()
    };
    let ours = [ManagedRole::Timestamp, ManagedRole::Snapshot].map(ManagedRole::base);
    let kept = listed(after, &signet_tuf::BaseRole::ALL);
    // Each may be a question to the signer.
    let keys = ours.iter().flat_map(|role| server_keys(before, *role));
    let mut dropped: BTreeSet<KeyId> = keys.map(|key| key.id().clone()).collect();
    dropped.retain(|id| !kept.contains(id));
    dropped
}

impl App {
    /// Tells the trust service that keys of this repository sign nothing any more. Only to be called once the root without
    /// them is stored.
    pub(crate) async fn retire(&self, gun: &Gun, keys: &BTreeSet<KeyId>) {
        retire(self.trust(), gun, keys).await;
    }
}

/// Within [`PATIENCE`], for somebody waits who has published already.
async fn retire(trust: &dyn TrustService, gun: &Gun, keys: &BTreeSet<KeyId>) {
    let deadline = Instant::now() + PATIENCE;
    let mut left = keys.iter();
    while let Some(id) = left.next() {
        match timeout_at(deadline, trust.retire_key(gun, id)).await {
            Ok(Ok(true)) => tracing::info!(%gun, key = %id, "retired key {id} of {gun}"),
            // The publisher's, another server's, or not known whose.
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(
                %gun,
                key = %id,
                error = &error as &dyn std::error::Error,
                "key {id}, which {gun} does not use any more, was not retired"
            ),
            Err(_) => {
                let late: Vec<&str> = iter::once(id).chain(left).map(KeyId::as_str).collect();
                let late = late.join(", ");
                tracing::warn!(
                    %gun,
                    "these keys, which {gun} does not use any more, were not retired, because the keys did not answer in time: {late}"
                );
                return;
            }
        }
    }
}

/// Longest time for all keys of one update.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use signet_tuf::PublicKey;

    use super::*;
    use crate::trust::TrustError;

    /// Answers nothing, ever.
    #[derive(Debug)]
    struct Hangs;

    #[async_trait]
    impl TrustService for Hangs {
        async fn create_key(&self, _: &Gun, _: ManagedRole) -> Result<PublicKey, TrustError> {
            std::future::pending().await
        }

        async fn find_key(&self, _: &Gun, _: &KeyId) -> Result<Option<PublicKey>, TrustError> {
            std::future::pending().await
        }

        async fn sign(&self, _: &Gun, _: &KeyId, _: &[u8]) -> Result<Vec<u8>, TrustError> {
            std::future::pending().await
        }

        async fn retire_key(&self, _: &Gun, _: &KeyId) -> Result<bool, TrustError> {
            std::future::pending().await
        }

        async fn check(&self) -> Result<(), TrustError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_waits_for_old_keys_for_a_bounded_time() {
        let ids = (0..32).map(|number| format!("{number:064x}").parse().unwrap());
        let keys: BTreeSet<KeyId> = ids.collect();
        let gun = "a".parse().unwrap();
        // On a clock that goes on by itself when nothing else is to be done.
        let retired = tokio::time::timeout(PATIENCE * 2, retire(&Hangs, &gun, &keys));
        retired.await.unwrap();
    }
}
