//! Data to standard output, talk to standard error, and a sign of life on a terminal when something takes its time.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The two output streams. Cheap to clone; clones share the sign of life.
#[derive(Clone, Debug)]
pub struct Printer {
    life: Arc<Life>,
    talks_to_terminal: bool,
    color: bool,
}

impl Printer {
    /// The process's streams.
    #[must_use]
    pub fn new(no_color: bool) -> Self {
        let talks_to_terminal = io::stderr().is_terminal();
        Self {
            life: Arc::default(),
            talks_to_terminal,
            color: talks_to_terminal && !no_color,
        }
    }

    /// Writes to standard output.
    ///
    /// # Errors
    /// When the stream is closed or full: what was asked for did not arrive, so the command has failed.
    pub fn out(&self, text: &str) -> io::Result<()> {
        let _life = self.life.clear();
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Writes piece by piece to standard output, as for long tables that nobody needs as a whole.
    ///
    /// # Errors
    /// As [`Printer::out`].
    pub fn out_with(
        &self,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let _life = self.life.clear();
        let mut stdout = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
        write(&mut stdout)?;
        stdout.flush()
    }

    /// Writes to standard error. There is nobody left to tell when that fails.
    pub fn err(&self, text: &str) {
        let _life = self.life.clear();
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Whether standard error is a terminal, where hints help and disturb no script.
    #[must_use]
    pub fn talks_to_terminal(&self) -> bool {
        self.talks_to_terminal
    }

    /// Whether standard error may carry colours.
    #[must_use]
    pub fn has_color(&self) -> bool {
        self.color
    }

    /// Says what is going on, on a terminal and only once it has taken a second, until the returned value is dropped.
    #[must_use]
    pub fn busy(&self, label: &str) -> Busy {
        if self.talks_to_terminal {
            Life::start(&self.life, label);
        }
        Busy(Arc::clone(&self.life))
    }

    /// Keeps the sign of life away while the person is being asked, until the returned value is dropped.
    #[must_use]
    pub fn asking(&self) -> Asking {
        self.life.clear().asking += 1;
        Asking(Arc::clone(&self.life))
    }
}

/// Something that takes its time; see [`Printer::busy`].
#[derive(Debug)]
pub struct Busy(Arc<Life>);

impl Busy {
    /// Says something else from now on.
    pub fn say(&self, label: &str) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        // On a terminal only there is something to replace.
        if let Some(said) = &mut state.label {
            label.clone_into(said);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.clear().label = None;
    }
}

/// The person is being asked; see [`Printer::asking`].
#[derive(Debug)]
pub struct Asking(Arc<Life>);

impl Drop for Asking {
    fn drop(&mut self) {
        let mut state = self.0.clear();
        state.asking = state.asking.saturating_sub(1);
    }
}

#[derive(Debug, Default)]
struct Life {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    label: Option<String>,
    quiet_since: Option<Instant>,
    asking: usize,
    drawn: bool,
    running: bool,
}

impl Life {
    /// How long nothing may happen before the person is told.
    const PATIENCE: Duration = Duration::from_secs(1);
    const STEP: Duration = Duration::from_millis(120);

    /// Takes the line off the terminal and starts waiting anew. Nothing is drawn while the guard is held.
    fn clear(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.drawn {
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
            state.drawn = false;
        }
        state.quiet_since = Some(Instant::now());
        state
    }

    fn start(this: &Arc<Self>, label: &str) {
        let mut state = this.clear();
        state.label = Some(label.to_owned());
        if state.running {
            this.wake.notify_all();
            return;
        }
        let shared = Arc::clone(this);
        // Without the thread there is no sign of life, and nothing else changes.
        state.running = thread::Builder::new()
            .name("progress".into())
            .spawn(move || shared.run())
            .is_ok();
    }

    fn run(&self) {
        const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
        let mut frames = FRAMES.iter().cycle();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.label.is_none() {
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state = self
                .wake
                .wait_timeout(state, Self::STEP)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let waited = state
                .quiet_since
                .is_some_and(|since| since.elapsed() >= Self::PATIENCE);
            if let (Some(label), Some(frame), 0) = (&state.label, frames.next(), state.asking)
                && (state.drawn || waited)
            {
                let _ = io::stderr()
                    .lock()
                    .write_all(format!("\r{frame} {label}\x1b[K").as_bytes());
                state.drawn = true;
            }
        }
    }
}
