//! Work on the key database that ends: making the table, and encrypting the keys for another passphrase.

use std::process::Command;

use signet_testkit::peer::{Make, Signer, SignerOptions};
use signet_testkit::process::{COMMAND_LIMIT, Finished, run};
use signet_testkit::program;
use tonic::Code;

use crate::rows::{Keys, on_every_database, recorded_rows};
use crate::support::{Caller, Made};

on_every_database!(
    crate::maintenance::bootstrap_makes_the_table_of_go as bootstrap_makes_the_table_of_go,
    crate::maintenance::an_alias_is_rotated_while_the_service_runs
        as an_alias_is_rotated_while_the_service_runs,
    crate::maintenance::a_rotation_that_is_not_whole_says_so
        as a_rotation_that_is_not_whole_says_so,
);

const OLD: (&str, &str) = ("NOTARY_SIGNER_TIMESTAMP_1", "testpassword");
const NEW: (&str, &str) = ("NOTARY_SIGNER_TIMESTAMP_2", "another password");

/// Runs our program to its end with the configuration of a service.
fn upkeep(signer: &Signer, variables: &[(&str, &str)], flags: &[&str]) -> Finished {
    let mut command = Command::new(program::ours("notary-signer").unwrap());
    command
        .arg("-config")
        .arg(signer.configuration())
        .args(flags)
        .envs(variables.iter().copied());
    run(&mut command, "", COMMAND_LIMIT).unwrap()
}

async fn bootstrap_makes_the_table_of_go(database: impl Keys) {
    let options = SignerOptions::default().database(&database);
    let ours = Signer::ours_with(&options).unwrap();
    let caller = Caller::of(&ours);
    let create = || caller.create("ecdsa", "docker.io/a/b", "timestamp");
    // As with Go a missing table is no reason not to start, and none to make one unasked.
    let refused = create().await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Internal, "Key creation failed")
    );
    caller.health_becomes("", 2).await;

    let planned = upkeep(&ours, &[OLD], &["-bootstrap", "-dry-run"]);
    let planned = planned.success().unwrap();
    assert!(
        planned.starts_with("create the table private_keys\n"),
        "{planned}"
    );
    assert_eq!(create().await.unwrap_err().code(), Code::Internal);
    // Without a passphrase, and without any of the service's port.
    let done = upkeep(&ours, &[], &["-bootstrap"]).success().unwrap();
    assert_eq!(done, format!("{planned}the table private_keys is ready\n"));
    let again = upkeep(&ours, &[OLD], &["-bootstrap"]).success().unwrap();
    assert_eq!(again, "the table private_keys is ready\n");

    let made = create().await.unwrap();
    caller.health_becomes("", 1).await;
    let go = Signer::go_with(&options).unwrap();
    assert!(Caller::of(&go).signs_with(&made).await.unwrap());
    let of_go = Caller::of(&go)
        .create("ed25519", "docker.io/a/b", "snapshot")
        .await;
    assert!(caller.signs_with(&of_go.unwrap()).await.unwrap());
}

async fn an_alias_is_rotated_while_the_service_runs(database: impl Keys) {
    database.make_table();
    for row in &recorded_rows() {
        database.insert(row);
    }
    let options = SignerOptions::default().database(&database);
    let running = Signer::ours_with(&options.clone().variable(NEW.0, NEW.1)).unwrap();
    let caller = Caller::of(&running);
    let pending = caller.create("ecdsa", "docker.io/a/b", "timestamp").await;
    let pending = pending.unwrap();
    let rotate = |more: &[&'static str]| {
        let mut flags = vec!["-rotate-alias", "timestamp_2"];
        flags.extend(more);
        upkeep(&running, &[OLD, NEW], &flags).success().unwrap()
    };
    let old = "passphrase_alias = 'timestamp_1'";
    assert_eq!(
        rotate(&["-dry-run"]),
        "7 keys: 7 would be encrypted for timestamp_2, 0 cannot be used, 0 changed meanwhile\n"
    );
    assert_eq!(database.count(old), 7);
    assert_eq!(
        rotate(&[]),
        "7 keys: 7 are now encrypted for timestamp_2, 0 cannot be used, 0 changed meanwhile\n"
    );
    assert_eq!(database.count(old), 0);
    assert_eq!(
        rotate(&[]),
        "7 keys: 0 are now encrypted for timestamp_2, 0 cannot be used, 0 changed meanwhile\n"
    );
    // Nothing became active or another key, for the service that runs or for either that starts without the old passphrase.
    assert_eq!(database.count("last_used IS NULL"), 3);
    let create = caller.create("ecdsa", "docker.io/a/b", "timestamp").await;
    assert_eq!(create.unwrap(), pending);
    let without = options
        .variable(OLD.0, "")
        .variable(NEW.0, NEW.1)
        .variable("NOTARY_SIGNER_STORAGE_DEFAULT_ALIAS", "timestamp_2");
    let signers = [Make::Ours, Make::Go].map(|make| Signer::start_with(make, &without).unwrap());
    for caller in signers.iter().map(Caller::of).chain([caller.clone()]) {
        for row in &recorded_rows() {
            let key = Made::of(caller.info(row.id()).await.unwrap()).0;
            assert!(caller.signs_with(&key).await.unwrap());
        }
        assert!(caller.signs_with(&pending).await.unwrap());
    }
}

async fn a_rotation_that_is_not_whole_says_so(database: impl Keys) {
    database.make_table();
    let rows = recorded_rows();
    database.insert(&rows[0].clone().with("passphrase_alias", "lost"));
    database.insert(&rows[1]);
    let options = SignerOptions::default().database(&database);
    let signer = Signer::ours_with(&options).unwrap();
    let flags = ["-rotate-alias", "timestamp_2"];
    // No passphrase for the new alias.
    let refused = upkeep(&signer, &[OLD], &flags).failure(1).unwrap();
    assert!(refused.contains(r#""level":"fatal""#), "{refused}");
    assert!(refused.contains("timestamp_2"), "{refused}");
    assert_eq!(database.count("passphrase_alias = 'timestamp_2'"), 0);
    // One key whose own is missing: the others are rotated, and the exit code tells.
    let partly = upkeep(&signer, &[OLD, NEW], &flags);
    assert_eq!(partly.code, Some(1), "{partly}");
    let expected =
        "2 keys: 1 are now encrypted for timestamp_2, 1 cannot be used, 0 changed meanwhile\n";
    assert_eq!(partly.stdout, expected);
    assert!(partly.stderr.contains(rows[0].id()), "{partly}");
    assert!(!partly.to_string().contains("password"), "{partly}");
    let lost = ("NOTARY_SIGNER_LOST", OLD.1);
    let whole = upkeep(&signer, &[OLD, NEW, lost], &flags)
        .success()
        .unwrap();
    assert!(whole.starts_with("2 keys: 1 are now encrypted"), "{whole}");
    assert_eq!(database.count("passphrase_alias = 'timestamp_2'"), 2);
}

#[test]
fn keys_in_memory_have_no_alias_to_rotate() {
    let signer = Signer::ours().unwrap();
    let finished = upkeep(&signer, &[NEW], &["-rotate-alias", "timestamp_2"]);
    let log = finished.failure(1).unwrap();
    assert!(log.contains("keys in memory are not encrypted"), "{log}");
}
