//! A server in the test's own process that does whatever the test wants, down to the byte.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

/// What to do on a connection after a request was read.
pub(crate) enum Do {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Send a byte each time, for ever.
    Drip(u8, Duration),
    /// Send these bytes again and again, for ever.
    Flood(Vec<u8>),
    /// Say nothing, for ever.
    Hang,
    /// Close the connection.
    Close,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

type Handler = Arc<dyn Fn(&Request) -> Vec<Do> + Send + Sync>;

/// The server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    /// Plain HTTP.
    pub(crate) async fn start(
        handler: impl Fn(&Request) -> Vec<Do> + Send + Sync + 'static,
    ) -> Self {
        Self::run(None, Arc::new(handler)).await
    }

    /// HTTPS.
    pub(crate) async fn start_tls(
        config: rustls::ServerConfig,
        handler: impl Fn(&Request) -> Vec<Do> + Send + Sync + 'static,
    ) -> Self {
        Self::run(Some(Arc::new(config)), Arc::new(handler)).await
    }

    async fn run(tls: Option<Arc<rustls::ServerConfig>>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (requests, connections) = (server.requests.clone(), server.connections.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (handler, requests, tls) = (handler.clone(), requests.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(stream, handler, requests).await,
                        Some(tls) => {
                            let acceptor = tokio_rustls::TlsAcceptor::from(tls);
                            if let Ok(stream) = acceptor.accept(stream).await {
                                connection(stream, handler, requests).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, scheme: &str, host: &str) -> Url {
        format!("{scheme}://{host}:{}", self.address.port())
            .parse()
            .unwrap()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|request| request.path.clone())
            .collect()
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    handler: Handler,
    requests: Arc<Mutex<Vec<Request>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        requests.lock().unwrap().push(request.clone());
        for step in handler(&request) {
            let sent = match step {
                Do::Send(bytes) => stream.write_all(&bytes).await,
                Do::Drip(byte, pause) => loop {
                    if let Err(e) = stream.write_all(&[byte]).await {
                        break Err(e);
                    }
                    if let Err(e) = stream.flush().await {
                        break Err(e);
                    }
                    tokio::time::sleep(pause).await;
                },
                Do::Flood(bytes) => loop {
                    if let Err(e) = stream.write_all(&bytes).await {
                        break Err(e);
                    }
                },
                Do::Hang => std::future::pending().await,
                Do::Close => return,
            };
            if sent.is_err() {
                return;
            }
        }
        if stream.flush().await.is_err() {
            return;
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let split = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        let n = stream.read(&mut buffer).await.ok()?;
        if n == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..n]);
    };
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let mut body = bytes[split + 4..].to_vec();
    let mut words = head.split(' ');
    let mut request = Request {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        head: head.clone(),
        body: Vec::new(),
    };
    let length: usize = request
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    while body.len() < length {
        let n = stream.read(&mut buffer).await.ok()?;
        if n == 0 {
            return None;
        }
        body.extend_from_slice(&buffer[..n]);
    }
    request.body = body;
    Some(request)
}

/// A complete answer.
pub(crate) fn answer(status: u16, body: &str) -> Vec<Do> {
    answer_with(status, "", body)
}

/// A complete answer with more headers, each ending in a line break.
pub(crate) fn answer_with(status: u16, headers: &str, body: &str) -> Vec<Do> {
    vec![Do::Send(
        format!(
            "HTTP/1.1 {status} Some Reason\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )]
}
