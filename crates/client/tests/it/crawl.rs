//! Crawling servers that are busy, torn, half gone or hostile. Real servers are crawled by the tests of the programs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use signet_archive::record::Outcome;
use signet_archive::{ArchivedRepository, Sha256, State};
use signet_client::crawl::{
    Capture, CaptureOptions, CrawlError, Line, Patience, capture, names, run,
};
use signet_client::remote::Limits;
use signet_client::{Access, AuthorizationError, Authorizer, Challenge, RemoteOptions};
use signet_tuf::{Gun, RoleName};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::support::{Do, Request, Server, answer, answer_with};

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00:00 UTC);
const LIMITS: Limits = Limits {
    ping: Duration::from_millis(400),
    silence: Duration::from_millis(400),
    total: Duration::from_secs(5),
    min_rate: 4096,
};

fn gun(name: &str) -> Gun {
    name.parse().unwrap()
}

fn patience() -> Patience {
    Patience {
        attempts: 3,
        first_pause: Duration::from_millis(10),
        ..Patience::default()
    }
}

fn remote(server: &Server) -> RemoteOptions {
    RemoteOptions {
        limits: LIMITS,
        ..RemoteOptions::new(server.url("http", "127.0.0.1"), "test/1")
    }
}

async fn line(server: &Server) -> Arc<Line> {
    let line = Line::open(remote(server), patience(), Arc::new(|| NOW)).await;
    Arc::new(line.unwrap())
}

fn options(history: bool) -> CaptureOptions {
    CaptureOptions {
        moments: Arc::new(|| NOW),
        history,
    }
}

async fn take(server: &Server, history: bool) -> Capture {
    capture(&*line(server).await, &gun("r/x"), &options(history))
        .await
        .unwrap()
}

/// A server that pings well and has these files, by their paths below `/v2/r/x/_trust/`.
async fn serving(files: BTreeMap<String, String>) -> Server {
    Server::start(move |request| {
        let path = request.path.split('?').next().unwrap();
        if path == "/v2/" {
            return answer(200, "{}");
        }
        match files.get(path.trim_start_matches("/v2/r/x/_trust/")) {
            Some(body) => answer(200, body),
            None => answer(404, "{}"),
        }
    })
    .await
}

fn document(kind: &str, version: u64, more: &Value) -> String {
    let mut signed = json!({"_type": kind, "expires": "2030-01-01T00:00:00Z", "version": version});
    for (name, value) in more.as_object().unwrap() {
        signed[name] = value.clone();
    }
    json!({"signed": signed, "signatures": [{"keyid": "k", "method": "ecdsa", "sig": "AAAA"}]})
        .to_string()
}

fn hex(text: &str) -> String {
    Sha256::of(text.as_bytes()).to_string()
}

fn meta(text: &str) -> Value {
    let digest = data_encoding::BASE64.encode(&Sha256::of(text.as_bytes()).0);
    json!({"hashes": {"sha256": digest}, "length": text.len()})
}

/// A repository whose documents nobody has signed: what they are worth is not the crawl's business.
#[derive(Default)]
struct Files(BTreeMap<String, String>);

impl Files {
    /// A state: root of that version, targets and `targets/releases` of the version of the state.
    fn publish(&mut self, root_version: u64, version: u64) -> String {
        let root = document("Root", root_version, &json!({"keys": {}, "roles": {}}));
        let targets = document("Targets", version, &json!({"targets": {}}));
        let releases = document("Targets", version, &json!({"targets": {"v1": {}}}));
        let snapshot = json!({"meta": {
            "root": meta(&root), "targets": meta(&targets), "targets/releases": meta(&releases),
            "targets/Not-A-Role": meta(&root), "targets/empty": {"hashes": {}, "length": 0},
        }});
        let snapshot = document("Snapshot", version, &snapshot);
        let timestamp = document(
            "Timestamp",
            version,
            &json!({"meta": {"snapshot": meta(&snapshot)}}),
        );
        for (role, text) in [
            ("root", &root),
            ("targets", &targets),
            ("targets/releases", &releases),
            ("snapshot", &snapshot),
            ("timestamp", &timestamp),
        ] {
            self.0
                .insert(format!("tuf/{role}.{}.json", hex(text)), text.clone());
            let version = if role == "root" {
                root_version
            } else {
                version
            };
            self.0
                .insert(format!("tuf/{version}.{role}.json"), text.clone());
            self.0.insert(format!("tuf/{role}.json"), text.clone());
        }
        timestamp
    }
}

