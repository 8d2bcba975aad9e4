//! Publishers at work while servers, key service and database are killed: what was acknowledged is there, and nothing forks.
//!
//! Each test takes some ten seconds. `SIGNET_CHAOS_SECONDS=60` gives every population a minute.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly, and tell how much happened"
)]

mod crowd;
mod publisher;
mod scene;
mod storm;
mod verdict;

use std::time::Duration;

use crate::publisher::Owner;
use crate::scene::{Keys, Scene, Store};
use crate::storm::Form;

const PUBLISHERS: usize = 32;

/// How long publishers are disturbed.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever starts the tests says how long"
)]
fn form() -> Form {
    match std::env::var("SIGNET_CHAOS_SECONDS") {
        Err(_) => Form {
            time: Duration::from_secs(4),
            down: Duration::from_millis(200),
            calm: Duration::from_millis(200),
            repositories: 60,
        },
        Ok(seconds) => Form {
            time: Duration::from_secs(seconds.parse().unwrap()),
            down: Duration::from_secs(1),
            calm: Duration::from_secs(2),
            repositories: 300,
        },
    }
}

/// All on one repository, then each on one of their own; then everything stored is looked at.
fn nothing_acknowledged_is_lost(mut scene: Scene) {
    let first = scene.replicas[0].client().unwrap();
    let owners = |count: usize, name: &str| -> Vec<Owner> {
        let guns = (0..count).map(|at| format!("registry.example.com/{name}/{at:02}"));
        guns.map(|gun| Owner::begin(&gun, &first)).collect()
    };
    let shared = owners(1, "shared");
    let alone = owners(PUBLISHERS, "alone");
    let mut acknowledged = Vec::new();
    for owners in [&shared, &alone] {
        let outcome = storm::storm(&mut scene, owners, PUBLISHERS, &form());
        outcome.assert_sound(&scene);
        acknowledged.extend(outcome.acknowledged);
    }
    let owners: Vec<Owner> = shared.into_iter().chain(alone).collect();
    verdict::of(scene, &owners, &acknowledged);
}

#[test]
fn nothing_acknowledged_is_lost_on_postgresql() {
    nothing_acknowledged_is_lost(Scene::on(Store::postgresql(), Keys::Remote));
}

#[test]
fn nothing_acknowledged_is_lost_on_mariadb() {
    nothing_acknowledged_is_lost(Scene::on(Store::mariadb(), Keys::Remote));
}

#[test]
fn nothing_acknowledged_is_lost_on_sqlite() {
    nothing_acknowledged_is_lost(Scene::on(Store::sqlite(), Keys::Local));
}

#[test]
fn many_clients_on_cold_repositories_share_the_sessions_of_postgresql() {
    crowd::crowd(Scene::on(Store::postgresql(), Keys::Local), &form());
}

#[test]
fn many_clients_on_cold_repositories_share_the_sessions_of_mariadb() {
    crowd::crowd(Scene::on(Store::mariadb(), Keys::Local), &form());
}
