//! PostgreSQL: what every store does, and what only this one has to.

use std::sync::Arc;

use bytes::Bytes;
use signet_server::store::postgres::{MigrateError, Migrated, migrate};
use signet_server::store::{
    Change, Commit, MetadataStore as _, NewDocument, PostgresStore, Revision, StoreError, Window,
    ZERO_TIME,
};
use signet_sql::{PoolLimits, postgres};
use signet_testkit::peer::{Database as _, PostgreSql};
use signet_tuf::crypto::sha256;
use signet_tuf::{Gun, RoleName};
use time::{Duration, OffsetDateTime};

use crate::conformance::{conforms, damaged_head_fails_alone, heads_of};
use crate::fixture::data;

async fn open(url: &str) -> PostgresStore {
    let pool = postgres::connect(url, PoolLimits::default()).await.unwrap();
    PostgresStore::open(pool).await.unwrap()
}

/// An empty database with Go's tables.
fn go_database() -> PostgreSql {
    let database = PostgreSql::shared().unwrap();
    database.make_tables().unwrap();
    database
}

#[tokio::test]
async fn postgres_conforms() {
    let database = go_database();
    conforms(&open(&database.url()).await, Duration::MICROSECOND).await;
}

#[tokio::test]
async fn a_damaged_row_is_an_error_for_its_repository_alone() {
    let database = go_database();
    let store = open(&database.url()).await;
    for name in ["a", "b"] {
        publish(&store, &name.parse().unwrap(), "x").await.unwrap();
    }
    let spoil = "UPDATE tuf_files SET sha256 = 'xyz' WHERE gun = 'b' AND role = 'timestamp'";
    sqlx::query(spoil).execute(store.pool()).await.unwrap();
    damaged_head_fails_alone(&store, "b", "a").await;
}

fn new(role: &str, version: i64, text: &str) -> NewDocument {
    NewDocument {
        role: role.parse().unwrap(),
        version,
        sha256: sha256(text.as_bytes()),
        data: Bytes::copy_from_slice(text.as_bytes()),
    }
}

