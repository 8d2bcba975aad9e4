//! With Go's server and Go's client as the judges.

mod races;
mod roles;

use std::time::Duration;

use signet_client::changelist::Edit;
use signet_client::publish::PublishOptions;
use signet_client::{Error, ErrorKind, Managed};
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};
use signet_tuf::expiry::TARGETS_LIFETIME;
use signet_tuf::update::{Mode, Scope, Warning};
use signet_tuf::{RoleName, UpdateError};

use crate::person::{Person, add, delegate, listing, now};

const GUN: &str = "localhost:5000/team/app";

fn user(server: &TrustServer) -> User {
    User::new(&server.url(), &server.ca_pem()).unwrap()
}

fn versions(server: &TrustServer, roles: &[&str]) -> Vec<u64> {
    let version = |role: &&str| server.version(GUN, role).unwrap();
    roles.iter().map(version).collect()
}

const BASE: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

/// What `notary list` prints for each target: name, role.
fn notary_list(user: &User, roles: &[&str]) -> Vec<String> {
    let mut arguments = vec!["list", GUN];
    for role in roles {
        arguments.extend(["-r", role]);
    }
    let text = user.expect(Tool::Notary, &arguments).unwrap();
    let mut list: Vec<String> = text
        .lines()
        .filter(|line| line.contains("targets") && !line.starts_with("No targets"))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            format!("{} {}", words[0], words[words.len() - 1])
        })
        .collect();
    list.sort();
    list
}

#[tokio::test]
async fn w1_the_first_publish_is_what_go_expects() {
    for (snapshot, expected) in [
        (Managed::ByServer, [1, 2, 1, 1]),
        (Managed::Locally, [1, 2, 2, 1]),
    ] {
        let server = TrustServer::go().unwrap();
        let user = user(&server);
        let person = Person::new(&server, GUN, &user.trust_dir());
        let alice = person.key("alice");
        let mut repository = person.initialized(snapshot).await;
        assert!(repository.is_unpublished());
        let edits = [
            delegate("targets/alice", &[&alice]),
            delegate("targets/releases", &[&alice]),
        ];
        let published = repository
            .publish(&edits, PublishOptions::default())
            .await
            .unwrap();
        assert_eq!(published.attempts, 1);
        assert_eq!(versions(&server, &BASE), expected);

        let mut repository = person.open();
        let edits = [add("targets/alice", "v1"), add("targets/releases", "v1")];
        let published = repository
            .publish(&edits, PublishOptions::default())
            .await
            .unwrap();
        let roles: Vec<String> = published
            .files
            .iter()
            .map(|(role, version)| format!("{role} {version}"))
            .collect();
        let mut wanted = vec!["targets/alice 1", "targets/releases 1"];
        if snapshot == Managed::Locally {
            wanted.push("snapshot 3");
        }
        assert_eq!(roles, wanted);
        assert_eq!(
            notary_list(&user, &["targets/releases"]),
            ["v1 targets/releases"]
        );
        assert_eq!(
            person.list().await,
            ["v1 targets/alice", "v1 targets/releases"]
        );
        // And somebody who knows nothing of it.
        let stranger = self::user(&server);
        let inspected = stranger.expect(Tool::Docker, &["inspect", GUN]).unwrap();
        let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected[0]["SignedTags"][0]["Signers"][0], "alice");
        assert_eq!(
            inspected[0]["Signers"][0]["Keys"][0]["ID"],
            alice.id().as_str()
        );
    }
}

