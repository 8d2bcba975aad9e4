//! The recorded databases of Go servers: served, extended, and given back.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use secrecy::SecretString;
use signet_keys::KeyDatabase;
use signet_keys::database::{Algorithm, Options};
use signet_server::Settings;
use signet_server::store::{MetadataStore, PostgresStore};
use signet_server::trust::{DatabaseTrust, MemoryTrust, TrustService};
use signet_sql::{Database as Opened, PoolLimits, postgres};
use signet_testkit::peer::{Database, MariaDb, PostgreSql, TrustOptions, TrustServer};
use time::macros::datetime;

use crate::fixture::{Server, data, parse_request, read};
use crate::mysql;

const GUN: &str = "registry.example.com/demo/app";

/// A database that Go wrote.
enum Recorded {
    MySql(MariaDb),
    Postgres(PostgreSql),
}

impl Recorded {
    /// On MariaDB and on PostgreSQL.
    fn all(program: &str) -> [Self; 2] {
        let all = [
            Self::MySql(MariaDb::shared().unwrap()),
            Self::Postgres(PostgreSql::shared().unwrap()),
        ];
        for recorded in &all {
            let dump = data(&format!("db/{}-{program}.sql", recorded.backend()));
            match recorded {
                Self::MySql(database) => database.load(&dump).unwrap(),
                Self::Postgres(database) => database.load(&dump).unwrap(),
            }
        }
        all
    }

    fn database(&self) -> &dyn Database {
        match self {
            Self::MySql(database) => database,
            Self::Postgres(database) => database,
        }
    }

