//! Commands whose memory is watched.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use signet_testkit::process::command_line;

/// How long between two looks at a process.
const STEP: Duration = Duration::from_millis(1);

/// Runs a command that must succeed, what it prints thrown away, and gives the most memory that it had resident, in bytes. `None` when it was over
/// before anybody could look.
pub(crate) fn run_and_watch(command: &mut Command) -> anyhow::Result<Option<u64>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let account = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        // The kernel keeps the high-water mark, so that little is missed between two looks.
        peak = peak.max(resident(Path::new(&account)));
        if let Some(status) = child.try_wait()? {
            ensure!(
                status.success(),
                "`{}` fails: {status}",
                command_line(command)
            );
            return Ok(peak);
        }
        thread::sleep(STEP);
    }
}

/// How much of a process is in memory now.
pub(crate) fn resident_now(id: u32) -> Option<u64> {
    entry(Path::new(&format!("/proc/{id}/status")), "VmRSS:")
}

fn resident(account: &Path) -> Option<u64> {
    entry(account, "VmHWM:")
}

fn entry(account: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(account).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024)
}

#[expect(clippy::cast_precision_loss, reason = "a figure in a table")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