#[tokio::test]
async fn either_program_publishes_what_the_other_staged() {
    let server = TrustServer::go().unwrap();
    let user = user(&server);
    let person = Person::new(&server, GUN, &user.trust_dir());
    let notary = |arguments: &[&str]| user.expect(Tool::Notary, arguments).unwrap();
    signet_testkit::file::write(&user.path("hello.txt"), "hello\n").unwrap();
    signet_testkit::file::write(&user.path("custom.json"), r#"{"b":1, "a":"x"}"#).unwrap();
    user.ec_key("prime256v1", "r.key").unwrap();
    user.openssl(&[
        "req", "-new", "-x509", "-key", "r.key", "-days", "90", "-subj", "/CN=r", "-out", "r.crt",
    ])
    .unwrap();

    // Never published, and the snapshot key is the client's: also the initial state comes from Go's files.
    notary(&["init", GUN]);
    notary(&["add", GUN, "v1", "hello.txt"]);
    notary(&["add", GUN, "a&b<c>", "hello.txt", "--custom", "custom.json"]);
    notary(&[
        "delegation",
        "add",
        GUN,
        "targets/releases",
        "r.crt",
        "--all-paths",
    ]);
    let mut repository = person.open();
    let published = repository
        .publish_staged(PublishOptions::default())
        .await
        .unwrap();
    assert!(published.changelist_left.is_none());
    assert_eq!(versions(&server, &BASE), [1, 2, 2, 1]);
    assert!(repository.changelist().unwrap().list().unwrap().is_empty());
    assert!(notary(&["status", GUN]).contains("No unpublished changes"));
    assert_eq!(notary_list(&user, &[]), ["a&b<c> targets", "v1 targets"]);

    notary(&["key", "import", "r.key", "--role", "releases"]);
    let repository = person.open();
    for edit in [
        add("targets/releases", "v2"),
        add("targets", "v3"),
        Edit::RemoveTarget {
            role: RoleName::targets(),
            name: "v1".to_owned(),
        },
        Edit::ChangeDelegation {
            role: RoleName::releases(),
            threshold: 0,
            add_keys: vec![],
            remove_keys: vec![],
            add_paths: vec!["only/".to_owned()],
            remove_paths: vec![],
            clear_paths: false,
        },
    ] {
        repository.stage(&edit).unwrap();
    }
    assert_eq!(
        notary(&["status", GUN])
            .lines()
            .filter(|line| line.contains("targets"))
            .count(),
        4
    );
    notary(&["publish", GUN]);
    assert!(repository.changelist().unwrap().list().unwrap().is_empty());
    assert_eq!(
        person.list().await,
        ["a&b<c> targets", "v2 targets/releases", "v3 targets"]
    );

    notary(&["witness", GUN, "targets/releases"]);
    notary(&[
        "delegation",
        "remove",
        "-y",
        GUN,
        "targets/releases",
        "--paths",
        "only/",
    ]);
    notary(&["remove", GUN, "v3"]);
    person
        .open()
        .publish_staged(PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(versions(&server, &["targets/releases", "targets"]), [2, 4]);
    assert_eq!(
        notary_list(&user, &["targets", "targets/releases"]),
        ["a&b<c> targets", "v2 targets/releases"]
    );
    notary(&["delegation", "remove", "-y", GUN, "targets/releases"]);
    person
        .open()
        .publish_staged(PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(person.list().await, ["a&b<c> targets"]);
}

#[tokio::test]
async fn a_staged_change_that_makes_no_sense_keeps_all_of_them_staged() {
    let server = TrustServer::go().unwrap();
    let user = user(&server);
    let person = Person::new(&server, GUN, &user.trust_dir());
    let mut repository = person.initialized(Managed::ByServer).await;
    repository
        .publish(&[], PublishOptions::default())
        .await
        .unwrap();
    repository.stage(&add("targets", "v1")).unwrap();
    let changelist = repository.changelist().unwrap();
    signet_testkit::file::write(&changelist.dir().join("zzz.change"), "{").unwrap();
    let error = repository
        .publish_staged(PublishOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Changelist(_)), "{error}");
    repository
        .changelist()
        .unwrap()
        .remove(["zzz.change"])
        .unwrap();
    repository.stage(&add("targets/nobody", "v1")).unwrap();
    let error = repository
        .publish_staged(PublishOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tuf: invalid role targets/nobody. delegation does not exist"
    );
    assert_eq!(error.kind(), ErrorKind::Local);
    assert_eq!(changelist.list().unwrap().len(), 2);
    assert_eq!(server.version(GUN, "timestamp").unwrap(), 1);
}

#[tokio::test]
async fn w9_whoever_has_the_keys_can_renew_what_has_expired() {
    for managed in [Managed::ByServer, Managed::Locally] {
        let server = TrustServer::go().unwrap();
        let home = user(&server);
        let mut person = Person::new(&server, GUN, &home.trust_dir());
        let alice = person.key("alice");
        // As if it had been published almost three years ago.
        let soon = Duration::from_secs(8);
        person.clock = std::sync::Arc::new(move || now() - TARGETS_LIFETIME + soon);
        let mut repository = person.initialized(managed).await;
        let edits = [delegate("targets/alice", &[&alice])];
        repository
            .publish(&edits, PublishOptions::default())
            .await
            .unwrap();
        // A snapshot that the client signs is as new as its last publish. (One that has expired hides everything behind
        // an error of Go's server.)
        person.clock = std::sync::Arc::new(now);
        person
            .open()
            .publish(&[add("targets/alice", "v1")], PublishOptions::default())
            .await
            .unwrap();
        tokio::time::sleep(soon).await;

        let error = person
            .open()
            .update(Mode::Read, Scope::All)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Violation);
        assert!(
            error.to_string().contains(" expired at "),
            "{managed:?} {error:?}"
        );
        let mut repository = person.open();
        repository
            .publish(&[add("targets/alice", "v2")], PublishOptions::default())
            .await
            .unwrap();
        let warnings = repository.take_warnings();
        assert!(
            warnings
                .iter()
                .any(|warning| matches!(warning, Warning::Expired { .. })),
            "{warnings:?}"
        );
        assert_eq!(
            person.list().await,
            ["v1 targets/alice", "v2 targets/alice"]
        );
        assert_eq!(notary_list(&home, &["targets/alice"]).len(), 2);
    }
}

#[tokio::test]
async fn failures_are_of_four_kinds() {
    let mut server = TrustServer::go().unwrap();
    let home = user(&server);
    let person = Person::new(&server, GUN, &home.trust_dir());
    let host = server.url().replace("https://", "");
    for mode in [Mode::Read, Mode::Write] {
        let error = person.open().update(mode, Scope::All).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoTrustData);
        assert_eq!(
            error.to_string(),
            format!("{host} does not have trust data for {GUN}")
        );
    }
    let mut repository = person.initialized(Managed::ByServer).await;
    repository
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(person.list().await, ["v1 targets"]);

    // Somebody else answers in the server's place: with a warm cache, too, that is no outage.
    let stranger = Person {
        ca: String::new(),
        ..Person::new(&server, GUN, &home.trust_dir())
    };
    let error = stranger
        .open()
        .update(Mode::Read, Scope::All)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Remote(signet_client::remote::RemoteError::Tls { .. })
        ),
        "{error:?}"
    );

    server.service().kill();
    let mut repository = person.open();
    let trusted = repository.update(Mode::Read, Scope::All).await.unwrap();
    assert!(trusted.is_from_cache());
    assert_eq!(listing(trusted), ["v1 targets"]);
    let warnings = repository.take_warnings();
    assert!(
        matches!(warnings[..], [Warning::CachedTimestamp { .. }]),
        "{warnings:?}"
    );
    let error = person
        .open()
        .update(Mode::Write, Scope::All)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Update(UpdateError::Unreachable { .. })),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Network);
}
