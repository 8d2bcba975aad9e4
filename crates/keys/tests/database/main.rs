//! The key database on every kind of database: rows that Go wrote, and acceptance cases 28, 29 and 31 to 38 of
//! signer-and-keys.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod migration;
mod rotation;
mod world;

use std::num::NonZeroU32;
use std::time::Duration;

use data_encoding::HEXLOWER;
use signet_keys::database::{Algorithm, DatabaseError, KeyDatabase, Undecryptable, migrate};
use signet_keys::jwe;
use signet_sql::{PoolLimits, postgres};
use signet_testkit::peer::{Database as _, PostgreSql};
use signet_tuf::{KeyId, PublicKey, crypto};
use time::OffsetDateTime;

use crate::world::{Engine, World, samples};

/// Each of these on each kind of database.
macro_rules! on_every_engine {
    ($($path:path as $case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $case() { $path(crate::world::Engine::Sqlite).await; })*
        }
        mod postgresql {
            $(#[tokio::test] async fn $case() { $path(crate::world::Engine::PostgreSql).await; })*
        }
        mod mariadb {
            $(#[tokio::test] async fn $case() { $path(crate::world::Engine::MariaDb).await; })*
        }
    };
}

on_every_engine!(
    crate::case_32_rows_of_go_are_used as case_32_rows_of_go_are_used,
    crate::case_28_a_pending_key_is_returned_until_it_signs
        as case_28_a_pending_key_is_returned_until_it_signs,
    crate::simultaneous_requests_make_one_key as simultaneous_requests_make_one_key,
    crate::a_pending_key_that_cannot_be_opened_is_passed_over
        as a_pending_key_that_cannot_be_opened_is_passed_over,
    crate::case_34_a_missing_passphrase_is_not_a_missing_key
        as case_34_a_missing_passphrase_is_not_a_missing_key,
    crate::case_35_a_row_that_lies_about_its_key_is_refused
        as case_35_a_row_that_lies_about_its_key_is_refused,
    crate::case_36_the_algorithm_columns_do_not_matter
        as case_36_the_algorithm_columns_do_not_matter,
    crate::case_37_names_are_compared_byte_for_byte as case_37_names_are_compared_byte_for_byte,
    crate::case_38_what_fits_no_column_makes_no_row as case_38_what_fits_no_column_makes_no_row,
    crate::absence_is_told_from_failure as absence_is_told_from_failure,
    crate::a_table_that_is_gone_is_noticed as a_table_that_is_gone_is_noticed,
    crate::last_use_is_noted_at_first_and_then_now_and_again
        as last_use_is_noted_at_first_and_then_now_and_again,
    crate::a_first_signature_that_cannot_be_noted_is_not_returned
        as a_first_signature_that_cannot_be_noted_is_not_returned,
    crate::a07_the_database_holds_no_plain_key_and_debug_no_secret
        as a07_the_database_holds_no_plain_key_and_debug_no_secret,
    crate::a_key_that_another_process_deletes_stops_signing_within_a_minute
        as a_key_that_another_process_deletes_stops_signing_within_a_minute,
    crate::nothing_is_deleted_for_an_id_that_is_none as nothing_is_deleted_for_an_id_that_is_none,
    crate::a_process_knows_which_aliases_it_needs as a_process_knows_which_aliases_it_needs,
    crate::migration::ends_as_those_of_go_and_does_nothing_twice
        as ends_as_those_of_go_and_does_nothing_twice,
    crate::migration::a_dry_run_changes_nothing as a_dry_run_changes_nothing,
    crate::migration::a_table_of_another_program_is_refused
        as a_table_of_another_program_is_refused,
    crate::rotation::every_key_gets_the_new_passphrase as every_key_gets_the_new_passphrase,
    crate::rotation::a_key_that_cannot_be_opened_stays_and_is_told
        as a_key_that_cannot_be_opened_stays_and_is_told,
    crate::rotation::nothing_is_written_in_a_dry_run as nothing_is_written_in_a_dry_run,
);

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

async fn case_32_rows_of_go_are_used(engine: Engine) {
    let world = World::on(engine).await;
    let samples = samples();
    assert_eq!(samples.len(), 6);
    for row in &samples {
        world.insert(row).await;
        let info = world.keys.info(&row.id()).await.unwrap().unwrap();
        let public = HEXLOWER.decode(row.public_hex.as_bytes()).unwrap();
        assert_eq!(info.public.public_bytes(), public);
        assert_eq!(
            (info.gun.as_str(), info.role.as_str()),
            (&*row.gun, &*row.role)
        );
        assert_eq!(
            world.keys.load(&row.id(), now()).await.unwrap().as_deref(),
            Some(&info)
        );
        // Knowing a key does not make it active, signing does.
        assert_eq!(world.last_used(&row.id()).await, row.last_used());
        let sig = world.keys.sign(&row.id(), b"message", now()).await.unwrap();
        assert!(is_signature(&info.public, &sig.signature, b"message"));
        assert_eq!(
            world.last_used(&row.id()).await.as_deref(),
            Some("2026-11-18 11:06:40")
        );
    }
}

async fn case_28_a_pending_key_is_returned_until_it_signs(engine: Engine) {
    let world = World::on(engine).await;
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
        let sql = "UPDATE private_keys SET deleted_at = '2026-11-22' WHERE key_id =";
        world.run(&format!("{sql} '{}'", second.id())).await;
        assert_ne!(create().await, second);
    }
}

