//! What keeps keys and passphrases inside the process.

/// From here on the process may hold keys and passphrases (security class A7).
#[cfg(target_os = "linux")]
pub(crate) fn keep_out_of_core_dumps() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::debug!("core dumps stay possible: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn keep_out_of_core_dumps() {}
