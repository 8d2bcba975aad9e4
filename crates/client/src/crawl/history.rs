//! Earlier states of a repository, as far as a server still has them.

use signet_tuf::rules::MAX_VERSION;
use signet_tuf::update::MAX_TIMESTAMP_BYTES;
use signet_tuf::{RoleName, Version};

use super::repository::Stop;
use super::walk::Walk;

/// Most earlier states that are asked for.
const MAX_STATES: Version = 1 << 14;

impl Walk<'_> {
    /// Every earlier timestamp with the snapshot that it names, and every document that that one names. What later states share with earlier
    /// ones is there already. The newest come first, so that a limit costs the oldest.
    pub(super) async fn history(&mut self) -> Result<(), Stop> {
        let role = RoleName::timestamp();
        let newest = self.found.newest(&role).unwrap_or(0).min(MAX_VERSION);
        let least = newest.saturating_sub(MAX_STATES).max(1);
        if least > 1 {
            self.leave_out(format!(
                "of the states before version {newest} of the timestamp, only {MAX_STATES} were asked for"
            ));
        }
        let timestamps = self
            .versions(&role, least..newest, MAX_TIMESTAMP_BYTES)
            .await?;
        for timestamp in timestamps {
            if let Some(snapshot) = self.snapshot_of(&timestamp).await? {
                self.roles_of(&snapshot).await?;
            }
        }
        Ok(())
    }
}