fn asked(capture: &Capture) -> Vec<(String, String)> {
    let requests = capture.repository.record.requests.iter();
    requests
        .map(|request| {
            // Digests are cut: what they are of is in the outcome.
            let path = request
                .path
                .split('.')
                .take(2)
                .map(|part| if part.len() == 64 { "#" } else { part });
            let outcome = match &request.outcome {
                Outcome::Found { .. } => "found".to_owned(),
                Outcome::Absent => "absent".to_owned(),
                Outcome::Refused { status } => status.to_string(),
                Outcome::TooLarge => "too large".to_owned(),
                Outcome::Unreachable { .. } => "unreachable".to_owned(),
            };
            (path.collect::<Vec<_>>().join("."), outcome)
        })
        .collect()
}

fn versions(repository: &ArchivedRepository, role: &str) -> Vec<i64> {
    let role: RoleName = role.parse().unwrap();
    repository
        .documents(&role)
        .map(|document| document.version)
        .collect()
}

fn pairs(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines
        .iter()
        .map(|(path, outcome)| ((*path).to_owned(), (*outcome).to_owned()))
        .collect()
}

#[tokio::test]
async fn everything_that_is_named_is_taken_and_every_question_noted() {
    let mut files = Files::default();
    for root in 1..=4 {
        files.publish(root, 1);
    }
    let timestamp = files.publish(5, 2);
    files.0.remove("tuf/3.root.json");
    let page = json!({"count": 2, "records": [
        {"ID": "7", "CreatedAt": "2026-11-01T10:00:00.5Z", "GUN": "r/x", "Version": 2, "SHA256": hex(&timestamp), "Category": "update"},
        {"ID": "9", "CreatedAt": "2026-11-02T10:00:00Z", "GUN": "r/x", "Version": 0, "SHA256": " ".repeat(64), "Category": "deletion"},
        {"ID": "8", "CreatedAt": "2026-11-02T10:00:00Z", "GUN": "r/x", "Version": 2, "SHA256": "", "Category": "update"},
        {"ID": "10", "CreatedAt": "2026-11-02T10:00:00Z", "GUN": "r/other", "Version": 2, "SHA256": "", "Category": "update"},
    ]});
    files.0.insert("changefeed".to_owned(), page.to_string());
    let server = serving(files.0).await;
    let taken = take(&server, false).await;
    assert_eq!(
        asked(&taken),
        pairs(&[
            ("root", "found"),
            ("timestamp", "found"),
            ("snapshot.#", "found"),
            ("targets.#", "found"),
            ("targets/releases.#", "found"),
            ("4.root", "found"),
            ("3.root", "absent"),
            ("2.root", "found"),
            ("1.root", "found"),
        ])
    );
    let record = &taken.repository.record;
    assert_eq!(versions(&taken.repository, "root"), [1, 2, 4, 5]);
    assert_eq!(
        record
            .current
            .keys()
            .map(RoleName::as_str)
            .collect::<Vec<_>>(),
        [
            "root",
            "snapshot",
            "targets",
            "targets/releases",
            "timestamp"
        ]
    );
    let ids: Vec<_> = record.changes.iter().map(|change| change.id).collect();
    assert_eq!(ids, [7, 9]);
    assert_eq!(record.changes[1].sha256, None);
    let published: Vec<_> = record
        .documents
        .iter()
        .filter_map(|document| Some((document.role.as_str(), document.published?.to_string())))
        .collect();
    assert_eq!(
        published,
        [("timestamp", "2026-11-01T10:00:00Z".to_owned())]
    );
    assert!(!taken.is_temporary && taken.left_out.is_none());
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn earlier_states_are_taken_with_all_that_they_name() {
    let mut files = Files::default();
    for version in 1..=4 {
        files.publish(version, version);
    }
    files.0.remove("tuf/2.timestamp.json");
    let lost: Vec<String> = files
        .0
        .iter()
        .filter(|(path, text)| path.starts_with("tuf/targets.") && text.contains("\"version\":1"))
        .map(|(path, _)| path.clone())
        .collect();
    for path in lost {
        files.0.remove(&path);
    }
    let server = serving(files.0).await;
    let without = take(&server, false).await.repository;
    assert_eq!(versions(&without, "timestamp"), [4]);
    let with = take(&server, true).await.repository;
    assert_eq!(versions(&with, "timestamp"), [1, 3, 4]);
    assert_eq!(versions(&with, "snapshot"), [1, 3, 4]);
    assert_eq!(versions(&with, "targets"), [3, 4]);
    assert_eq!(versions(&with, "targets/releases"), [1, 3, 4]);
    assert_eq!(versions(&with, "root"), [1, 2, 3, 4]);
}

/// Somebody publishes between the timestamp and what it names, and the server keeps nothing that is old.
#[tokio::test]
async fn a_publication_in_between_begins_anew() {
    let (mut old, mut new) = (Files::default(), Files::default());
    old.publish(1, 1);
    new.publish(2, 2);
    let (old, new) = (old.0, new.0);
    let count = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |request| {
        if request.path == "/v2/" {
            return answer(200, "{}");
        }
        let path = request
            .path
            .trim_start_matches("/v2/r/x/_trust/")
            .to_owned();
        // The publication happens after two answers: root and timestamp are old, everything else is new.
        let files = if count.fetch_add(1, Ordering::SeqCst) < 2 {
            &old
        } else {
            &new
        };
        match files.get(&path) {
            Some(body) => answer(200, body),
            None => answer(404, "{}"),
        }
    })
    .await;
    let taken = take(&server, false).await;
    for role in ["timestamp", "snapshot", "targets", "root"] {
        assert_eq!(versions(&taken.repository, role), [2], "{role}");
    }
    assert_eq!(taken.repository.record.requests[0].path, "root");
}

