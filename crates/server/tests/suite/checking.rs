//! Checking what is stored: nothing that a server stored is a fault, and everything that was changed since is one.

use std::sync::Arc;

use signet_server::Settings;
use signet_server::check::{Checked, StoredFault, check};
use signet_server::store::{MetadataStore, MigrateOptions, MySqlStore};
use signet_server::trust::MemoryTrust;
use signet_sql::{Database, PoolLimits, mysql, postgres};
use signet_testkit::peer::{Database as _, MariaDb, PostgreSql};

use crate::fixture::{NOW, Server, data, open, open_postgres};
use crate::publisher::{Key, Publisher, delegate, seal, targets_signed};

const GUN: &str = "registry.example.com/a/b";

/// A database, and the peer that it is in.
struct World {
    database: Database,
    peer: Peer,
}

enum Peer {
    MariaDb(MariaDb),
    PostgreSql(PostgreSql),
    Sqlite,
}

impl World {
    async fn run(&self, sql: &'static str) {
        match (&self.peer, &self.database) {
            (Peer::MariaDb(peer), _) => drop(peer.query(sql).unwrap()),
            (Peer::PostgreSql(peer), _) => drop(peer.query(sql).unwrap()),
            (Peer::Sqlite, Database::Sqlite(pool)) => {
                sqlx::raw_sql(sql).execute(pool).await.unwrap();
            }
            _ => unreachable!(),
        }
    }

    async fn check(&self) -> (Checked, Vec<StoredFault>) {
        let mut all = Vec::new();
        let mut tell = |faults: &[StoredFault], _| all.extend_from_slice(faults);
        let checked = check(&self.database, NOW, &mut tell).await.unwrap();
        assert_eq!(checked.faults, all.len() as u64);
        (checked, all)
    }
}

async fn mariadb(peer: MariaDb) -> World {
    let pool = mysql::connect(&peer.url(), PoolLimits::default())
        .await
        .unwrap();
    MySqlStore::migrate(&pool, MigrateOptions::default())
        .await
        .unwrap();
    World {
        database: Database::MySql(pool),
        peer: Peer::MariaDb(peer),
    }
}

/// A repository with three states, a rotated root and a delegation.
async fn publish(store: Arc<dyn MetadataStore>) {
    let folder = tempfile::tempdir().unwrap();
    let trust = Arc::new(MemoryTrust::new());
    let server = Server::on(store, trust, Settings::default(), folder);
    let mut publisher = Publisher::published(&server, GUN).await;
    let key = Key::new();
    let mut signed = targets_signed(2, publisher.expires, &["v2"]);
    delegate(&mut signed, "targets/a", &[&key], &[""]);
    let targets = seal(&signed, &[&publisher.targets]);
    let child = seal(&targets_signed(1, publisher.expires, &["x"]), &[&key]);
    let parts = [("targets", &targets[..]), ("targets/a", &child[..])];
    server.post(GUN, &parts).await.assert_ok();
    let path = format!("/v2/{GUN}/_trust/tuf/timestamp.key");
    let answer = server.call("POST", &path).await;
    publisher.server_timestamp = serde_json::from_slice(&answer.assert_ok().body).unwrap();
    let root = publisher.root(2);
    server.post(GUN, &[("root", &root)]).await.assert_ok();
    Publisher::published(&server, "registry.example.com/a/c").await;
}

async fn every_change_is_a_fault(world: World) {
    let (checked, faults) = world.check().await;
    assert_eq!(faults, []);
    assert_eq!(
        (checked.repositories, checked.documents),
        (2, 2 + 2 + 1 + 3 + 3 + 4)
    );
    for (change, back, role, version, reason) in [
        (
            "UPDATE tuf_files SET sha256 = REPLACE(sha256, '0', '1') WHERE role = 'snapshot' AND version = 1 AND gun LIKE '%b'",
            "UPDATE tuf_files SET sha256 = NULL WHERE role = 'snapshot' AND version = 1 AND gun LIKE '%b'",
            "snapshot",
            Some(1),
            "its bytes are not those of its checksum",
        ),
        (
            "UPDATE tuf_files SET version = 9 WHERE role = 'targets' AND version = 2",
            "UPDATE tuf_files SET version = 2 WHERE role = 'targets' AND version = 9",
            "targets",
            Some(9),
            "it says another version than its row, or cannot be read",
        ),
        (
            "UPDATE changefeed SET version = version + 100 WHERE version = 3",
            "UPDATE changefeed SET version = version - 100 WHERE version = 103",
            "timestamp",
            Some(3),
            "the changefeed does not tell of the current timestamp",
        ),
        (
            "UPDATE tuf_files SET gun = 'registry.example.com/a/d' WHERE role = 'targets/a'",
            "UPDATE tuf_files SET gun = 'registry.example.com/a/b' WHERE role = 'targets/a'",
            "targets/a",
            None,
            "",
        ),
        (
            // Last: what another repository has is not put back.
            "UPDATE tuf_files SET gun = 'registry.example.com/a/e' WHERE gun LIKE '%c'",
            "",
            "root",
            None,
            "",
        ),
    ] {
        world.run(change).await;
        let (_, faults) = world.check().await;
        let told = faults.iter().find(|fault| {
            fault.role.as_deref() == Some(role)
                && version.is_none_or(|version| fault.version == Some(version))
                && fault.reason.contains(reason)
        });
        assert!(told.is_some(), "{change}: {faults:?}");
        if !back.is_empty() {
            world.run(back).await;
            assert_eq!(world.check().await.1, [], "{back}");
        }
    }
}

#[tokio::test]
async fn every_change_is_a_fault_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let store = Arc::new(open(&path).await);
    publish(Arc::clone(&store) as _).await;
    let world = World {
        database: Database::Sqlite(store.pool().clone()),
        peer: Peer::Sqlite,
    };
    every_change_is_a_fault(world).await;
}

#[tokio::test]
async fn every_change_is_a_fault_in_postgresql() {
    let peer = PostgreSql::shared().unwrap();
    let store = open_postgres(&peer).await;
    let database = Database::Postgres(store.pool().clone());
    publish(Arc::new(store)).await;
    let peer = Peer::PostgreSql(peer);
    every_change_is_a_fault(World { database, peer }).await;
}

#[tokio::test]
async fn every_change_is_a_fault_in_mariadb() {
    let world = mariadb(MariaDb::shared().unwrap()).await;
    let Database::MySql(pool) = &world.database else {
        unreachable!()
    };
    let store = MySqlStore::open(pool.clone()).await.unwrap();
    publish(Arc::new(store)).await;
    every_change_is_a_fault(world).await;
}

// What the real server wrote.
#[tokio::test]
async fn databases_of_go_have_no_faults() {
    let peer = PostgreSql::shared().unwrap();
    peer.load(&data("db/postgres-server.sql")).unwrap();
    let pool = postgres::connect(&peer.url(), PoolLimits::default())
        .await
        .unwrap();
    let database = Database::Postgres(pool);
    let postgres = World {
        database,
        peer: Peer::PostgreSql(peer),
    };
    let peer = MariaDb::shared().unwrap();
    peer.load(&data("db/mysql-server.sql")).unwrap();
    let pool = mysql::connect(&peer.url(), PoolLimits::default())
        .await
        .unwrap();
    let database = Database::MySql(pool);
    let mysql = World {
        database,
        peer: Peer::MariaDb(peer),
    };
    for world in [postgres, mysql] {
        let (checked, faults) = world.check().await;
        assert_eq!(faults, []);
        assert!(
            checked.repositories > 0 && checked.documents > 10,
            "{checked:?}"
        );
    }
}
