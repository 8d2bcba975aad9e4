//! Names that Go's tables take for equal.

use std::sync::Arc;

use signet_server::Settings;
use signet_server::store::{MetadataStore as _, MigrateOptions, MySqlStore, StoreError, Window};
use signet_server::trust::MemoryTrust;
use signet_testkit::peer::{Database as _, TrustOptions, TrustServer};

use super::{go_database, gun, open, pool, publish};
use crate::fixture::{NOW, Server};
use crate::publisher::{Publisher, server_key};

const NAME: &str = "registry.example.com/a/b";
/// Equal to it for Go's collation: case, an accent, blanks at the end.
const OTHERS: [&str; 3] = [
    "registry.example.com/A/b",
    "registry.example.com/á/b",
    "registry.example.com/a/b ",
];

const BINARY_NAMES: MigrateOptions = MigrateOptions {
    dry_run: false,
    binary_names: true,
};

#[tokio::test]
async fn a_second_name_that_go_tables_take_for_the_first_is_refused_until_they_compare_bytes() {
    let database = go_database();
    let store = open(&database.limited_url()).await;
    publish(&store, NAME, 1).await.unwrap();
    for other in OTHERS {
        let newest = store
            .newest(&gun(other), &"timestamp".parse().unwrap())
            .await;
        assert_eq!(newest.unwrap(), None, "{other}");
        let refused = publish(&store, other, 1).await.unwrap_err();
        let StoreError::NameTaken { stored } = refused else {
            panic!("{other}: {refused:?}");
        };
        assert_eq!(stored, NAME);
        assert!(!store.delete(&gun(other), NOW).await.unwrap(), "{other}");
        let changes = store.changes(Some(&gun(other)), Window::After(0), 9).await;
        assert_eq!(changes.unwrap(), []);
    }
    publish(&store, NAME, 2).await.unwrap();

    let steps = MySqlStore::migrate(&pool(&database.url(), 1).await, BINARY_NAMES).await;
    assert_eq!(steps.unwrap().len(), 2);
    for other in OTHERS {
        publish(&store, other, 1).await.unwrap();
    }
    let mut guns: Vec<_> = OTHERS
        .iter()
        .chain([&NAME])
        .map(ToString::to_string)
        .collect();
    guns.sort();
    assert_eq!(store.guns(None, 9).await.unwrap(), guns);
    assert_eq!(store.guns(Some(&guns[0]), 1).await.unwrap(), guns[1..2]);
    assert!(store.delete(&gun(OTHERS[0]), NOW).await.unwrap());
    assert_eq!(store.guns(None, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_answer_names_what_is_stored_and_the_way_out() {
    let database = go_database();
    let store = Arc::new(open(&database.limited_url()).await);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on(
        store,
        Arc::new(MemoryTrust::new()),
        Settings::default(),
        folder,
    );
    Publisher::published(&server, NAME).await;
    for (name, path, expected) in [
        (OTHERS[0], OTHERS[0], "registry.example.com/a/b"),
        (
            "registry.example.com/😀",
            "registry.example.com/%F0%9F%98%80",
            "beyond U+FFFF",
        ),
    ] {
        let snapshot = server_key(&server, path, "snapshot").await;
        let timestamp = server_key(&server, path, "timestamp").await;
        let publisher = Publisher::with_keys(name, snapshot, timestamp);
        let (root, targets) = (publisher.root(1), publisher.targets(1, &["v1"]));
        let parts = [("root", &root[..]), ("targets", &targets[..])];
        let answer = server.post(path, &parts).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (400, "INVALID_GUN"),
            "{}",
            answer.text()
        );
        let (_, message) = answer.reason();
        assert!(message.contains(expected), "{message}");
        assert_eq!(
            message.contains("migrate --binary-names"),
            name == OTHERS[0],
            "{message}"
        );
        assert_eq!(server.file(path, "root.json").await.status, 404);
    }
}

#[tokio::test]
async fn go_works_on_tables_that_compare_bytes() {
    let database = go_database();
    let steps = MySqlStore::migrate(&pool(&database.url(), 1).await, BINARY_NAMES).await;
    steps.unwrap();
    let store = open(&database.limited_url()).await;
    publish(&store, NAME, 1).await.unwrap();
    publish(&store, OTHERS[0], 1).await.unwrap();
    publish(&store, OTHERS[0], 2).await.unwrap();
    let go = TrustServer::go_with(&TrustOptions::default().database(&database)).unwrap();
    for (name, version) in [(NAME, 1), (OTHERS[0], 2)] {
        let stored = go
            .metadata(name, &format!("{version}.timestamp.json"))
            .unwrap();
        let text = format!("{name} {version}");
        assert_eq!(stored.as_deref(), Some(text.as_bytes()));
    }
    assert_eq!(go.metadata(NAME, "2.timestamp.json").unwrap(), None);
}