async fn simultaneous_requests_make_one_key(engine: Engine) {
    let world = World::on(engine).await;
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

async fn a_pending_key_that_cannot_be_opened_is_passed_over(engine: Engine) {
    let world = World::on(engine).await;
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
    assert_ne!(*made.id(), pending.id());
    assert_eq!(create().await.unwrap(), made);
}

async fn case_34_a_missing_passphrase_is_not_a_missing_key(engine: Engine) {
    let world = World::on(engine).await;
    let mut row = samples().remove(0);
    row.passphrase_alias = "other".into();
    world.insert(&row).await;
    for result in [
        world.keys.load(&row.id(), now()).await.map(|_| ()),
        world.keys.sign(&row.id(), b"x", now()).await.map(|_| ()),
    ] {
        let Err(DatabaseError::Undecryptable {
            id: of,
            alias,
            source,
        }) = result
        else {
            panic!("{result:?}")
        };
        assert_eq!((of, alias.as_str()), (row.id(), "other"));
        assert!(matches!(source, Undecryptable::MissingPassphrase));
    }
    assert!(world.keys.info(&row.id()).await.unwrap().is_some());
    let set = |passphrase: &str| {
        let mut passphrases = world.passphrases.lock().unwrap();
        passphrases.insert("other".into(), passphrase.into());
    };
    set("wrong");
    assert!(matches!(
        world.keys.load(&row.id(), now()).await,
        Err(DatabaseError::Undecryptable {
            source: Undecryptable::Token(jwe::OpenError::Wrong),
            ..
        })
    ));
    set("testpassword");
    world.keys.sign(&row.id(), b"x", now()).await.unwrap();
    // And no key is made for which there is no passphrase.
    world.passphrases.lock().unwrap().clear();
    let made = world
        .keys
        .create(Algorithm::Ecdsa, "docker.io/x/y", "timestamp", now())
        .await;
    assert!(matches!(made, Err(DatabaseError::MissingPassphrase(alias)) if alias == "timestamp_1"));
    assert_eq!(world.count().await, 1);
}

async fn case_35_a_row_that_lies_about_its_key_is_refused(engine: Engine) {
    let samples = samples();
    let (good, other) = (&samples[0], &samples[1]);
    // Private key of another row; public key and ID of another row; public key alone.
    for column in ["private", "public", "key_id"] {
        let world = World::on(engine).await;
        world.insert(good).await;
        let id = if column == "key_id" {
            other.id()
        } else {
            good.id()
        };
        let value = match column {
            "private" => world.blob(other.private.as_bytes()),
            "public" => world.blob(&other.public()),
            _ => format!("'{}'", other.key_id),
        };
        world
            .run(&format!("UPDATE private_keys SET {column} = {value}"))
            .await;
        for result in [
            world.keys.load(&id, now()).await.map(|_| ()),
            world.keys.sign(&id, b"x", now()).await.map(|_| ()),
        ] {
            assert!(
                matches!(&result, Err(DatabaseError::Inconsistent { id: of }) if *of == id),
                "{column}: {result:?}"
            );
        }
        assert_eq!(world.last_used(&id).await, good.last_used());
    }
}

async fn case_36_the_algorithm_columns_do_not_matter(engine: Engine) {
    let world = World::on(engine).await;
    let mut row = samples().remove(0);
    row.encryption_alg = "x".into();
    row.keywrap_alg = String::new();
    world.insert(&row).await;
    world.keys.sign(&row.id(), b"x", now()).await.unwrap();
}

async fn case_37_names_are_compared_byte_for_byte(engine: Engine) {
    let world = World::on(engine).await;
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

async fn case_38_what_fits_no_column_makes_no_row(engine: Engine) {
    let world = World::on(engine).await;
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

async fn absence_is_told_from_failure(engine: Engine) {
    let world = World::on(engine).await;
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
    world.keys.sign(&row.id(), b"x", now()).await.unwrap();
    world.database.close().await;
    let later = now() + Duration::from_secs(3000);
    world.keys.sign(&row.id(), b"x", later).await.unwrap();
    // It does so for an hour after the database last confirmed it, and is forgotten then.
    let too_late = now() + Duration::from_secs(3700);
    for at in [too_late, now()] {
        let error = world.keys.sign(&row.id(), b"x", at).await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
    }
    assert!(matches!(
        world.keys.load(&absent, now()).await,
        Err(DatabaseError::Database(_))
    ));
    assert!(matches!(
        world.keys.info(&row.id()).await,
        Err(DatabaseError::Database(_))
    ));
    assert!(matches!(
        world.keys.create(Algorithm::Ecdsa, "a", "b", now()).await,
        Err(DatabaseError::Database(_))
    ));
    assert!(world.keys.check().await.is_err());
}

async fn a_table_that_is_gone_is_noticed(engine: Engine) {
    let world = World::on(engine).await;
    let row = &samples()[0];
    world.insert(row).await;
    world.keys.sign(&row.id(), b"x", now()).await.unwrap();
    world.keys.check().await.unwrap();
    world.run("DROP TABLE private_keys").await;
    // The database answers, so that nothing excuses a key that it does not confirm.
    let later = now() + Duration::from_secs(61);
    assert!(matches!(
        world.keys.sign(&row.id(), b"x", later).await,
        Err(DatabaseError::Database(_))
    ));
    assert!(matches!(
        world.keys.check().await,
        Err(DatabaseError::Database(_))
    ));
}

async fn last_use_is_noted_at_first_and_then_now_and_again(engine: Engine) {
    let world = World::on(engine).await;
    let key = world
        .keys
        .create(Algorithm::Ed25519, "docker.io/a/b", "timestamp", now())
        .await
        .unwrap();
    assert_eq!(world.last_used(key.id()).await, None);
    for (seconds, expected) in [
        (0, "2026-11-18 11:06:40"),
        (3599, "2026-11-18 11:06:40"),
        (3600, "2026-11-18 12:06:40"),
    ] {
        let now = now() + Duration::from_secs(seconds);
        world.keys.sign(key.id(), b"x", now).await.unwrap();
        assert_eq!(world.last_used(key.id()).await.as_deref(), Some(expected));
    }
    // A key that was deleted elsewhere is noticed then, and does not sign any more.
    world
        .run("UPDATE private_keys SET deleted_at = '2026-11-22'")
        .await;
    let later = now() + Duration::from_secs(10_000);
    for _ in 0..2 {
        assert!(matches!(
            world.keys.sign(key.id(), b"x", later).await,
            Err(DatabaseError::NotFound(_))
        ));
    }
}

async fn a_first_signature_that_cannot_be_noted_is_not_returned(engine: Engine) {
    let world = World::on(engine).await;
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

async fn a07_the_database_holds_no_plain_key_and_debug_no_secret(engine: Engine) {
    let world = World::on(engine).await;
    let key = world
        .keys
        .create(Algorithm::Ecdsa, "docker.io/a/b", "timestamp", now())
        .await
        .unwrap();
    let expression = match engine {
        Engine::PostgreSql => "convert_from(private, 'UTF8')",
        _ => "private",
    };
    let token = world.text(expression, "").await.unwrap().into_bytes();
    assert_eq!(token.len(), 365);
    assert_eq!(token.iter().filter(|byte| **byte == b'.').count(), 4);
    let plain = jwe::open(&token, b"testpassword", jwe::MAX_ITERATIONS).unwrap();
    assert_eq!(plain.len(), 121);
    assert!(plain.ends_with(&key.public_bytes()[26..]));
    let shown = format!("{:?}", world.keys);
    assert!(shown.starts_with("KeyDatabase { options: Options {"));
    assert!(!shown.contains("testpassword"));
}

async fn a_key_that_another_process_deletes_stops_signing_within_a_minute(engine: Engine) {
    let world = World::on(engine).await;
    let other = world.open().await;
    let key = other
        .create(Algorithm::Ecdsa, "docker.io/a/b", "timestamp", now())
        .await
        .unwrap();
    let id = key.id();
    for keys in [&world.keys, &other] {
        keys.sign(id, b"x", now()).await.unwrap();
    }
    assert!(other.delete(id, now()).await.unwrap());
    // The one that deleted it knows at once, and a second time is no error.
    assert!(matches!(
        other.sign(id, b"x", now()).await,
        Err(DatabaseError::NotFound(_))
    ));
    assert!(!other.delete(id, now()).await.unwrap());
    let soon = now() + Duration::from_secs(59);
    world.keys.sign(id, b"x", soon).await.unwrap();
    let later = now() + Duration::from_secs(60);
    assert!(matches!(
        world.keys.sign(id, b"x", later).await,
        Err(DatabaseError::NotFound(_))
    ));
    assert!(world.keys.load(id, later).await.unwrap().is_none());
    assert!(world.keys.info(id).await.unwrap().is_none());
    // The row stays, as Go leaves it, and another key is made.
    assert_eq!(world.count().await, 1);
    let next = world
        .keys
        .create(Algorithm::Ecdsa, "docker.io/a/b", "timestamp", later);
    assert_ne!(next.await.unwrap(), key);
}

async fn nothing_is_deleted_for_an_id_that_is_none(engine: Engine) {
    let world = World::on(engine).await;
    let row = &samples()[0];
    world.insert(row).await;
    let upper = format!("\"{}\"", row.key_id.to_uppercase());
    for text in ["\"\"", "\"%\"", upper.as_str()] {
        let id: KeyId = serde_json::from_str(text).unwrap();
        assert!(!world.keys.delete(&id, now()).await.unwrap(), "{text}");
    }
    assert!(world.keys.info(&row.id()).await.unwrap().is_some());
}

async fn a_process_knows_which_aliases_it_needs(engine: Engine) {
    let world = World::on(engine).await;
    let mut rows = samples();
    rows[0].passphrase_alias = "old".into();
    for row in &rows {
        world.insert(row).await;
    }
    assert_eq!(world.keys.aliases().await.unwrap(), ["old", "timestamp_1"]);
    let newest = KeyDatabase::newest(&world.database, "old").await.unwrap();
    assert_eq!(newest, Some(rows[0].id()));
    let newest = KeyDatabase::newest(&world.database, "timestamp_1").await;
    assert_eq!(newest.unwrap(), Some(rows[rows.len() - 1].id()));
    let (without_tables, _peer) = world::empty(engine).await;
    let none = KeyDatabase::newest(&without_tables, "old").await.unwrap();
    assert_eq!(none, None);
}

// Case 31.
#[tokio::test]
async fn a_database_that_was_away_is_used_again() {
    let mut peer = PostgreSql::start().unwrap();
    let limits = PoolLimits {
        acquire: Duration::from_millis(300),
        ..PoolLimits::default()
    };
    let pool = postgres::connect(&peer.url(), limits).await.unwrap();
    let database = signet_sql::Database::Postgres(pool);
    migrate(&database, false).await.unwrap();
    let passphrases = world::Passphrases::default();
    let known = ("timestamp_1".to_owned(), "testpassword".to_owned());
    passphrases.lock().unwrap().extend([known]);
    let keys = world::open(&database, &passphrases).await;
    let create = || keys.create(Algorithm::Ecdsa, "a", "timestamp", now());
    let key = create().await.unwrap();
    keys.sign(key.id(), b"x", now()).await.unwrap();
    peer.kill().unwrap();
    let unavailable = |error: DatabaseError| error.is_unavailable();
    assert!(create().await.is_err_and(unavailable));
    assert!(keys.info(key.id()).await.is_err_and(unavailable));
    assert!(keys.delete(key.id(), now()).await.is_err_and(unavailable));
    assert!(keys.check().await.is_err_and(unavailable));
    peer.restart().unwrap();
    // The failed deletion evicted it; it is there all the same.
    keys.sign(key.id(), b"x", now()).await.unwrap();
    keys.check().await.unwrap();
    assert_ne!(create().await.unwrap(), key);
}
