//! Child processes with a time limit: commands that end, and services that run until they are dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How long a service may take until it is ready.
pub const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a command may take. Generous, because test machines are slow and shared; a hang is what it is there to end.
pub const COMMAND_LIMIT: Duration = Duration::from_secs(120);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What a command did.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The command as a person would type it.
    pub line: String,
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Finished {
    /// Standard output of a command that exited with 0.
    ///
    /// # Errors
    /// When it did not; the text shows the command and all that it printed.
    pub fn success(self) -> anyhow::Result<String> {
        if self.code == Some(0) {
            Ok(self.stdout)
        } else {
            bail!("did not succeed: {self}")
        }
    }

    /// Standard error of a command that exited with `code`.
    ///
    /// # Errors
    /// When it ended in any other way.
    pub fn failure(self, code: i32) -> anyhow::Result<String> {
        if self.code == Some(code) {
            Ok(self.stderr)
        } else {
            bail!("did not exit with {code}: {self}")
        }
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.line)?;
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, " exited with {code}")?,
            (None, Some(signal)) => write!(f, " was ended by signal {signal}")?,
            (None, None) => f.write_str(" ended")?,
        }
        write!(
            f,
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}

/// Runs a command to its end with `stdin` as standard input.
///
/// # Errors
/// When it cannot be started or is not over within `limit`; it is killed then.
pub fn run(command: &mut Command, stdin: &str, limit: Duration) -> anyhow::Result<Finished> {
    let line = command_line(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("start `{line}`"))?;
    let stdout = child.stdout.take().map(read_to_end);
    let stderr = child.stderr.take().map(read_to_end);
    if let Some(mut pipe) = child.stdin.take() {
        // A command that does not read its input closes the pipe; that is its right.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    let status = match wait_until(&mut child, Instant::now() + limit) {
        Ok(Some(status)) => status,
        outcome => {
            end_group(&mut child);
            outcome?;
            bail!("`{line}` was not over after {} s", limit.as_secs());
        }
    };
    Ok(Finished {
        line,
        code: status.code(),
        signal: status.signal(),
        stdout: join(stdout),
        stderr: join(stderr),
    })
}

fn read_to_end(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn join(reader: Option<thread::JoinHandle<Vec<u8>>>) -> String {
    let bytes = reader.and_then(|reader| reader.join().ok());
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// The end of `child`, or `None` when it still runs at `deadline`.
fn wait_until(child: &mut Child, deadline: Instant) -> anyhow::Result<Option<ExitStatus>> {
    // Most commands take a few milliseconds: look often at first, so that short ones are not measured as long ones.
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(POLL_INTERVAL);
    }
}

/// A command as it would be typed, for error texts and for the demo.
#[must_use]
pub fn command_line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Whether a service gets a process group of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// Its own: whatever it starts is killed with it.
    Own,
    /// The caller's: a ^C on the terminal reaches it as well.
    Shared,
}

/// A process that runs until it is stopped, killed or dropped.
#[derive(Debug)]
pub struct Service {
    name: String,
    child: Child,
    group: Group,
    log: PathBuf,
}

impl Service {
    /// Starts `command`; standard output and standard error are appended to the file `log`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(
        name: &str,
        command: &mut Command,
        log: &Path,
        group: Group,
    ) -> anyhow::Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}", log.display()))?;
        if group == Group::Own {
            command.process_group(0);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start `{}`", command_line(command)))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            group,
            log: log.to_path_buf(),
        })
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the service ends before, or `limit` is over; the text has the end of its log.
    pub fn wait_ready(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at its start ({status}); its log:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            if ready() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} is not ready after {} s; its log:\n{}",
                    self.name,
                    limit.as_secs(),
                    self.log_tail()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Whether the service ends within `limit`, or has ended already.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn ends_within(&mut self, limit: Duration) -> anyhow::Result<bool> {
        let deadline = Instant::now() + limit;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(true)
    }

    /// Waits until the service accepts connections at `address`.
    ///
    /// # Errors
    /// See [`Service::wait_ready`].
    pub fn wait_listening(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.wait_ready(START_LIMIT, || {
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        })
    }

    /// All that the service printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let skipped = lines.len().saturating_sub(30);
        lines
            .into_iter()
            .skip(skipped)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Its process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time of the whole process so far, user and system, in steps of 10 ms.
    ///
    /// # Errors
    /// When the kernel's account of the process cannot be read.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let [user, system] = cpu_ticks(&self.id().to_string())?;
        Ok(ticks(user + system))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Ends it as a crash would: SIGKILL, no farewell.
    pub fn kill(&mut self) {
        match self.group {
            Group::Own => end_group(&mut self.child),
            Group::Shared => {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Errors
    /// When it still runs after `limit`; it is killed then.
    pub fn stop(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.stop_by(Signal::TERM, limit)
    }

    /// Asks it to end by another signal and waits for that.
    ///
    /// # Errors
    /// When it still runs after `limit`; it is killed then.
    pub fn stop_by(&mut self, signal: Signal, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(signal)?;
        if let Some(status) = wait_until(&mut self.child, Instant::now() + limit)? {
            return Ok(status);
        }
        self.kill();
        bail!(
            "{} did not end within {} s after it was asked to; its log:\n{}",
            self.name,
            limit.as_secs(),
            self.log_tail()
        )
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end_group(child: &mut Child) {
    // Reaped already means that the ID may belong to somebody else by now.
    if let Ok(None) = child.try_wait() {
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// utime and stime of `/proc/<process>/stat`.
fn cpu_ticks(process: &str) -> anyhow::Result<[u64; 2]> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(')').context("no name in /proc/…/stat")?;
    let numbers: Vec<u64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    <[u64; 2]>::try_from(numbers)
        .map_err(|_| anyhow::anyhow!("too few fields in /proc/{process}/stat"))
}

fn ticks(count: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_micros(count * 1_000_000 / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_past_its_limit_is_killed() {
        let started = Instant::now();
        let outcome = run(
            Command::new("sleep").arg("60"),
            "",
            Duration::from_millis(200),
        );
        assert!(outcome.unwrap_err().to_string().contains("not over"));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn input_and_both_outputs_are_carried() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo to-stderr >&2; exit 3"]);
        let finished = run(&mut command, "hello", COMMAND_LIMIT).unwrap();
        assert_eq!(
            (
                finished.code,
                finished.stdout.as_str(),
                finished.stderr.as_str()
            ),
            (Some(3), "hello", "to-stderr\n")
        );
    }

    #[test]
    fn a_service_is_gone_with_what_it_started_once_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("pid");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("sleep 600 & echo $! > {}; wait", mark.display()));
        let mut service =
            Service::spawn("sh", &mut command, &folder.path().join("log"), Group::Own).unwrap();
        let written = || fs::read_to_string(&mark).is_ok_and(|text| text.ends_with('\n'));
        service.wait_ready(START_LIMIT, written).unwrap();
        let sleeper = fs::read_to_string(&mark).unwrap();
        drop(service);
        let stat = format!("/proc/{}/stat", sleeper.trim());
        let deadline = Instant::now() + START_LIMIT;
        // Its new parent reaps it a moment later, so a zombie counts as gone.
        while fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
            assert!(Instant::now() < deadline, "the grandchild still runs");
            thread::sleep(POLL_INTERVAL);
        }
    }

    #[test]
    fn words_are_quoted_as_a_shell_wants_them() {
        let mut command = Command::new("echo");
        command.args(["plain", "two words", "it's", ""]);
        assert_eq!(
            command_line(&command),
            r"echo plain 'two words' 'it'\''s' ''"
        );
    }
}
