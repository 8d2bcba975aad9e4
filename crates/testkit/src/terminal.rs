//! A program on a terminal of its own: what it prints is waited for, what a person would type is typed.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long a prompt may take to appear, or a program to end.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Screen {
    bytes: Vec<u8>,
    closed: bool,
}

/// A running program with a terminal as its three standard streams.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<(Mutex<Screen>, Condvar)>,
    /// How much of the output earlier waits have used up.
    seen: usize,
}

impl Terminal {
    /// Starts `command` as leader of a session that this terminal controls.
    ///
    /// # Errors
    /// When there is no terminal to be had or the program cannot be started.
    pub fn spawn(command: &Command) -> anyhow::Result<Self> {
        Self::spawn_with_width(command, 0)
    }

    /// The same with a terminal that says it has so many columns.
    ///
    /// # Errors
    /// When there is no terminal to be had or the program cannot be started.
    pub fn spawn_with_width(command: &Command, columns: u16) -> anyhow::Result<Self> {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        let size = Winsize {
            ws_row: if columns == 0 { 0 } else { 50 },
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&controller, size)?;
        grantpt(&controller)?;
        unlockpt(&controller)?;
        let name: CString = ptsname(&controller, Vec::new())?;
        let open = || -> anyhow::Result<OwnedFd> {
            Ok(rustix::fs::open(
                name.as_c_str(),
                OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
                Mode::empty(),
            )?)
        };
        // The terminal must become the controlling one between fork and exec; `setsid --ctty` does that without unsafe code here. A caller that
        // runs in the background of a script has ^C switched off, which children inherit; `env` switches it on again.
        let mut leader = Command::new("setsid");
        leader
            .args(["--ctty", "--wait", "env", "--default-signal"])
            .arg(command.get_program())
            .args(command.get_args());
        leader.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                leader.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            leader.current_dir(folder);
        }
        let child = leader
            .stdin(open()?)
            .stdout(open()?)
            .stderr(open()?)
            .spawn()
            .with_context(|| {
                format!(
                    "start {} on a terminal",
                    Path::new(std::ffi::OsStr::from_bytes(
                        command.get_program().as_bytes()
                    ))
                    .display()
                )
            })?;
        drop(leader);

