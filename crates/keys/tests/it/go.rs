//! The real programs: Go notary and docker open what is written here, and the other way round.

use std::path::Path;
use std::process::{Command, Output};

use signet_keys::{KeyStore, PrivateKey, Signer};
use signet_tuf::{Gun, KeyKind};

use crate::support::{Given, copy, data, run, store_in};

/// Go notary, with one passphrase for everything, away from the developer's home.
fn notary(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("notary");
    command
        .arg("-d")
        .arg(dir)
        .args(arguments)
        .env_clear()
        .env("HOME", dir);
    for alias in ["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"] {
        command.env(format!("NOTARY_{alias}_PASSPHRASE"), "pässphrase 1");
    }
    run(&mut command, "notary")
}

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn case_04_go_unlocks_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::always("pässphrase 1");
    let gun: Gun = "docker.io/signet/sample".parse().unwrap();
    // At the default cost, as users' files are.
    let store = signet_keys::FileKeyStore::open(dir.path(), given.clone());
    let sample = |file: &str, kind: KeyKind| {
        let block = signet_keys::pem::parse(&std::fs::read(data(file)).unwrap()).remove(0);
        PrivateKey::from_private_bytes(&kind, &block.contents).unwrap()
    };
    let mut written = Vec::new();
    for (key, role) in [
        (PrivateKey::generate_ecdsa().unwrap(), "root"),
        (PrivateKey::generate_ecdsa().unwrap(), "targets"),
        (PrivateKey::generate_ecdsa().unwrap(), "snapshot"),
        (PrivateKey::generate_ed25519().unwrap(), "dave"),
        (
            sample("plain/p256-smallscalar.sec1.pem", KeyKind::Ecdsa),
            "erin",
        ),
        (sample("plain/p384-bob.sec1.pem", KeyKind::Ecdsa), "bob"),
        (
            sample("plain/p521-bob.sec1.pem", KeyKind::Ecdsa),
            "targets/releases",
        ),
        (
            sample("plain/rsa2048-carol.pkcs1.pem", KeyKind::Rsa),
            "carol",
        ),
    ] {
        written.push((key.public().id().clone(), role));
        store.add(key, role, Some(&gun)).unwrap();
    }
    let listed = stdout(&notary(dir.path(), &["key", "list"]));
    for (id, role) in &written {
        let line = listed
            .lines()
            .find(|line| line.contains(id.as_str()))
            .unwrap();
        assert!(line.starts_with(role), "{line}");
        assert_eq!(
            line.contains(gun.as_str()),
            matches!(*role, "targets" | "snapshot")
        );

        let path = dir.path().join(format!("private/{id}.key"));
        let before = std::fs::read(&path).unwrap();
        let said = stdout(&notary(dir.path(), &["key", "passwd", id.as_str()]));
        assert!(said.contains(&format!("Successfully updated passphrase for key ID: {id}")));
        assert_ne!(std::fs::read(&path).unwrap(), before);
    }
    // And what Go has just written opens here.
    let again = store_in(dir.path(), given);
    assert_eq!(again.list().unwrap(), store.list().unwrap());
    for (id, _) in written {
        again.load_private(&id).unwrap();
    }
}

#[test]
fn case_10_go_lists_the_same_after_migration() {
    for version in ["v01", "v03"] {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for dir in [&ours, &theirs] {
            let private = data(&format!("legacy/{version}/private"));
            copy(&private, &dir.path().join("private"));
        }
        store_in(ours.path(), Given::always("x"));
        let lines = |dir: &Path| {
            let text = stdout(&notary(dir, &["key", "list"]));
            let columns = text.lines().map(|line| {
                let mut columns: Vec<&str> = line.split_whitespace().collect();
                columns.pop();
                columns.join(" ")
            });
            columns.collect::<Vec<_>>()
        };
        assert_eq!(lines(ours.path()), lines(theirs.path()));
    }
}

#[test]
fn case_55_keys_that_docker_makes_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("docker");
    command
        .args(["trust", "key", "generate", "jeff", "--dir"])
        .arg(dir.path())
        .env_clear()
        .env("HOME", dir.path())
        .env("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "jeffpass1");
    stdout(&run(&mut command, "docker-cli"));
    let store = store_in(
        &dir.path().join(".docker/trust"),
        Given::always("jeffpass1"),
    );
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), listed[0].role.as_str()), (1, "jeff"));
    let key = store.load_private(&listed[0].id).unwrap();
    let public = std::fs::read(dir.path().join("jeff.pub")).unwrap();
    let block = signet_keys::pem::parse(&public).remove(0);
    assert_eq!(*block.contents, key.public().public_bytes());
}