/// Publishes on top of whatever is newest.
async fn publish(store: &PostgresStore, gun: &Gun, text: &str) -> Result<i64, StoreError> {
    let newest = store.newest(gun, &RoleName::timestamp()).await?;
    let base = newest.map(|d| Revision {
        version: d.version,
        sha256: d.sha256,
    });
    let version = base.map_or(1, |base| base.version + 1);
    let mut documents = vec![new("targets", version, text)];
    if base.is_none() {
        documents.push(new("root", 1, text));
    }
    let commit = Commit {
        gun,
        base,
        documents: &documents,
        timestamp: &new("timestamp", version, text),
        now: OffsetDateTime::UNIX_EPOCH,
    };
    store.commit(&commit).await.map(|()| version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_publishers_on_two_servers_one_wins_each_version_and_deletions_leave_no_half() {
    let database = go_database();
    let stores = [open(&database.url()).await, open(&database.url()).await];
    let stores = Arc::new(stores);
    let gun: Gun = "busy".parse().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (stores, gun) = (Arc::clone(&stores), gun.clone());
        tasks.spawn(async move {
            for round in 0..30 {
                let store = &stores[writer % 2];
                if writer == 0 && round % 5 == 4 {
                    store
                        .delete(&gun, OffsetDateTime::UNIX_EPOCH)
                        .await
                        .unwrap();
                    continue;
                }
                match publish(store, &gun, &format!("{writer} {round}")).await {
                    Ok(_) | Err(StoreError::Conflict) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    let reader = {
        let stores = Arc::clone(&stores);
        tokio::spawn(async move {
            // Goes on from the highest number, as a mirror does.
            let mut seen = Vec::new();
            for _ in 0..200 {
                let last = seen.last().map_or(0, |change: &Change| change.id);
                let changes = stores[1].changes(None, Window::After(last), 100).await;
                seen.extend(changes.unwrap());
            }
            seen
        })
    };
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut seen = reader.await.unwrap();
    let last = seen.last().map_or(0, |change| change.id);
    let rest = stores[0].changes(None, Window::After(last), 10_000).await;
    seen.extend(rest.unwrap());
    let all = stores[0].changes(None, Window::After(0), 10_000).await;
    assert_eq!(seen, all.unwrap());
    // Each life goes 1, 2, 3 … without a gap, and ends with a deletion.
    let mut expected = 1;
    for change in &seen {
        match &*change.category {
            "update" => assert_eq!(change.version, expected, "{seen:?}"),
            _ => assert_eq!(change.version, 0),
        }
        expected = change.version + 1;
    }
    let half = "SELECT count(*) FROM tuf_files f WHERE NOT EXISTS \
        (SELECT 1 FROM tuf_files r WHERE r.gun = f.gun AND r.role = 'root')";
    assert_eq!(database.query(half).unwrap(), "0");
}

#[tokio::test]
async fn tables_are_made_as_gos_migrations_leave_them() {
    let made = PostgreSql::shared().unwrap();
    let pool = postgres::connect(&made.url(), PoolLimits::default())
        .await
        .unwrap();
    assert_eq!(migrate(&pool).await.unwrap(), Migrated::Created);
    assert_eq!(migrate(&pool).await.unwrap(), Migrated::Current);
    let versions = "SELECT version, dirty FROM schema_migrations";
    assert_eq!(made.query(versions).unwrap(), "2|f");
    // Go's recorded database, and a fresh one.
    let recorded = PostgreSql::shared().unwrap();
    recorded.load(&data("db/postgres-server.sql")).unwrap();
    recorded
        .query("CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
        .unwrap();
    let schema = recorded.schema().unwrap();
    assert_eq!(made.schema().unwrap(), schema);
    let pool = postgres::connect(&recorded.url(), PoolLimits::default())
        .await
        .unwrap();
    assert_eq!(migrate(&pool).await.unwrap(), Migrated::Current);
    assert_eq!(recorded.query(versions).unwrap(), "2|f");
    assert_eq!(recorded.schema().unwrap(), schema);

    // Before the changefeed.
    recorded
        .query("DROP TABLE changefeed, change_category; UPDATE schema_migrations SET version = 1")
        .unwrap();
    let upgraded = Migrated::Upgraded { from: 1, to: 2 };
    assert_eq!(migrate(&pool).await.unwrap(), upgraded);
    assert_eq!(recorded.schema().unwrap(), schema);
    let feed = "SELECT string_agg(version || category, ' ' ORDER BY id) FROM changefeed";
    assert_eq!(
        recorded.query(feed).unwrap(),
        "1update 2update 3update 4update"
    );

    recorded
        .query("UPDATE schema_migrations SET dirty = true")
        .unwrap();
    let refused = migrate(&pool).await.unwrap_err();
    assert!(
        matches!(refused, MigrateError::Dirty { version: 2 }),
        "{refused}"
    );
    recorded
        .query("UPDATE schema_migrations SET dirty = false, version = 3")
        .unwrap();
    let refused = migrate(&pool).await.unwrap_err();
    assert!(
        matches!(refused, MigrateError::Newer { version: 3, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_database_of_gos_is_read_whatever_is_in_its_columns() {
    let database = PostgreSql::shared().unwrap();
    database.load(&data("db/postgres-server.sql")).unwrap();
    let store = open(&database.url()).await;
    let gun: Gun = "registry.example.com/demo/app".parse().unwrap();
    for (role, version) in [
        ("root", 2),
        ("targets", 4),
        ("snapshot", 5),
        ("timestamp", 4),
    ] {
        let newest = store
            .newest(&gun, &role.parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(newest.version, version);
        let row = format!(
            "SELECT encode(data, 'hex'), sha256 FROM tuf_files WHERE role = '{role}' AND version = {version}"
        );
        let hex = data_encoding::HEXLOWER.encode(&newest.data);
        let digest = data_encoding::HEXLOWER.encode(&newest.sha256);
        assert_eq!(database.query(&row).unwrap(), format!("{hex}|{digest}"));
    }
    let changes = store.changes(None, Window::After(0), 100).await.unwrap();
    let last = changes.last().unwrap();
    assert_eq!((changes.len(), last.version, &*last.sha256), (6, 0, ""));
    // Hand-made rows: no time, a time beyond all times, no digest.
    database
        .query(
            "UPDATE tuf_files SET created_at = NULL, sha256 = NULL WHERE role = 'root'; \
            UPDATE tuf_files SET created_at = 'infinity' WHERE role = 'targets'; \
            UPDATE tuf_files SET created_at = '200000-01-01' WHERE role = 'snapshot'",
        )
        .unwrap();
    for role in ["root", "targets", "snapshot"] {
        let newest = store
            .newest(&gun, &role.parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(newest.stored_at, ZERO_TIME);
        assert_eq!(newest.sha256, sha256(&newest.data));
    }
    database
        .query("UPDATE tuf_files SET deleted_at = now() WHERE role = 'timestamp' AND version = 4")
        .unwrap();
    assert_eq!(
        store
            .newest_version(&gun, &RoleName::timestamp())
            .await
            .unwrap(),
        Some(3)
    );
    assert!(matches!(
        publish(&store, &gun, "x").await,
        Err(StoreError::Conflict)
    ));
}

/// The question for heads keeps its connection; that must not keep the server from stopping.
#[tokio::test]
async fn a_kept_connection_goes_back_when_the_server_stops() {
    let database = go_database();
    let store = open(&database.url()).await;
    let gun: Gun = "localhost/kept".parse().unwrap();
    for _ in 0..3 {
        let heads = heads_of(&store, std::slice::from_ref(&gun));
        assert_eq!(heads.await, [None]);
    }
    let pool = store.pool();
    // Until the pool has tested what `open` used.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let idle = u32::try_from(pool.num_idle()).unwrap();
    assert_eq!(pool.size() - idle, 1, "none is kept");
    tokio::time::timeout(std::time::Duration::from_secs(10), pool.close())
        .await
        .expect("the pool waits for the kept connection");
    assert!(store.shared().unwrap().heads(&[gun]).await.is_err());
}

#[tokio::test]
async fn a_database_that_was_killed_is_used_again_once_it_is_back() {
    let mut database = PostgreSql::start().unwrap();
    database.make_tables().unwrap();
    let store = open(&database.url()).await;
    let gun: Gun = "a".parse().unwrap();
    publish(&store, &gun, "one").await.unwrap();
    database.kill().unwrap();
    database.restart().unwrap();
    let newest = store.newest_version(&gun, &RoleName::timestamp()).await;
    assert_eq!(newest.unwrap(), Some(1));
    database.restart().unwrap();
    assert_eq!(publish(&store, &gun, "two").await.unwrap(), 2);
    database.restart().unwrap();
    assert!(
        store
            .delete(&gun, OffsetDateTime::UNIX_EPOCH)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn case_56_connections_are_encrypted_and_verified_as_the_data_source_says() {
    let plain = PostgreSql::shared().unwrap();
    let refused = plain.url().replace("?sslmode=disable", "");
    let refused = postgres::connect(&refused, PoolLimits::default()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("does not support TLS"), "{refused}");

    let database = PostgreSql::start_tls().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        signet_testkit::file::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let ca = file("ca.crt", &database.ca_pem().unwrap(), 0o644);
    let stranger = PostgreSql::start_tls().unwrap();
    let other = file("other.crt", &stranger.ca_pem().unwrap(), 0o644);
    let (user, identity) = database.certified().unwrap();
    let certificate = file("client.crt", &identity.certificate_pem, 0o644);
    let key = file("client.key", &identity.key_pem, 0o600);
    let open_key = file("open.key", &identity.key_pem, 0o644);
    let (owner, password) = database.login();
    let address = format!(
        "port={} dbname={}",
        database.address().port(),
        database.name()
    );
    let login = format!("{address} user={owner} password='{password}'");
    let certified = format!("{address} user={user} sslcert={certificate}");
    let socket = database.socket_folder().display();
    for (source, ok) in [
        (format!("{login} host=127.0.0.1"), true),
        (format!("{login} host=127.0.0.1 sslrootcert={ca}"), true),
        (format!("{login} host=127.0.0.1 sslrootcert={other}"), false),
        (
            format!("{login} host=127.0.0.1 sslmode=verify-full sslrootcert={ca}"),
            true,
        ),
        (
            format!("{login} host=127.0.0.1 sslmode=verify-full sslrootcert={other}"),
            false,
        ),
        (format!("{login} host=127.0.0.1 sslmode=verify-full"), false),
        (format!("{login} host={socket}"), true),
        (format!("{certified} sslkey={key} host=127.0.0.1"), true),
        (
            format!("{certified} sslkey={open_key} host=127.0.0.1"),
            false,
        ),
        (format!("{login} host=127.0.0.1 no_such_setting=1"), false),
    ] {
        let opened = postgres::connect(&source, PoolLimits::default()).await;
        assert_eq!(opened.is_ok(), ok, "{source}: {opened:?}");
        let told = opened.map_or_else(|e| format!("{e} {e:?}"), |pool| format!("{pool:?}"));
        assert!(!told.contains(password), "{told}");
    }
}
