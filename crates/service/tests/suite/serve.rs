//! The accept loop against peers that are slow, many, or gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use signet_service::listen::Address;
use signet_service::serve::{Handler, Limits, serve};
use signet_service::shutdown::{Shutdown, Trigger};
use signet_service::tls::Tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Answers `/slow` when told to, `/body` when the body is complete, `/panic` never, everything else at once.
#[derive(Clone, Default)]
struct Answers {
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Handler for Answers {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/slow" => {
                self.begun.notify_one();
                self.go_on.notified().await;
            }
            "/body" => drop(request.into_body().collect().await),
            "/panic" => panic!("as the test wants"),
            _ => {}
        }
        Response::new(Full::from("answer"))
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    answers: Answers,
    trigger: Trigger,
    task: JoinHandle<()>,
}

async fn start(limits: Limits) -> Server {
    start_with(None, limits).await
}

pub(crate) async fn start_with(tls: Option<Arc<Tls>>, limits: Limits) -> Server {
    let listeners = Address::parse("127.0.0.1:0").unwrap().bind().await.unwrap();
    let address = listeners[0].local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::new();
    let answers = Answers::default();
    let task = tokio::spawn(serve(listeners, tls, limits, answers.clone(), shutdown));
    Server {
        address,
        answers,
        trigger,
        task,
    }
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .await
        .unwrap();
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    while !text.ends_with(b"answer") {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => text.extend_from_slice(&buffer[..read]),
        }
    }
    String::from_utf8(text).unwrap()
}

/// How long the server leaves the connection open.
async fn until_closed(stream: &mut TcpStream) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    // A reset is a close, too.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest))
        .await
        .expect("closed in time");
    start.elapsed()
}

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_connection_is_kept_for_further_requests() {
    let server = start(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        let answer = ask(&mut stream, "/").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Content-Length: 6\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a17_slow_heads_are_cut_off() {
    let server = start(Limits {
        head: SHORT,
        ..Limits::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let start = Instant::now();
    let drip = async {
        // A byte from time to time keeps the connection busy, and does not help.
        for byte in b"GET / HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" {
            tokio::time::sleep(SHORT / 10).await;
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        () = drip => panic!("the head was awaited for {:?}", start.elapsed()),
        _ = read.read_to_end(&mut rest) => {}
    }
    assert!(start.elapsed() < SHORT * 5);
}

#[tokio::test]
async fn a17_slow_bodies_that_stall_are_cut_off() {
    let server = start(Limits {
        stall: SHORT,
        ..Limits::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        .await
        .unwrap();
    assert!(until_closed(&mut stream).await < SHORT * 5);
}

#[tokio::test]
async fn a17_slow_idle_connections_are_closed() {
    let server = start(Limits {
        head: SHORT,
        ..Limits::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    ask(&mut stream, "/").await;
    assert!(until_closed(&mut stream).await < SHORT * 5);
}

#[tokio::test]
async fn a17_slow_readers_are_cut_off() {
    // Nothing takes the answers, so that the server's buffers fill up.
    let server = start(Limits {
        stall: SHORT,
        ..Limits::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let flood = async { while stream.write_all(&request).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), flood)
        .await
        .expect("cut off in time");
}

#[tokio::test]
async fn a17_huge_heads_are_refused() {
    let server = start(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    // The server may close before everything is written.
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = answer(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
}

#[tokio::test]
async fn connections_above_the_limit_wait() {
    let server = start(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    ask(&mut first, "/").await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let waiting = tokio::time::timeout(SHORT, ask(&mut second, "/")).await;
    assert!(
        waiting.is_err(),
        "the second connection was served beside the first"
    );
    drop(first);
    assert!(answer(&mut second).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let server = start(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(ask(&mut stream, "/panic").await, "");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert!(ask(&mut stream, "/").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_shutdown_answers_what_has_begun_and_takes_nothing_new() {
    let server = start(Limits::default()).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    ask(&mut idle, "/").await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    server.answers.begun.notified().await;
    server.trigger.pull();
    until_closed(&mut idle).await;
    // The listener is gone as soon as the loop has seen the request.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished());
    server.answers.go_on.notify_one();
    assert!(answer(&mut busy).await.starts_with("HTTP/1.1 200 OK"));
    server.task.await.unwrap();
}