/// Go's server answers 500 for the timestamp of a repository that has expired and that it cannot renew.
#[tokio::test]
async fn a_repository_that_the_server_cannot_renew_is_taken_all_the_same() {
    for with_feed in [true, false] {
        let mut files = Files::default();
        for version in 1..5 {
            files.publish(1, version);
        }
        let timestamp = files.publish(1, 5);
        if with_feed {
            let page = json!({"records": [{"ID": "1", "CreatedAt": "2026-11-01T10:00:00Z", "GUN": "r/x", "Version": 5, "SHA256": hex(&timestamp), "Category": "update"}]});
            files.0.insert("changefeed".to_owned(), page.to_string());
        }
        let files = files.0;
        let server = Server::start(move |request| {
            let path = request.path.split('?').next().unwrap();
            match path.trim_start_matches("/v2/r/x/_trust/") {
                "/v2/" => answer(200, "{}"),
                "tuf/timestamp.json" | "tuf/snapshot.json" => answer(500, "{}"),
                path => match files.get(path) {
                    Some(body) => answer(200, body),
                    None => answer(404, "{}"),
                },
            }
        })
        .await;
        let taken = take(&server, false).await;
        let record = &taken.repository.record;
        assert_eq!(
            record.current[&RoleName::timestamp()].to_string(),
            hex(&timestamp),
            "{with_feed}"
        );
        assert_eq!(asked(&taken)[1], ("timestamp".into(), "500".into()));
        assert_eq!(versions(&taken.repository, "targets"), [5]);
        assert!(!taken.is_temporary);
    }
}

