//! Keys on databases that are services of their own: acceptance cases 28 to 31, 34, 35 and 38 of signer-and-keys.

use std::process::Command;
use std::time::{Duration, Instant};

use signet_testkit::file;
use signet_testkit::peer::{MariaDb, PostgreSql, Signer, SignerOptions};
use signet_testkit::process::{COMMAND_LIMIT, run};
use tonic::Code;

use crate::rows::{Keys, on_every_database, recorded_rows};
use crate::support::{Caller, Made};

on_every_database!(
    crate::databases::cases_28_and_29_a_pending_key_is_returned_until_it_signs
        as cases_28_and_29_a_pending_key_is_returned_until_it_signs,
    crate::databases::case_30_what_is_no_id_touches_no_row as case_30_what_is_no_id_touches_no_row,
    crate::databases::case_34_a_missing_passphrase_is_told_and_mended_by_a_restart
        as case_34_a_missing_passphrase_is_told_and_mended_by_a_restart,
    crate::databases::without_its_passphrase_no_key_is_made
        as without_its_passphrase_no_key_is_made,
    crate::databases::case_35_a_row_that_lies_about_its_key_is_refused
        as case_35_a_row_that_lies_about_its_key_is_refused,
    crate::databases::case_38_what_fits_no_column_makes_no_row
        as case_38_what_fits_no_column_makes_no_row,
);

/// Ours on Go's empty table.
fn started(database: &impl Keys) -> (Signer, Caller) {
    database.make_table();
    let signer = Signer::ours_with(&SignerOptions::default().database(database)).unwrap();
    let caller = Caller::of(&signer);
    (signer, caller)
}

async fn cases_28_and_29_a_pending_key_is_returned_until_it_signs(database: impl Keys) {
    let (mut signer, _) = started(&database);
    for algorithm in ["ecdsa", "ed25519"] {
        let caller = Caller::of(&signer);
        let first = caller
            .create(algorithm, "docker.io/a/b", "timestamp")
            .await
            .unwrap();
        let (known, role) = Made::of(caller.info(first.id()).await.unwrap());
        assert_eq!((&known, role.as_str()), (&first, "timestamp"));
        signer.service().kill();
        signer.restart().unwrap();
        let caller = Caller::of(&signer);
        let create = || caller.create(algorithm, "docker.io/a/b", "timestamp");
        assert_eq!(create().await.unwrap(), first);
        caller.info(first.id()).await.unwrap();
        assert_eq!(create().await.unwrap(), first);
        for (gun, role) in [
            ("docker.io/a/b", "snapshot"),
            ("docker.io/a/c", "timestamp"),
        ] {
            let other = caller.create(algorithm, gun, role).await.unwrap();
            assert_ne!(other, first);
        }
        assert!(caller.signs_with(&first).await.unwrap());
        let second = create().await.unwrap();
        assert_ne!(second, first);
        assert!(caller.signs_with(&first).await.unwrap());
        // A pending key that is deleted is not returned, and its row stays.
        caller.delete(second.id()).await.unwrap();
        caller.delete(second.id()).await.unwrap();
        let gone = caller.info(second.id()).await.unwrap_err();
        let message = format!("key {} not found", second.id());
        assert_eq!(
            (gone.code(), gone.message()),
            (Code::NotFound, message.as_str())
        );
        assert_ne!(create().await.unwrap(), second);
        let deleted = format!("key_id = '{}' AND deleted_at IS NOT NULL", second.id());
        assert_eq!(database.count(&deleted), 1);
    }
}

async fn case_30_what_is_no_id_touches_no_row(database: impl Keys) {
    let (_signer, caller) = started(&database);
    let row = &recorded_rows()[0];
    database.insert(row);
    for bad in ["", "%", "../x", &row.id().to_uppercase(), "' OR 1=1 --"] {
        for refused in [
            caller.info(bad).await.unwrap_err(),
            caller.sign(bad, b"x").await.unwrap_err(),
            caller.delete(bad).await.unwrap_err(),
        ] {
            assert_eq!(refused.code(), Code::InvalidArgument, "{bad}: {refused}");
        }
    }
    assert_eq!(database.count("deleted_at IS NULL"), 1);
    caller.sign(row.id(), b"x").await.unwrap();
}

#[tokio::test]
async fn case_31_a_database_that_was_away_is_used_again_on_postgresql() {
    let mut database = PostgreSql::start().unwrap();
    let (signer, caller, key) = before_it_goes(&database, "&connect_timeout=1", "").await;
    database.kill().unwrap();
    while_it_is_away(&caller, &key).await;
    database.restart().unwrap();
    once_it_is_back(&signer, &caller, &key).await;
}

