//! `notary-signer migrate` on real databases, and Go's `notary-signer` on what it made.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use signet_testkit::peer::{
    Database, Make, MariaDb, PostgreSql, Signer, SignerOptions, TrustOptions, TrustServer,
};
use signet_testkit::process::{Finished, run};
use signet_testkit::{file, program};

/// The program with these arguments, on this storage and without any passphrase or alias.
fn signer(storage: &Value, arguments: &[&str]) -> Finished {
    signer_with(storage, arguments, &[])
}

fn signer_with(storage: &Value, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signer.json");
    file::write(&path, json!({"storage": storage}).to_string()).unwrap();
    let mut command = Command::new(program::ours("notary-signer").unwrap());
    command.args(arguments).arg("-config").arg(path);
    command.envs(variables.iter().copied());
    run(&mut command, "", Duration::from_secs(20)).unwrap()
}

fn says(storage: &Value, arguments: &[&str]) -> String {
    signer(storage, arguments).success().unwrap()
}

/// A table is made where there is none, and Go's signer and ours keep their keys there.
fn a_new_database(database: &dyn Database, steps: &str) {
    let storage = database.storage();
    assert_eq!(says(&storage, &["migrate", "-dry-run"]), steps);
    // It did nothing.
    assert_eq!(says(&storage, &["-bootstrap", "-dry-run"]), steps);
    let ready = "the table private_keys is ready\n";
    assert_eq!(says(&storage, &["migrate"]), format!("{steps}{ready}"));
    assert_eq!(says(&storage, &["migrate"]), ready);
    let nothing = "nothing is to be done\n";
    assert_eq!(says(&storage, &["migrate", "-dry-run"]), nothing);

    // Go's server has nothing in memory, and asks for the key that has not signed yet.
    let key = |signer: &Signer| {
        let server = TrustServer::go_with(&TrustOptions::default().signer(signer)).unwrap();
        let path = "/v2/registry.test/app/_trust/tuf/timestamp.key";
        let answer = server.client().unwrap().get(path).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    let mut signer = Signer::go_with(&SignerOptions::default().database(database)).unwrap();
    let made = key(&signer);
    signer.change_to(Make::Ours).unwrap();
    assert_eq!(key(&signer), made);
    checked(&storage);
}

/// The key that Go's signer made is decrypted with the right passphrase alone.
fn checked(storage: &Value) {
    let check = |passphrase: &str| {
        let variables = [("NOTARY_SIGNER_TIMESTAMP_1", passphrase)];
        signer_with(storage, &["check"], &variables)
    };
    let right = check("testpassword").success().unwrap();
    assert_eq!(right, "1 keys: 0 cannot be used\n");
    let wrong = check("another");
    assert_eq!(wrong.code, Some(1), "{wrong}");
    assert!(
        wrong.stdout.ends_with("\n1 keys: 1 cannot be used\n"),
        "{wrong}"
    );
}

#[test]
fn go_works_on_a_postgresql_that_was_made_here() {
    let database = PostgreSql::shared().unwrap();
    a_new_database(
        &database,
        "create the table private_keys\nnote version 1 in schema_migrations\n",
    );
}

#[test]
fn go_works_on_a_mariadb_that_was_made_here() {
    let database = MariaDb::shared().unwrap();
    a_new_database(
        &database,
        "create the table private_keys\nnote version 2 in schema_migrations\n",
    );
}

#[test]
fn a_dry_run_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let storage = json!({"backend": "sqlite3", "db_url": path});
    let step = "create the table private_keys\n";
    assert_eq!(says(&storage, &["migrate", "-dry-run"]), step);
    assert_eq!(signer(&storage, &["check"]).code, Some(1));
    assert!(!path.exists());
    let ready = "the table private_keys is ready\n";
    assert_eq!(says(&storage, &["migrate"]), format!("{step}{ready}"));
    assert_eq!(says(&storage, &["migrate"]), ready);
    let nothing = "nothing is to be done\n";
    assert_eq!(says(&storage, &["migrate", "-dry-run"]), nothing);
}

#[test]
fn what_cannot_be_migrated_is_said() {
    let finished = signer(&json!({"backend": "memory"}), &["migrate"]);
    assert_eq!(finished.code, Some(1), "{finished}");
    assert!(
        finished
            .stderr
            .contains("store does not support bootstrapping"),
        "{finished}"
    );
    // A service that somebody believes to be only looking does not start.
    let finished = signer(&json!({"backend": "memory"}), &["-dry-run"]);
    assert_eq!(finished.code, Some(2), "{finished}");
}