#[tokio::test]
async fn what_the_server_does_not_give_is_recorded_as_what_it_is() {
    let absent = serving(BTreeMap::new()).await;
    let taken = take(&absent, true).await;
    assert_eq!(taken.repository.record.verdict.state, State::Absent);
    assert_eq!(
        asked(&taken),
        pairs(&[("root", "absent"), ("timestamp", "absent")])
    );
    for (status, is_temporary) in [(403, false), (302, false), (500, true), (503, true)] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/v2/" => answer(200, "{}"),
            _ => answer_with(
                status,
                "Location: /v2/r/x/_trust/tuf/timestamp.json\r\n",
                "",
            ),
        })
        .await;
        let taken = take(&server, false).await;
        let verdict = &taken.repository.record.verdict;
        assert_eq!(verdict.state, State::Refused, "{status}");
        assert!(
            verdict
                .reason
                .as_ref()
                .unwrap()
                .contains(&status.to_string())
        );
        assert_eq!(taken.is_temporary, is_temporary, "{status}");
        let asked: Vec<String> = server.paths();
        assert!(asked.len() < 40, "{status}: {asked:?}");
    }
}

#[tokio::test]
async fn a_moment_of_trouble_is_not_noticed() {
    let mut files = Files::default();
    files.publish(1, 1);
    let quiet = asked(&take(&serving(files.0.clone()).await, false).await);
    for trouble in 0..3 {
        let (files, seen) = (files.0.clone(), Arc::new(Mutex::new(BTreeMap::new())));
        let server = Server::start(move |request: &Request| {
            let mut seen = seen.lock().unwrap();
            let count = seen.entry(request.path.clone()).or_insert(0);
            *count += 1;
            if *count == 1 {
                return match trouble {
                    0 => vec![Do::Close],
                    1 => answer(502, "<html>"),
                    _ => answer(429, ""),
                };
            }
            let path = request.path.split('?').next().unwrap();
            match path {
                "/v2/" => answer(200, "{}"),
                _ => match files.get(path.trim_start_matches("/v2/r/x/_trust/")) {
                    Some(body) => answer(200, body),
                    None => answer(404, "{}"),
                },
            }
        })
        .await;
        assert_eq!(asked(&take(&server, false).await), quiet, "{trouble}");
    }
}

/// `Retry-After` closes the way for every request, and is not noticed in what is taken.
#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is_left_alone() {
    for form in ["1", "Mon, 23 Nov 2026 12:00:01 GMT"] {
        let mut files = Files::default();
        files.publish(1, 1);
        let files = files.0;
        let until: Arc<Mutex<Option<Instant>>> = Arc::default();
        let early = Arc::new(AtomicUsize::new(0));
        let (gate, count) = (Arc::clone(&until), Arc::clone(&early));
        let server = Server::start(move |request| {
            if request.path == "/v2/" {
                return answer(200, "{}");
            }
            let mut gate = gate.lock().unwrap();
            match *gate {
                None => {
                    *gate = Some(Instant::now() + Duration::from_millis(950));
                    return answer_with(503, &format!("Retry-After: {form}\r\n"), "");
                }
                Some(until) if Instant::now() < until => {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                Some(_) => {}
            }
            let path = request.path.split('?').next().unwrap();
            match path
                .split_once("/_trust/")
                .and_then(|(_, path)| files.get(path))
            {
                Some(body) => answer(200, body),
                None => answer(404, "{}"),
            }
        })
        .await;
        let guns = ["r/x", "r/y", "r/z"].map(gun);
        let started = Instant::now();
        let mut taken = Vec::new();
        run::<Capture, CrawlError>(
            &line(&server).await,
            guns,
            &options(false),
            NonZeroUsize::MIN,
            |capture| capture,
            async |gun, capture| {
                taken.push((gun, capture.repository.record.requests.len()));
                Ok(())
            },
        )
        .await
        .unwrap();
        assert_eq!(taken.len(), 3);
        assert!(started.elapsed() >= Duration::from_millis(950), "{form}");
        assert_eq!(early.load(Ordering::SeqCst), 0, "{form}");
    }
}

#[tokio::test]
async fn a_server_that_wants_too_long_a_pause_ends_the_crawl() {
    for form in [
        "601",
        "99999999999999999999",
        "Mon, 23 Nov 2026 12:10:01 GMT",
    ] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/v2/" => answer(200, "{}"),
            _ => answer_with(429, &format!("Retry-After: {form}\r\n"), ""),
        })
        .await;
        let error = capture(&*line(&server).await, &gun("r/x"), &options(false))
            .await
            .unwrap_err();
        assert!(
            matches!(error, CrawlError::Wait { seconds, .. } if seconds > 600),
            "{form}: {error:?}"
        );
    }
    // And who says so already when greeted.
    let server = Server::start(|_| answer_with(503, "Retry-After: 1000\r\n", "")).await;
    let error = Line::open(remote(&server), patience(), Arc::new(|| NOW)).await;
    assert!(matches!(error, Err(CrawlError::Wait { seconds: 1000, .. })));
}

