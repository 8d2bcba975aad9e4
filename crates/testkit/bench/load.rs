//! The load generator: keep-alive connections over TLS that send prepared requests one after another, the same for both servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const TIME_LIMIT: Duration = Duration::from_secs(120);

type Connection = TlsStream<TcpStream>;

pub(crate) struct Load {
    runtime: Runtime,
    address: SocketAddr,
    connector: TlsConnector,
    /// Whether an answer may be that something is not there.
    absent: bool,
}

impl Load {
    pub(crate) fn new(address: SocketAddr, ca_pem: &str) -> anyhow::Result<Self> {
        let config = signet_testkit::certificate::client_config(ca_pem)?;
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            address,
            connector: TlsConnector::from(config),
            absent: false,
        })
    }

    /// A 404 is an answer, too.
    pub(crate) fn with_absent(mut self) -> Self {
        self.absent = true;
        self
    }

    /// Opens connections; what handshakes cost is no part of what is measured.
    pub(crate) fn connect(&self, count: usize) -> anyhow::Result<Vec<Connection>> {
        self.runtime.block_on(async {
            let caller = self.caller();
            let mut connections = Vec::new();
            for _ in 0..count {
                connections.push(caller.connect().await?);
            }
            Ok(connections)
        })
    }

    /// Sends each list of requests over a connection of its own, all at the same time; every answer must be what was asked for.
    pub(crate) fn run(&self, requests: &[Vec<Vec<u8>>]) -> anyhow::Result<()> {
        let connections = self.connect(requests.len())?;
        self.run_on(connections, requests)
    }

    pub(crate) fn run_on(
        &self,
        connections: Vec<Connection>,
        requests: &[Vec<Vec<u8>>],
    ) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let mut tasks = Vec::new();
            for (connection, requests) in connections.into_iter().zip(requests) {
                let requests: Arc<[Vec<u8>]> = requests.clone().into();
                tasks.push(tokio::spawn(tokio::time::timeout(
                    TIME_LIMIT,
                    send_all(connection, requests, self.absent),
                )));
            }
            for task in tasks {
                task.await?.context("the load took too long")??;
            }
            Ok(())
        })
    }
}

/// What came of a load without a number of requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    /// Whole answers with status 200.
    pub(crate) good: u64,
    /// Other answers, and connections that the server broke off.
    pub(crate) bad: u64,
}

impl Load {
    /// Sends each connection's request again and again for `time`. A connection that the server breaks off is opened anew.
    pub(crate) fn run_for(&self, time: Duration, requests: &[Vec<u8>]) -> anyhow::Result<Answers> {
        let connections = self.connect(requests.len())?;
        self.runtime.block_on(async {
            let end = Instant::now() + time;
            let mut tasks = Vec::new();
            for (connection, request) in connections.into_iter().zip(requests) {
                let (caller, request) = (self.caller(), request.clone());
                tasks.push(tokio::spawn(async move {
                    let mut answers = Answers::default();
                    // Whoever waits for an answer at the end does not get it.
                    let sending = send_until(end, &caller, connection, &request, &mut answers);
                    let _ = tokio::time::timeout_at(end.into(), sending).await;
                    answers
                }));
            }
            let mut all = Answers::default();
            for task in tasks {
                let answers = task.await?;
                all.good += answers.good;
                all.bad += answers.bad;
            }
            Ok(all)
        })
    }

    fn caller(&self) -> Caller {
        Caller {
            address: self.address,
            connector: self.connector.clone(),
        }
    }
}

/// Who opens connections.
#[derive(Clone)]
struct Caller {
    address: SocketAddr,
    connector: TlsConnector,
}

impl Caller {
    async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        Ok(self.connector.connect(name, stream).await?)
    }
}

async fn send_until(
    end: Instant,
    caller: &Caller,
    mut connection: Connection,
    request: &[u8],
    answers: &mut Answers,
) {
    let mut buffer = Vec::new();
    while Instant::now() < end {
        match send(&mut connection, request, &mut buffer).await {
            Ok(200) => answers.good += 1,
            Ok(_) => answers.bad += 1,
            Err(_) => {
                answers.bad += 1;
                buffer.clear();
                match caller.connect().await {
                    Ok(opened) => connection = opened,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        }
    }
}

async fn send(
    connection: &mut Connection,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> anyhow::Result<u16> {
    connection.write_all(request).await?;
    connection.flush().await?;
    read_response(connection, buffer).await
}

async fn send_all(
    mut connection: Connection,
    requests: Arc<[Vec<u8>]>,
    absent: bool,
) -> anyhow::Result<()> {
    let mut buffer = Vec::new();
    for request in requests.iter() {
        let status = send(&mut connection, request, &mut buffer).await?;
        ensure!(
            status == 200 || (absent && status == 404),
            "status {status}"
        );
    }
    Ok(())
}

/// Reads one answer, which must tell its length, and keeps what follows it in `buffer`.
async fn read_response(connection: &mut Connection, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    loop {
        if let Some((status, length)) = complete_response(buffer)? {
            buffer.drain(..length);
            return Ok(status);
        }
        ensure!(
            connection.read_buf(buffer).await? > 0,
            "the server closed the connection"
        );
    }
}

/// Status and length of the answer at the beginning of `bytes`, once all of it is there.
fn complete_response(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize)>> {
    let Some(head_length) = position(bytes, b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    let (head, body) = bytes.split_at(head_length);
    let head = std::str::from_utf8(head)?;
    let status = head.split(' ').nth(1).context("status")?.parse()?;
    for line in head.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            let length = head_length + value.trim().parse::<usize>()?;
            return Ok((bytes.len() >= length).then_some((status, length)));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(chunked_length(body)?.map(|length| (status, head_length + length)));
        }
    }
    bail!("an answer without length: {head}")
}

fn chunked_length(body: &[u8]) -> anyhow::Result<Option<usize>> {
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line) = position(rest, b"\r\n") else {
            return Ok(None);
        };
        let digits = std::str::from_utf8(rest.get(..line).unwrap_or_default())?;
        let size = usize::from_str_radix(digits, 16)?;
        at += line + 2 + size + 2;
        if size == 0 {
            return Ok((body.len() >= at).then_some(at));
        }
    }
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// A GET request.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// An upload of metadata files, as notary sends it.
pub(crate) fn upload(path: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
    const BOUNDARY: &str = "f3b7c2a9d1e84f60";
    let mut body = Vec::new();
    for (name, bytes) in files {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}
