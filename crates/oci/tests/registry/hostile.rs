//! Servers that lie, stall, pour and point elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use signet_oci::challenge::AnswerError;
use signet_oci::registry::{Access, ErrorKind, Limits, RegistryError};
use signet_oci::token::TokenError;
use signet_oci::{Credentials, Digest, Manifest, Reference, Registry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{chain, client};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const MANIFEST: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

/// What to send for a request; `Endless` repeats the last part until the client hangs up.
#[derive(Clone)]
enum Answer {
    Once(String),
    Endless(String, &'static [u8], Duration),
}

/// An HTTP server that answers the ping with 200, unless the test says 401, and everything else with what the test says.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    sent_bytes: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let sent_bytes = Arc::new(AtomicUsize::new(0));
        let answer = Arc::new(answer);
        let (seen, sent) = (Arc::clone(&requests), Arc::clone(&sent_bytes));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, sent) =
                    (Arc::clone(&answer), Arc::clone(&seen), Arc::clone(&sent));
                tokio::spawn(async move {
                    // The client may hang up at any time: that is what these tests are about.
                    let _ = serve(stream, &*answer, &seen, &sent).await;
                });
            }
        });
        Self {
            port,
            requests,
            sent_bytes,
        }
    }

    async fn sends(response: impl Into<String>) -> Self {
        let response = response.into();
        Self::start(move |_| Answer::Once(response.clone())).await
    }

    fn reference(&self) -> Reference {
        format!("127.0.0.1:{}/team/app:v1", self.port)
            .parse()
            .unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn registry(&self, credentials: Credentials, limits: Limits) -> Registry {
        let access = Access::new(client(None))
            .credentials(credentials)
            .limits(limits);
        Registry::new(&self.reference(), access).unwrap()
    }

    async fn fetch_as(&self, credentials: Credentials) -> Result<Manifest, RegistryError> {
        let registry = self.registry(credentials, Limits::default());
        registry.fetch_tag(self.reference().tag().unwrap()).await
    }

    async fn fetch(&self) -> Result<Manifest, RegistryError> {
        self.fetch_within(Limits::default()).await
    }

    async fn fetch_within(&self, limits: Limits) -> Result<Manifest, RegistryError> {
        let registry = self.registry(Credentials::anonymous(), limits);
        registry.fetch_tag(self.reference().tag().unwrap()).await
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
    seen: &Mutex<Vec<String>>,
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut chunk = [0; 1024];
        let count = stream.read(&mut chunk).await?;
        request.extend_from_slice(&chunk[..count]);
        // A TLS greeting: answer like any server that speaks no TLS.
        if count == 0 || request[0] == 0x16 {
            return stream
                .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request\n")
                .await;
        }
    }
    let request = String::from_utf8(request).unwrap();
    seen.lock().unwrap().push(request.clone());
    let answer = if request.starts_with("GET /v2/ ") {
        match answer("ping") {
            Answer::Once(text) if text.starts_with("HTTP/1.1 401") => Answer::Once(text),
            _ => Answer::Once(response(200, "", "")),
        }
    } else {
        answer(&request)
    };
    match answer {
        Answer::Once(text) => stream.write_all(text.as_bytes()).await,
        Answer::Endless(head, part, pause) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(part).await?;
                sent.fetch_add(part.len(), Ordering::Relaxed);
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn response(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn manifest_response(headers: &str, body: &str) -> String {
    response(200, &format!("Content-Type: {OCI}\r\n{headers}"), body)
}

#[tokio::test]
async fn a18_the_digest_is_that_of_the_bytes_and_not_the_servers_word() {
    let honest = format!(
        "Docker-Content-Digest: {}\r\n",
        Digest::of(MANIFEST.as_bytes())
    );
    for headers in ["", &honest] {
        let manifest = Server::sends(manifest_response(headers, MANIFEST))
            .await
            .fetch()
            .await
            .unwrap();
        assert_eq!(manifest.digest(), &Digest::of(MANIFEST.as_bytes()));
    }
    let other = Digest::of(b"other");
    let lying = format!("Docker-Content-Digest: {other}\r\n");
    for headers in [lying.clone(), format!("{honest}{lying}")] {
        let error = Server::sends(manifest_response(&headers, MANIFEST))
            .await
            .fetch()
            .await
            .unwrap_err();
        match error {
            RegistryError::DigestMismatch {
                expected, received, ..
            } => {
                assert_eq!(
                    (expected, received),
                    (other, Digest::of(MANIFEST.as_bytes()))
                );
            }
            error => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn a18_a_fetch_by_digest_accepts_no_other_bytes() {
    let server = Server::sends(manifest_response("", MANIFEST)).await;
    let registry = server.registry(Credentials::anonymous(), Limits::default());
    let wanted = Digest::of(b"what was signed");
    let error = registry.fetch_digest(&wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        matches!(error, RegistryError::DigestMismatch { expected, .. } if expected == wanted),
        "{error:?}"
    );
    assert!(
        server.requests()[0]
            .starts_with(&format!("GET /v2/team/app/manifests/{wanted} HTTP/1.1\r\n"))
    );
    assert!(
        registry
            .fetch_digest(&Digest::of(MANIFEST.as_bytes()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a23_a_claimed_digest_must_be_one() {
    for claimed in ["sha256:../../x", "sha256:abc", "sha512:abc", "", "SHA256:x"] {
        let headers = format!("Docker-Content-Digest: {claimed}\r\n");
        let server = Server::sends(manifest_response(&headers, MANIFEST)).await;
        let error = server.fetch().await.unwrap_err();
        assert!(
            matches!(error, RegistryError::ClaimedDigest { .. }),
            "{claimed:?}: {error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn a21_only_status_200_is_a_manifest() {
    for (status, kind) in [
        (201, ErrorKind::Refused),
        (203, ErrorKind::Refused),
        (206, ErrorKind::Refused),
        (300, ErrorKind::Refused),
        (302, ErrorKind::Refused),
        (304, ErrorKind::Refused),
        (403, ErrorKind::Refused),
        (404, ErrorKind::Absent),
        (429, ErrorKind::Refused),
        (500, ErrorKind::Refused),
        (503, ErrorKind::Refused),
    ] {
        let text = manifest_response("", MANIFEST).replacen("200", &status.to_string(), 1);
        let error = Server::sends(text).await.fetch().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
        let shown = match error {
            RegistryError::Refused { status, .. } | RegistryError::Unauthorized { status, .. } => {
                status
            }
            RegistryError::NotFound { .. } => 404,
            error => panic!("{error:?}"),
        };
        assert_eq!(shown, status);
    }
}

#[tokio::test]
async fn a21_what_is_no_manifest_is_not_taken_for_one() {
    let v1 = r#"{"schemaVersion":1,"fsLayers":[]}"#;
    let v1_type = "Content-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\n";
    for (text, expected) in [
        (response(200, v1_type, v1), "schema 1"),
        (response(200, "", MANIFEST), "instead of a manifest"),
        (
            response(200, "Content-Type: text/html\r\n", "<html>"),
            "instead of a manifest",
        ),
        (manifest_response("", "<html>"), "not a JSON object"),
        (manifest_response("", &MANIFEST[..20]), "not valid JSON"),
        (
            manifest_response("Content-Encoding: gzip\r\n", MANIFEST),
            r#"encoding "gzip""#,
        ),
    ] {
        let error = Server::sends(text).await.fetch().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_body_cut_short_is_a_network_failure() {
    let text = manifest_response("", MANIFEST).replacen("Content-Length: ", "Content-Length: 9", 1);
    let error = Server::sends(text).await.fetch().await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a17_an_announced_giant_is_not_read() {
    let text =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {OCI}\r\nContent-Length: 104857600\r\n\r\n");
    let server =
        Server::start(move |_| Answer::Endless(text.clone(), &[b' '; 1 << 16], Duration::ZERO))
            .await;
    let error = server.fetch().await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::TooLarge {
                max_bytes: 4_194_304
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a17_an_endless_body_stops_at_the_cap() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {OCI}\r\nConnection: close\r\n\r\n");
    let server =
        Server::start(move |_| Answer::Endless(head.clone(), &[b' '; 1 << 16], Duration::ZERO))
            .await;
    let error = server.fetch().await.unwrap_err();
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error:?}");
    // What the kernel buffers between the two comes on top.
    assert!(server.sent_bytes.load(Ordering::Relaxed) < 64 << 20);
}

#[tokio::test]
async fn a17_an_endless_error_page_does_not_hold_us_up() {
    let head = "HTTP/1.1 500 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"errors\":[";
    let server =
        Server::start(|_| Answer::Endless(head.to_owned(), &[b' '; 1 << 16], Duration::ZERO)).await;
    let error = server.fetch().await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Refused {
                status: 500,
                message: None,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a17_a_body_drop_by_drop_ends_with_the_time() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {OCI}\r\nConnection: close\r\n\r\n");
    let server =
        Server::start(move |_| Answer::Endless(head.clone(), b" ", Duration::from_millis(20)))
            .await;
    let limits = Limits {
        manifest_time: Duration::from_millis(500),
        ..Limits::default()
    };
    let begin = Instant::now();
    let error = server.fetch_within(limits).await.unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_server_that_accepts_and_is_silent_ends_with_the_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reference: Reference = format!("{}/x", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let limits = Limits {
        first_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let registry = Registry::new(&reference, Access::new(client(None)).limits(limits)).unwrap();
    let error = registry
        .fetch_tag(&"v1".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_stay_within_the_registry() {
    let elsewhere = Server::sends(manifest_response("", MANIFEST)).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!(
            "Location: http://127.0.0.1:{}/v2/team/app/manifests/v1\r\n",
            elsewhere.port
        );
        let error = Server::sends(response(status, &location, ""))
            .await
            .fetch()
            .await
            .unwrap_err();
        assert!(
            matches!(error, RegistryError::Redirected { .. }),
            "{error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    assert_eq!(
        elsewhere.requests().len(),
        0,
        "the other server was never asked"
    );

    let server = Server::start(|request| {
        Answer::Once(if request.starts_with("GET /moved ") {
            manifest_response("", MANIFEST)
        } else {
            response(307, "Location: /moved\r\n", "")
        })
    })
    .await;
    assert_eq!(server.fetch().await.unwrap().bytes(), MANIFEST);

    let circle = Server::sends(response(307, "Location: /round\r\n", "")).await;
    let error = circle.fetch().await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Redirected { .. }),
        "{error:?}"
    );
    assert_eq!(circle.requests().len(), 4);
}

#[tokio::test]
async fn a_client_that_follows_redirects_itself_is_found_out() {
    let elsewhere = Server::sends(manifest_response("", MANIFEST)).await;
    let location = format!("Location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    let server = Server::sends(response(307, &location, "")).await;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let follower = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()
        .unwrap();
    let reference = server.reference();
    let registry = Registry::new(&reference, Access::new(follower)).unwrap();
    let error = registry
        .fetch_tag(reference.tag().unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::Redirected { .. }),
        "{error:?}"
    );
}

fn alice() -> Credentials {
    Credentials::password("alice", SecretString::from("wonderland"))
}

/// Where a guarded server asks who is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asks {
    Everywhere,
    AtTheManifest,
    /// And hides the manifest from strangers.
    AtTheFrontDoor,
}

/// Lets in whoever sends alice's password, and asks for it with `challenge`.
async fn guarded(challenge: &'static str, asks: Asks) -> Server {
    Server::start(move |request| {
        let unauthorized = response(401, &format!("WWW-Authenticate: {challenge}\r\n"), "");
        // base64 of alice:wonderland
        let let_in = request.contains("authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n");
        Answer::Once(match request {
            "ping" if asks == Asks::AtTheManifest => response(200, "", ""),
            "ping" => unauthorized,
            _ if let_in => manifest_response("", MANIFEST),
            _ if asks == Asks::AtTheFrontDoor => response(404, "", ""),
            _ => unauthorized,
        })
    })
    .await
}

/// What was asked for, in order.
fn paths(server: &Server) -> Vec<String> {
    let path = |request: &String| request.split(' ').nth(1).unwrap().to_owned();
    server.requests().iter().map(path).collect()
}

const MANIFEST_PATH: &str = "/v2/team/app/manifests/v1";

#[tokio::test]
async fn a_password_is_shown_only_to_a_registry_that_asks() {
    for (asks, expected) in [
        (Asks::Everywhere, [MANIFEST_PATH, MANIFEST_PATH].as_slice()),
        (Asks::AtTheManifest, &[MANIFEST_PATH, MANIFEST_PATH]),
        (
            Asks::AtTheFrontDoor,
            &[MANIFEST_PATH, "/v2/", MANIFEST_PATH],
        ),
    ] {
        let server = guarded("Basic realm=\"x\"", asks).await;
        let manifest = server.fetch_as(alice()).await.unwrap();
        assert_eq!(manifest.bytes(), MANIFEST);
        assert_eq!(paths(&server), expected, "{asks:?}");
        let requests = server.requests();
        let (last, before) = requests.split_last().unwrap();
        assert!(last.contains("authorization"));
        assert!(
            before
                .iter()
                .all(|request| !request.contains("authorization"))
        );
    }
    let open = Server::sends(manifest_response("", MANIFEST)).await;
    open.fetch_as(alice()).await.unwrap();
    assert_eq!(paths(&open), [MANIFEST_PATH], "one request and no password");
    assert!(!open.requests()[0].contains("authorization"));
}

#[tokio::test]
async fn what_a_registry_asks_for_is_learnt_once() {
    let server = guarded("Basic realm=\"x\"", Asks::Everywhere).await;
    let registry = server.registry(alice(), Limits::default());
    for _ in 0..3 {
        let manifest = registry.fetch_tag(&"v1".parse().unwrap()).await.unwrap();
        assert_eq!(manifest.bytes(), MANIFEST);
    }
    assert_eq!(paths(&server).len(), 4);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let server = guarded("Basic realm=\"x\"", Asks::AtTheManifest).await;
    let wrong = Credentials::password("alice", SecretString::from("x"));
    let error = server.fetch_as(wrong).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { status: 401, .. }),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn without_an_answer_to_the_challenge_nothing_more_is_sent() {
    let server = guarded("Basic realm=\"x\"", Asks::Everywhere).await;
    let error = server.fetch().await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Credentials {
                source: AnswerError::NoBasicCredentials,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 1);

    // A password goes nowhere without TLS, except from this machine to itself.
    let server = guarded(
        r#"Bearer realm="http://t.example/",service="s""#,
        Asks::Everywhere,
    )
    .await;
    let error = server.fetch_as(alice()).await.unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Credentials {
                source: AnswerError::Token(TokenError::Realm { .. }),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(server.requests().len(), 1);

    let server = guarded("Negotiate", Asks::Everywhere).await;
    let error = server.fetch_as(alice()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_servers_explanation_cannot_drive_the_terminal() {
    let body = r#"{"errors":[{"code":"DENIED","message":"no\u001b[2J\n\u202e way"}]}"#;
    let error = Server::sends(response(403, "", body))
        .await
        .fetch()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "access to team/app:v1 denied with status 403: no[2J way"
    );
}

#[tokio::test]
async fn asks_for_all_four_formats_in_one_line() {
    let server = Server::sends(manifest_response("", MANIFEST)).await;
    server.fetch().await.unwrap();
    let accept = "accept: application/vnd.docker.distribution.manifest.v2+json, \
                  application/vnd.docker.distribution.manifest.list.v2+json, \
                  application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json\r\n";
    let requests = server.requests();
    assert!(
        requests[0].starts_with("GET /v2/team/app/manifests/v1 HTTP/1.1\r\n"),
        "{}",
        requests[0]
    );
    assert!(requests[0].contains(accept), "{}", requests[0]);
}
