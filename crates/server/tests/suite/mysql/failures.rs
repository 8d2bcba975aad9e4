//! Databases that contend, break, and come back.

use std::sync::Arc;

use signet_server::store::{MetadataStore as _, MySqlStore, SharedStore as _, StoreError, Window};
use signet_testkit::peer::{Database as _, MariaDb};
use sqlx::Executor as _;

use super::{go_database, gun, open, pool, publish, revision, timestamp};
use crate::conformance::heads_of;
use crate::fixture::NOW;

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let database = MariaDb::start().unwrap();
    database.make_tables().unwrap();
    let store = Arc::new(open(&database.limited_url()).await);
    publish(&store, "a", 1).await.unwrap();
    let deadlocks = || {
        database
            .query("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
            .unwrap()
    };
    let before = deadlocks();
    let other = pool(&database.url(), 1).await;
    // Much work of the other one makes ours the victim.
    let mut transaction = other.begin().await.unwrap();
    transaction
        .execute("INSERT INTO tuf_files (gun, role, version, data) SELECT 'z', 'root', seq, '' FROM seq_1_to_500")
        .await
        .unwrap();
    transaction
        .execute("INSERT INTO tuf_files (gun, role, version, data) VALUES ('a', 'targets', 2, '')")
        .await
        .unwrap();
    let ours = tokio::spawn({
        let store = Arc::clone(&store);
        async move { publish(&store, "a", 2).await }
    });
    // Until ours waits for the row.
    let waiting =
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'";
    while database.query(waiting).unwrap() == "0" {
        assert!(!ours.is_finished(), "nobody was seen to wait");
        // The table is made anew only for who has not looked for a tenth of a second.
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    transaction
        .execute("SELECT id FROM tuf_files WHERE gun = 'a' AND role = 'timestamp' FOR UPDATE")
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    ours.await.unwrap().unwrap();
    assert_ne!(deadlocks(), before);
    let head = heads_of(&*store, &[gun("a")]).await[0].unwrap();
    assert_eq!(head.timestamp, revision(&timestamp("a", 2)));
}

#[tokio::test]
async fn who_holds_a_repository_for_long_makes_others_conflict() {
    let database = go_database();
    let store = open(&database.limited_url()).await;
    publish(&store, "a", 1).await.unwrap();
    let other = pool(&database.url(), 1).await;
    let mut transaction = other.begin().await.unwrap();
    transaction
        .execute("SELECT id FROM tuf_files WHERE gun = 'a' AND role = 'timestamp' AND version = 1 FOR UPDATE")
        .await
        .unwrap();
    let started = std::time::Instant::now();
    let refused = publish(&store, "a", 2).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict), "{refused:?}");
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
    // Another repository does not wait.
    publish(&store, "b", 1).await.unwrap();
    transaction.rollback().await.unwrap();
    publish(&store, "a", 2).await.unwrap();
}

#[tokio::test]
async fn publishers_and_deletions_of_two_servers_leave_nothing_behind() {
    let database = go_database();
    let stores = [
        open(&database.limited_url()).await,
        open(&database.limited_url()).await,
    ];
    let stores = Arc::new(stores);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8_usize {
        let stores = Arc::clone(&stores);
        tasks.spawn(async move {
            let store = &stores[n % 2];
            for _ in 0..20 {
                let head = heads_of(store, &[gun("a")]).await[0];
                let version = head.map_or(0, |head| head.timestamp.version) + 1;
                if n == 0 && version > 3 {
                    store.delete(&gun("a"), NOW).await.unwrap();
                    continue;
                }
                match publish(store, "a", version).await {
                    Ok(()) | Err(StoreError::Conflict) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    tasks.join_all().await;
    stores[0].delete(&gun("a"), NOW).await.unwrap();
    assert_eq!(
        database.query("SELECT COUNT(*) FROM tuf_files").unwrap(),
        "0"
    );
    // Every update since a deletion follows the one before it.
    let changes = stores[0]
        .changes(Some(&gun("a")), Window::After(0), 1000)
        .await
        .unwrap();
    assert!(changes.iter().any(|change| change.category == "deletion"));
    let mut expected = 1;
    for change in changes {
        if change.category == "deletion" {
            expected = 1;
        } else {
            assert_eq!(change.version, expected, "{change:?}");
            expected += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_there_after_the_database_was_killed() {
    let mut database = MariaDb::start().unwrap();
    database.make_tables().unwrap();
    let url = database.limited_url();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..8 {
        let store = open(&url).await;
        tasks.spawn(async move {
            let name = format!("killed/{n}");
            let (mut version, mut failures) = (0, 0);
            let end = tokio::time::Instant::now() + std::time::Duration::from_secs(8);
            while tokio::time::Instant::now() < end {
                match publish(&store, &name, version + 1).await {
                    Ok(()) => version += 1,
                    Err(StoreError::Database(_)) => {
                        failures += 1;
                        // Nobody knows: whoever goes on asks.
                        let Ok(heads) = store.heads(&[gun(&name)]).await else {
                            continue;
                        };
                        let stored = heads[0]
                            .as_ref()
                            .unwrap()
                            .map_or(0, |head| head.timestamp.version);
                        assert!(
                            (version..=version + 1).contains(&stored),
                            "{name}: {stored}, {version}"
                        );
                        version = stored;
                    }
                    Err(error) => panic!("{name} {version}: {error:?}"),
                }
            }
            (store, name, version, failures)
        });
    }
    for _ in 0..2 {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        database = tokio::task::spawn_blocking(move || {
            database.kill().unwrap();
            database.restart().unwrap();
            database
        })
        .await
        .unwrap();
    }
    for (store, name, version, _) in tasks.join_all().await {
        assert!(version > 10, "{name}: {version}");
        let head = heads_of(&store, &[gun(&name)]).await[0].unwrap();
        assert_eq!(head.timestamp, revision(&timestamp(&name, version)));
        let changes = store
            .changes(Some(&gun(&name)), Window::After(0), 100_000)
            .await
            .unwrap();
        let versions: Vec<_> = changes.iter().map(|change| change.version).collect();
        assert_eq!(versions, (1..=version).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn a_database_that_was_restarted_is_read_at_once_on_all_connections() {
    let mut database = MariaDb::start().unwrap();
    database.make_tables().unwrap();
    let store: Arc<MySqlStore> = Arc::new(open(&database.limited_url()).await);
    publish(&store, "a", 1).await.unwrap();
    let read_by_many = async || {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let store = Arc::clone(&store);
            tasks.spawn(async move { store.heads(&[gun("a")]).await.map(|heads| heads.len()) });
        }
        for outcome in tasks.join_all().await {
            assert_eq!(outcome.unwrap(), 1);
        }
    };
    read_by_many().await;
    let sessions = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'server'";
    let count: u32 = database.query(sessions).unwrap().parse().unwrap();
    assert!((2..=16).contains(&count), "{count}");
    database.kill().unwrap();
    database.restart().unwrap();
    publish(&store, "a", 2).await.unwrap();
    read_by_many().await;
    // An administrator ends all connections.
    let kill = "SELECT GROUP_CONCAT('KILL ', ID SEPARATOR ';') FROM information_schema.PROCESSLIST WHERE USER = 'server'";
    let kill = database.query(kill).unwrap();
    database.query(&kill).unwrap();
    read_by_many().await;
    publish(&store, "a", 3).await.unwrap();
}
