//! A daemon that says what a test wants: the Docker Engine API on a socket of its own, with answers from a script.
//!
//! What docker and our program show of the same answers can be compared with it, and it can misbehave as no real daemon does.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How long a client may take to send its request.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
const MAX_HEAD_BYTES: usize = 64 << 10;

/// An answer of a [`ScriptedDaemon`].
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    body: Vec<u8>,
    pause: Duration,
    hangs: bool,
}

impl Reply {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.as_bytes().to_vec(),
            pause: Duration::ZERO,
            hangs: false,
        }
    }

    /// The same answer, after which the connection stays open and silent.
    #[must_use]
    pub fn then_silence(mut self) -> Self {
        self.hangs = true;
        self
    }

    /// The same answer, line by line with pauses in between.
    #[must_use]
    pub fn with_pauses(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }
}

/// A request that a [`ScriptedDaemon`] got.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method and target: `GET /v1.41/images/x/json`.
    pub line: String,
    /// All header lines.
    pub headers: String,
}

type Script = dyn Fn(&str) -> Reply + Send + Sync;

/// A daemon with a script. Connections are closed when it is dropped.
#[derive(Debug)]
pub struct ScriptedDaemon {
    folder: TempDir,
    received: Arc<Mutex<Vec<Received>>>,
}

impl ScriptedDaemon {
    /// Starts one. `script` answers `METHOD /path`; pings are answered with `api_version`.
    ///
    /// # Errors
    /// When there is no room for a socket.
    pub fn start(
        api_version: &'static str,
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = UnixListener::bind(folder.path().join("docker.sock"))?;
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (log, script) = (
            Arc::clone(&received),
            Arc::<Script>::from(Box::new(script) as Box<Script>),
        );
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                thread::spawn(move || {
                    // A client that goes away is the test's own choice.
                    let _ = serve(stream, api_version, &script, &log);
                });
            }
        });
        Ok(Self { folder, received })
    }

    /// Its address, as `DOCKER_HOST` takes it.
    #[must_use]
    pub fn host(&self) -> String {
        format!(
            "unix://{}",
            self.folder.path().join("docker.sock").display()
        )
    }

    /// What was asked since the last call, pings left out.
    #[must_use]
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(
    mut stream: UnixStream,
    api_version: &str,
    script: &Arc<Script>,
    log: &Mutex<Vec<Received>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_LIMIT))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD_BYTES || stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (first, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
    let line = first.trim_end_matches(" HTTP/1.1").to_owned();
    if line.ends_with("/_ping") {
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\nApi-Version: {api_version}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let reply = script(&line);
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Received {
            line,
            headers: headers.to_owned(),
        });
    write!(
        stream,
        "HTTP/1.1 {} Scripted\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        reply.status
    )?;
    for piece in reply.body.split_inclusive(|byte| *byte == b'\n') {
        write!(stream, "{:x}\r\n", piece.len())?;
        stream.write_all(piece)?;
        stream.write_all(b"\r\n")?;
        thread::sleep(reply.pause);
    }
    if reply.hangs {
        // Until the client gives up.
        stream.set_read_timeout(None)?;
        let _ = stream.read(&mut byte)?;
        return Ok(());
    }
    stream.write_all(b"0\r\n\r\n")
}