#[tokio::test]
async fn case_31_a_database_that_was_away_is_used_again_on_mariadb() {
    let mut database = MariaDb::start().unwrap();
    let (signer, caller, key) = before_it_goes(&database, "&timeout=1s", "").await;
    database.kill().unwrap();
    while_it_is_away(&caller, &key).await;
    database.restart().unwrap();
    once_it_is_back(&signer, &caller, &key).await;
}

/// The same when the database is there and does not answer.
#[tokio::test]
async fn case_31_a_database_that_stands_still_holds_nobody_for_ever() {
    let database = MariaDb::start().unwrap();
    let (mut signer, caller, key) = before_it_goes(&database, "", "6").await;
    let process = std::fs::read_to_string(database.ask("SELECT @@pid_file").trim()).unwrap();
    let send = |signal: &str| {
        let mut kill = Command::new("kill");
        let sent = run(kill.args([signal, process.trim()]), "", COMMAND_LIMIT);
        sent.unwrap().success().unwrap();
    };
    send("-STOP");
    let rows = recorded_rows();
    let unseen = rows[0].id();
    let asked = Instant::now();
    let (create, info, sign, delete, ()) = tokio::join!(
        caller.create("ecdsa", "docker.io/a/b", "timestamp"),
        caller.info(unseen),
        caller.sign(unseen, b"x"),
        // What has reached the database may be done later.
        caller.delete(rows[1].id()),
        caller.health_becomes("", 2),
    );
    assert!(asked.elapsed() < Duration::from_secs(20));
    for (call, refused) in [
        ("CreateKey", create.unwrap_err()),
        ("GetKeyInfo", info.unwrap_err()),
        ("Sign", sign.unwrap_err()),
        ("DeleteKey", delete.unwrap_err()),
    ] {
        let codes = [Code::Unavailable, Code::DeadlineExceeded];
        assert!(codes.contains(&refused.code()), "{call}: {refused}");
    }
    assert!(caller.signs_with(&key).await.unwrap());
    send("-CONT");
    caller.health_becomes("", 1).await;
    let (known, _) = Made::of(caller.info(unseen).await.unwrap());
    assert!(caller.signs_with(&known).await.unwrap());
    let log = signer.service().log();
    assert!(log.contains("the key database"), "{log}");
}

const SERVICES: [&str; 3] = [
    "",
    "grpc.health.v1.Health.KeyManagement",
    "grpc.health.v1.Health.Signer",
];

/// Ours with one key that is in use, and others that it has not seen.
async fn before_it_goes(
    database: &impl Keys,
    limit: &str,
    call_timeout: &str,
) -> (Signer, Caller, Made) {
    database.make_table();
    for row in &recorded_rows() {
        database.insert(row);
    }
    let url = database.url() + limit;
    let options = SignerOptions::default().database(database);
    let options = options
        .variable("NOTARY_SIGNER_STORAGE_DB_URL", &url)
        .variable("NOTARY_SIGNER_LIMITS_CALL_TIMEOUT", call_timeout);
    let signer = Signer::ours_with(&options).unwrap();
    let caller = Caller::of(&signer);
    let key = caller
        .create("ecdsa", "docker.io/a/b", "timestamp")
        .await
        .unwrap();
    assert!(caller.signs_with(&key).await.unwrap());
    for service in SERVICES {
        caller.health_becomes(service, 1).await;
    }
    (signer, caller, key)
}

async fn while_it_is_away(caller: &Caller, key: &Made) {
    let rows = recorded_rows();
    let unseen = rows[0].id();
    let (create, info, sign, delete) = tokio::join!(
        caller.create("ecdsa", "docker.io/a/b", "timestamp"),
        caller.info(unseen),
        caller.sign(unseen, b"x"),
        caller.delete(unseen),
    );
    for (call, refused) in [
        ("CreateKey", create.unwrap_err()),
        ("GetKeyInfo", info.unwrap_err()),
        ("Sign", sign.unwrap_err()),
        ("DeleteKey", delete.unwrap_err()),
    ] {
        assert_eq!(refused.code(), Code::Unavailable, "{call}: {refused}");
    }
    for service in SERVICES {
        caller.health_becomes(service, 2).await;
    }
    // What is open goes on.
    assert!(caller.signs_with(key).await.unwrap());
}

