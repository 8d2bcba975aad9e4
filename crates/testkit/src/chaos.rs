//! A TLS proxy in front of a plain server that spoils chosen answers.
//!
//! Each request goes upstream on a connection of its own; the whole answer is read, then handed on as the test wants it. Clients see TLS all the
//! time, so that what they must survive is what an attacker on the server, or a dying server, does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustls::{ServerConnection, StreamOwned};

use crate::certificate::{Identity, server_config};
use crate::http::{Request, message, parse_response, read_request, split_head};
use crate::listener::{Listener, TIME_LIMIT};

const MAX_MESSAGE_BYTES: usize = 128 << 20;

/// What happens to one answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Nothing: it is handed on as it is.
    None,
    /// The connection ends without a byte of answer. The server has acted on the request all the same.
    Cut,
    /// The request never reaches the server, and the connection ends.
    Lost,
    /// The answer comes this much later.
    Slow(Duration),
    /// The announced length stays, but only the first half of the body comes before the connection ends.
    Truncated,
    /// The first answer that ever came for the same method and path, however old it is.
    Replayed,
    /// The newest answer for another path.
    Swapped(String),
    /// This status with an empty JSON object. The server has acted on the request all the same.
    Status(u16),
    /// The same, and the request never reaches the server.
    Refused(u16),
    /// The same with this body.
    RefusedWith(u16, Vec<u8>),
    /// 200 and this body.
    Body(Vec<u8>),
    /// This status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The answer's own head, with this body instead of its own.
    Forged(Vec<u8>),
    /// The answer to a request for another path.
    Instead(String),
    /// The answer of another plain server to the same request.
    Elsewhere(SocketAddr),
    /// Nothing for who sends this `Authorization`; for others 401 with this `WWW-Authenticate`.
    Unless(String, String),
    /// 200, and bytes without end; the client has to stop reading.
    Endless,
    /// 200, and one byte a second without end; the client has to lose patience.
    Dripping,
    /// Nothing at all, on an open connection.
    Silent,
}

type Rule = dyn Fn(&str, &str) -> Fault + Send + Sync;

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    listener: Listener,
    state: Arc<State>,
}

struct State {
    upstream: SocketAddr,
    tls: Arc<rustls::ServerConfig>,
    rule: Mutex<Arc<Rule>>,
    log: Mutex<Vec<String>>,
    /// Answers by method and path.
    answers: Mutex<BTreeMap<String, Seen>>,
}

