//! What no key of a role vouches for is signed only when it was verified here, or shown to somebody.

use signet_client::changelist::Edit;
use signet_client::publish::PublishOptions;
use signet_client::{Error, ErrorKind};
use signet_tuf::RoleName;
use signet_tuf::update::{Mode, Scope};
use time::Duration;

use crate::person::role;
use crate::scene::{FORGED, RELEASES, Scene};

fn witness() -> Edit {
    Edit::Witness {
        role: role(RELEASES),
    }
}

/// The role's keys are those that signed what was verified here.
#[tokio::test]
async fn what_a_server_puts_in_the_place_of_a_valid_document_is_not_signed() {
    let scene = Scene::new(Duration::days(1)).await;
    let mut repository = scene.person.open();
    repository
        .update(Mode::Write, Scope::All)
        .await
        .map(drop)
        .unwrap();
    repository.stage(&witness()).unwrap();
    scene.state().posts.clear();
    scene.state().forge();
    let mut repository = scene.person.open();
    let error = repository
        .publish_staged(PublishOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Unproven { role } if *role == RoleName::releases()),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Violation);
    assert!(scene.state().posts.is_empty());
    let staged = repository.changelist().unwrap().list().unwrap();
    assert_eq!(staged.len(), 1);

    repository
        .update(Mode::Write, Scope::All)
        .await
        .map(drop)
        .unwrap();
    let found = repository.staged_unproven().unwrap();
    assert!(found.len() == 1 && found[0].keys_signed_before, "{found:?}");
}

/// Where the signer was removed, whoever never saw the document signed has to look at it, and signs that one alone.
#[tokio::test]
async fn who_never_verified_a_document_signs_the_one_that_was_shown() {
    let (scene, mut repository) = Scene::unsigned().await;
    repository.stage(&witness()).unwrap();
    // It was verified here before its signer left.
    assert!(repository.staged_unproven().unwrap().is_empty());
    let cached = scene.person.trust_dir.join("tuf").join(crate::scene::GUN);
    let cached = cached.join("metadata/targets/releases.json");
    std::fs::remove_file(cached).unwrap();
    let refused = repository
        .publish_staged(PublishOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Unproven { .. }), "{refused}");

    repository
        .update(Mode::Write, Scope::All)
        .await
        .map(drop)
        .unwrap();
    let found = repository.staged_unproven().unwrap().remove(0);
    assert!(!found.keys_signed_before);
    assert!(found.document.unverified().targets.contains_key("v1"));
    let options = PublishOptions {
        as_shown: [(found.role.clone(), found.bytes().clone())].into(),
        ..PublishOptions::default()
    };
    let before = scene.state().current.clone();
    scene.state().forge();
    let mut repository = scene.person.open();
    let error = repository
        .publish_staged(options.clone())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unproven { .. }), "{error}");
    assert!(scene.state().posts.is_empty());
    for (role, text) in before {
        scene.state().put(&role, text);
    }
    scene.state().seal();
    let mut repository = scene.person.open();
    repository.publish_staged(options).await.unwrap();
    assert!(!scene.state().signed().concat().contains(FORGED));
    assert_eq!(scene.person.list().await, ["v1 targets/releases"]);
}

/// What is deleted in the same publish is not taken over.
#[tokio::test]
async fn a_role_that_is_made_anew_needs_no_look_at_its_old_document() {
    let (scene, mut repository) = Scene::unsigned().await;
    scene.state().forge();
    let bob = scene.person.key("bob");
    let remove = Edit::RemoveDelegation {
        role: role(RELEASES),
    };
    let edits = [
        remove,
        crate::person::delegate(RELEASES, &[&bob]),
        crate::person::add(RELEASES, "v2"),
        witness(),
    ];
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(scene.person.list().await, ["v2 targets/releases"]);
}
