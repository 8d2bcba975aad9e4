//! What the Go server was recorded to answer.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use signet_server::Settings;
use signet_server::http::ManagedRole;
use signet_server::store::{MemoryStore, SqliteStore};
use signet_server::trust::{TrustError, TrustService};
use signet_testkit::peer::{TrustOptions, TrustServer};
use signet_tuf::{Gun, KeyId, PublicKey};
use time::macros::datetime;

use crate::fixture::{Backend, Server, data, parse_answer, parse_request, read};
use crate::tokens::recorded_auth;

fn index(name: &str) -> Vec<String> {
    let text = String::from_utf8(read(name)).unwrap();
    let first = |line: &str| line.split('\t').next().unwrap().to_owned();
    text.lines().map(first).collect()
}

/// Go wrote two blanks after "no" in one release and one in the next.
fn normal(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body).replace("no  timestamp", "no timestamp");
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

#[tokio::test]
async fn refuses_updates_as_go_does() {
    for backend in Backend::ALL {
        let server = Server::new(backend).await;
        let cases = index("update-errors/index.tsv");
        assert_eq!(cases.len(), 53);
        for case in cases {
            let request = parse_request(&read(&format!("update-errors/{case}.request.http")));
            let (status, body) =
                parse_answer(&read(&format!("update-errors/{case}.response.http")));
            let answer = server.send(request).await;
            assert_eq!(answer.status, status, "{case}: {}", answer.text());
            assert_eq!(normal(&answer.body), normal(&body), "{case}");
            assert!(answer.body.ends_with(b"\n"), "{case}");
            assert!(answer.body.len() < 1024, "{case}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/json; charset=utf-8"),
                "{case}"
            );
        }
        assert_eq!(server.store.guns(None, 10).await.unwrap(), [""; 0]);
    }
}

/// Health is answered by the program around the service (`server/process: token`).
const ELSEWHERE: [&str; 2] = ["16-health", "30-auth-health-open"];

/// The order of actions is random in the recordings.
fn normal_challenge(text: &str) -> String {
    text.replace(":pull,push\"", ":push,pull\"")
}

#[tokio::test]
async fn routes_and_refuses_requests_as_go_does() {
    let open = Server::new(Backend::Memory).await;
    let guarded = Settings {
        gun_prefixes: vec!["registry.example.com/".to_owned(), "docker.io/".to_owned()],
        auth: Some(recorded_auth()),
        ..Settings::default()
    };
    let guarded = Server::with(Backend::Memory, guarded).await;
    let cases = index("http-errors/index.tsv");
    assert_eq!(cases.len(), 33);
    let here = cases.iter().filter(|c| !ELSEWHERE.contains(&c.as_str()));
    let (mut seen, mut challenges) = (0, 0);
    for case in here {
        seen += 1;
        let number: usize = case[..2].parse().unwrap();
        let server = if number < 17 { &open } else { &guarded };
        let request = parse_request(&read(&format!("http-errors/{case}.request.http")));
        let raw = read(&format!("http-errors/{case}.response.http"));
        let (status, body) = parse_answer(&raw);
        let answer = server.send(request).await;
        if case == "03-ping-head" {
            // Go answers 404 to every HEAD (differences: HEAD is supported where GET is).
            assert_eq!(answer.status, 200);
            continue;
        }
        assert_eq!(answer.status, status, "{case}: {}", answer.text());
        assert_eq!(answer.body, body, "{case}");
        let text = String::from_utf8(raw).unwrap();
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        assert_eq!(answer.header("location"), header("Location: "), "{case}");
        let challenge = header("Www-Authenticate: ").map(normal_challenge);
        assert_eq!(
            answer.header("www-authenticate"),
            challenge.as_deref(),
            "{case}"
        );
        challenges += usize::from(challenge.is_some());
    }
    assert_eq!((seen, challenges), (33 - ELSEWHERE.len(), 13));
}