struct Seen {
    first: Vec<u8>,
    newest: Vec<u8>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts one with `identity` as its certificate in front of the plain HTTP server at `upstream`. It is faithful until [`Proxy::set`].
    ///
    /// # Errors
    /// When no port is free or the identity is unusable.
    pub fn start(upstream: SocketAddr, identity: &Identity) -> anyhow::Result<Self> {
        let state = Arc::new(State {
            upstream,
            tls: server_config(identity)?,
            rule: Mutex::new(Arc::new(|_: &str, _: &str| Fault::None)),
            log: Mutex::default(),
            answers: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        // A broken connection is what this proxy is for.
        let listener = Listener::start(move |stream| shared.serve(stream))?;
        Ok(Self { listener, state })
    }

    /// From now on, `rule` says for each method and path what happens to the answer.
    pub fn set(&self, rule: impl Fn(&str, &str) -> Fault + Send + Sync + 'static) {
        *self
            .state
            .rule
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
    }

    /// Hands everything on unharmed again.
    pub fn heal(&self) {
        self.set(|_, _| Fault::None);
    }

    /// The requests since the last call, as `METHOD path`.
    #[must_use]
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(
            &mut *self
                .state
                .log
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Its name in image references when a registry is behind it. The daemon takes any certificate of a registry on this machine.
    #[must_use]
    pub fn host(&self) -> String {
        format!("localhost:{}", self.listener.port())
    }

    /// Its address as clients are told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.listener.port())
    }
}

impl State {
    /// Answers one request on a fresh connection, then closes it.
    fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        let mut client = StreamOwned::new(ServerConnection::new(Arc::clone(&self.tls))?, stream);
        let request = read_request(&mut client)?;
        let line = format!("{} {}", request.method, request.path);
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.clone());

        let rule = Arc::clone(&self.rule.lock().unwrap_or_else(PoisonError::into_inner));
        let fault = rule(&request.method, &request.path);
        let answer = match &fault {
            Fault::Lost => return Ok(()),
            Fault::Refused(status) => message(*status, &[], b"{}"),
            Fault::RefusedWith(status, body) => message(*status, &[], body),
            Fault::Silent => {
                // Until the client goes away.
                let _ = client.read(&mut [0]);
                return Ok(());
            }
            Fault::Instead(path) => forward(self.upstream, &request, path)?,
            Fault::Elsewhere(server) => forward(*server, &request, &request.path)?,
            _ => forward(self.upstream, &request, &request.path)?,
        };
        let first = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let seen = answers.entry(line).or_insert_with(|| Seen {
                first: answer.clone(),
                newest: Vec::new(),
            });
            seen.newest.clone_from(&answer);
            seen.first.clone()
        };
        match fault {
            Fault::None
            | Fault::Instead(_)
            | Fault::Elsewhere(_)
            | Fault::Refused(_)
            | Fault::RefusedWith(..) => {
                client.write_all(&answer)?;
            }
            Fault::Cut | Fault::Lost | Fault::Silent => return Ok(()),
            Fault::Slow(delay) => {
                thread::sleep(delay);
                client.write_all(&answer)?;
            }
            Fault::Truncated => {
                let body_start = split_head(&answer).map_or(0, |(head, _)| head.len() + 4);
                let half = body_start + (answer.len() - body_start) / 2;
                client.write_all(answer.get(..half).unwrap_or(&answer))?;
                client.flush()?;
                return Ok(());
            }
            Fault::Replayed => client.write_all(&first)?,
            Fault::Swapped(path) => {
                let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                let other = answers
                    .get(&format!("{} {path}", request.method))
                    .map(|seen| seen.newest.clone());
                drop(answers);
                client.write_all(&other.unwrap_or(answer))?;
            }
            Fault::Status(status) => client.write_all(&message(status, &[], b"{}"))?,
            Fault::Body(body) => client.write_all(&message(200, &[], &body))?,
            Fault::Unless(authorization, challenge) => {
                let sent = request
                    .headers
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
                if sent.is_some_and(|(_, value)| *value == authorization) {
                    client.write_all(&answer)?;
                } else {
                    let headers = [("WWW-Authenticate", challenge.as_str())];
                    client.write_all(&message(401, &headers, b"{}"))?;
                }
            }
            Fault::Answer(status, headers, body) => {
                let headers: Vec<(&str, &str)> = headers
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                client.write_all(&message(status, &headers, &body))?;
            }
            Fault::Forged(body) => {
                let (head, _) = split_head(&answer).context("no head")?;
                let lines = head
                    .lines()
                    .filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
                let head: String = lines.map(|line| format!("{line}\r\n")).collect();
                let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
                client.write_all(&[head.into_bytes(), body].concat())?;
            }
            Fault::Dripping => {
                client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                // Until the client goes away.
                loop {
                    client.write_all(b" ")?;
                    client.flush()?;
                    thread::sleep(Duration::from_secs(1));
                }
            }
            Fault::Endless => {
                client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                let chunk = [b' '; 1 << 16];
                for _ in 0..MAX_MESSAGE_BYTES / chunk.len() {
                    client.write_all(&chunk)?;
                }
            }
        }
        client.conn.send_close_notify();
        client.flush()?;
        Ok(())
    }
}

/// A server's answer as one message with its length announced and `Connection: close`.
fn forward(server: SocketAddr, request: &Request, path: &str) -> anyhow::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect_timeout(&server, TIME_LIMIT)?;
    upstream.set_read_timeout(Some(TIME_LIMIT))?;
    let mut head = format!(
        "{} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        request.method,
        request.body.len()
    );
    for (name, value) in &request.headers {
        if !is_about_the_connection(name) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str("\r\n");
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(&request.body)?;
    let mut raw = Vec::new();
    upstream.read_to_end(&mut raw)?;
    let response = parse_response(&raw, &request.method)?;
    // The answer to HEAD announces what GET would bring.
    let length = match response.header("content-length") {
        Some(length) if request.method == "HEAD" => length.to_owned(),
        _ => response.body.len().to_string(),
    };
    let mut answer = format!(
        "HTTP/1.1 {} Answer\r\nConnection: close\r\nContent-Length: {length}\r\n",
        response.status,
    );
    for (name, value) in &response.headers {
        if !is_about_the_connection(name) {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    answer.push_str("\r\n");
    Ok([answer.into_bytes(), response.body].concat())
}

fn is_about_the_connection(name: &str) -> bool {
    [
        "connection",
        "content-length",
        "transfer-encoding",
        "keep-alive",
        "expect",
    ]
    .iter()
    .any(|known| name.eq_ignore_ascii_case(known))
}