async fn once_it_is_back(signer: &Signer, caller: &Caller, key: &Made) {
    for row in &recorded_rows() {
        assert_eq!(
            Made::of(caller.info(row.id()).await.unwrap()).0.id(),
            row.id()
        );
        caller.sign(row.id(), b"x").await.unwrap();
    }
    for service in SERVICES {
        caller.health_becomes(service, 1).await;
    }
    assert!(caller.signs_with(key).await.unwrap());
    let next = caller
        .create("ecdsa", "docker.io/a/b", "timestamp")
        .await
        .unwrap();
    assert_ne!(&next, key);
    caller.delete(next.id()).await.unwrap();
    assert!(Caller::of(signer).info(next.id()).await.is_err());
}

async fn case_34_a_missing_passphrase_is_told_and_mended_by_a_restart(database: impl Keys) {
    database.make_table();
    let row = recorded_rows().remove(0).with("passphrase_alias", "other");
    database.insert(&row);
    let options = SignerOptions::default()
        .database(&database)
        .level("warning");
    let mut signer = Signer::ours_with(&options).unwrap();
    let caller = Caller::of(&signer);
    let warned = "NOTARY_SIGNER_OTHER is not set: keys of alias other cannot be used";
    assert!(signer.service().log().contains(warned));
    for refused in [
        caller.info(row.id()).await.unwrap_err(),
        caller.sign(row.id(), b"x").await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    }
    let log = signer.service().log();
    let told = |line: &str| line.contains(row.id()) && line.contains("alias other");
    assert!(log.lines().any(told), "{log}");
    assert_eq!(database.count("deleted_at IS NULL"), 1);

    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("passphrase");
    file::write(&secret, "testpassword\n").unwrap();
    let secret = secret.to_str().unwrap();
    for (name, value) in [
        ("NOTARY_SIGNER_OTHER", "testpassword"),
        ("NOTARY_SIGNER_OTHER_FILE", secret),
    ] {
        let signer = Signer::ours_with(&options.clone().variable(name, value)).unwrap();
        let caller = Caller::of(&signer);
        let key = Made::of(caller.info(row.id()).await.unwrap()).0;
        assert!(caller.signs_with(&key).await.unwrap(), "{name}");
    }
    let wrong = options.clone().variable("NOTARY_SIGNER_OTHER", "wrong");
    let signer = Signer::ours_with(&wrong).unwrap();
    let refused = Caller::of(&signer).sign(row.id(), b"x").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
}

async fn without_its_passphrase_no_key_is_made(database: impl Keys) {
    database.make_table();
    let options = SignerOptions::default()
        .database(&database)
        .level("warning");
    let options = options.variable("NOTARY_SIGNER_STORAGE_DEFAULT_ALIAS", "new.alias");
    let mut signer = Signer::ours_with(&options).unwrap();
    let caller = Caller::of(&signer);
    let warned = "NOTARY_SIGNER_NEW_ALIAS is not set: no key can be made for alias new.alias";
    assert!(signer.service().log().contains(warned));
    let create = caller.create("ecdsa", "docker.io/a/b", "timestamp").await;
    let refused = create.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Internal, "Key creation failed")
    );
    assert_eq!(database.count("1 = 1"), 0);
}

async fn case_35_a_row_that_lies_about_its_key_is_refused(database: impl Keys) {
    let (mut signer, caller) = started(&database);
    let rows = recorded_rows();
    let other = database.blob(&rows[2].public());
    for row in rows.iter().take(2) {
        database.insert(row);
        database.ask(&format!(
            "UPDATE private_keys SET public = {other} WHERE key_id = '{}'",
            row.id()
        ));
        for refused in [
            caller.info(row.id()).await.unwrap_err(),
            caller.sign(row.id(), b"x").await.unwrap_err(),
        ] {
            assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        }
        let log = signer.service().log();
        assert!(log.contains(row.id()), "{log}");
    }
    assert!(rows[1].is_pending());
    assert_eq!(database.count("last_used IS NULL"), 1);
}

async fn case_38_what_fits_no_column_makes_no_row(database: impl Keys) {
    let (_signer, caller) = started(&database);
    let long = "x".repeat(300);
    for (gun, role) in [
        (long.as_str(), "timestamp"),
        ("docker.io/a/b", long.as_str()),
    ] {
        let refused = caller.create("ecdsa", gun, role).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    assert_eq!(database.count("1 = 1"), 0);
    let longest = "x".repeat(255);
    caller.create("ecdsa", &longest, "timestamp").await.unwrap();
}
