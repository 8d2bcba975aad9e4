//! Delegations and keys.

use signet_client::changelist::Edit;
use signet_client::publish::{PublishOptions, Unchanged};
use signet_client::{Error, ErrorKind, Managed};
use signet_testkit::peer::TrustServer;
use signet_tuf::RoleName;

use super::{GUN, notary_list, user, versions};
use crate::person::{Person, add, delegate, role};

#[tokio::test]
async fn w10_a_delegation_that_is_created_again_can_be_published_to() {
    for managed in [Managed::ByServer, Managed::Locally] {
        let server = TrustServer::go().unwrap();
        let home = user(&server);
        let person = Person::new(&server, GUN, &home.trust_dir());
        let alice = person.key("alice");
        let mut repository = person.initialized(managed).await;
        let options = PublishOptions {
            start_over: vec![role("targets/alice")],
            ..PublishOptions::default()
        };
        repository
            .publish(&[delegate("targets/alice", &[&alice])], options.clone())
            .await
            .unwrap();
        for tag in ["v1", "v2", "v3"] {
            person
                .open()
                .publish(&[add("targets/alice", tag)], options.clone())
                .await
                .unwrap();
        }
        let removal = Edit::RemoveDelegation {
            role: role("targets/alice"),
        };
        person
            .open()
            .publish(&[removal], options.clone())
            .await
            .unwrap();
        let bob = person.key("bob");
        person
            .open()
            .publish(&[delegate("targets/alice", &[&bob])], options.clone())
            .await
            .unwrap();
        let published = person
            .open()
            .publish(&[add("targets/alice", "v4")], options.clone())
            .await
            .unwrap();
        assert_eq!(
            published.files[0],
            (role("targets/alice"), 4),
            "{managed:?}"
        );
        assert_eq!(person.list().await, ["v4 targets/alice"]);
        assert_eq!(notary_list(&home, &["targets/alice"]), ["v4 targets/alice"]);
    }
}

#[tokio::test]
async fn a_role_below_its_threshold_is_never_uploaded() {
    let server = TrustServer::go().unwrap();
    let (home, other_home) = (user(&server), user(&server));
    let person = Person::new(&server, GUN, &home.trust_dir());
    let other = Person::new(&server, GUN, &other_home.trust_dir());
    let (alice, bob) = (person.key("alice"), other.key("bob"));
    let mut repository = person.initialized(Managed::ByServer).await;
    let two = Edit::AddDelegation {
        role: role("targets/two"),
        threshold: 2,
        keys: vec![alice.clone(), bob.clone()],
        paths: vec![String::new()],
    };
    let edits = [two, delegate("targets/bob", &[&bob])];
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    let before = server.version(GUN, "timestamp").unwrap();

    let error = person
        .open()
        .publish(&[add("targets/two", "v1")], PublishOptions::default())
        .await
        .unwrap_err();
    let Error::InsufficientSignatures(missing) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (missing.needed, &missing.found, &missing.missing),
        (2, &vec![alice.id().clone()], &vec![bob.id().clone()])
    );
    assert_eq!(
        error.to_string(),
        format!(
            "not enough signing keys: found 1 of 2 needed keys - 1 other possible keys ({})",
            bob.id()
        )
    );
    let error = person
        .open()
        .publish(&[add("targets/bob", "v1")], PublishOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "could not find necessary signing keys, at least one of these keys must be available: {}",
            bob.id()
        )
    );
    assert_eq!(error.kind(), ErrorKind::Local);
    let witness = Edit::Witness {
        role: RoleName::targets(),
    };
    let error = other
        .open()
        .publish(&[witness], PublishOptions::default())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("signing keys not available: need 1 keys from 1 possible keys ("),
        "{error}"
    );
    assert_eq!(server.version(GUN, "timestamp").unwrap(), before);
}

#[tokio::test]
async fn an_unchanged_tag_is_left_alone_or_signed_again_with_a_right_key() {
    let server = TrustServer::go().unwrap();
    let (home, other_home) = (user(&server), user(&server));
    let person = Person::new(&server, GUN, &home.trust_dir());
    let alice = person.key("alice");
    let mut repository = person.initialized(Managed::ByServer).await;
    let edits = [delegate("targets/alice", &[&alice])];
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    let edits = [add("targets/alice", "v1")];
    person
        .open()
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    let before = server.version(GUN, "timestamp").unwrap();
    let published = person
        .open()
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    assert!(published.files.is_empty());
    assert_eq!(server.version(GUN, "timestamp").unwrap(), before);
    let resign = PublishOptions {
        unchanged: Unchanged::Resign,
        ..PublishOptions::default()
    };
    let published = person.open().publish(&edits, resign.clone()).await.unwrap();
    assert_eq!(published.files, [(role("targets/alice"), 2)]);
    let keyless = Person::new(&server, GUN, &other_home.trust_dir());
    let error = keyless.open().publish(&edits, resign).await.unwrap_err();
    assert!(matches!(error, Error::NoSigningKeys { .. }), "{error}");
}

#[tokio::test]
async fn keys_of_base_roles_can_be_handed_to_the_server() {
    let server = TrustServer::go().unwrap();
    let home = user(&server);
    let person = Person::new(&server, GUN, &home.trust_dir());
    let mut repository = person.initialized(Managed::Locally).await;
    repository
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap();
    let mut repository = person.open();
    for base in [
        signet_tuf::BaseRole::Snapshot,
        signet_tuf::BaseRole::Timestamp,
    ] {
        let key = repository.rotate_server_key(base).await.unwrap();
        let edit = Edit::ReplaceRoleKeys {
            role: base,
            keys: vec![key],
        };
        let published = repository
            .publish(&[edit], PublishOptions::default())
            .await
            .unwrap();
        let roles: Vec<&str> = published
            .files
            .iter()
            .map(|(role, _)| role.as_str())
            .collect();
        assert_eq!(roles, ["root"]);
    }
    assert_eq!(versions(&server, &["root", "targets"]), [3, 2]);
    assert_eq!(notary_list(&home, &[]), ["v1 targets"]);
    assert_eq!(person.list().await, ["v1 targets"]);
}

#[tokio::test]
async fn retries_of_a_first_publish_leave_no_keys_behind() {
    let server = TrustServer::go().unwrap();
    let home = user(&server);
    let person = Person::new(&server, GUN, &home.trust_dir());
    let root = person.key("root");
    let keys = || {
        std::fs::read_dir(home.trust_dir().join("private"))
            .unwrap()
            .count()
    };
    for _ in 0..3 {
        person
            .open()
            .initialize(root.id(), Managed::ByServer)
            .await
            .unwrap();
        assert_eq!(keys(), 2);
    }
    let nowhere = Person::at(
        "https://localhost:1",
        &server.ca_pem(),
        "localhost:5000/other",
        &home.trust_dir(),
    );
    let error = nowhere
        .open()
        .initialize(root.id(), Managed::ByServer)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(keys(), 2);
}
