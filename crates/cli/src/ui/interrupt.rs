//! Ending early without leaving the terminal mute.
//!
//! While a passphrase is typed the terminal does not echo. A signal, or docker closing the plugin's socket, must give the echo back before
//! the process ends. Everything that matters on disk is written atomically, so ending at any moment is safe.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of a command that was interrupted, as shells count it.
pub const INTERRUPTED: u8 = 130;

static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static OPEN_LINE: AtomicBool = AtomicBool::new(false);
static WATCHING: OnceLock<()> = OnceLock::new();
/// What the person is told when a signal ends the process.
static FAREWELL: Mutex<Option<String>> = Mutex::new(None);
/// The process that has taken over, while this one only waits for its end.
static SUCCESSOR: Mutex<Option<Pid>> = Mutex::new(None);

/// Standard input without echo; the echo comes back when it is dropped or the process is interrupted.
#[derive(Debug)]
pub struct EchoOff(());

impl EchoOff {
    /// Switches the echo off.
    ///
    /// # Errors
    /// When standard input is no terminal, or its mode cannot be changed.
    pub fn new() -> io::Result<Self> {
        WATCHING.get_or_init(watch_signals);
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        let modes = tcgetattr(io::stdin())?;
        let mut mute = modes.clone();
        mute.local_modes.remove(LocalModes::ECHO);
        *before = Some(modes);
        // Lines typed ahead are kept: they answer the prompts that follow.
        tcsetattr(io::stdin(), OptionalActions::Drain, &mute)?;
        Ok(Self(()))
    }
}

/// A question on the terminal whose answer is shown. A signal ends the line before it ends the process.
#[derive(Debug)]
pub struct Question(());

impl Question {
    /// Starts watching for signals.
    #[must_use]
    pub fn new() -> Self {
        WATCHING.get_or_init(watch_signals);
        OPEN_LINE.store(true, Ordering::Relaxed);
        Self(())
    }
}

impl Default for Question {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        OPEN_LINE.store(false, Ordering::Relaxed);
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        restore();
    }
}

/// From now on a signal says this on standard error before it ends the process; `None`: nothing any more.
pub fn set_farewell(text: Option<String>) {
    WATCHING.get_or_init(watch_signals);
    *FAREWELL.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

fn restore() -> bool {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    match before {
        Some(modes) => {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
            true
        }
        None => false,
    }
}

/// Ends the process when docker closes the plugin's socket, which is how it passes an interruption on.
///
/// A socket that cannot be reached is no reason to fail: the signal arrives through the terminal then.
pub fn watch_socket(name: &str) {
    let stream = connect(name);
    let Ok(mut stream) = stream else {
        tracing::debug!("cannot connect to docker's plugin socket");
        return;
    };
    let _ = thread::Builder::new()
        .name("plugin-socket".into())
        .spawn(move || {
            let mut ignored = [0_u8; 64];
            while !matches!(stream.read(&mut ignored), Ok(0) | Err(_)) {}
            if !end_successor() {
                end(INTERRUPTED);
            }
        });
}

/// From now on the end of docker's socket ends that process, and not this one.
pub fn hand_over(successor: Option<u32>) {
    let successor = successor
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    *SUCCESSOR.lock().unwrap_or_else(PoisonError::into_inner) = successor;
}

/// Asks the process that has taken over to end. `false` when there is none.
pub fn end_successor() -> bool {
    match *SUCCESSOR.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(successor) => {
            let _ = kill_process(successor, Signal::TERM);
            true
        }
        None => false,
    }
}

/// On Linux a name that begins with `@` is no file.
#[cfg(target_os = "linux")]
fn connect(name: &str) -> io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    match name.strip_prefix('@') {
        Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?),
        None => UnixStream::connect(name),
    }
}

#[cfg(not(target_os = "linux"))]
fn connect(name: &str) -> io::Result<UnixStream> {
    UnixStream::connect(name)
}

/// Starts watching for the signals that end a program. Without this they end it at once, and nothing restores the terminal.
fn watch_signals() {
    let (ready, wait) = mpsc::channel::<()>();
    let watcher = thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
            else {
                return;
            };
            runtime.block_on(async {
                let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
                    signal(SignalKind::interrupt()),
                    signal(SignalKind::terminate()),
                    signal(SignalKind::hangup()),
                ) else {
                    return;
                };
                drop(ready);
                let code = tokio::select! {
                    _ = interrupt.recv() => INTERRUPTED,
                    _ = terminate.recv() => 143,
                    _ = hangup.recv() => 129,
                };
                end(code);
            });
        });
    if watcher.is_ok() {
        // The sender is dropped when the watch stands, or when it cannot.
        let _ = wait.recv();
    }
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "another thread is blocked reading the terminal; there is no other way out"
)]
fn end(code: u8) -> ! {
    if restore() || OPEN_LINE.load(Ordering::Relaxed) {
        let _ = io::stdout().lock().write_all(b"\n");
    }
    let farewell = FAREWELL
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(text) = farewell {
        let start = if io::stderr().is_terminal() {
            "\r\x1b[K"
        } else {
            ""
        };
        let _ = io::stderr()
            .lock()
            .write_all(format!("{start}{text}").as_bytes());
    }
    std::process::exit(i32::from(code))
}
