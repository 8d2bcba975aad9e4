//! What every store does, run against each.

use bytes::Bytes;
use signet_server::store::{
    ChangeCategory, Commit, Head, Import, Imported, ImportedDocument, MemoryStore, MetadataStore,
    NewDocument, OpenError, Revision, SharedStore, SqliteStore, StoreError, Window,
};
use signet_tuf::crypto::sha256;
use signet_tuf::{Gun, RoleName};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00:00.123456789 UTC);

fn gun(name: &str) -> Gun {
    name.parse().unwrap()
}

fn role(name: &str) -> RoleName {
    name.parse().unwrap()
}

fn new(role_name: &str, version: i64, text: &str) -> NewDocument {
    NewDocument {
        role: role(role_name),
        version,
        sha256: sha256(text.as_bytes()),
        data: Bytes::copy_from_slice(text.as_bytes()),
    }
}

/// Commits on top of whatever is newest.
async fn put(
    store: &dyn MetadataStore,
    name: &str,
    documents: &[NewDocument],
) -> Result<(), StoreError> {
    let gun = gun(name);
    let newest = store.newest(&gun, &role("timestamp")).await?;
    let base = newest.map(|d| Revision {
        version: d.version,
        sha256: d.sha256,
    });
    let (timestamp, documents) = documents.split_last().unwrap();
    let commit = Commit {
        gun: &gun,
        base,
        documents,
        timestamp,
        now: NOW,
    };
    store.commit(&commit).await
}

#[track_caller]
fn assert_conflict(outcome: &Result<(), StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
}

/// The moment as a store keeps it that knows only whole `unit`s of time.
fn kept(moment: OffsetDateTime, unit: Duration) -> OffsetDateTime {
    let nanoseconds = moment.unix_timestamp_nanos();
    let unit = unit.whole_nanoseconds();
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds - nanoseconds % unit).unwrap()
}

/// Runs everything against a store that keeps whole `unit`s of time.
pub(crate) async fn conforms(store: &dyn MetadataStore, unit: Duration) {
    finds_what_was_stored(store, unit).await;
    tells_the_head_of_a_shared_repository(store).await;
    refuses_what_is_not_newer(store).await;
    refuses_writers_who_missed_something(store).await;
    stores_all_or_nothing(store, unit).await;
    stores_many_at_once(store).await;
    stores_what_comes_at_the_same_moment(store).await;
    deletes_exactly_one_gun(store, unit).await;
    lists_and_prunes(store).await;
    imports_only_what_agrees(store, unit).await;
    store.check().await.unwrap();
}

async fn finds_what_was_stored(store: &dyn MetadataStore, unit: Duration) {
    let (a, root) = (gun("find/a"), role("root"));
    assert_eq!(store.newest(&a, &root).await.unwrap(), None);
    assert_eq!(store.newest_version(&a, &root).await.unwrap(), None);
    let first = [
        new("root", 1, "root one"),
        new("targets/a/b", 7, "delegation"),
        new("timestamp", 1, "t1"),
    ];
    put(store, "find/a", &first).await.unwrap();
    let second = [new("root", 3, "root three"), new("timestamp", 2, "t2")];
    put(store, "find/a", &second).await.unwrap();

    let newest = store.newest(&a, &root).await.unwrap().unwrap();
    assert_eq!((newest.version, &newest.data[..]), (3, &b"root three"[..]));
    assert_eq!(
        (newest.sha256, newest.role),
        (sha256(b"root three"), role("root"))
    );
    assert_eq!(newest.stored_at, kept(NOW, unit));
    assert_eq!(store.newest_version(&a, &root).await.unwrap(), Some(3));
    let one = store.by_version(&a, &root, 1).await.unwrap().unwrap();
    assert_eq!(one.data, "root one");
    for version in [0, 2, 4, -1, i64::MAX] {
        assert_eq!(store.by_version(&a, &root, version).await.unwrap(), None);
    }
    let digest = sha256(b"root one");
    let found = store.by_checksum(&a, &root, &digest).await.unwrap();
    assert_eq!(found, Some(one));
    let other_role = store.by_checksum(&a, &role("targets"), &digest).await;
    assert_eq!(other_role.unwrap(), None);
    for other in ["find/b", "find", "find/a/b", "FIND/A", "find/a "] {
        let other = gun(other);
        assert_eq!(
            store.by_checksum(&other, &root, &digest).await.unwrap(),
            None
        );
        assert_eq!(store.newest(&other, &root).await.unwrap(), None);
    }
    let child = store.newest_version(&a, &role("targets/a/b")).await;
    assert_eq!(child.unwrap(), Some(7));
}

