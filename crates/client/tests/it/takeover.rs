//! What the plan of a takeover says, and when there is one.

use std::sync::Arc;

use serde_json::json;
use signet_client::changelist::Edit;
use signet_client::publish::PublishOptions;
use signet_client::takeover::{SnapshotKey, TakeoverPlan};
use signet_client::{Clock, Error};
use signet_keys::{KeyStore as _, PrivateKey, Signer as _, root_certificate};
use signet_tuf::rules::{RootError, RuleError};
use signet_tuf::update::{Mode, Scope, UpdateError};
use signet_tuf::{BaseRole, PublicKey, RoleName, TrustedRepository};
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::person::{add, now, role};
use crate::scene::{GUN, RELEASES, Scene};

/// Root certificates and roots hold for ten years.
const TEN_YEARS: i64 = 3650;

fn ago(age: Duration) -> Arc<dyn Clock> {
    let moment = now() - age;
    Arc::new(move || moment)
}

/// As a computer that has the keys and nothing else.
fn forget(scene: &Scene) {
    for folder in ["tuf", "signet"] {
        let folder = scene.person.trust_dir.join(folder);
        assert!(folder.exists(), "{folder:?}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// The IDs of the root's keys that the server shows.
fn root_keys(scene: &Scene) -> Vec<String> {
    let root: serde_json::Value = serde_json::from_str(&scene.state().current["root"]).unwrap();
    let ids = root["signed"]["roles"]["root"]["keyids"]
        .as_array()
        .unwrap();
    ids.iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

/// Gives the repository root keys: those that it has, and others with certificates of that age.
async fn add_root_keys(scene: &mut Scene, ages: &[Duration]) -> Vec<PublicKey> {
    let mut added = Vec::new();
    let mut keys = Vec::new();
    {
        let mut repository = scene.person.open();
        let trusted = repository.update(Mode::Write, Scope::All).await.unwrap();
        keys.extend(
            trusted
                .root()
                .body()
                .role_keys(BaseRole::Root)
                .keys()
                .cloned(),
        );
    }
    for age in ages {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let certificate = root_certificate(&key, &GUN.parse().unwrap(), now() - *age).unwrap();
        scene.person.keys.add(key, "root", None).unwrap();
        added.push(certificate.clone());
        keys.push(certificate);
    }
    let role = BaseRole::Root;
    let edit = Edit::ReplaceRoleKeys { role, keys };
    let mut repository = scene.person.open();
    repository
        .publish(&[edit], PublishOptions::default())
        .await
        .unwrap();
    added
}

#[tokio::test]
async fn a_computer_that_never_saw_the_repository_does_not_know_it_from_a_plan() {
    let scene = Scene::imported().await;
    forget(&scene);
    for _ in 0..3 {
        let plan = scene.person.open().plan_takeover().await.unwrap();
        assert!(plan.never_seen);
    }
    let mut repository = scene.person.open();
    let plan = repository.plan_takeover().await.unwrap();
    repository.take_over(&plan).await.unwrap();
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(plan.is_done(), "{plan:?}");
    assert!(!plan.never_seen);
}

/// Nothing but time makes the new root necessary.
#[tokio::test]
async fn what_soon_ends_is_reason_enough_on_the_same_server() {
    let scene = Scene::new(Duration::days(3 * 365 - 60)).await;
    let mut repository = scene.person.open();
    let plan = repository.plan_takeover().await.unwrap();
    assert!(plan.timestamp.is_none() && plan.snapshot == SnapshotKey::Servers && !plan.renews_root);
    let renewed: Vec<_> = plan.renewed.iter().map(|it| it.role.as_str()).collect();
    assert_eq!(renewed, ["targets", RELEASES]);
    assert!(!plan.is_done() && !plan.replaces_server_keys());
    repository.take_over(&plan).await.unwrap();
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(plan.is_done() && plan.certificate_ends.is_none());

    let scene = Scene::new(Duration::days(TEN_YEARS - 60)).await;
    let mut repository = scene.person.open();
    let plan = repository.plan_takeover().await.unwrap();
    assert!(plan.renews_root && plan.timestamp.is_none());
    let published = repository.take_over(&plan).await.unwrap();
    assert!(published.files.iter().any(|(role, version)| {
        *role == BaseRole::Root.into() && *version == plan.root_version + 1
    }));
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(plan.is_done());

    let scene = Scene::new(Duration::days(1)).await;
    assert!(scene.person.open().plan_takeover().await.unwrap().is_done());
    let ends = (now() + Duration::days(60)).format(&Rfc3339).unwrap();
    scene.sign_root(|signed| signed["expires"] = json!(ends));
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(plan.renewed.is_empty() && plan.renews_root && !plan.is_done());
}

#[tokio::test]
async fn the_certificate_that_ends_first_is_told_and_stays() {
    let mut scene = Scene::new(Duration::days(TEN_YEARS - 90)).await;
    // One has ended already, which is no news.
    let ages = [TEN_YEARS + 2, TEN_YEARS - 30, 1];
    add_root_keys(&mut scene, &ages.map(Duration::days)).await;
    let listed = root_keys(&scene);
    let plan = scene.person.open().plan_takeover().await.unwrap();
    let days = (plan.certificate_ends.unwrap() - now()).whole_days();
    assert!((28..=30).contains(&days), "{days}");
    assert!(plan.certificate.is_none() && plan.dropped_root_keys.is_empty());
    let mut repository = scene.person.open();
    let plan = repository.plan_takeover().await.unwrap();
    repository.take_over(&plan).await.unwrap();
    assert_eq!(root_keys(&scene), listed);
}

#[tokio::test]
async fn root_keys_that_are_elsewhere_get_no_new_certificate_and_are_named() {
    let mut scene = Scene::new(Duration::days(TEN_YEARS + 5)).await;
    let present = scene.person.clock.clone();
    scene.person.clock = ago(Duration::days(TEN_YEARS + 4));
    let ages = [Duration::days(TEN_YEARS + 4)];
    let other = add_root_keys(&mut scene, &ages).await.remove(0);
    scene.person.clock = present;
    scene.person.keys.remove(other.canonical_id()).unwrap();
    assert_eq!(root_keys(&scene).len(), 2);

    let mut repository = scene.person.open();
    let plan = repository.plan_takeover().await.unwrap();
    assert_eq!(plan.dropped_root_keys, [other.canonical_id().clone()]);
    let new = plan.certificate.clone().unwrap().new;
    assert!(!plan.never_seen);
    repository.take_over(&plan).await.unwrap();
    assert_eq!(root_keys(&scene), [new.as_str()]);
    // This computer goes on from it.
    scene.person.list().await;

    let scene = Scene::new(Duration::days(TEN_YEARS + 5)).await;
    forget(&scene);
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(plan.certificate.is_some() && plan.never_seen);
}

/// Nobody verified what the server shows, so its certificates do not say at which moment everything is judged.
#[tokio::test]
async fn only_the_known_root_says_when_its_certificates_ended() {
    // The stranger's certificates were valid before the known ones ended; or will be once they have.
    for (known, strangers) in [(TEN_YEARS + 5, 2 * TEN_YEARS), (1, -TEN_YEARS / 2)] {
        let scene = Scene::new(Duration::days(known)).await;
        let stranger = Scene::new(Duration::days(strangers)).await;
        let root = stranger.state().current["root"].clone();
        scene.state().put("root", root);
        scene.state().seal();
        let error = scene.person.open().plan_takeover().await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Update(UpdateError::Rule(RuleError::Root(RootError::NoValidLeaf)))
            ),
            "{known}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_role_that_needs_two_servers_keys_is_refused_before_anything_is_signed() {
    let scene = Scene::imported().await;
    let key = PrivateKey::generate_ed25519().unwrap();
    let public = key.public().clone();
    scene.state().cosigner = Some(key);
    scene.sign_root(|signed| {
        let id = public.id().to_string();
        signed["roles"]["timestamp"]["threshold"] = json!(2);
        let ids = signed["roles"]["timestamp"]["keyids"]
            .as_array_mut()
            .unwrap();
        ids.push(json!(id));
        signed["keys"][id] = json!(public);
    });
    let error = scene.person.open().plan_takeover().await.unwrap_err();
    assert!(
        matches!(&error, Error::ServerThreshold { role, threshold: 2 } if *role == BaseRole::Timestamp.into()),
        "{error:?}"
    );
    assert!(scene.state().posts.is_empty());
}

#[tokio::test]
async fn one_key_of_two_renews_nothing() {
    let mut scene = Scene::new(Duration::days(3 * 365 - 60)).await;
    let present = scene.person.clock.clone();
    scene.person.clock = ago(Duration::days(3 * 365 - 60));
    let keys = vec![scene.person.key("ann"), scene.person.key("bob")];
    let gone = keys[1].canonical_id().clone();
    let role = role("targets/two");
    let delegate = Edit::AddDelegation {
        role: role.clone(),
        threshold: 2,
        keys,
        paths: vec![String::new()],
    };
    let edits = [delegate, add(role.as_str(), "v2")];
    let mut repository = scene.person.open();
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    scene.person.clock = present;
    let renews = |plan: &TakeoverPlan| plan.renewed.iter().any(|it| it.role == role);
    assert!(renews(&scene.person.open().plan_takeover().await.unwrap()));
    scene.person.keys.remove(&gone).unwrap();
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(!renews(&plan) && plan.left[0].role == role && !plan.left[0].unsigned);
}

/// Only what the takeover needs is let pass, and only while it lasts.
#[tokio::test]
async fn timestamps_go_back_neither_without_need_nor_after_the_takeover() {
    let scene = Scene::imported().await;
    let cached = scene
        .person
        .trust_dir
        .join("tuf")
        .join(GUN)
        .join("metadata/timestamp.json");
    scene.person.list().await;
    let mut repository = scene.person.open();
    scene.state().seal();
    let plan = repository.plan_takeover().await.unwrap();
    assert!(plan.older_timestamp.is_none());
    let newest = scene.state().current["timestamp"].clone();
    assert_eq!(std::fs::read_to_string(&cached).unwrap(), newest);

    repository.take_over(&plan).await.unwrap();
    let older = scene.state().current.clone();
    scene.state().seal();
    let version = |trusted: &TrustedRepository| trusted.timestamp().version();
    let seen = version(repository.update(Mode::Read, Scope::All).await.unwrap());
    for role in ["snapshot", "timestamp"] {
        scene.state().put(role, older[role].clone());
    }
    let error = repository.update(Mode::Read, Scope::All).await.unwrap_err();
    let role = RoleName::timestamp();
    assert!(
        matches!(&error, Error::Update(UpdateError::Rule(RuleError::RolledBack { role: of, trusted, .. })) if *of == role && *trusted == seen),
        "{error:?}"
    );
}
