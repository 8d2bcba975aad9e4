//! Go's server is gone, and a backup of its database is left.

use std::collections::BTreeMap;

use signet_testkit::image::digest;
use signet_testkit::peer::{MariaDb, Storage, TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::{inspect, list_targets, stranger};

const GUN: &str = "localhost:5000/team/app";

fn add(user: &User, tag: &str) {
    let hash = digest(tag.as_bytes());
    let hash = hash.trim_start_matches("sha256:");
    let line = ["addhash", GUN, tag, "3", "--sha256", hash, "-p"];
    user.expect(Tool::Notary, &line).unwrap();
}

/// Every version of every document that a server gives, by name.
fn documents(server: &TrustServer) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for role in [
        "root",
        "targets",
        "targets/releases",
        "snapshot",
        "timestamp",
    ] {
        let newest = server.version(GUN, role).unwrap();
        let versions = (1..=newest).map(|version| format!("{version}.{role}.json"));
        for name in versions.chain([format!("{role}.json")]) {
            if let Some(bytes) = server.metadata(GUN, &name).unwrap() {
                found.insert(name, bytes);
            }
        }
    }
    found
}

#[test]
fn a_backup_of_gos_mysql_database_is_enough_to_go_on() {
    let database = MariaDb::start().unwrap();
    database.make_tables().unwrap();
    let options = TrustOptions::default().database(&database);
    let mut old = TrustServer::go_with(&options).unwrap();
    let mut owner = stranger(&old);
    let mut reader = stranger(&old);
    let notary = |owner: &User, arguments: &[&str]| {
        owner.expect(Tool::Notary, arguments).unwrap();
    };
    notary(&owner, &["init", "-p", GUN]);
    // Who trusts the first root is not asked again.
    assert!(list_targets(&reader, GUN, &[]).is_empty());
    notary(&owner, &["key", "rotate", GUN, "snapshot", "-r"]);
    owner.ec_key("prime256v1", "releases.key").unwrap();
    owner.certificate("releases").unwrap();
    let delegate = [
        "delegation",
        "add",
        GUN,
        "targets/releases",
        "releases.crt",
        "--all-paths",
        "-p",
    ];
    notary(&owner, &delegate);
    notary(&owner, &["key", "import", "releases.key", "-r", "releases"]);
    add(&owner, "v1");
    let hash = "7".repeat(64);
    let release = [
        "addhash",
        GUN,
        "v2",
        "3",
        "--sha256",
        &hash,
        "-r",
        "targets/releases",
        "-p",
    ];
    notary(&owner, &release);
    let listed = list_targets(&reader, GUN, &[]);
    assert_eq!(listed.len(), 2);
    let inspected = inspect(&stranger(&old), Tool::Docker, GUN);
    let before = documents(&old);
    assert!(before.len() > 12, "{:?}", before.keys());

    database.dump(&owner.path("notary.sql")).unwrap();
    old.service().kill();
    drop(database);
    let ours = |owner: &User, arguments: &[&str]| owner.expect(Tool::OurNotary, arguments).unwrap();
    let create = [
        "archive",
        "create",
        "--from-database",
        "notary.sql",
        "-o",
        "trust.tar.gz",
    ];
    ours(&owner, &create);
    ours(&owner, &["archive", "verify", "trust.tar.gz"]);
    let new = TrustServer::ours(Storage::Sqlite).unwrap();
    for user in [&mut owner, &mut reader] {
        user.turn_to(&new.url(), &new.ca_pem()).unwrap();
    }
    ours(
        &owner,
        &["archive", "import", "trust.tar.gz", "--into", &new.url()],
    );
    assert_eq!(documents(&new), before);
    for user in [&reader, &stranger(&new)] {
        assert_eq!(list_targets(user, GUN, &[]), listed);
    }

    ours(&owner, &["takeover", "--yes", GUN]);
    for user in [&reader, &stranger(&new)] {
        assert_eq!(list_targets(user, GUN, &[]), listed);
        let now = inspect(user, Tool::Docker, GUN);
        assert_eq!(
            (now.tags, now.signers),
            (inspected.tags.clone(), inspected.signers.clone())
        );
    }
    add(&owner, "v3");
    for user in [&reader, &stranger(&new)] {
        assert_eq!(list_targets(user, GUN, &[]).len(), 3);
    }
}