#[tokio::test]
async fn case_50_every_recorded_query_of_the_changefeed_is_answered() {
    for backend in Backend::ALL {
        let server = recorded_feed(backend).await;
        // Go's server on the same database. The times there are rounder than in the recording.
        let go = server.database.as_ref().map(|database| {
            let options = TrustOptions::default().database(&**database);
            TrustServer::go_with(&options.plain()).unwrap()
        });
        let gos = go.as_ref().map(|go| go.client().unwrap());
        let ask = async |path: &str| {
            let answer = server.get(path).await;
            answer.assert_ok();
            if let Some(go) = &gos {
                // On PostgreSQL it fills the checksum that a deletion does not have with blanks.
                let theirs = go.get(path).unwrap().text().replace(&" ".repeat(64), "");
                assert_eq!(answer.text(), theirs.trim_end(), "{backend:?} {path}");
            }
            answer
        };
        let whole = ask("/v2/_trust/changefeed?records=0").await;
        let recorded = read("changefeed/feed.json");
        let recorded = recorded.trim_ascii_end();
        if gos.is_none() {
            assert_eq!(whole.body, recorded);
        } else {
            assert_eq!(without_times(&whole.body), without_times(recorded));
        }
        let queries = String::from_utf8(read("changefeed/queries.tsv")).unwrap();
        let mut seen = 0;
        for line in queries.lines().skip(1) {
            let [gun, records, change_id, count, ids] =
                *line.split('\t').collect::<Vec<_>>().as_slice()
            else {
                panic!("{line}");
            };
            let base = if gun.is_empty() {
                "/v2/_trust/changefeed".to_owned()
            } else {
                format!("/v2/{gun}/_trust/changefeed")
            };
            let change_id = match change_id {
                "(absent)" => String::new(),
                "(empty)" => "&change_id=".to_owned(),
                id => format!("&change_id={id}"),
            };
            let answer = ask(&format!("{base}?records={records}{change_id}")).await;
            let answer = answer.json();
            let found: Vec<&str> = answer["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|record| record["ID"].as_str().unwrap())
                .collect();
            assert_eq!(found.join(","), ids, "{backend:?} {line}");
            assert_eq!(answer["count"].to_string(), count, "{backend:?} {line}");
            seen += 1;
        }
        assert_eq!(seen, 120);
    }
}

/// A changefeed without the moments in it.
fn without_times(feed: &[u8]) -> Value {
    let mut feed: Value = serde_json::from_slice(feed).unwrap();
    for record in feed["records"].as_array_mut().unwrap() {
        assert!(record["CreatedAt"].take().is_string());
    }
    feed
}

/// A store whose changefeed is the recorded one.
async fn recorded_feed(backend: Backend) -> Server {
    use signet_server::store::{Commit, MetadataStore, NewDocument, Revision};
    use time::format_description::well_known::Rfc3339;
    let feed: Value = serde_json::from_slice(&read("changefeed/feed.json")).unwrap();
    let server = Server::new(backend).await;
    let store: &dyn MetadataStore = &*server.store;
    for record in feed["records"].as_array().unwrap() {
        let gun: Gun = record["GUN"].as_str().unwrap().parse().unwrap();
        let now = record["CreatedAt"].as_str().unwrap();
        let now = time::OffsetDateTime::parse(now, &Rfc3339).unwrap();
        if record["Category"] == "deletion" {
            assert!(store.delete(&gun, now).await.unwrap());
            continue;
        }
        let timestamp = signet_tuf::RoleName::timestamp();
        let newest = store.newest(&gun, &timestamp).await.unwrap();
        let sha256 = record["SHA256"].as_str().unwrap().as_bytes();
        let sha256 = data_encoding::HEXLOWER.decode(sha256).unwrap();
        let document = NewDocument {
            role: timestamp,
            version: record["Version"].as_i64().unwrap(),
            sha256: sha256.try_into().unwrap(),
            data: bytes::Bytes::new(),
        };
        let commit = Commit {
            gun: &gun,
            base: newest.map(|d| Revision {
                version: d.version,
                sha256: d.sha256,
            }),
            documents: &[],
            timestamp: &document,
            now,
        };
        store.commit(&commit).await.unwrap();
    }
    server
}

/// Holds every key, and signs with nonsense: the recorded server's private keys are gone.
#[derive(Debug)]
struct EveryKey;

#[async_trait]
impl TrustService for EveryKey {
    async fn create_key(&self, _: &Gun, _: ManagedRole) -> Result<PublicKey, TrustError> {
        Ok(PublicKey::new(signet_tuf::KeyKind::Ed25519, vec![1; 32]))
    }

    async fn find_key(&self, gun: &Gun, _: &KeyId) -> Result<Option<PublicKey>, TrustError> {
        self.create_key(gun, ManagedRole::Timestamp).await.map(Some)
    }

    async fn sign(&self, _: &Gun, _: &KeyId, _: &[u8]) -> Result<Vec<u8>, TrustError> {
        Ok(vec![7; 64])
    }

    async fn check(&self) -> Result<(), TrustError> {
        Ok(())
    }
}

/// The `signed` part of a document without what depends on the moment and on keys that are gone: expiry, and digests
/// of documents that the server signed.
fn comparable(body: &[u8]) -> Value {
    let mut signed = serde_json::from_slice::<Value>(body).unwrap()["signed"].take();
    let is_server_signed = matches!(signed["_type"].as_str(), Some("Snapshot" | "Timestamp"));
    if is_server_signed {
        signed["expires"] = Value::Null;
        if signed["_type"] == "Timestamp" && signed["version"] != 1 {
            signed["meta"] = Value::Null;
        }
    }
    signed
}

#[tokio::test]
async fn replays_the_recorded_life_of_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on(
        Arc::new(MemoryStore::new()),
        Arc::new(EveryKey),
        Settings::default(),
        folder,
    );
    server.set_time(datetime!(2026-11-22 19:44:42 UTC));
    let objects = String::from_utf8(read("objects/index.tsv")).unwrap();
    for n in 1..=46 {
        let raw = read(&format!("client-lifecycle/{n:03}-request.http"));
        let mut request = parse_request(&raw);
        // What the server signs has other digests here than in the recording.
        let path = request.uri().path().to_owned();
        if let Some((base, file)) = path.rsplit_once("/snapshot.")
            && file != "key"
        {
            let current = server.get(&format!("{base}/snapshot.json")).await;
            let digest = signet_tuf::crypto::sha256(&current.body);
            let digest = data_encoding::HEXLOWER.encode(&digest);
            *request.uri_mut() = format!("{base}/snapshot.{digest}.json").parse().unwrap();
        }
        let raw = read(&format!("client-lifecycle/{n:03}-response.http"));
        let (status, body) = parse_answer(&raw);
        let answer = server.send(request).await;
        assert_eq!(answer.status, status, "{n} {path}: {}", answer.text());
        if path.ends_with(".key") {
            let (ours, theirs) = (answer.text(), String::from_utf8(body).unwrap());
            assert_eq!(ours.len(), theirs.len(), "{n}");
            assert_eq!(ours.split("public").next(), theirs.split("public").next());
        } else if path.ends_with(".json") {
            assert_eq!(
                comparable(&answer.decoded()),
                comparable(&body),
                "{n} {path}"
            );
            let digest = data_encoding::HEXLOWER.encode(&signet_tuf::crypto::sha256(&body));
            let is_uploaded = objects
                .lines()
                .any(|line| line.contains("request") && line.contains(&digest));
            if is_uploaded {
                assert_eq!(answer.decoded(), body, "{n} {path}");
            }
        } else {
            assert_eq!(answer.body, body, "{n} {path}");
        }
        // The zone is the one intended difference.
        let expected = String::from_utf8_lossy(&raw);
        let cache = expected
            .lines()
            .find_map(|l| l.strip_prefix("Cache-Control: "));
        assert_eq!(answer.header("cache-control"), cache, "{n}");
    }
}