/// The heads of repositories of which none is damaged.
pub(crate) async fn heads_of(shared: &dyn SharedStore, guns: &[Gun]) -> Vec<Option<Head>> {
    let heads = shared.heads(guns).await.unwrap();
    heads.into_iter().map(Result::unwrap).collect()
}

/// One row that no server writes is an error for its repository, and for no other that is asked for with it.
pub(crate) async fn damaged_head_fails_alone(shared: &dyn SharedStore, damaged: &str, whole: &str) {
    let asked = [whole, damaged, "none", whole].map(gun);
    let heads = shared.heads(&asked).await.unwrap();
    let [first, second, none, last] = <[_; 4]>::try_from(heads).unwrap();
    assert!(
        matches!(second, Err(StoreError::Damaged { .. })),
        "{second:?}"
    );
    assert_eq!(first.unwrap().unwrap(), last.unwrap().unwrap());
    assert_eq!(none.unwrap(), None);
}

/// What decides whether something that is remembered is still true.
async fn tells_the_head_of_a_shared_repository(store: &dyn MetadataStore) {
    let Some(shared) = store.shared() else {
        return;
    };
    let (a, none) = (gun("head/a"), gun("head/none"));
    let asked = [none.clone(), a.clone(), gun("head"), a.clone()];
    let head = async || {
        let heads = heads_of(shared, &asked).await;
        assert_eq!((heads.len(), heads[0], heads[2]), (4, None, None));
        assert_eq!(heads[1], heads[3]);
        heads[1]
    };
    assert_eq!(head().await, None);
    let first = [new("root", 1, "r1"), new("timestamp", 1, "t1")];
    put(store, "head/a", &first).await.unwrap();
    let one = head().await.unwrap();
    let timestamp = Revision {
        version: 1,
        sha256: sha256(b"t1"),
    };
    assert_eq!(one.timestamp, timestamp);
    let second = [new("root", 2, "r2"), new("timestamp", 2, "t2")];
    put(store, "head/a", &second).await.unwrap();
    let two = head().await.unwrap();
    assert_eq!(two.timestamp.sha256, sha256(b"t2"));
    assert_eq!(two.incarnation, one.incarnation);
    store.delete(&a, NOW).await.unwrap();
    assert_eq!(head().await, None);
    put(store, "head/a", &first).await.unwrap();
    let again = head().await.unwrap();
    assert_eq!(again.timestamp, one.timestamp);
    assert_ne!(again.incarnation, one.incarnation);
    assert_eq!(heads_of(shared, &[]).await, []);
}

async fn refuses_what_is_not_newer(store: &dyn MetadataStore) {
    let first = [new("targets", 5, "five"), new("timestamp", 1, "t1")];
    put(store, "newer", &first).await.unwrap();
    for version in [0, -1, 4, 5, i64::from(i32::MAX) + 1] {
        let next = [new("targets", version, "x"), new("timestamp", 2, "t2")];
        assert_conflict(&put(store, "newer", &next).await);
    }
    let next = [new("targets", 6, "six"), new("timestamp", 1, "t1 again")];
    assert_conflict(&put(store, "newer", &next).await);
    let next = [
        new("targets", i64::from(i32::MAX), "last"),
        new("timestamp", 2, "t2"),
    ];
    put(store, "newer", &next).await.unwrap();
}

async fn refuses_writers_who_missed_something(store: &dyn MetadataStore) {
    let a = gun("missed");
    put(store, "missed", &[new("timestamp", 1, "t1")])
        .await
        .unwrap();
    let next = [new("targets", 1, "x"), new("timestamp", 2, "t2")];
    let seen = Revision {
        version: 1,
        sha256: sha256(b"t1"),
    };
    let other_version = Revision { version: 2, ..seen };
    let other_bytes = Revision {
        sha256: sha256(b"t0"),
        ..seen
    };
    for (base, ok) in [
        (None, false),
        (Some(other_version), false),
        (Some(other_bytes), false),
        (Some(seen), true),
    ] {
        let commit = Commit {
            gun: &a,
            base,
            documents: &next[..1],
            timestamp: &next[1],
            now: NOW,
        };
        assert_eq!(store.commit(&commit).await.is_ok(), ok, "{base:?}");
    }
    // Someone deleted it meanwhile.
    assert!(store.delete(&a, NOW).await.unwrap());
    let commit = Commit {
        gun: &a,
        base: Some(seen),
        documents: &[],
        timestamp: &new("timestamp", 3, "t3"),
        now: NOW,
    };
    assert_conflict(&store.commit(&commit).await);
}

