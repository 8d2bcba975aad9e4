//! The remote against servers that misbehave: in size, in time, in status, in what they call a key.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Do, Request, Server, answer, answer_with};
use async_trait::async_trait;
use reqwest::header::HeaderValue;
use signet_client::remote::{Limits, Part, RemoteError};
use signet_client::{
    Access, AuthorizationError, Authorizer, Challenge, ErrorKind, Next, Remote, RemoteOptions,
};
use signet_tuf::update::{Answer, Fetch};
use signet_tuf::{BaseRole, Gun, MetadataPath, RoleName};

const LIMITS: Limits = Limits {
    ping: Duration::from_millis(400),
    silence: Duration::from_millis(400),
    total: Duration::from_secs(5),
    min_rate: 4096,
};

fn gun() -> Gun {
    "localhost:5000/x".parse().unwrap()
}

fn options(server: &Server) -> RemoteOptions {
    RemoteOptions {
        limits: LIMITS,
        ..RemoteOptions::new(server.url("http", "127.0.0.1"), "test/1")
    }
}

fn remote(server: &Server) -> Remote {
    Remote::new(options(server)).unwrap()
}

/// A server that pings well and answers everything else as told.
async fn server(handler: impl Fn(&Request) -> Vec<Do> + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/v2/" => answer(200, "{}"),
        _ => handler(request),
    })
    .await
}

fn timestamp(max_bytes: u64) -> Fetch {
    Fetch {
        path: MetadataPath::Current(RoleName::timestamp()),
        max_bytes,
    }
}

async fn fetch(server: &Server, max_bytes: u64) -> Answer {
    remote(server)
        .fetch(&gun(), &timestamp(max_bytes))
        .await
        .unwrap()
}

#[tokio::test]
async fn asks_for_documents_where_go_asks_for_them() {
    let server = server(|_| answer(200, "doc")).await;
    let mut options = options(&server);
    options.server = format!("{}prefix/", options.server).parse().unwrap();
    let remote = Remote::new(options).unwrap();
    let delegation: RoleName = "targets/a/b".parse().unwrap();
    for path in [
        MetadataPath::Current(RoleName::root()),
        MetadataPath::Version(RoleName::root(), 3),
        MetadataPath::Checksum(delegation, "ab".repeat(32)),
    ] {
        let fetch = Fetch { path, max_bytes: 9 };
        let answer = remote.fetch(&gun(), &fetch).await.unwrap();
        assert!(matches!(answer, Answer::Bytes(bytes) if bytes == "doc"));
    }
    let odd: Gun = "r/a b%2f?#ü".parse().unwrap();
    remote.fetch(&odd, &timestamp(9)).await.unwrap();
    let base = "/prefix/v2/localhost:5000/x/_trust/tuf";
    assert_eq!(
        server.paths(),
        [
            "/prefix/v2/".to_owned(),
            format!("{base}/root.json"),
            format!("{base}/3.root.json"),
            format!("{base}/targets/a/b.{}.json", "ab".repeat(32)),
            "/prefix/v2/r/a%20b%252f%3F%23%C3%BC/_trust/tuf/timestamp.json".to_owned(),
        ]
    );
    let requests = server.requests.lock().unwrap();
    assert!(
        requests
            .iter()
            .all(|request| request.header("user-agent") == Some("test/1"))
    );
    // One connection for all of them.
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a21_every_status_is_what_it_is_and_only_200_is_a_document() {
    let server = server(|request| {
        let status = request.header("user-agent").unwrap().parse().unwrap();
        answer_with(status, "Location: /elsewhere\r\n", "not a document")
    })
    .await;
    for status in [201, 204, 206, 301, 302, 307, 400, 401, 403, 429, 500, 503] {
        let mut options = options(&server);
        options.user_agent = status.to_string();
        let remote = Remote::new(options).unwrap();
        // A probe before, so that the status is the document's.
        match remote.fetch(&gun(), &timestamp(100)).await.unwrap() {
            Answer::Refused(refusal) => {
                assert_eq!((refusal.status, refusal.message), (status, None));
            }
            other => panic!("{status}: {other:?}"),
        }
    }
    assert!(!server.paths().iter().any(|path| path == "/elsewhere"));
    let mut options = options(&server);
    options.user_agent = "404".to_owned();
    let remote = Remote::new(options).unwrap();
    let answer = remote.fetch(&gun(), &timestamp(100)).await.unwrap();
    assert!(matches!(answer, Answer::Absent));
}

#[tokio::test]
async fn a17_no_answer_is_larger_than_was_asked_for() {
    let announced = server(|_| answer(200, &"x".repeat(101))).await;
    assert!(matches!(fetch(&announced, 100).await, Answer::TooLarge));
    let exact = server(|_| answer(200, &"x".repeat(100))).await;
    assert!(matches!(fetch(&exact, 100).await, Answer::Bytes(b) if b.len() == 100));
    let endless = server(|_| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut chunk = b"1000\r\n".to_vec();
        chunk.extend([b'x'; 0x1000]);
        chunk.extend(b"\r\n");
        vec![Do::Send(head), Do::Flood(chunk)]
    })
    .await;
    // Cut there, as Go does; parsing and digests see to the rest.
    assert!(matches!(fetch(&endless, 100_000).await, Answer::Bytes(b) if b.len() == 100_000));
    let to_the_end = server(|_| {
        vec![
            Do::Send(b"HTTP/1.1 200 OK\r\n\r\nshort".to_vec()),
            Do::Close,
        ]
    })
    .await;
    assert!(matches!(fetch(&to_the_end, 100).await, Answer::Bytes(b) if b == "short"));
}

