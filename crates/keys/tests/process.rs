//! Facts about the whole process: its umask and its counters. Here only, because other tests would disturb them.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::Mode;
use secrecy::SecretString;
use signet_keys::tally::Tally;
use signet_keys::{
    FileKeyStore, KeyStore, Notice, PassphraseError, Passphrases, PrivateKey, Prompt, Signer,
};

/// The process has one umask and one set of counters.
static PROCESS: Mutex<()> = Mutex::new(());

/// Answers every prompt with the same passphrase, and counts.
#[derive(Default)]
struct Typed(Mutex<usize>);

impl Passphrases for Typed {
    fn preset(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn enter(&self, _: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        *self.0.lock().unwrap() += 1;
        Ok(SecretString::from("longpass1"))
    }

    fn tell(&self, _: Notice) {}
}

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        out.push((
            path.display().to_string(),
            metadata.permissions().mode() & 0o7777,
        ));
        if metadata.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
    }
    out
}

#[test]
fn a07_key_files_are_private_whatever_the_umask() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    for umask in [0o000, 0o022, 0o077, 0o277, 0o777] {
        let dir = tempfile::tempdir().unwrap();
        let trust = dir.path().join("a/trust");
        let before = rustix::process::umask(Mode::from_raw_mode(umask));
        let store = FileKeyStore::open(&trust, Arc::new(Typed::default()))
            .with_iterations(FileKeyStore::MIN_ITERATIONS);
        let key = PrivateKey::generate_ecdsa().unwrap();
        let id = key.public().id().clone();
        let added = store.add(key, "alice", None);
        rustix::process::umask(before);
        added.unwrap();
        let found = modes(&dir.path().join("a"));
        assert_eq!(found.len(), 4, "{found:?}");
        for (path, mode) in found {
            let expected = if path.ends_with(".key") { 0o600 } else { 0o700 };
            assert_eq!(mode, expected, "{path} under umask {umask:o}");
        }
        // Rewriting replaces the file and does not open it up for a moment.
        let path = store.folder().join(format!("{id}.key"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        let before = rustix::process::umask(Mode::empty());
        let copy = store.load_private(&id).unwrap();
        let copy =
            PrivateKey::from_private_bytes(copy.public().kind(), copy.private_bytes()).unwrap();
        let replaced = store.replace(copy, "bob", None);
        rustix::process::umask(before);
        replaced.unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_ne!(metadata.ino(), inode);
    }
}

#[test]
fn a_key_is_decrypted_once() {
    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let typed = Arc::new(Typed::default());
        let store = FileKeyStore::open(dir.path(), typed.clone())
            .with_iterations(FileKeyStore::MIN_ITERATIONS);
        (typed, store)
    };
    let (typed, store) = open();
    let ids: Vec<_> = (0..2)
        .map(|_| {
            let key = PrivateKey::generate_ecdsa().unwrap();
            let id = key.public().id().clone();
            store.add(key, "alice", None).unwrap();
            id
        })
        .collect();
    // Entered and repeated once, for both keys of the role.
    assert_eq!(*typed.0.lock().unwrap(), 2);
    // A key that was just made is not decrypted in order to sign.
    let before = Tally::now();
    store.load(&ids[0]).unwrap().sign(b"x").unwrap();
    let done = Tally::now().since(before);
    assert_eq!((done.derived, done.loaded, done.signed), (0, 0, 1));

    let (typed, store) = open();
    let before = Tally::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            for id in &ids {
                let store = &store;
                scope.spawn(move || store.load(id).unwrap().sign(b"x").unwrap());
            }
        }
    });
    store.list().unwrap();
    let done = Tally::now().since(before);
    assert_eq!((done.derived, done.loaded, done.signed), (2, 2, 8));
    assert_eq!(*typed.0.lock().unwrap(), 1);
}

/// Else everybody who names such a key could keep the processors of the service busy.
#[cfg(feature = "sql")]
#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "nobody waits for the lock on this runtime"
)]
async fn a17_a_key_that_cannot_be_decrypted_costs_one_derivation() {
    use signet_keys::database::{Algorithm, DatabaseError, KeyDatabase, Options};
    use signet_sql::{Database, PoolLimits, sqlite};
    use time::macros::datetime;

    let _process = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.db");
    let database = sqlite::connect(file.to_str().unwrap(), PoolLimits::default());
    let database = Database::Sqlite(database.await.unwrap());
    let passphrase = Arc::new(Mutex::new("right"));
    let keys = || async {
        let passphrase = Arc::clone(&passphrase);
        let passphrases = move |_: &str| Some(SecretString::from(*passphrase.lock().unwrap()));
        let options = Options::new("timestamp_1");
        let keys = KeyDatabase::open(database.clone(), options, Arc::new(passphrases));
        keys.await.unwrap()
    };
    let now = datetime!(2026-11-22 10:00 UTC);
    let before = keys().await;
    let made = before.create(Algorithm::Ecdsa, "a", "timestamp", now).await;
    let id = made.unwrap().id().clone();

    // It has the key open no more.
    let keys = keys().await;
    *passphrase.lock().unwrap() = "wrong";
    let before = Tally::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (keys, id) = (keys.clone(), id.clone());
        calls.spawn(async move { keys.sign(&id, b"x", now).await });
    }
    for result in calls.join_all().await {
        let refused = matches!(result, Err(DatabaseError::Undecryptable { .. }));
        assert!(refused, "{result:?}");
    }
    assert_eq!(Tally::now().since(before).derived, 1);
    // Another passphrase may be the right one.
    *passphrase.lock().unwrap() = "right";
    keys.sign(&id, b"x", now).await.unwrap();
    assert_eq!(Tally::now().since(before).derived, 2);
}
