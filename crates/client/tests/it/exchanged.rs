//! Class A18: what was looked at is what is signed, although whoever answers for the server and has its keys may show
//! something else after an upload that it refused.

use signet_client::Error;
use signet_client::changelist::Edit;
use signet_client::publish::PublishOptions;
use signet_keys::{PrivateKey, Signer as _};
use signet_tuf::{BaseRole, RoleName};
use time::Duration;

use crate::person::role;
use crate::scene::{FORGED, RELEASES, Scene, State};

#[tokio::test]
async fn a_takeover_renews_what_it_showed_and_nothing_that_the_server_shows_after_it() {
    let scene = Scene::imported().await;
    let mut repository = scene.person.open();
    let plan = repository.plan_takeover().await.unwrap();
    let renewed: Vec<_> = plan.renewed.iter().map(|it| it.role.as_str()).collect();
    assert_eq!(renewed, ["targets", RELEASES]);
    let releases = &plan.renewed[1];
    assert_eq!((releases.version, releases.targets), (1, 1));

    scene.state().attack = Some(State::forge);
    let error = repository.take_over(&plan).await.unwrap_err();
    assert!(
        matches!(error, Error::Conflict { attempts: 1, .. }),
        "{error}"
    );
    // The same plan again, after the other state was read.
    let error = repository.take_over(&plan).await.unwrap_err();
    assert!(
        matches!(&error, Error::Changed { role } if role.is_delegation()),
        "{error}"
    );
    {
        let state = scene.state();
        assert_eq!((state.posts.len(), state.signed().len()), (1, 1));
        assert!(!state.signed()[0].contains(FORGED), "{:?}", state.signed());
    }
    // Planned anew, the forged document is somebody else's to sign.
    let plan = repository.plan_takeover().await.unwrap();
    assert!(plan.left[0].unsigned && plan.left[0].role.as_str() == RELEASES);
    repository.take_over(&plan).await.unwrap();
    assert_eq!(scene.state().signed().len(), 1);
}

#[tokio::test]
async fn a_takeover_says_what_cannot_be_known_and_leaves_no_old_key_listed() {
    let scene = Scene::imported().await;
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(!plan.never_seen);
    std::fs::remove_dir_all(scene.person.trust_dir.join("tuf")).unwrap();
    let plan = scene.person.open().plan_takeover().await.unwrap();
    assert!(plan.never_seen);

    // The old server's key beside the new one: it can still sign.
    let scene = Scene::new(Duration::days(1)).await;
    let old = scene.state().given[0].clone();
    let new = PrivateKey::generate_ed25519().unwrap().public().clone();
    let edit = Edit::ReplaceRoleKeys {
        role: BaseRole::Timestamp,
        keys: vec![old.clone(), new.clone()],
    };
    scene
        .person
        .open()
        .publish(&[edit], PublishOptions::default())
        .await
        .unwrap();
    scene.state().given[0] = new.clone();
    let plan = scene.person.open().plan_takeover().await.unwrap();
    let change = plan.timestamp.as_ref().unwrap();
    assert_eq!(
        (&change.old, &change.new),
        (&vec![old.id().clone()], new.id())
    );
    assert!(!plan.is_done());
}

#[tokio::test]
async fn a_document_that_nobody_vouches_for_is_not_exchanged_between_attempts() {
    let (scene, mut repository) = Scene::unsigned().await;
    let witness = [Edit::Witness {
        role: role(RELEASES),
    }];
    scene.state().attack = Some(State::forge);
    let error = repository
        .publish(&witness, PublishOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Changed { role } if role.is_delegation()),
        "{error}"
    );
    assert_eq!(scene.state().signed().len(), 1);
    assert!(!scene.state().signed()[0].contains(FORGED));

    // Another publisher who leaves it alone is no reason to give up.
    let (scene, mut repository) = Scene::unsigned().await;
    scene.state().attack = Some(State::seal);
    let published = repository
        .publish(&witness, PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(published.attempts, 2);
    assert_eq!(published.files[0].0, role(RELEASES));
    assert!(!scene.state().signed()[1].contains(FORGED));
    assert_eq!(scene.person.list().await, ["v1 targets/releases"]);
}

#[tokio::test]
async fn a_document_that_lost_its_signature_between_attempts_is_not_taken_over() {
    let scene = Scene::new(Duration::days(1)).await;
    scene.state().posts.clear();
    scene.state().attack = Some(State::forge);
    let witness = [Edit::Witness {
        role: role(RELEASES),
    }];
    let error = scene
        .person
        .open()
        .publish(&witness, PublishOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Changed { role } if *role == RoleName::releases()),
        "{error}"
    );
    assert_eq!(scene.state().signed().len(), 1);
}
