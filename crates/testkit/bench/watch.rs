//! Commands whose memory is watched.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
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

/// CPU time, user and system, of all children of this process that have ended and been waited for. `/proc` tells it in steps of 10 ms only, which
/// is more than a short command takes.
///
/// # Errors
/// When the kernel's account cannot be read.
pub(crate) fn children_cpu_time() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(duration(usage.user_time())? + duration(usage.system_time())?)
}

fn duration(time: TimeVal) -> anyhow::Result<Duration> {
    let micros = u64::try_from(time.tv_usec())?;
    Ok(Duration::from_secs(u64::try_from(time.tv_sec())?) + Duration::from_micros(micros))
}

/// CPU time, user and system, of a process and of its children, those that are over too; in steps of 10 ms for each of them.
///
/// # Errors
/// When the kernel's account cannot be read.
pub(crate) fn family_cpu_time(parent: u32) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that is over meanwhile is in its parent's account.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            continue;
        };
        // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
        let Some((_, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let own = [11, 12].into_iter().filter_map(number).sum::<u64>();
        if id == parent {
            ticks += own + [13, 14].into_iter().filter_map(number).sum::<u64>();
        } else if number(1) == Some(parent.into()) {
            ticks += own;
        }
    }
    ensure!(ticks > 0, "process {parent} has no account");
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(ticks * 1000 / per_second))
}
