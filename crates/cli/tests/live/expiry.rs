//! `doctor` on repositories that are near their end, or cannot be signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use signet_client::{
    Access, Edit, Managed, Options, PublishOptions, Remote, RemoteOptions, Repository,
};
use signet_keys::{KeyStore as _, MemoryKeyStore, PrivateKey, Signer as _};
use signet_tuf::{RoleName, Target};

use crate::doctor::doctor;
use crate::scene::Scene;

#[expect(clippy::disallowed_methods, reason = "tests are where time begins")]
pub(crate) fn now() -> time::OffsetDateTime {
    std::time::SystemTime::now().into()
}

/// Begins and publishes as somebody would have who did it that long ago.
async fn publish_then(
    scene: &Scene,
    begun: time::Duration,
    published: time::Duration,
    edits: &[Edit],
) {
    let seconds = Arc::new(AtomicI64::new(begun.whole_seconds()));
    let ago = Arc::clone(&seconds);
    let then = move || now() - time::Duration::seconds(ago.load(Ordering::Relaxed));
    let mut remote = RemoteOptions::new(scene.proxy.url().parse().unwrap(), "test/1");
    remote.access = Access::PullPush;
    remote.tls.extra_roots_pem = scene.server.ca_pem().into_bytes();
    let mut options = Options::new(
        scene.gun.parse().unwrap(),
        scene.user.trust_dir(),
        Arc::new(Remote::new(remote).unwrap()),
        Arc::new(then),
    );
    let keys = MemoryKeyStore::new();
    let root = PrivateKey::generate_ecdsa().unwrap();
    let id = root.public().id().clone();
    keys.add(root, "root", None).unwrap();
    options.keys = Arc::new(keys);
    let mut repository = Repository::open(options).unwrap();
    repository.initialize(&id, Managed::ByServer).await.unwrap();
    seconds.store(published.whole_seconds(), Ordering::Relaxed);
    repository
        .publish(edits, PublishOptions::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_expires_is_announced_and_what_has_expired_is_a_problem() {
    let target = || Edit::AddTarget {
        role: RoleName::targets(),
        name: "v1".to_owned(),
        target: Target::new([7; 32], 5),
    };
    // Targets are good for three years, roots for ten.
    let days = time::Duration::days;
    let scene = Scene::new();
    publish_then(&scene, days(3 * 365 - 10), days(3 * 365 - 10), &[target()]).await;
    let found = doctor(&scene.user, &[&scene.gun]);
    assert_eq!(found.states("problem"), [""; 0]);
    found.expect("expiry", "warning", "targets expires on 20");
    found.expect(
        "expiry",
        "warning",
        "whoever holds a key of targets must sign again",
    );

    let scene = Scene::new();
    // The server takes nothing that has expired.
    let soon = time::Duration::seconds(5);
    publish_then(
        &scene,
        days(3 * 365) - soon,
        days(3 * 365) - soon,
        &[target()],
    )
    .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let found = doctor(&scene.user, &[&scene.gun]);
    found.expect("repository", "problem", "targets expired at ");
    found.expect("expiry", "problem", "targets expired at ");
    found.expect("expiry", "ok", "root 20");

    let scene = Scene::new();
    publish_then(&scene, days(10 * 365 - 10), days(0), &[target()]).await;
    let found = doctor(&scene.user, &[&scene.gun]);
    found.expect("root-certificate", "warning", "notary key rotate");
}

/// A role that asks for more signatures than it has keys is signed by nobody, whoever has keys.
#[tokio::test]
async fn a_role_that_nobody_can_sign_is_a_problem() {
    let scene = Scene::new();
    let key = PrivateKey::generate_ecdsa().unwrap().public().clone();
    let delegate = Edit::AddDelegation {
        role: RoleName::releases(),
        threshold: 2,
        keys: vec![key],
        paths: vec![String::new()],
    };
    let none = time::Duration::ZERO;
    publish_then(&scene, none, none, &[delegate]).await;
    let found = doctor(&scene.user, &[&scene.gun]);
    found.expect(
        "roles",
        "problem",
        "targets/releases needs 2 signatures and has 1 keys: nobody can sign it",
    );
}