#[tokio::test]
async fn a17_no_answer_takes_longer_than_its_limits() {
    let head = || Do::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".to_vec());
    let silent = server(|_| vec![Do::Hang]).await;
    let stalled = server(move |_| vec![head(), Do::Hang]).await;
    let dripping = server(move |_| vec![head(), Do::Drip(b'x', Duration::from_millis(20))]).await;
    let dripping_head = server(move |_| vec![Do::Drip(b'H', Duration::from_millis(20))]).await;
    for (name, server) in [
        ("silent", silent),
        ("stalled", stalled),
        ("dripping", dripping),
        ("dripping head", dripping_head),
    ] {
        let started = Instant::now();
        let answer = fetch(&server, 1 << 20).await;
        assert!(
            matches!(answer, Answer::Unreachable(_)),
            "{name}: {answer:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(4), "{name}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_no_answer() {
    let head = || Do::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec());
    let cut = server(move |_| vec![head(), Do::Close]).await;
    assert!(matches!(fetch(&cut, 100).await, Answer::Unreachable(_)));
    let closed = server(|_| vec![Do::Close]).await;
    assert!(matches!(fetch(&closed, 100).await, Answer::Unreachable(_)));
    let garbage = server(|_| vec![Do::Send(b"SSH-2.0-x\r\n\r\n".to_vec()), Do::Close]).await;
    assert!(matches!(fetch(&garbage, 100).await, Answer::Unreachable(_)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_asked_once() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let remote = Remote::new(RemoteOptions::new(url.parse().unwrap(), "test/1")).unwrap();
    let Answer::Unreachable(message) = remote.fetch(&gun(), &timestamp(9)).await.unwrap() else {
        panic!("somebody answered");
    };
    assert!(message.contains("Connection refused"), "{message}");

    let server = Server::start(|_| vec![Do::Hang]).await;
    let waiting = self::remote(&server);
    for _ in 0..3 {
        let answer = waiting.fetch(&gun(), &timestamp(9)).await.unwrap();
        assert!(matches!(answer, Answer::Unreachable(_)), "{answer:?}");
    }
    assert_eq!(server.paths(), ["/v2/"]);
}

/// Notes what it is asked, and answers as told.
struct Noting {
    asked: Mutex<Vec<(Access, Vec<Challenge>)>>,
    answer: fn() -> Result<Option<HeaderValue>, AuthorizationError>,
}

#[async_trait]
impl Authorizer for Noting {
    async fn authorize(
        &self,
        _gun: &Gun,
        access: Access,
        challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        self.asked
            .lock()
            .unwrap()
            .push((access, challenges.to_vec()));
        (self.answer)()
    }
}

async fn challenging() -> Server {
    Server::start(|request| {
        let challenges = "WWW-Authenticate: Bearer realm=\"r\",service=\"s\"\r\nwww-authenticate: Basic realm=\"b\"\r\n";
        match (request.path.as_str(), request.header("authorization")) {
            ("/v2/", None) => answer_with(401, challenges, "{}"),
            (_, Some("Basic good")) => answer(200, "doc"),
            _ => answer(401, ""),
        }
    })
    .await
}

#[tokio::test]
async fn the_authorizer_sees_the_challenges_and_its_header_is_sent() {
    let server = challenging().await;
    let noting = Arc::new(Noting {
        asked: Mutex::default(),
        answer: || Ok(Some(HeaderValue::from_static("Basic good"))),
    });
    let mut options = options(&server);
    options.authorizer = Some(noting.clone());
    options.access = Access::PullPush;
    let remote = Remote::new(options).unwrap();
    let answer = remote.fetch(&gun(), &timestamp(9)).await.unwrap();
    assert!(matches!(answer, Answer::Bytes(_)), "{answer:?}");
    let challenges = ["Bearer realm=\"r\",service=\"s\"", "Basic realm=\"b\""];
    let challenges: Vec<_> = challenges
        .iter()
        .map(|c| Challenge((*c).to_owned()))
        .collect();
    assert_eq!(
        *noting.asked.lock().unwrap(),
        [(Access::PullPush, challenges)]
    );
}

/// Case 42: only a 401 that says what it wants is answered; after any other ping requests go out as they are.
#[tokio::test]
async fn case_42_a_ping_without_a_challenge_asks_for_nothing() {
    let basic = "WWW-Authenticate: Basic realm=\"b\"\r\n";
    for (status, headers) in [
        (500, basic),
        (404, basic),
        (200, basic),
        (403, basic),
        (401, ""),
    ] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/v2/" => answer_with(status, headers, "{}"),
            _ => answer(200, "doc"),
        })
        .await;
        let noting = Arc::new(Noting {
            asked: Mutex::default(),
            answer: || Ok(None),
        });
        let mut options = options(&server);
        options.authorizer = Some(noting.clone());
        let remote = Remote::new(options).unwrap();
        let answer = remote.fetch(&gun(), &timestamp(9)).await.unwrap();
        assert!(matches!(answer, Answer::Bytes(_)), "{status}: {answer:?}");
        assert_eq!(*noting.asked.lock().unwrap(), [(Access::Pull, Vec::new())]);
        let requests = server.requests.lock().unwrap().clone();
        assert!(requests.iter().all(|r| r.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn a_failed_login_is_no_outage() {
    let server = challenging().await;
    let noting = Arc::new(Noting {
        asked: Mutex::default(),
        answer: || {
            Err(AuthorizationError {
                kind: ErrorKind::Refused,
                status: Some(401),
                source: "unauthorized: incorrect username or password".into(),
            })
        },
    });
    let mut options = options(&server);
    options.authorizer = Some(noting);
    let remote = Remote::new(options).unwrap();
    let error = remote.fetch(&gun(), &timestamp(9)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        "unauthorized: incorrect username or password"
    );
    // Without any login the server's word counts.
    let anonymous = fetch(&server, 9).await;
    assert!(matches!(anonymous, Answer::Refused(refusal) if refusal.status == 401));
}

/// A token server that cannot be reached is an outage, as if the server itself could not be.
#[tokio::test]
async fn a_login_that_cannot_be_reached_is_an_outage() {
    let server = challenging().await;
    let mut options = options(&server);
    options.authorizer = Some(Arc::new(Noting {
        asked: Mutex::default(),
        answer: || {
            Err(AuthorizationError {
                kind: ErrorKind::Network,
                status: None,
                source: "Get \"https://t\": Connection refused".into(),
            })
        },
    }));
    let remote = Remote::new(options).unwrap();
    let answer = remote.fetch(&gun(), &timestamp(9)).await.unwrap();
    assert!(
        matches!(&answer, Answer::Unreachable(message) if message.starts_with("Get ")),
        "{answer:?}"
    );
}

/// A server that refuses who asks is not out of order.
#[tokio::test]
async fn a_refused_user_is_no_outage() {
    for status in [401, 403] {
        let server = server(move |_| answer(status, "")).await;
        let mut options = options(&server);
        options.authorizer = Some(Arc::new(Noting {
            asked: Mutex::default(),
            answer: || Ok(Some(HeaderValue::from_static("Basic good"))),
        }));
        let remote = Remote::new(options).unwrap();
        let error = remote.fetch(&gun(), &timestamp(9)).await.unwrap_err();
        assert!(error.is_refused_login(), "{error:?}");
    }
}

/// Has another header for every one that was refused, as often as it is asked.
struct Renewing(Mutex<Vec<HeaderValue>>, Next);

#[async_trait]
impl Authorizer for Renewing {
    async fn authorize(
        &self,
        _: &Gun,
        _: Access,
        _: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        let refused = self.0.lock().unwrap().len();
        Ok(HeaderValue::from_str(&format!("Bearer {refused}")).ok())
    }

    async fn refused(
        &self,
        about: Option<&Gun>,
        header: &HeaderValue,
        challenges: &[Challenge],
    ) -> Next {
        assert_eq!(about, Some(&gun()));
        assert_eq!(
            challenges,
            [Challenge("Bearer error=\"invalid_token\"".to_owned())]
        );
        self.0.lock().unwrap().push(header.clone());
        self.1
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_a_refused_login_by_few_others() {
    let (token, login) = (Next::NewToken, Next::OtherLogin);
    for (good, next, requests, taken) in [
        ("Bearer 0", token, 2, true),
        ("Bearer 1", token, 3, true),
        ("Bearer 2", token, 3, false),
        ("Bearer 1", Next::Nothing, 2, false),
        ("Bearer 3", login, 5, true),
        ("Bearer 4", login, 5, false),
    ] {
        let server = server(move |request| {
            if request.header("authorization") == Some(good) || request.path == "/v2/" {
                answer(200, "doc")
            } else {
                let challenge = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
                answer_with(401, challenge, "")
            }
        })
        .await;
        let mut options = options(&server);
        options.authorizer = Some(Arc::new(Renewing(Mutex::default(), next)));
        let remote = Remote::new(options).unwrap();
        let answer = remote.fetch(&gun(), &timestamp(9)).await;
        assert_eq!(answer.is_ok(), taken, "{answer:?}");
        assert_eq!(server.requests.lock().unwrap().len(), requests);
    }
    // What an upload sends, it sends again.
    let server = server(|request| match request.header("authorization") {
        Some("Bearer 0") => answer_with(
            401,
            "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n",
            "",
        ),
        _ => answer(200, ""),
    })
    .await;
    let mut options = options(&server);
    options.authorizer = Some(Arc::new(Renewing(Mutex::default(), Next::NewToken)));
    let remote = Remote::new(options).unwrap();
    remote.upload(&gun(), &[]).await.unwrap();
    let requests = server.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 3);
    assert!(!requests[1].body.is_empty());
    assert_eq!(requests[1].body, requests[2].body);
}

#[tokio::test]
async fn keys_are_keys_or_the_answer_is_bad() {
    let key = r#"{"keytype":"ed25519","keyval":{"public":"Ypnh3/3ngAKRvYCfGORv8ePEWa27ROi0wkxd678T5mE=","private":null}}"#;
    let server = server(move |request| match request.method.as_str() {
        "GET" => answer(200, key),
        _ => answer(200, &key.replace("Ypnh", "Zpnh")),
    })
    .await;
    let ours = remote(&server);
    let current = ours.key(&gun(), BaseRole::Timestamp).await.unwrap();
    let next = ours.rotate_key(&gun(), BaseRole::Snapshot).await.unwrap();
    assert_ne!(current.id(), next.id());
    let requests = server.requests.lock().unwrap().clone();
    let base = "/v2/localhost:5000/x/_trust/tuf";
    assert_eq!(requests[1].path, format!("{base}/timestamp.key"));
    assert_eq!(requests[2].path, format!("{base}/snapshot.key"));
    assert_eq!(
        (requests[2].method.as_str(), requests[2].body.len()),
        ("POST", 0)
    );

    let long = format!("{key}{}", " ".repeat(256 << 10));
    for bad in [
        "",
        "{}",
        "null",
        "[]",
        r#"{"keytype":"ecdsa","keyval":{"public":"","private":null}}"#,
        r#"{"keytype":"rot13","keyval":{"public":"AAAA","private":null}}"#,
        &long,
    ] {
        let body = bad.to_owned();
        let server = self::server(move |_| answer(200, &body)).await;
        let error = remote(&server)
            .key(&gun(), BaseRole::Timestamp)
            .await
            .unwrap_err();
        assert!(
            matches!(error, RemoteError::BadResponse { .. }),
            "{error:?}"
        );
        assert_eq!(error.to_string(), "trust server returned a bad response.");
    }
    let server = self::server(|_| answer(404, "")).await;
    let error = remote(&server)
        .key(&gun(), BaseRole::Timestamp)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "timestamp key trust data unavailable.  Has a notary repository been initialized?"
    );
}

#[tokio::test]
async fn an_upload_says_why_it_was_refused() {
    let role = RoleName::targets();
    let parts = [Part {
        role: &role,
        bytes: b"{}",
    }];
    let upload = async |status, body: &'static str| {
        let server = server(move |_| answer(status, body)).await;
        let result = remote(&server).upload(&gun(), &parts).await;
        (result, server.requests.lock().unwrap()[1].clone())
    };
    let (result, request) = upload(200, "").await;
    result.unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v2/localhost:5000/x/_trust/tuf/")
    );
    assert!(
        request
            .header("content-type")
            .unwrap()
            .starts_with("multipart/form-data; boundary=")
    );
    let conflict = r#"{"errors":[{"code":"VERSION","message":"A newer version of metadata is already available.","detail":{}}]}"#;
    let error = upload(400, conflict).await.0.unwrap_err();
    assert!(error.is_version_conflict());
    assert_eq!(error.to_string(), "trust server rejected operation.");
    let invalid = r#"{"errors":[{"code":"INVALID_UPDATE","message":"x","detail":{"Name":"ErrBadTargets","Error":{"Msg":"targets expired"}}}]}"#;
    let error = upload(400, invalid).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "The targets metadata is invalid: targets expired"
    );
    assert!(!error.is_version_conflict());
    let error = upload(404, "").await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST metadata endpoint trust data unavailable.  Has a notary repository been initialized?"
    );
    let error = upload(503, conflict).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unable to reach trust server at this time: 503."
    );
    assert_eq!(error.kind(), ErrorKind::Refused);
}
