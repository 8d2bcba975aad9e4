//! MySQL and MariaDB: what every store does, and what only this one has to.

use bytes::Bytes;
use signet_server::store::{
    Commit, Head, MetadataStore, MySqlStore, NewDocument, Revision, StoreError,
};
use signet_sql::{PoolLimits, mysql};
use signet_testkit::peer::MariaDb;
use signet_tuf::Gun;
use signet_tuf::crypto::sha256;
use sqlx::Row as _;
use sqlx::mysql::MySqlPool;
use time::{Duration, OffsetDateTime};

use crate::conformance::{conforms, damaged_head_fails_alone, heads_of};
use crate::fixture::NOW;

mod connection;
mod failures;
mod migration;
mod names;
mod zone;

/// A pool of at most so many connections.
pub(crate) async fn pool(url: &str, connections: u32) -> MySqlPool {
    let limits = PoolLimits {
        connections,
        ..PoolLimits::default()
    };
    mysql::connect(url, limits).await.unwrap()
}

pub(crate) async fn open(url: &str) -> MySqlStore {
    MySqlStore::open(pool(url, 16).await).await.unwrap()
}

/// An empty database with Go's tables.
pub(crate) fn go_database() -> MariaDb {
    let database = MariaDb::shared().unwrap();
    database.make_tables().unwrap();
    database
}

