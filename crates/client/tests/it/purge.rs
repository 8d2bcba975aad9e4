//! A key that is purged leaves every document that can be changed, and of every other one somebody is told.

use std::sync::Arc;

use signet_client::changelist::Edit;
use signet_client::publish::{PublishOptions, Published};
use signet_keys::KeyStore as _;
use signet_tuf::PublicKey;
use signet_tuf::editor::EditWarning;
use time::Duration;

use crate::person::{delegate, now, role};
use crate::scene::{RELEASES, Scene};

const BELOW: &str = "targets/releases/below";

async fn purge(scene: &Scene, key: &PublicKey) -> Published {
    let edit = Edit::PurgeKeys {
        below: role("targets"),
        keys: vec![key.canonical_id().clone()],
    };
    let mut repository = scene.person.open();
    repository
        .publish(&[edit], PublishOptions::default())
        .await
        .unwrap()
}

/// A delegation that expired lists the key.
async fn expired() -> (Scene, PublicKey) {
    let age = Duration::days(4 * 365);
    let mut scene = Scene::new(age).await;
    let before = now() - age;
    scene.person.clock = Arc::new(move || before);
    let bob = scene.person.key("bob");
    scene
        .person
        .open()
        .publish(&[delegate(BELOW, &[&bob])], PublishOptions::default())
        .await
        .unwrap();
    scene.person.clock = Arc::new(now);
    (scene, bob)
}

#[tokio::test]
async fn an_expired_delegation_loses_a_purged_key() {
    let (scene, bob) = expired().await;
    assert!(scene.state().current[RELEASES].contains(bob.id().as_str()));
    let published = purge(&scene, &bob).await;
    assert!(!scene.state().current[RELEASES].contains(bob.id().as_str()));
    assert!(
        published
            .files
            .iter()
            .any(|(found, _)| *found == role(RELEASES))
    );
    let below = EditWarning::FewerKeysThanThreshold {
        role: role(BELOW),
        threshold: 1,
    };
    assert_eq!(published.warnings, [below]);
}

#[tokio::test]
async fn an_expired_delegation_of_others_that_lists_a_purged_key_is_told_of() {
    let (scene, bob) = expired().await;
    let keys = &scene.person.keys;
    let alice = keys.list().unwrap().into_iter();
    for key in alice.filter(|key| key.role == "alice") {
        keys.remove(&key.id).unwrap();
    }
    let published = purge(&scene, &bob).await;
    assert_eq!(
        published.warnings,
        [EditWarning::NotPurged {
            role: role(RELEASES)
        }]
    );
    assert!(scene.state().current[RELEASES].contains(bob.id().as_str()));
}

#[tokio::test]
async fn a_delegation_that_nobody_vouches_for_may_list_a_purged_key() {
    let (scene, _) = Scene::unsigned().await;
    let carol = scene.person.key("carol");
    let published = purge(&scene, &carol).await;
    assert_eq!(
        published.warnings,
        [EditWarning::NotLookedInto {
            role: role(RELEASES)
        }]
    );
}
