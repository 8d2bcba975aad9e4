//! What a service does to its own process, and how it says who it is.

use std::error::Error as StdError;
use std::io::{self, Write as _};

use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::telemetry::Telemetry;

/// Stands where the Go services write the version of Go; scripts take lines apart by these words.
pub const GO_VERSION: &str = "none";
/// What the program was built from.
pub const GIT_COMMIT: &str = match option_env!("SIGNET_GIT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// `Version: …, Git commit: …, Go version: …`, the first line of the log.
#[must_use]
pub fn version() -> String {
    format!(
        "Version: {}, Git commit: {GIT_COMMIT}, Go version: {GO_VERSION}",
        env!("CARGO_PKG_VERSION")
    )
}

/// Whatever is created is for this user alone. To be called first in `main`.
pub fn private_umask() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// As many open files as the system allows: every connection is one.
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Without permission the limit stays as it is, and so does the work.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// For a process with keys in memory: no core dumps, and no other process of this user looks in.
pub fn protect_memory() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("core dumps of this process cannot be switched off: {error}");
    }
}

/// SIGUSR1 and SIGUSR2 change the log level and say so on standard output.
///
/// # Errors
/// What the operating system says.
pub fn level_signals(log: Telemetry, tasks: &mut JoinSet<()>) -> io::Result<()> {
    let mut raise = signal(SignalKind::user_defined1())?;
    let mut lower = signal(SignalKind::user_defined2())?;
    tasks.spawn(async move {
        loop {
            let up = tokio::select! {
                _ = raise.recv() => true,
                _ = lower.recv() => false,
            };
            print(&format!("{}\n", log.step(up)));
        }
    });
    Ok(())
}

/// Writes to standard output. If nobody reads it, the work goes on.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error. If nobody reads it, the work goes on.
pub fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some libraries repeat the text of the cause in their own.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn a07_no_memory_dump_shows_a_key() {
        protect_memory();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