/// Each wish is a short one, and there is no end of them.
#[tokio::test]
async fn a_server_that_wants_pause_after_pause_ends_the_crawl() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::start(move |request| match request.path.as_str() {
        "/v2/" => answer(200, "{}"),
        // Every other answer is one, so that no single question is given up.
        _ if count.fetch_add(1, Ordering::SeqCst) % 2 == 1 => answer(404, "{}"),
        _ => answer_with(429, "Retry-After: 1\r\n", ""),
    })
    .await;
    let patience = Patience {
        longest_waiting: Duration::from_millis(2500),
        ..patience()
    };
    let line = Line::open(remote(&server), patience, Arc::new(|| NOW)).await;
    let started = Instant::now();
    let error = run::<Capture, CrawlError>(
        &Arc::new(line.unwrap()),
        (0..100).map(|number| gun(&format!("r/{number}"))),
        &options(false),
        NonZeroUsize::new(1).unwrap(),
        |capture| capture,
        async |_, _| Ok(()),
    )
    .await
    .unwrap_err();
    let CrawlError::Waited { server, seconds } = &error else {
        panic!("{error:?}");
    };
    assert!(server.starts_with("127.0.0.1:"), "{server}");
    assert_eq!(*seconds, 2);
    assert!(started.elapsed() >= Duration::from_millis(1900));
    assert!(asked.load(Ordering::SeqCst) < 10);
}

#[tokio::test]
async fn a_server_that_is_gone_ends_the_crawl_soon() {
    let server = Server::start(|request| match request.path.as_str() {
        "/v2/" => answer(200, "{}"),
        _ => vec![Do::Close],
    })
    .await;
    let guns = (0..1000).map(|number| gun(&format!("r/{number}")));
    let mut seen = 0;
    let error = run::<Capture, CrawlError>(
        &line(&server).await,
        guns,
        &options(false),
        NonZeroUsize::new(4).unwrap(),
        |capture| capture,
        async |_, capture| {
            assert_eq!(capture.repository.record.verdict.state, State::Unreachable);
            assert!(capture.is_temporary);
            seen += 1;
            Ok(())
        },
    )
    .await
    .unwrap_err();
    assert!(matches!(error, CrawlError::Silent { .. }), "{error:?}");
    assert_eq!(seen, 5);
    let closed = Server::start(|_| vec![Do::Close]).await;
    let error = Line::open(remote(&closed), patience(), Arc::new(|| NOW)).await;
    assert!(matches!(error, Err(CrawlError::Silent { .. })));
}