    fn backend(&self) -> &'static str {
        self.database().backend()
    }

    fn query(&self, sql: &str) -> String {
        match self {
            Self::MySql(database) => database.query(sql).unwrap(),
            Self::Postgres(database) => database.query(sql).unwrap(),
        }
    }

    fn schema(&self) -> String {
        match self {
            Self::MySql(database) => database.schema().unwrap(),
            Self::Postgres(database) => database.schema().unwrap(),
        }
    }

    async fn open(&self) -> Opened {
        match self {
            Self::MySql(database) => Opened::MySql(mysql::pool(&database.limited_url(), 8).await),
            Self::Postgres(database) => {
                let pool = postgres::connect(&database.url(), PoolLimits::default()).await;
                Opened::Postgres(pool.unwrap())
            }
        }
    }

    async fn serving(&self, trust: Arc<dyn TrustService>) -> Server {
        let store: Arc<dyn MetadataStore> = match self {
            Self::MySql(database) => Arc::new(mysql::open(&database.limited_url()).await),
            Self::Postgres(_) => {
                let Opened::Postgres(pool) = self.open().await else {
                    panic!("not opened as what it is");
                };
                Arc::new(PostgresStore::open(pool).await.unwrap())
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let server = Server::on(store, trust, Settings::default(), folder);
        server.set_time(datetime!(2026-11-23 00:00 UTC));
        server
    }

    fn go(&self) -> TrustServer {
        let options = TrustOptions::default().database(self.database());
        TrustServer::go_with(&options.plain()).unwrap()
    }

    /// Digest and bytes of every row, by role and version.
    fn rows(&self) -> BTreeMap<(String, i64), (String, Vec<u8>)> {
        let hex = match self {
            Self::MySql(_) => "LOWER(HEX(data))",
            Self::Postgres(_) => "encode(data, 'hex')",
        };
        let sql = format!(
            "SELECT CONCAT(role, ' ', version, ' ', sha256, ' ', {hex}) FROM tuf_files WHERE deleted_at IS NULL AND sha256 IS NOT NULL"
        );
        let row = |line: &str| {
            let fields: Vec<_> = line.split(' ').collect();
            let [role, version, sha256, hex] = fields[..] else {
                panic!("{line}");
            };
            let bytes = HEXLOWER.decode(hex.as_bytes()).unwrap();
            let key = (role.to_owned(), version.parse().unwrap());
            (key, (sha256.to_owned(), bytes))
        };
        self.query(&sql).lines().map(row).collect()
    }
}

/// The changefeed as it is, and as Go tells it: on PostgreSQL with blanks for the checksum that a deletion does not have.
async fn assert_feed(server: &Server, go: &TrustServer, path: &str) -> String {
    let theirs = go.client().unwrap().get(path).unwrap().text();
    let theirs = theirs.trim_end().replace(&" ".repeat(64), "");
    assert_eq!(server.get(path).await.text(), theirs);
    theirs
}

#[tokio::test]
async fn cases_52_55_and_56_a_database_that_go_wrote_is_served_as_it_is() {
    for recorded in Recorded::all("server") {
        let before = recorded.schema();
        let server = recorded.serving(Arc::new(MemoryTrust::new())).await;
        let rows = recorded.rows();
        assert_eq!(rows.len(), 13);
        recorded.query(
            "INSERT INTO tuf_files (id, created_at, updated_at, deleted_at, gun, role, version, data, sha256) VALUES \
            (90, NULL, NULL, '2026-11-22 00:00:00', 'registry.example.com/demo/app', 'root', 9, '', 'aa'), \
            (91, NULL, NULL, NULL, 'registry.example.com/demo/bare', 'root', 1, '{}', NULL)",
        );
        let mut newest = BTreeMap::new();
        for ((role, version), (sha256, bytes)) in &rows {
            for name in [
                format!("{version}.{role}.json"),
                format!("{role}.{sha256}.json"),
            ] {
                let answer = server.file(GUN, &name).await;
                assert_eq!(&answer.assert_ok().body, bytes, "{name}");
            }
            newest.insert(role, bytes);
        }
        // What Go wrote as UTC is read as UTC, whatever the zone of the session.
        let go = recorded.go();
        let client = go.client().unwrap();
        for (role, bytes) in newest {
            let answer = server.file(GUN, &format!("{role}.json")).await;
            assert_eq!(&answer.body, bytes, "{role}");
            let ours = answer.header("last-modified").unwrap().to_owned();
            assert_eq!(ours, "Sun, 22 Nov 2026 19:45:23 GMT");
            let path = format!("/v2/{GUN}/_trust/tuf/{role}.json");
            let theirs = client.get(&path).unwrap();
            if role != "timestamp" && role != "snapshot" {
                // Go's driver for PostgreSQL has no name for the zone.
                let theirs = theirs.header("last-modified").unwrap();
                assert_eq!(theirs.replace("+0000", "UTC"), ours.replace("GMT", "UTC"));
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
            let feed = assert_feed(&server, &go, &path).await;
            assert!(feed.contains("2026-11-22T19:45:23"), "{feed}");
        }
        assert_eq!(recorded.schema(), before);
    }
}

#[tokio::test]
async fn cases_53_and_54_the_next_publish_is_stored_and_go_serves_it() {
    for (recorded, keys) in Recorded::all("server")
        .into_iter()
        .zip(Recorded::all("signer"))
    {
        let alias = |_: &str| Some(SecretString::from("vector-passphrase-1"));
        let keys = keys.open().await;
        let keys = KeyDatabase::open(keys, Options::new("passalias1"), Arc::new(alias)).await;
        let clock = Arc::new(|| datetime!(2026-11-23 00:00 UTC));
        let trust = DatabaseTrust::new(keys.unwrap(), Algorithm::Ecdsa, clock);
        let server = recorded.serving(Arc::new(trust)).await;
        let feed = server.feed(GUN).await.len();
        let before = recorded.rows();
        let request = format!("db/{}-next-publish-request.http", recorded.backend());
        server
            .send(parse_request(&read(&request)))
            .await
            .assert_ok();
        let after = recorded.rows();
        let new: Vec<_> = after
            .keys()
            .filter(|key| !before.contains_key(key))
            .collect();
        let expected = [("snapshot", 6), ("targets", 5), ("timestamp", 5)]
            .map(|(role, version)| (role.to_owned(), version));
        assert_eq!(new, expected.iter().collect::<Vec<_>>());
        assert_eq!(server.feed(GUN).await.len(), feed + 1);

        let go = recorded.go();
        for (role, version) in expected {
            let current = go.metadata(GUN, &format!("{role}.json")).unwrap().unwrap();
            assert_eq!(current, after[&(role, version)].1);
        }
        let path = format!("/v2/{GUN}/_trust/changefeed?records=100");
        assert_feed(&server, &go, &path).await;
    }
}