async fn stores_many_at_once(store: &dyn MetadataStore) {
    for count in [7_usize, 8, 9, 16, 17, 40] {
        let name = format!("many/{count}");
        let mut documents: Vec<_> = (0..count)
            .map(|n| new(&format!("targets/{n}"), 1, &format!("{count} {n}")))
            .collect();
        documents.push(new("timestamp", 1, &name));
        put(store, &name, &documents).await.unwrap();
        for document in &documents {
            let stored = store.newest(&gun(&name), &document.role).await.unwrap();
            assert_eq!(stored.unwrap().data, document.data);
        }
        // One of many is not newer: none is stored.
        for (n, document) in documents.iter_mut().enumerate() {
            document.version = if n == count / 2 { 1 } else { 2 };
        }
        assert_conflict(&put(store, &name, &documents).await);
        for document in &documents {
            let version = store.newest_version(&gun(&name), &document.role).await;
            assert_eq!(version.unwrap(), Some(1));
        }
    }
}

async fn stores_what_comes_at_the_same_moment(store: &dyn MetadataStore) {
    for name in ["busy/1", "busy/4", "busy/7"] {
        let documents = [new("targets", 2, "taken"), new("timestamp", 1, "t1")];
        put(store, name, &documents).await.unwrap();
    }
    let guns: Vec<String> = (0..10).map(|n| format!("busy/{n}")).collect();
    let outcomes = futures_util::future::join_all(guns.iter().map(async |name| {
        let base = (name.ends_with(['1', '4', '7'])).then(|| Revision {
            version: 1,
            sha256: sha256(b"t1"),
        });
        let commit = Commit {
            gun: &gun(name),
            base,
            documents: &[new("root", 1, "r1"), new("targets", 2, name)],
            timestamp: &new("timestamp", 2, name),
            now: NOW,
        };
        store.commit(&commit).await
    }))
    .await;
    for (name, outcome) in guns.iter().zip(outcomes) {
        let root = store.newest(&gun(name), &role("root")).await.unwrap();
        let changes = store.changes(Some(&gun(name)), Window::After(0), 9).await;
        assert_eq!(changes.unwrap().len(), 1, "{name}");
        if name.ends_with(['1', '4', '7']) {
            assert_conflict(&outcome);
            assert_eq!(root, None, "{name}");
        } else {
            outcome.unwrap();
            assert!(root.is_some(), "{name}");
        }
    }
}

async fn stores_all_or_nothing(store: &dyn MetadataStore, unit: Duration) {
    let a = gun("atomic");
    let first = [new("snapshot", 9, "s9"), new("timestamp", 1, "t1")];
    put(store, "atomic", &first).await.unwrap();
    let all = Window::After(0);
    let before = store.changes(Some(&a), all, 100).await.unwrap();
    let next = [
        new("root", 1, "r1"),
        new("targets", 1, "x1"),
        new("snapshot", 9, "other"),
        new("timestamp", 2, "t2"),
    ];
    assert_conflict(&put(store, "atomic", &next).await);
    for name in ["root", "targets"] {
        assert_eq!(store.newest(&a, &role(name)).await.unwrap(), None);
    }
    let newest = store.newest_version(&a, &role("timestamp")).await;
    assert_eq!(newest.unwrap(), Some(1));
    assert_eq!(store.changes(Some(&a), all, 100).await.unwrap(), before);
    let [change] = before.as_slice() else {
        panic!("{before:?}");
    };
    assert_eq!((change.version, &*change.category), (1, "update"));
    assert_eq!(
        change.sha256,
        data_encoding::HEXLOWER.encode(&sha256(b"t1"))
    );
    let at = kept(NOW, unit);
    assert_eq!((change.created_at, &*change.gun), (at, "atomic"));
}

