//! The key database on SQLite: rows that Go wrote, and acceptance cases 28, 29 and 32 to 38 of signer-and-keys.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use secrecy::SecretString;
use serde::Deserialize;
use signet_keys::database::{Algorithm, DatabaseError, KeyDatabase, Options, Undecryptable};
use signet_keys::jwe;
use signet_sql::Database;
use signet_tuf::{KeyId, PublicKey, crypto};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use time::OffsetDateTime;

#[derive(Deserialize)]
struct Sample {
    created_at: String,
    updated_at: String,
    key_id: String,
    encryption_alg: String,
    keywrap_alg: String,
    algorithm: String,
    passphrase_alias: String,
    public_hex: String,
    private: String,
    gun: String,
    role: String,
    last_used: Option<String>,
    _expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    passphrase: String,
    plaintext_hex: String,
}

fn samples() -> Vec<Sample> {
    ["postgres", "mysql"]
        .into_iter()
        .flat_map(|name| {
            let path = format!("tests/data/db/private_keys.{name}.json");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            serde_json::from_slice::<Vec<Sample>>(&std::fs::read(path).unwrap()).unwrap()
        })
        .collect()
}

fn id(sample: &Sample) -> KeyId {
    sample.key_id.parse().unwrap()
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

fn is_signature(public: &PublicKey, sig: &[u8], message: &[u8]) -> bool {
    crypto::verify(
        public,
        public.kind().signature_method().unwrap(),
        sig,
        message,
    )
}

#[test]
fn case_32_tokens_of_go_open() {
    for row in samples() {
        let passphrase = row._expected.passphrase.as_bytes();
        let plain = jwe::open(row.private.as_bytes(), passphrase, jwe::MAX_ITERATIONS).unwrap();
        assert_eq!(HEXLOWER.encode(&plain), row._expected.plaintext_hex);
        assert_eq!(
            jwe::open(row.private.as_bytes(), b"other", jwe::MAX_ITERATIONS),
            Err(jwe::OpenError::Wrong)
        );
        assert!(matches!(
            jwe::open(row.private.as_bytes(), passphrase, 8191),
            Err(jwe::OpenError::Iterations { max: 8191, .. })
        ));
        let again = jwe::seal(&plain, passphrase, NonZeroU32::MIN).unwrap();
        assert_eq!(jwe::open(again.as_bytes(), passphrase, 1).unwrap(), plain);
    }
}

#[tokio::test]
async fn case_32_rows_of_go_are_used() {
    let world = world().await;
    let samples = samples();
    assert_eq!(samples.len(), 6);
    for row in &samples {
        world.insert(row).await;
        let info = world.keys.info(&id(row)).await.unwrap().unwrap();
        let public = HEXLOWER.decode(row.public_hex.as_bytes()).unwrap();
        assert_eq!(info.public.public_bytes(), public);
        assert_eq!(
            (info.gun.as_str(), info.role.as_str()),
            (&*row.gun, &*row.role)
        );
        assert_eq!(
            world.keys.load(&id(row), now()).await.unwrap().as_deref(),
            Some(&info)
        );
        // Knowing a key does not make it active, signing does.
        assert_eq!(world.last_used(&id(row)).await, row.last_used);
        let sig = world.keys.sign(&id(row), b"message", now()).await.unwrap();
        assert!(is_signature(&info.public, &sig.signature, b"message"));
        assert_eq!(
            world.last_used(&id(row)).await.as_deref(),
            Some("2026-11-18 11:06:40+00:00")
        );
    }
}

#[tokio::test]
async fn case_28_a_pending_key_is_returned_until_it_signs() {
    let world = world().await;
    for algorithm in [Algorithm::Ecdsa, Algorithm::Ed25519] {
        let create = async || {
            world
                .keys
                .create(algorithm, "docker.io/a/b", "timestamp", now())
                .await
                .unwrap()
        };
        let first = create().await;
        assert_eq!(first.kind().as_str(), algorithm.as_str());
        assert_eq!(create().await, first);
        // Case 29: looking at it changes nothing.
        world.keys.info(first.id()).await.unwrap().unwrap();
        world.keys.load(first.id(), now()).await.unwrap().unwrap();
        // Nor does a restart.
        let restarted = world.open().await;
        let again = restarted
            .create(algorithm, "docker.io/a/b", "timestamp", now())
            .await
            .unwrap();
        assert_eq!(again, first);
        for (gun, role) in [
            ("docker.io/a/b", "snapshot"),
            ("docker.io/a/c", "timestamp"),
        ] {
            let other = world
                .keys
                .create(algorithm, gun, role, now())
                .await
                .unwrap();
            assert_ne!(other, first);
        }
        let sig = world.keys.sign(first.id(), b"x", now()).await.unwrap();
        assert!(is_signature(&first, &sig.signature, b"x"));
        let second = create().await;
        assert_ne!(second, first);
        world.keys.sign(first.id(), b"y", now()).await.unwrap();
        // A deleted pending key is not returned.
        sqlx::query("UPDATE private_keys SET deleted_at = '2026-11-22' WHERE key_id = ?")
            .bind(second.id().as_str())
            .execute(&world.pool)
            .await
            .unwrap();
        assert_ne!(create().await, second);
    }
}

#[tokio::test]
async fn simultaneous_requests_make_one_key() {
    let world = world().await;
    // Two instances, as two processes would be.
    let other = world.open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..16 {
        let keys = if index % 2 == 0 { &world.keys } else { &other }.clone();
        tasks.spawn(async move {
            keys.create(Algorithm::Ecdsa, "docker.io/a/b", "snapshot", now())
                .await
                .unwrap()
        });
    }
    let made = tasks.join_all().await;
    assert!(made.iter().all(|key| *key == made[0]));
    assert_eq!(world.count().await, 1);
}

#[tokio::test]
async fn a_pending_key_that_cannot_be_opened_is_passed_over() {
    let world = world().await;
    let pending = samples()
        .into_iter()
        .find(|row| row.last_used.is_none())
        .unwrap();
    world.insert(&pending).await;
    let algorithm: Algorithm = pending.algorithm.parse().unwrap();
    let create = || {
        world
            .keys
            .create(algorithm, &pending.gun, &pending.role, now())
    };
    world
        .passphrases
        .lock()
        .unwrap()
        .insert("timestamp_1".into(), "changed".into());
    let made = create().await.unwrap();
    assert_ne!(*made.id(), id(&pending));
    assert_eq!(create().await.unwrap(), made);
}

#[tokio::test]
async fn case_34_a_missing_passphrase_is_not_a_missing_key() {
    let world = world().await;
    let mut row = samples().remove(0);
    row.passphrase_alias = "other".into();
    world.insert(&row).await;
    for result in [
        world.keys.load(&id(&row), now()).await.map(|_| ()),
        world.keys.sign(&id(&row), b"x", now()).await.map(|_| ()),
    ] {
        let Err(DatabaseError::Undecryptable {
            id: of,
            alias,
            source,
        }) = result
        else {
            panic!("{result:?}")
        };
        assert_eq!((of, alias.as_str()), (id(&row), "other"));
        assert!(matches!(source, Undecryptable::MissingPassphrase));
    }
    assert!(world.keys.info(&id(&row)).await.unwrap().is_some());
    let set = |passphrase: &str| {
        let mut passphrases = world.passphrases.lock().unwrap();
        passphrases.insert("other".into(), passphrase.into());
    };
    set("wrong");
    assert!(matches!(
        world.keys.load(&id(&row), now()).await,
        Err(DatabaseError::Undecryptable {
            source: Undecryptable::Token(jwe::OpenError::Wrong),
            ..
        })
    ));
    set("testpassword");
    world.keys.sign(&id(&row), b"x", now()).await.unwrap();
    // And no key is made for which there is no passphrase.
    world.passphrases.lock().unwrap().clear();
    let made = world
        .keys
        .create(Algorithm::Ecdsa, "docker.io/x/y", "timestamp", now())
        .await;
    assert!(matches!(made, Err(DatabaseError::MissingPassphrase(alias)) if alias == "timestamp_1"));
    assert_eq!(world.count().await, 1);
}

#[tokio::test]
async fn case_35_a_row_that_lies_about_its_key_is_refused() {
    let samples = samples();
    let (good, other) = (&samples[0], &samples[1]);
    // Private key of another row; public key and ID of another row; public key alone.
    for column in ["private", "public", "key_id"] {
        let world = world().await;
        world.insert(good).await;
        let id = if column == "key_id" {
            id(other)
        } else {
            id(good)
        };
        let query = match column {
            "private" => {
                sqlx::query("UPDATE private_keys SET private = ?").bind(other.private.as_bytes())
            }
            "public" => sqlx::query("UPDATE private_keys SET public = ?")
                .bind(HEXLOWER.decode(other.public_hex.as_bytes()).unwrap()),
            _ => sqlx::query("UPDATE private_keys SET key_id = ?").bind(other.key_id.as_str()),
        };
        query.execute(&world.pool).await.unwrap();
        for result in [
            world.keys.load(&id, now()).await.map(|_| ()),
            world.keys.sign(&id, b"x", now()).await.map(|_| ()),
        ] {
            assert!(
                matches!(&result, Err(DatabaseError::Inconsistent { id: of }) if *of == id),
                "{column}: {result:?}"
            );
        }
        assert_eq!(world.last_used(&id).await, good.last_used);
    }
}

#[tokio::test]
async fn case_36_the_algorithm_columns_do_not_matter() {
    let world = world().await;
    let mut row = samples().remove(0);
    row.encryption_alg = "x".into();
    row.keywrap_alg = String::new();
    world.insert(&row).await;
    world.keys.sign(&id(&row), b"x", now()).await.unwrap();
}

#[tokio::test]
async fn case_37_names_are_compared_byte_for_byte() {
    let world = world().await;
    let mut seen = Vec::new();
    for gun in [
        "Docker.io/Case/A",
        "docker.io/case/a",
        "docker.io/case/a ",
        "docker.io/c\u{e1}se/a",
        "docker.io/case/%",
        "' OR 1=1 --",
    ] {
        for role in ["timestamp", "Timestamp"] {
            let made = world.keys.create(Algorithm::Ecdsa, gun, role, now()).await;
            let made = made.unwrap();
            assert!(!seen.contains(&made), "{gun} {role}");
            let info = world.keys.info(made.id()).await.unwrap().unwrap();
            assert_eq!((info.gun.as_str(), info.role.as_str()), (gun, role));
            seen.push(made);
        }
    }
}

#[tokio::test]
async fn case_38_what_fits_no_column_makes_no_row() {
    let world = world().await;
    let long = "x".repeat(300);
    for (gun, role) in [
        (long.as_str(), "timestamp"),
        ("docker.io/a/b", long.as_str()),
    ] {
        assert!(matches!(
            world.keys.create(Algorithm::Ecdsa, gun, role, now()).await,
            Err(DatabaseError::Long { max: 255, .. })
        ));
    }
    assert_eq!(world.count().await, 0);
    for name in ["rsa", "ECDSA", "", "ecdsa-x509"] {
        assert_eq!(
            name.parse::<Algorithm>().unwrap_err().to_string(),
            format!("algorithm {name} not supported for create key")
        );
    }
}

#[tokio::test]
async fn absence_is_told_from_failure() {
    let world = world().await;
    let absent: KeyId = "0".repeat(64).parse().unwrap();
    // An ID that is none finds nothing: Go's signer takes the first key for the empty one.
    world.insert(&samples()[0]).await;
    let none: KeyId = serde_json::from_str("\"\"").unwrap();
    for id in [&absent, &none] {
        assert!(world.keys.info(id).await.unwrap().is_none());
        assert!(world.keys.load(id, now()).await.unwrap().is_none());
        assert!(matches!(
            world.keys.sign(id, b"x", now()).await,
            Err(DatabaseError::NotFound(_))
        ));
    }
    world.keys.check().await.unwrap();
    // A cached, active key goes on signing when the database is away; nothing else does.
    let row = &samples()[0];
    world.keys.sign(&id(row), b"x", now()).await.unwrap();
    world.database.close().await;
    let later = now() + Duration::from_secs(7200);
    world.keys.sign(&id(row), b"x", later).await.unwrap();
    assert!(matches!(
        world.keys.load(&absent, now()).await,
        Err(DatabaseError::Database(_))
    ));
    assert!(matches!(
        world.keys.info(&id(row)).await,
        Err(DatabaseError::Database(_))
    ));
    assert!(matches!(
        world.keys.create(Algorithm::Ecdsa, "a", "b", now()).await,
        Err(DatabaseError::Database(_))
    ));
    assert!(world.keys.check().await.is_err());
}

#[tokio::test]
async fn a_table_that_is_gone_is_noticed() {
    let world = world().await;
    world.keys.check().await.unwrap();
    sqlx::query("DROP TABLE private_keys")
        .execute(&world.pool)
        .await
        .unwrap();
    assert!(matches!(
        world.keys.check().await,
        Err(DatabaseError::Database(_))
    ));
}

#[tokio::test]
async fn last_use_is_noted_at_first_and_then_now_and_again() {
    let world = world().await;
    let key = world
        .keys
        .create(Algorithm::Ed25519, "docker.io/a/b", "timestamp", now())
        .await
        .unwrap();
    assert_eq!(world.last_used(key.id()).await, None);
    for (seconds, expected) in [
        (0, "2026-11-18 11:06:40+00:00"),
        (3599, "2026-11-18 11:06:40+00:00"),
        (3600, "2026-11-18 12:06:40+00:00"),
    ] {
        let now = now() + Duration::from_secs(seconds);
        world.keys.sign(key.id(), b"x", now).await.unwrap();
        assert_eq!(
            world.last_used(key.id()).await.as_deref(),
            Some(expected)
        );
    }
    // A key that was deleted elsewhere is noticed then, and does not sign any more.
    sqlx::query("UPDATE private_keys SET deleted_at = '2026-11-22'")
        .execute(&world.pool)
        .await
        .unwrap();
    let later = now() + Duration::from_secs(10_000);
    for _ in 0..2 {
        assert!(matches!(
            world.keys.sign(key.id(), b"x", later).await,
            Err(DatabaseError::NotFound(_))
        ));
    }
}

#[tokio::test]
async fn a_first_signature_that_cannot_be_noted_is_not_returned() {
    let world = world().await;
    let key = world
        .keys
        .create(Algorithm::Ed25519, "docker.io/a/b", "timestamp", now())
        .await
        .unwrap();
    world.database.close().await;
    assert!(matches!(
        world.keys.sign(key.id(), b"x", now()).await,
        Err(DatabaseError::Database(_))
    ));
}

#[tokio::test]
async fn a07_the_database_holds_no_plain_key_and_debug_no_secret() {
    let world = world().await;
    let key = world
        .keys
        .create(Algorithm::Ecdsa, "docker.io/a/b", "timestamp", now())
        .await
        .unwrap();
    let token: Vec<u8> = sqlx::query_scalar("SELECT private FROM private_keys")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(token.len(), 365);
    assert_eq!(token.iter().filter(|byte| **byte == b'.').count(), 4);
    let plain = jwe::open(&token, b"testpassword", jwe::MAX_ITERATIONS).unwrap();
    assert_eq!(plain.len(), 121);
    assert!(plain.ends_with(&key.public_bytes()[26..]));
    let shown = format!("{:?}", world.keys);
    assert!(shown.starts_with("KeyDatabase { options: Options {"));
    assert!(!shown.contains("testpassword"));
}
