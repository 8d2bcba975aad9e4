//! The recorded database of a Go server: served, extended, and given back.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::KeyDatabase;
use signet_keys::database::{Algorithm, Options};
use signet_server::Settings;
use signet_server::store::MySqlStore;
use signet_server::trust::{DatabaseTrust, MemoryTrust, TrustService};
use signet_sql::Database as Opened;
use signet_testkit::peer::{MariaDb, TrustOptions, TrustServer};
use time::macros::datetime;

use super::{open, pool};
use crate::fixture::{Server, data, parse_request, read};

const GUN: &str = "registry.example.com/demo/app";

fn loaded(dump: &str) -> MariaDb {
    let database = MariaDb::shared().unwrap();
    database.load(&data(dump)).unwrap();
    database
}

async fn serving(database: &MariaDb, trust: Arc<dyn TrustService>) -> Server {
    let store: MySqlStore = open(&database.limited_url()).await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on(Arc::new(store), trust, Settings::default(), folder);
    server.set_time(datetime!(2026-11-23 00:00 UTC));
    server
}

/// The bytes of every row, by role and version.
fn rows(database: &MariaDb) -> BTreeMap<(String, i64), (String, Vec<u8>)> {
    let sql = "SELECT role, version, sha256, LOWER(HEX(data)) FROM tuf_files WHERE deleted_at IS NULL AND sha256 IS NOT NULL";
    let text = database.query(sql).unwrap();
    text.lines()
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let bytes = data_encoding::HEXLOWER
                .decode(fields[3].as_bytes())
                .unwrap();
            let key = (fields[0].to_owned(), fields[1].parse().unwrap());
            (key, (fields[2].to_owned(), bytes))
        })
        .collect()
}

#[tokio::test]
async fn cases_52_55_and_56_a_database_that_go_wrote_is_served_as_it_is() {
    let database = loaded("db/mysql-server.sql");
    let before = database.schema().unwrap();
    let server = serving(&database, Arc::new(MemoryTrust::new())).await;
    let rows = rows(&database);
    assert_eq!(rows.len(), 13);
    database
        .query(
            "INSERT INTO tuf_files VALUES (90, NULL, NULL, '2026-11-22 00:00:00', 'registry.example.com/demo/app', 'root', 9, '', 'aa'), \
            (91, NULL, NULL, NULL, 'registry.example.com/demo/bare', 'root', 1, '{}', NULL)",
        )
        .unwrap();
    let mut newest = BTreeMap::new();
    for ((role, version), (sha256, bytes)) in &rows {
        for name in [
            format!("{version}.{role}.json"),
            format!("{role}.{sha256}.json"),
        ] {
            assert_eq!(
                &server.file(GUN, &name).await.assert_ok().body,
                bytes,
                "{name}"
            );
        }
        newest.insert(role, bytes);
    }
    // What Go wrote as UTC is read as UTC, whatever the zone of the session.
    let go = TrustServer::go_with(&TrustOptions::default().database(&database).plain()).unwrap();
    let client = go.client().unwrap();
    for (role, bytes) in newest {
        let answer = server.file(GUN, &format!("{role}.json")).await;
        assert_eq!(&answer.body, bytes, "{role}");
        let ours = answer.header("last-modified").unwrap().to_owned();
        assert_eq!(ours, "Sun, 22 Nov 2026 19:45:23 GMT");
        let path = format!("/v2/{GUN}/_trust/tuf/{role}.json");
        let theirs = client.get(&path).unwrap();
        if role != "timestamp" && role != "snapshot" {
            assert_eq!(
                theirs.header("last-modified"),
                Some(&*ours.replace("GMT", "UTC"))
            );
        }
    }
    assert_eq!(server.file(GUN, "9.root.json").await.status, 404);
    let bare = server
        .file("registry.example.com/demo/bare", "1.root.json")
        .await;
    assert_eq!(
        (bare.text(), bare.header("last-modified")),
        ("{}", Some("Mon, 01 Jan 0001 00:00:00 GMT"))
    );
    for path in [
        format!("/v2/{GUN}/_trust/changefeed?records=100"),
        "/v2/_trust/changefeed?records=100".to_owned(),
    ] {
        let theirs = client.get(&path).unwrap().text();
        assert_eq!(server.get(&path).await.text(), theirs.trim_end());
        assert!(theirs.contains("2026-11-22T19:45:23Z"), "{theirs}");
    }
    assert_eq!(database.schema().unwrap(), before);
}

#[tokio::test]
async fn cases_53_and_54_the_next_publish_is_stored_and_go_serves_it() {
    let database = loaded("db/mysql-server.sql");
    let keys = loaded("db/mysql-signer.sql");
    let opened = Opened::MySql(pool(&keys.limited_url(), 4).await);
    let alias = |_: &str| Some(SecretString::from("vector-passphrase-1"));
    let keys = KeyDatabase::open(opened, Options::new("passalias1"), Arc::new(alias)).await;
    let clock = Arc::new(|| datetime!(2026-11-23 00:00 UTC));
    let trust = DatabaseTrust::new(keys.unwrap(), Algorithm::Ecdsa, clock);
    let server = serving(&database, Arc::new(trust)).await;
    let feed = server.feed(GUN).await.len();
    let before = rows(&database);
    let request = parse_request(&read("db/mysql-next-publish-request.http"));
    server.send(request).await.assert_ok();
    let after = rows(&database);
    let new: Vec<_> = after
        .keys()
        .filter(|key| !before.contains_key(key))
        .collect();
    let expected = [("snapshot", 6), ("targets", 5), ("timestamp", 5)]
        .map(|(role, version)| (role.to_owned(), version));
    assert_eq!(new, expected.iter().collect::<Vec<_>>());
    assert_eq!(server.feed(GUN).await.len(), feed + 1);

    let go = TrustServer::go_with(&TrustOptions::default().database(&database).plain()).unwrap();
    for (role, version) in expected {
        let current = go.metadata(GUN, &format!("{role}.json")).unwrap().unwrap();
        assert_eq!(current, after[&(role, version)].1);
    }
    let path = format!("/v2/{GUN}/_trust/changefeed?records=100");
    let theirs = go.client().unwrap().get(&path).unwrap().text();
    assert_eq!(server.get(&path).await.text(), theirs.trim_end());
}