        let keyboard = File::from(controller);
        let screen = Arc::new((Mutex::new(Screen::default()), Condvar::new()));
        let (output, shared) = (keyboard.try_clone()?, Arc::clone(&screen));
        thread::spawn(move || copy(output, &shared));
        Ok(Self {
            child,
            keyboard,
            screen,
            seen: 0,
        })
    }

    /// Waits until `text` appears after what was waited for before, and gives what came before it.
    ///
    /// # Errors
    /// When the program ends or a minute passes without it; the text has all the output.
    pub fn expect(&mut self, text: &str) -> anyhow::Result<String> {
        let (lock, changed) = &*self.screen;
        let deadline = Instant::now() + LIMIT;
        let mut screen = lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let unseen = screen.bytes.get(self.seen..).unwrap_or_default();
            if let Some(at) = find(unseen, text.as_bytes()) {
                let (before, _) = unseen.split_at(at);
                self.seen += at + text.len();
                return Ok(String::from_utf8_lossy(before).into_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if screen.closed || left.is_zero() {
                bail!(
                    "`{text}` did not appear; on the terminal stands:\n{}",
                    String::from_utf8_lossy(&screen.bytes)
                );
            }
            (screen, _) = changed
                .wait_timeout(screen, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until one of `texts` appears after what was waited for before, and gives its place in the list and what came before it; `None` when
    /// the program ends without any.
    ///
    /// # Errors
    /// When a minute passes without it; the text has all the output.
    pub fn expect_any(&mut self, texts: &[&str]) -> anyhow::Result<Option<(usize, String)>> {
        let (lock, changed) = &*self.screen;
        let deadline = Instant::now() + LIMIT;
        let mut screen = lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let unseen = screen.bytes.get(self.seen..).unwrap_or_default();
            let first = texts
                .iter()
                .enumerate()
                .filter_map(|(index, text)| Some((find(unseen, text.as_bytes())?, index, text)))
                .min();
            if let Some((at, index, text)) = first {
                let (before, _) = unseen.split_at(at);
                self.seen += at + text.len();
                return Ok(Some((index, String::from_utf8_lossy(before).into_owned())));
            }
            if screen.closed {
                return Ok(None);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(
                !left.is_zero(),
                "none of {texts:?} appeared; on the terminal stands:\n{}",
                String::from_utf8_lossy(&screen.bytes)
            );
            (screen, _) = changed
                .wait_timeout(screen, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Types `text` and the return key.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn enter(&mut self, text: &str) -> anyhow::Result<()> {
        self.press(&format!("{text}\n"))
    }

    /// Types `text` and the return key once the program has switched the echo off, as a person would whose fingers are slower than the program.
    ///
    /// # Errors
    /// When the echo stays on for a minute or the terminal is gone.
    pub fn enter_secret(&mut self, text: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while tcgetattr(&self.keyboard)?
            .local_modes
            .contains(LocalModes::ECHO)
        {
            ensure!(
                Instant::now() < deadline,
                "the echo is still on at a prompt for a secret"
            );
            thread::sleep(Duration::from_millis(1));
        }
        self.enter(text)
    }

    /// Types exactly `keys`; `\u{3}` is ^C.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        Ok(self.keyboard.write_all(keys.as_bytes())?)
    }

    /// Waits for the end of the program; gives its status and all that stood on the terminal, with `\n` line ends.
    ///
    /// # Errors
    /// When it does not end within a minute; it is killed then.
    pub fn finish(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let (lock, changed) = &*self.screen;
        let screen = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (screen, _) = changed
            .wait_timeout_while(screen, LIMIT, |screen| !screen.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&screen.bytes).replace("\r\n", "\n");
        if !screen.closed {
            bail!("the program is still there; on the terminal stands:\n{text}");
        }
        drop(screen);
        Ok((self.child.wait()?, text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Closing the keyboard hangs up; the leader is killed for the case that it ignores that.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.press("\u{3}");
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn copy(mut output: File, shared: &(Mutex<Screen>, Condvar)) {
    let (lock, changed) = shared;
    let mut buffer = [0; 4096];
    loop {
        // The read fails with EIO once the last program has closed the terminal.
        let count = output.read(&mut buffer).unwrap_or(0);
        let mut screen = lock.lock().unwrap_or_else(PoisonError::into_inner);
        match buffer.get(..count) {
            Some(bytes) if !bytes.is_empty() => screen.bytes.extend_from_slice(bytes),
            _ => screen.closed = true,
        }
        changed.notify_all();
        if screen.closed {
            return;
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len().max(1))
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Terminal {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("PATH", "/usr/bin:/bin");
        Terminal::spawn(&command).unwrap()
    }

    #[test]
    fn prompts_are_answered_and_the_exit_code_arrives() {
        let mut terminal = shell(
            "test -t 0 && test -t 1 || exit 9; printf 'name: '; read name; echo \"hello $name\"; exit 4",
        );
        terminal.expect("name: ").unwrap();
        terminal.enter("jeff").unwrap();
        let (status, text) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(4));
        assert!(text.ends_with("hello jeff\n"), "{text:?}");
    }

    #[test]
    fn control_c_reaches_the_program() {
        let mut terminal =
            shell("trap 'echo caught; exit 130' INT; echo ready; while :; do sleep 0.05; done");
        terminal.expect("ready").unwrap();
        terminal.press("\u{3}").unwrap();
        let (status, text) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(130));
        assert!(text.contains("caught"), "{text:?}");
    }

    #[test]
    fn a_prompt_that_never_comes_is_an_error_with_the_output() {
        let mut terminal = shell("echo something else");
        let error = terminal.expect("name: ").unwrap_err().to_string();
        assert!(error.contains("something else"), "{error}");
    }
}