#[tokio::test]
async fn serves_a_database_that_go_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let dump = std::fs::File::open(data("db/sqlite-server.sql")).unwrap();
    let status = std::process::Command::new("sqlite3")
        .arg(&path)
        .stdin(dump)
        .status()
        .unwrap();
    assert!(status.success());
    let schema = || {
        let output = std::process::Command::new("sqlite3")
            .arg(&path)
            .arg("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2")
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let before = schema();
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    assert_eq!(schema(), before, "nothing in the schema is altered");

    // A row that another program marked as deleted, and one without times.
    let marked = "INSERT INTO tuf_files VALUES (90, NULL, NULL, '2026-11-22 00:00:00+00:00', \
        'registry.example.com/demo/app', 'root', 9, 'aa', x'00'), \
        (91, NULL, NULL, NULL, 'registry.example.com/demo/bare', 'root', 1, NULL, x'7b7d')";
    sqlx::query(marked).execute(store.pool()).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let server = Server::on(
        Arc::new(store),
        Arc::new(signet_server::trust::MemoryTrust::new()),
        Settings::default(),
        folder,
    );
    server.set_time(datetime!(2026-11-23 00:00 UTC));
    let gun = "registry.example.com/demo/app";
    let rows = std::process::Command::new("sqlite3")
        .arg(&path)
        .arg("SELECT role, version, lower(hex(data)), sha256, created_at FROM tuf_files WHERE id < 90")
        .output()
        .unwrap();
    let rows = String::from_utf8(rows.stdout).unwrap();
    let mut newest = std::collections::BTreeMap::new();
    for row in rows.lines() {
        let [role, version, hex, sha256, _] = *row.split('|').collect::<Vec<_>>().as_slice() else {
            panic!("{row}");
        };
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        for name in [
            format!("{version}.{role}.json"),
            format!("{role}.{sha256}.json"),
        ] {
            let answer = server.file(gun, &name).await;
            answer.assert_ok();
            assert_eq!(answer.body, bytes, "{name}");
        }
        newest.insert(role, (version.parse::<i64>().unwrap(), bytes));
    }
    assert_eq!(newest.len(), 4);
    for (role, (_, bytes)) in newest {
        let answer = server.file(gun, &format!("{role}.json")).await;
        assert_eq!(answer.body, bytes, "{role}");
        assert_eq!(
            answer.header("last-modified"),
            Some("Sun, 22 Nov 2026 19:46:39 GMT")
        );
    }
    assert_eq!(server.file(gun, "9.root.json").await.status, 404);
    let bare = server
        .file("registry.example.com/demo/bare", "1.root.json")
        .await;
    assert_eq!(
        (bare.text(), bare.header("last-modified")),
        ("{}", Some("Mon, 01 Jan 0001 00:00:00 GMT"))
    );
    let feed = server.feed(gun).await;
    assert_eq!(
        feed.iter().map(|(_, v, _)| *v).collect::<Vec<_>>(),
        [1, 2, 3]
    );
}
