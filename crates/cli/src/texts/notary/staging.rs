//! Staging changes: `add`, `addhash`, `remove`, `status`, `reset`.

use crate::texts::visible;

/// A role that lists no targets.
#[must_use]
pub fn role_without_targets(role: &str) -> String {
    format!(
        "tuf: invalid role {}. cannot add targets to this role",
        visible(role)
    )
}

/// A removal is staged.
#[must_use]
pub fn removal_staged(target: &str, gun: &str) -> String {
    format!(
        "Removal of {} from {gun} staged for next publish.\n",
        visible(target)
    )
}
