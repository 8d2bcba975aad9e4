//! Slow and huge requests, and the end of the process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::support::{Folder, MEMORY, PATIENCE, Server};

fn connect(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

const UPLOAD: &str = "POST /v2/a/_trust/tuf/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\n";

#[test]
fn a17_slow_heads_and_bodies_end_in_time() {
    let folder = Folder::new();
    let limits = r#""limits":{"header_timeout":1,"body_timeout":1,"idle_timeout":1}"#;
    let server = Server::start(folder.configured(&format!("{MEMORY},{limits}")));
    for request in [
        "GET /v2/ HTTP/1.1\r\nHost: te".to_owned(),
        format!("{UPLOAD}Content-Length: 1000\r\n\r\n--x\r\n"),
    ] {
        let start = Instant::now();
        rest(&mut connect(&server, &request));
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{request}: {:?}",
            start.elapsed()
        );
    }
    assert_eq!(server.get("/v2/").0, 200);
}

#[test]
fn a17_huge_bodies_are_refused_at_the_limit() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(&format!(
        "{MEMORY},{}",
        r#""limits":{"max_body_bytes":100000}"#
    )));
    let mut stream = connect(
        &server,
        &format!("{UPLOAD}Transfer-Encoding: chunked\r\n\r\n"),
    );
    let part = "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"root\"\r\n\r\n";
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let mut sent = 0;
    let mut next = chunk(part);
    // As much as the server takes, and never the end.
    while sent < 100_000_000 && stream.write_all(next.as_bytes()).is_ok() {
        sent += next.len();
        next = chunk(&"x".repeat(10_000));
    }
    assert!(sent < 20_000_000, "{sent} bytes were taken");
    let answer = rest(&mut stream);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    assert_eq!(server.get("/v2/").0, 200);
}

#[test]
fn what_has_begun_is_finished_at_sigterm() {
    let folder = Folder::new();
    let mut server = Server::start(folder.configured(MEMORY));
    let body = "--x--\r\n";
    let mut busy = connect(
        &server,
        &format!("{UPLOAD}Content-Length: {}\r\n\r\n--", body.len()),
    );
    // The request has begun when its connection has been seen: a second one is answered after it.
    assert_eq!(server.get("/v2/").0, 200);
    server.signal(Signal::TERM);
    super::support::wait_for("the closed port", || {
        TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    busy.write_all(&body.as_bytes()[2..]).unwrap();
    let answer = rest(&mut busy);
    assert!(
        answer.starts_with("HTTP/1.1 400 "),
        "an empty first update is refused, but answered: {answer}"
    );
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        server.log().contains("\"msg\":\"Stopped\""),
        "{}",
        server.log()
    );
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let folder = Folder::new();
    let mut server = Server::start(folder.configured(&format!(
        "{MEMORY},{}",
        r#""limits":{"shutdown_timeout":1}"#
    )));
    let _busy = connect(
        &server,
        &format!("{UPLOAD}Content-Length: 1000\r\n\r\n--x\r\n"),
    );
    assert_eq!(server.get("/v2/").0, 200);
    let start = Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(
        server
            .log()
            .contains("stopped with requests unanswered after 1 seconds"),
        "{}",
        server.log()
    );
}

#[test]
fn sighup_ends_nothing() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    server.signal(Signal::HUP);
    server.signal(Signal::USR1);
    server.await_out("debug");
    assert_eq!(server.get("/v2/").0, 200);
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = Folder::new();
    let mut server = Server::start(folder.configured(MEMORY));
    let _busy = connect(
        &server,
        &format!("{UPLOAD}Content-Length: 1000\r\n\r\n--x\r\n"),
    );
    assert_eq!(server.get("/v2/").0, 200);
    server.signal(Signal::TERM);
    super::support::wait_for("the closed port", || {
        TcpStream::connect(("127.0.0.1", server.port())).is_err()
    });
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(130));
}

#[test]
fn what_has_no_body_has_none_on_the_wire() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    let heads = |request: &str| {
        let mut stream = connect(
            &server,
            &format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"),
        );
        let answer = rest(&mut stream);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    };
    let (get, body) = heads("GET /v2/");
    let (head, nothing) = heads("HEAD /v2/");
    assert_eq!((body.as_str(), nothing.as_str()), ("{}", ""));
    for text in [get, head] {
        assert!(text.starts_with("http/1.1 200 ok"), "{text}");
        assert!(text.contains("\r\ncontent-length: 2"), "{text}");
        let date = text.lines().find_map(|line| line.strip_prefix("date: "));
        assert!(date.is_some_and(|date| date.ends_with(" gmt")), "{text}");
    }
    let (patch, body) = heads("PATCH /v2/");
    assert!(patch.starts_with("http/1.1 405 ") && body.is_empty());
    assert!(patch.contains("\r\nallow: get, head"), "{patch}");
}
