//! Ends services that all tests of a process share.

use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::process::Service;

/// Ends a service and removes its folder once this process is gone, however it went: what is static is never dropped.
pub(super) struct Janitor {
    _process: Child,
    /// Closed by the end of this process.
    _alive: Option<ChildStdin>,
}

/// Its arguments: the process, the file that has its number for as long as it runs, the folder, the signal.
const SCRIPT: &str = r#"cat
[ "$(head -n 1 "$2")" = "$1" ] && kill "-$4" "$1"
tries=200; while [ -e "$2" ] && kill -0 "$1" && [ $((tries-=1)) -gt 0 ]; do sleep 0.05; done
rm -rf -- "$3""#;

impl Janitor {
    /// Watches over a service that keeps its number in the file `mark`.
    pub(super) fn watch(
        service: &Service,
        mark: &Path,
        folder: &Path,
        signal: &str,
    ) -> anyhow::Result<Self> {
        let mut process = Command::new("sh")
            .args(["-c", SCRIPT, "janitor"])
            .arg(service.id().to_string())
            .args([mark, folder])
            .arg(signal)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()?;
        Ok(Self {
            _alive: process.stdin.take(),
            _process: process,
        })
    }
}
