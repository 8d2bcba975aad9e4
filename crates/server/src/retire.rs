//! Keys of the server that a repository does not need any more.
//!
//! A key is retired when a root is stored that lists it no longer. That happens after the commit, and a failure is logged
//! and nothing else: a key that is kept for nothing does no harm, one that is missed does. The keys of a repository that is
//! deleted stay for the same reason: its owner may publish it again with the root that lists them.

use std::collections::BTreeSet;

use signet_tuf::{Gun, KeyId, Root};

use crate::app::App;
use crate::http::ManagedRole;
use crate::seal::server_keys;

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
        for id in keys {
            match self.trust().retire_key(gun, id).await {
                Ok(true) => tracing::info!(%gun, key = %id, "retired key {id} of {gun}"),
                // The publisher's, another server's, or not known whose.
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    %gun,
                    key = %id,
                    error = &error as &dyn std::error::Error,
                    "key {id}, which {gun} does not use any more, was not retired"
                ),
            }
        }
    }
}