fn document(role: &str, version: i64, text: &str) -> NewDocument {
    NewDocument {
        role: role.parse().unwrap(),
        version,
        sha256: sha256(text.as_bytes()),
        data: Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn gun(name: &str) -> Gun {
    name.parse().unwrap()
}

fn revision(document: &NewDocument) -> Revision {
    Revision {
        version: document.version,
        sha256: document.sha256,
    }
}

/// Publishes timestamp `version` on the one before it, which [`timestamp`] wrote; the first one with a root.
async fn publish(store: &MySqlStore, name: &str, version: i64) -> Result<(), StoreError> {
    publish_at(store, name, version, NOW).await
}

async fn publish_at(
    store: &MySqlStore,
    name: &str,
    version: i64,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let root = [document("root", 1, name), document("targets", 1, name)];
    let targets = [document("targets", version, name)];
    let commit = Commit {
        gun: &gun(name),
        base: (version > 1).then(|| revision(&timestamp(name, version - 1))),
        documents: if version > 1 { &targets } else { &root },
        timestamp: &timestamp(name, version),
        now,
    };
    store.commit(&commit).await
}

fn timestamp(name: &str, version: i64) -> NewDocument {
    document("timestamp", version, &format!("{name} {version}"))
}

#[tokio::test]
async fn mysql_conforms_with_the_least_privileges_on_the_tables_of_go() {
    let database = go_database();
    conforms(&open(&database.limited_url()).await, Duration::SECOND).await;
}

#[tokio::test]
async fn mysql_conforms_where_transactions_are_logged_as_statements() {
    let options = ["--log-bin", "--binlog-format=STATEMENT", "--server-id=1"];
    let database = MariaDb::start_with(&options).unwrap();
    database.make_tables().unwrap();
    conforms(&open(&database.limited_url()).await, Duration::SECOND).await;
}

/// What the storage engine was asked for on the one connection of a pool.
pub(crate) async fn rows_read(pool: &MySqlPool) -> u64 {
    let status = "SELECT VARIABLE_NAME, CAST(VARIABLE_VALUE AS UNSIGNED) AS number \
        FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME IN \
        ('Handler_read_first', 'Handler_read_key', 'Handler_read_next', 'Handler_read_prev', 'Handler_read_rnd_next')";
    let rows = sqlx::query(status).fetch_all(pool).await.unwrap();
    rows.iter().map(|row| row.get::<u64, _>("number")).sum()
}

#[tokio::test]
async fn no_question_about_a_repository_looks_at_others() {
    let database = go_database();
    let rows =
        "INSERT INTO tuf_files (gun, role, version, data, sha256) SELECT CONCAT('many/', seq), ";
    for role in [
        "'root', 1",
        "'targets', 1",
        "'timestamp', 1",
        "'timestamp', 2",
    ] {
        let sql = format!("{rows}{role}, 'x', SHA2('x', 256) FROM seq_1_to_3000;");
        database.query(&sql).unwrap();
    }
    database.query("ANALYZE TABLE tuf_files").unwrap();
    let pool = pool(&database.limited_url(), 1).await;
    let store = MySqlStore::open(pool.clone()).await.unwrap();
    // Looking at the numbers changes them.
    let first = rows_read(&pool).await;
    let looking = rows_read(&pool).await - first;
    let names = [gun("many/7"), gun("many/none"), gun("many/2999")];
    let role = "timestamp".parse().unwrap();
    let mut before = rows_read(&pool).await;
    let mut cost = async |what: &str, most: u64| {
        let now = rows_read(&pool).await;
        let read = now - before - looking;
        assert!(read <= most, "{what}: {read} rows");
        before = now;
    };
    let heads = heads_of(&store, &names).await;
    cost("heads of three", 24).await;
    assert_eq!(heads[0].map(|head| head.timestamp.version), Some(2));
    assert_eq!(heads[1], None);
    assert_eq!(heads[2].map(|head| head.timestamp.version), Some(2));
    store.newest(&names[0], &role).await.unwrap().unwrap();
    cost("newest", 6).await;
    store
        .by_version(&names[0], &role, 1)
        .await
        .unwrap()
        .unwrap();
    cost("by version", 6).await;
    let wrong = sha256(b"other");
    let found = store.by_checksum(&names[0], &role, &wrong).await;
    assert_eq!(found.unwrap(), None);
    cost("by checksum", 12).await;
    let commit = Commit {
        gun: &names[0],
        base: Some(Revision {
            version: 2,
            sha256: sha256(b"x"),
        }),
        documents: &[document("targets", 2, "y")],
        timestamp: &document("timestamp", 3, "y"),
        now: NOW,
    };
    store.commit(&commit).await.unwrap();
    cost("commit", 40).await;
    assert!(store.delete(&names[0], NOW).await.unwrap());
    cost("delete", 40).await;
}

#[tokio::test]
async fn heads_are_in_the_order_of_the_question_and_tell_lives_apart() {
    let database = go_database();
    let store = open(&database.limited_url()).await;
    for name in ["a", "b", "c"] {
        publish(&store, name, 1).await.unwrap();
    }
    publish(&store, "b", 2).await.unwrap();
    let names: Vec<_> = ["c", "none", "b", "a", "b", "😀", "B"].map(gun).into();
    let heads = heads_of(&store, &names).await;
    let expect = |name, version| Some(revision(&timestamp(name, version)));
    let found: Vec<_> = heads.iter().map(|head| head.map(|h| h.timestamp)).collect();
    assert_eq!(
        found,
        [
            expect("c", 1),
            None,
            expect("b", 2),
            expect("a", 1),
            expect("b", 2),
            None,
            None
        ]
    );
    let life = |heads: &[Option<Head>]| heads[0].unwrap().incarnation;
    let one = life(&heads);
    store.delete(&gun("c"), NOW).await.unwrap();
    assert_eq!(heads_of(&store, &names[..1]).await, [None]);
    publish(&store, "c", 1).await.unwrap();
    let again = heads_of(&store, &names[..1]).await;
    assert_ne!(life(&again), one);
    assert_eq!(heads_of(&store, &[]).await, []);
    // More than one question.
    let many: Vec<_> = (0..300)
        .map(|n| gun(&format!("x{n}")))
        .chain([gun("a")])
        .collect();
    let heads = heads_of(&store, &many).await;
    assert_eq!((heads.len(), heads[300].is_some()), (301, true));
}

#[tokio::test]
async fn a_damaged_row_is_an_error_for_its_repository_alone() {
    let database = go_database();
    let url = database.limited_url();
    let store = open(&url).await;
    for name in ["a", "b"] {
        publish(&store, name, 1).await.unwrap();
    }
    let spoil = "UPDATE tuf_files SET sha256 = 'xyz' WHERE gun = 'b' AND role = 'timestamp'";
    sqlx::query(spoil)
        .execute(&pool(&url, 1).await)
        .await
        .unwrap();
    damaged_head_fails_alone(&store, "b", "a").await;
}

#[tokio::test]
async fn a_document_that_no_statement_can_carry_is_refused_with_its_size() {
    let database = go_database();
    let store = open(&database.limited_url()).await;
    let large = |size| NewDocument {
        sha256: [7; 32],
        data: vec![b'x'; size].into(),
        ..document("targets", 1, "")
    };
    let put = async |targets: &[NewDocument]| {
        let commit = Commit {
            gun: &gun("large"),
            base: None,
            documents: targets,
            timestamp: &timestamp("large", 1),
            now: NOW,
        };
        store.commit(&commit).await
    };
    let refused = put(&[large(17 << 20)]).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::TooLarge { size, limit, .. } if size == 17 << 20 && limit < 16 << 20),
        "{refused:?}"
    );
    // Each fits, together they do not.
    let child = NewDocument {
        role: "targets/a".parse().unwrap(),
        ..large(9 << 20)
    };
    put(&[large(15 << 20), child]).await.unwrap();
    let found = store
        .newest(&gun("large"), &"targets".parse().unwrap())
        .await;
    assert_eq!(found.unwrap().unwrap().data.len(), 15 << 20);
}
