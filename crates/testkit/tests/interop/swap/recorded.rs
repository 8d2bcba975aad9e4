//! Databases that Go's programs wrote at another time: served as they are, published to as recorded, and given back.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use signet_testkit::peer::{
    Make, MariaDb, PostgreSql, Signer, SignerOptions, TrustOptions, TrustServer,
};
use signet_testkit::user::Tool;

use super::repository::Repository;
use super::tables::{Tables, recorded};
use super::world::wait_for_go;
use crate::judge::{list_targets, stranger};

const GUN: &str = "registry.example.com/demo/app";
/// When the dumps were a day old.
const MOMENT: &str = "@2026-11-23 00:00:00";
/// The passphrase of the alias that the recorded keys are encrypted for.
const PASSPHRASE: (&str, &str) = ("NOTARY_SIGNER_PASSALIAS1", "vector-passphrase-1");

#[test]
fn cases_52_to_54_the_recorded_publish_and_back_to_go_on_postgresql() {
    the_recorded_publish_and_back_to_go(|| PostgreSql::shared().unwrap());
}

#[test]
fn cases_52_to_54_the_recorded_publish_and_back_to_go_on_mariadb() {
    the_recorded_publish_and_back_to_go(|| MariaDb::shared().unwrap());
}

fn the_recorded_publish_and_back_to_go<D: Tables>(database: impl Fn() -> D) {
    let (documents, keys) = (database(), database());
    documents.load("server.sql");
    keys.load("signer.sql");
    let options = SignerOptions::default().database(&keys);
    let options = options.variable(PASSPHRASE.0, PASSPHRASE.1);
    let mut signer = Signer::ours_with(&options).unwrap();
    let options = TrustOptions::default().database(&documents);
    let options = options.signer(&signer).at(MOMENT).unwrap();
    let mut server = TrustServer::ours_with(&options).unwrap();

    let before = rows(&documents);
    assert_eq!((before.len(), changes(&documents)), (13, 6));
    assert_served(&server, &documents);
    assert_eq!(rows(&documents), before);
    let request = format!("{}-next-publish-request.http", documents.backend());
    replay(&server, &std::fs::read(recorded(&request)).unwrap());
    let mut after = rows(&documents);
    for (role, version) in [("targets", 5), ("snapshot", 6), ("timestamp", 5)] {
        let new = after.remove(&(role.to_owned(), version));
        assert!(new.is_some(), "{role} {version}");
    }
    assert_eq!(after, before);
    assert_eq!(changes(&documents), 7);
    assert_served(&server, &documents);

    // Go's server with our signer, then with Go's.
    server.change_to(Make::Go).unwrap();
    is_served_and_extended_by_go(&server, &documents, "example.com/next");
    signer.change_to(Make::Go).unwrap();
    wait_for_go(&server);
    is_served_and_extended_by_go(&server, &documents, "example.com/last");
}

/// Role and version of every file of the repository, with its content in hexadecimal digits.
fn rows(documents: &impl Tables) -> BTreeMap<(String, u32), String> {
    let hex = match documents.backend() {
        "mysql" => "LOWER(HEX(data))",
        _ => "encode(data, 'hex')",
    };
    let sql =
        format!("SELECT CONCAT(role, ' ', version, ' ', {hex}) FROM tuf_files WHERE gun = '{GUN}'");
    let row = |row: String| {
        let words: Vec<&str> = row.split(' ').collect();
        let [role, version, data] = words[..] else {
            panic!("{row}");
        };
        ((role.to_owned(), version.parse().unwrap()), data.to_owned())
    };
    documents.ask(&sql).into_iter().map(row).collect()
}

fn changes(documents: &impl Tables) -> usize {
    documents.ask("SELECT id FROM changefeed").len()
}

/// Every current file and every earlier one is what the database has of it.
fn assert_served(server: &TrustServer, documents: &impl Tables) {
    let hex = |name: &str| {
        let bytes = server.metadata(GUN, name).unwrap().unwrap();
        HEXLOWER.encode(&bytes)
    };
    // Once it has expired, Go's server makes a new one now.
    hex("timestamp.json");
    let mut current = BTreeMap::new();
    for ((role, version), data) in rows(documents) {
        assert_eq!(
            hex(&format!("{version}.{role}.json")),
            data,
            "{version}.{role}"
        );
        current.insert(role, data);
    }
    assert_eq!(current.len(), 4);
    for (role, data) in current {
        assert_eq!(hex(&format!("{role}.json")), data, "{role}");
    }
}

/// Sends a recorded request, which must be accepted.
fn replay(server: &TrustServer, message: &[u8]) {
    let at = message.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = message.split_at(at.unwrap() + 4);
    let head = std::str::from_utf8(head).unwrap();
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Type: "));
    let path = head.split(' ').nth(1).unwrap();
    let headers = [("Content-Type", kind.unwrap())];
    let client = server.client().unwrap();
    let answer = client.request("POST", path, &headers, body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// What ours stored is valid for Go, and more is published. The recorded targets expire in November 2029.
fn is_served_and_extended_by_go(server: &TrustServer, documents: &impl Tables, gun: &'static str) {
    assert_served(server, documents);
    let person = stranger(server);
    let listed = list_targets(&person, GUN, &[]);
    let names: Vec<&str> = listed.iter().map(|target| &*target.name).collect();
    assert_eq!(names, ["v1", "v2", "v3"]);
    person.expect(Tool::Notary, &["init", gun, "-p"]).unwrap();
    person
        .expect(Tool::Notary, &["key", "rotate", gun, "snapshot", "-r"])
        .unwrap();
    let mut repository = Repository::new(gun);
    repository.publish(&person, "v1");
    repository.is_listed(&stranger(server), gun);
}