async fn deletes_exactly_one_gun(store: &dyn MetadataStore, unit: Duration) {
    for name in ["pre/a", "pre/ab", "pre/a/b"] {
        put(store, name, &[new("timestamp", 1, name)])
            .await
            .unwrap();
    }
    let later = NOW + Duration::HOUR;
    assert!(!store.delete(&gun("pre"), later).await.unwrap());
    assert!(store.delete(&gun("pre/a"), later).await.unwrap());
    assert!(!store.delete(&gun("pre/a"), later).await.unwrap());
    let timestamp = role("timestamp");
    assert_eq!(store.newest(&gun("pre/a"), &timestamp).await.unwrap(), None);
    for name in ["pre/ab", "pre/a/b"] {
        assert!(
            store
                .newest(&gun(name), &timestamp)
                .await
                .unwrap()
                .is_some()
        );
    }
    put(store, "pre/a", &[new("timestamp", 1, "again")])
        .await
        .unwrap();
    let changes = store
        .changes(Some(&gun("pre/a")), Window::Before(None), 9)
        .await;
    let changes = changes.unwrap();
    let what: Vec<_> = changes
        .iter()
        .map(|c| (&*c.category, c.version, c.sha256.len(), c.created_at))
        .collect();
    let (update, deletion) = (
        ChangeCategory::Update.as_str(),
        ChangeCategory::Deletion.as_str(),
    );
    let (now, later) = (kept(NOW, unit), kept(later, unit));
    assert_eq!(
        what,
        [
            (update, 1, 64, now),
            (deletion, 0, 0, later),
            (update, 1, 64, now)
        ]
    );
    let ids: Vec<i64> = changes.iter().map(|c| c.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let window = Window::Before(ids.last().copied());
    let last = store.changes(Some(&gun("pre/a")), window, 1).await.unwrap();
    assert_eq!(last.iter().map(|c| c.id).collect::<Vec<_>>(), ids[1..2]);
}

async fn lists_and_prunes(store: &dyn MetadataStore) {
    for (version, name) in [(1, "z/1"), (1, "z/2"), (1, "z/3")] {
        put(store, name, &[new("timestamp", version, name)])
            .await
            .unwrap();
    }
    let page = store.guns(Some("z/1"), 10).await.unwrap();
    assert_eq!(page, ["z/2", "z/3"]);
    assert_eq!(store.guns(Some("z/"), 1).await.unwrap(), ["z/1"]);
    let all = store.guns(None, 1000).await.unwrap();
    assert!(all.contains(&"find/a".to_owned()));
    let mut pages: Vec<String> = Vec::new();
    loop {
        let page = store.guns(pages.last().map(String::as_str), 7).await;
        match page.unwrap() {
            page if page.is_empty() => break,
            page => pages.extend(page),
        }
    }
    assert_eq!(pages, all);
    for version in 2..6 {
        let next = [new("timestamp", version, &format!("t{version}"))];
        put(store, "z/1", &next).await.unwrap();
    }
    let (a, timestamp) = (gun("z/1"), role("timestamp"));
    assert_eq!(store.prune(&a, &timestamp, 4).await.unwrap(), 3);
    assert_eq!(store.prune(&a, &timestamp, 4).await.unwrap(), 0);
    assert_eq!(store.by_version(&a, &timestamp, 3).await.unwrap(), None);
    assert!(store.by_version(&a, &timestamp, 4).await.unwrap().is_some());
    assert_eq!(store.prune(&gun("z/none"), &timestamp, 4).await.unwrap(), 0);
}

fn import<'a>(gun: &'a Gun, documents: &'a [ImportedDocument], dry_run: bool) -> Import<'a> {
    Import {
        gun,
        documents,
        timestamp: Revision {
            version: 2,
            sha256: sha256(b"t2"),
        },
        now: NOW,
        dry_run,
    }
}

async fn imports_only_what_agrees(store: &dyn MetadataStore, unit: Duration) {
    let a = gun("import/a");
    let at = |day: i64| NOW - Duration::days(day);
    let imported = |role: &str, version, text: &str, day| ImportedDocument {
        document: new(role, version, text),
        stored_at: at(day),
    };
    let history = [
        imported("root", 1, "r1", 9),
        imported("timestamp", 1, "t1", 9),
        imported("targets", 4, "four", 5),
        imported("timestamp", 2, "t2", 5),
    ];
    let outcome = store.import(&import(&a, &history, true)).await.unwrap();
    let (documents, before) = (4, 0);
    assert_eq!(outcome, Imported::Added { documents, before });
    assert_eq!(store.newest(&a, &role("root")).await.unwrap(), None);
    let outcome = store.import(&import(&a, &history, false)).await.unwrap();
    assert_eq!(outcome, Imported::Added { documents, before });
    let first = store
        .by_version(&a, &role("timestamp"), 1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&first.data[..], b"t1");
    assert_eq!(first.stored_at, kept(at(9), unit));
    let changes = store.changes(Some(&a), Window::After(0), 9).await.unwrap();
    let [change] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!((change.version, change.created_at), (2, kept(NOW, unit)));
    assert_eq!(
        change.sha256,
        data_encoding::HEXLOWER.encode(&sha256(b"t2"))
    );

    let again = store.import(&import(&a, &history, false)).await.unwrap();
    assert_eq!(again, Imported::AlreadyThere);
    let part = store
        .import(&import(&a, &history[2..], false))
        .await
        .unwrap();
    assert_eq!(part, Imported::AlreadyThere);
    let mut other = history.clone();
    other[2] = imported("targets", 4, "another four", 5);
    let (role_name, version) = (role("targets"), 4);
    let differs = store.import(&import(&a, &other, false)).await.unwrap();
    let expected = Imported::Differs {
        role: role_name.clone(),
        version,
    };
    assert_eq!(differs, expected);
    // Something new, while something that is there is not known.
    other[2] = imported("targets", 3, "three", 5);
    let ahead = store.import(&import(&a, &other, false)).await.unwrap();
    assert_eq!(
        ahead,
        Imported::Ahead {
            role: role_name,
            version
        }
    );
    let found = store.by_version(&a, &role("targets"), 3).await.unwrap();
    assert_eq!(found, None);
    assert_eq!(
        store
            .changes(Some(&a), Window::After(0), 9)
            .await
            .unwrap()
            .len(),
        1
    );
    for version in [0, i64::from(i32::MAX) + 1] {
        let outside = [imported("targets", version, "x", 1)];
        let outcome = store.import(&import(&a, &outside, true)).await;
        assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    }
    // Updates go on from there.
    let next = [new("targets", 5, "five"), new("timestamp", 3, "t3")];
    put(store, "import/a", &next).await.unwrap();
}

#[tokio::test]
async fn memory_conforms() {
    conforms(&MemoryStore::new(), Duration::NANOSECOND).await;
}

#[tokio::test]
async fn sqlite_conforms_and_keeps_its_file_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b.db");
    let url = format!(
        "file:{}?mode=rwc",
        path.display().to_string().replace(' ', "%20")
    );
    let store = SqliteStore::open(&url).await.unwrap();
    conforms(&store, Duration::NANOSECOND).await;
    let second = SqliteStore::open(path.to_str().unwrap()).await;
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let third = SqliteStore::open(link.to_str().unwrap()).await;
    assert!(matches!(third, Err(OpenError::InUse { .. })), "{third:?}");

    use std::os::unix::fs::PermissionsExt;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = std::fs::metadata(entry.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
    store.close().await;
    drop(store);
    let again = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let newest = again.newest_version(&gun("find/a"), &role("root")).await;
    assert_eq!(newest.unwrap(), Some(3));
}

#[tokio::test]
async fn rows_that_are_marked_as_deleted_are_invisible_and_keep_their_versions_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    let marked = "INSERT INTO tuf_files (gun, role, version, sha256, data, deleted_at) \
        VALUES ('a', 'targets', 5, 'aa', x'00', '2026-11-22 00:00:00+00:00')";
    sqlx::query(marked).execute(store.pool()).await.unwrap();
    let (a, targets) = (gun("a"), role("targets"));
    assert_eq!(store.newest(&a, &targets).await.unwrap(), None);
    assert_eq!(store.guns(None, 9).await.unwrap(), [""; 0]);
    let five = [new("targets", 5, "five"), new("timestamp", 1, "t1")];
    assert_conflict(&put(&store, "a", &five).await);
    let four = [new("targets", 4, "four"), new("timestamp", 1, "t1")];
    put(&store, "a", &four).await.unwrap();
    assert_eq!(store.newest_version(&a, &targets).await.unwrap(), Some(4));
}