/// The server is not kept waiting by what is made of what it gave, and is asked for no more repositories at a time than it was to be.
#[tokio::test]
async fn the_next_repository_is_taken_while_one_is_made() {
    let asked = Arc::new(Mutex::new(Vec::<String>::new()));
    let noted = Arc::clone(&asked);
    let server = Server::start(move |request| {
        if request.path == "/v2/" {
            return answer(200, "{}");
        }
        let name = request.path.split('/').nth(3).unwrap_or_default();
        noted.lock().unwrap().push(name.to_owned());
        answer(404, "{}")
    })
    .await;
    let seen = Arc::clone(&asked);
    // The first one is done only once the server was asked for the second.
    let make = move |capture: Capture| {
        let deadline = Instant::now() + Duration::from_secs(20);
        let is_first = capture.repository.record.gun.as_str() == "r/0";
        while is_first && !seen.lock().unwrap().iter().any(|name| name == "1") {
            assert!(Instant::now() < deadline, "the server waits");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let mut done = 0;
    run::<(), CrawlError>(
        &line(&server).await,
        (0..5).map(|number| gun(&format!("r/{number}"))),
        &options(false),
        NonZeroUsize::MIN,
        make,
        async |_, ()| {
            done += 1;
            Ok(())
        },
    )
    .await
    .unwrap();
    assert_eq!(done, 5);
    let mut names = asked.lock().unwrap().clone();
    names.dedup();
    assert_eq!(names, ["0", "1", "2", "3", "4"]);
}

struct Basic;

#[async_trait]
impl Authorizer for Basic {
    async fn authorize(
        &self,
        _gun: &Gun,
        access: Access,
        _challenges: &[Challenge],
    ) -> Result<Option<HeaderValue>, AuthorizationError> {
        assert_eq!(access, Access::Pull);
        Ok(Some(HeaderValue::from_static("Basic Zm9vOmJhcg==")))
    }
}

/// A wrong password is wrong everywhere; a right one may not be good for everything.
#[tokio::test]
async fn a_refused_repository_is_told_from_a_refused_login() {
    for is_good in [true, false] {
        let server = Server::start(move |request| {
            let is_ping = request.path == "/v2/";
            match request.header("authorization") {
                Some(_) if is_ping && is_good => answer(200, "{}"),
                _ => answer_with(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", ""),
            }
        })
        .await;
        let mut remote = remote(&server);
        remote.authorizer = Some(Arc::new(Basic));
        let line = Line::open(remote, patience(), Arc::new(|| NOW))
            .await
            .unwrap();
        let taken = capture(&line, &gun("r/x"), &options(true)).await;
        if is_good {
            let taken = taken.unwrap();
            assert_eq!(taken.repository.record.verdict.state, State::Refused);
            assert!(!taken.is_temporary);
            assert_eq!(asked(&taken), pairs(&[("root", "401")]));
        } else {
            assert!(matches!(taken, Err(CrawlError::Login { .. })), "{taken:?}");
        }
    }
}

fn feed(entries: &[(u64, &str, &str)]) -> String {
    let entries: Vec<Value> = entries
        .iter()
        .map(|(id, gun, category)| {
            json!({"ID": id.to_string(), "CreatedAt": "2026-11-01T10:00:00Z", "GUN": gun, "Version": 1, "SHA256": "", "Category": category})
        })
        .collect();
    json!({"count": entries.len(), "records": entries}).to_string()
}

fn after(request: &Request) -> u64 {
    let (_, rest) = request.path.split_once("change_id=").unwrap();
    rest.split('&').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_changefeed_names_repositories_page_by_page() {
    let server = Server::start(|request| {
        if request.path == "/v2/" {
            return answer(200, "{}");
        }
        assert!(request.path.starts_with("/v2/_trust/changefeed?"));
        match after(request) {
            // This server gives 100 at most.
            0 => {
                let names: Vec<String> = (1..=100).map(|id| format!("r/{}", id % 7)).collect();
                let entries: Vec<_> = (1..=100)
                    .zip(&names)
                    .map(|(id, name)| (id, name.as_str(), "update"))
                    .collect();
                answer(200, &feed(&entries))
            }
            100 => answer(
                200,
                &feed(&[
                    (101, "r/3", "deletion"),
                    (105, "r/4", "deletion"),
                    (106, "r/4", "update"),
                    (107, "../x", "update"),
                    (108, "../x", "update"),
                ]),
            ),
            other => panic!("{other}"),
        }
    })
    .await;
    let mut told = Vec::new();
    let found = names(&*line(&server).await, &mut |changes, names| {
        told.push((changes, names));
    })
    .await
    .unwrap();
    assert_eq!(found.changes, 105);
    assert_eq!(found.repositories.len(), 7);
    let deleted = found.repositories.iter().filter(|(_, is_gone)| **is_gone);
    assert_eq!(
        deleted.map(|(gun, _)| gun.as_str()).collect::<Vec<_>>(),
        ["r/3"]
    );
    assert_eq!(found.invalid, ["../x"]);
    assert_eq!(told, [(100, 7), (105, 7)]);
}

#[tokio::test]
async fn a_changefeed_that_goes_in_circles_is_left() {
    let names_of = |first: u64| {
        let entries: Vec<_> = (0..1000).map(|n| (first + n, "r/x", "update")).collect();
        feed(&entries)
    };
    let circle = names_of(1);
    let server = Server::start(move |request| match request.path.as_str() {
        "/v2/" => answer(200, "{}"),
        _ => answer(200, &circle),
    })
    .await;
    let error = names(&*line(&server).await, &mut |_, _| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("repeats itself"), "{error}");
    // Of one repository: every page leads on, and there is no end.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let mut files = Files::default();
    files.publish(1, 1);
    let files = files.0;
    let endless = Server::start(move |request| {
        if request.path == "/v2/" {
            return answer(200, "{}");
        }
        if request.path.contains("changefeed") {
            count.fetch_add(1, Ordering::SeqCst);
            return answer(200, &names_of(after(request) + 1));
        }
        match files.get(request.path.trim_start_matches("/v2/r/x/_trust/")) {
            Some(body) => answer(200, body),
            None => answer(404, "{}"),
        }
    })
    .await;
    let taken = take(&endless, false).await;
    assert_eq!(taken.repository.record.changes.len(), 20_000);
    assert_eq!(asked.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn a_server_without_a_changefeed_names_nothing() {
    for (status, text) in [(404, "has no changefeed"), (401, "status 401")] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/v2/" => answer(200, "{}"),
            _ => answer(status, "{}"),
        })
        .await;
        let error = names(&*line(&server).await, &mut |_, _| {})
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// Whatever a document says, questions, bytes and time stay within limits.
#[tokio::test]
async fn documents_cannot_make_a_crawl_endless() {
    // A root that claims to have had more predecessors than anybody could count, none of which is there.
    let mut files = Files::default();
    files.publish(1 << 50, 1);
    let server = serving(files.0).await;
    let taken = take(&server, false).await;
    assert!(server.paths().len() < 100, "{}", server.paths().len());
    assert!(taken.left_out.is_some());

    // A timestamp that claims as many earlier states.
    let mut files = Files::default();
    files.publish(1, 1 << 50);
    let server = serving(files.0).await;
    let taken = take(&server, true).await;
    assert!(server.paths().len() < 100, "{}", server.paths().len());
    assert!(taken.left_out.is_some());

    // A snapshot of a hundred thousand roles.
    let mut roles = serde_json::Map::new();
    for number in 0..100_000 {
        roles.insert(format!("targets/d{number:06}"), meta(&number.to_string()));
    }
    let snapshot = document("Snapshot", 1, &json!({"meta": roles}));
    let timestamp = document(
        "Timestamp",
        1,
        &json!({"meta": {"snapshot": meta(&snapshot)}}),
    );
    let files = BTreeMap::from([
        ("tuf/timestamp.json".to_owned(), timestamp),
        (format!("tuf/snapshot.{}.json", hex(&snapshot)), snapshot),
    ]);
    let server = serving(files).await;
    let taken = take(&server, false).await;
    let questions = taken.repository.record.requests.len();
    assert!((4096..4200).contains(&questions), "{questions}");
    let left_out = taken.left_out.unwrap();
    assert!(left_out.contains("100000"), "{left_out}");
}

#[tokio::test]
async fn answers_that_are_too_large_or_too_slow_are_not_waited_for() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let flood = Server::start(move |request| match request.path.as_str() {
        "/v2/" => answer(200, "{}"),
        path if path.contains("timestamp") => {
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 1 << 16], b"\r\n"].concat();
            vec![Do::Send(head.to_vec()), Do::Flood(chunk)]
        }
        _ => answer(404, ""),
    })
    .await;
    let taken = take(&flood, false).await;
    assert_eq!(
        asked(&taken),
        pairs(&[("root", "absent"), ("timestamp", "too large")])
    );
    assert_eq!(taken.repository.record.documents, []);

    let dripping = Server::start(move |request| match request.path.as_str() {
        "/v2/" => answer(200, "{}"),
        _ => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
            vec![
                Do::Send(head.to_vec()),
                Do::Drip(b' ', Duration::from_millis(50)),
            ]
        }
    })
    .await;
    let started = Instant::now();
    let taken = take(&dripping, false).await;
    assert_eq!(taken.repository.record.verdict.state, State::Unreachable);
    assert!(started.elapsed() < Duration::from_secs(10));
}
