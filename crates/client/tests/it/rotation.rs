//! Rotations at a server that lies about what it has, and in a folder that somebody else writes: no key is lost, and none is chosen for the
//! owner.

use std::path::PathBuf;

use serde_json::json;
use signet_client::publish::PublishOptions;
use signet_client::{Error, Legacy, NewKeys, Rotated};
use signet_keys::{KeyStore as _, Signer as _};
use signet_testkit::file;
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{BaseRole, KeyId};
use time::Duration;

use crate::person::{add, delegate};
use crate::scene::{GUN, Scene};

impl Scene {
    fn held(&self, role: &str) -> Vec<KeyId> {
        let all = self.person.keys.list().unwrap().into_iter();
        all.filter(|key| key.role == role)
            .map(|key| key.id)
            .collect()
    }

    /// The only key of a role.
    fn key_of(&self, role: &str) -> KeyId {
        let [id] = &self.held(role)[..] else {
            panic!("not one key of {role}");
        };
        id.clone()
    }

    fn rotations(&self) -> PathBuf {
        let own = self.person.trust_dir.join("signet");
        let folder = std::fs::read_dir(own).unwrap().next().unwrap().unwrap();
        folder.path().join("rotations.json")
    }

    /// What another program wrote into the folder.
    fn plant(&self, role: BaseRole, new: &[&KeyId], made: &[&KeyId], old: &[&KeyId]) {
        let entry = json!({"new": new, "made": made, "old": old});
        let all = json!({ role.as_str(): entry });
        file::write(&self.rotations(), all.to_string()).unwrap();
    }

    async fn rotate(&self, role: BaseRole) -> Result<Rotated, Error> {
        let mut repository = self.person.open();
        repository.rotate(role, NewKeys::Made, Legacy::None).await
    }
}

fn ids(rotated: &Rotated) -> Vec<KeyId> {
    let keys = rotated.keys.iter();
    keys.map(|key| key.canonical_id().clone()).collect()
}

/// The server answers that it refuses the upload, and publishes it later.
#[tokio::test]
async fn a_refused_rotation_may_be_published_all_the_same() {
    for base in [BaseRole::Root, BaseRole::Targets] {
        let scene = Scene::new(Duration::days(1)).await;
        let before = scene.held(base.as_str());
        scene.state().posts.clear();
        scene.state().attack = Some(|_| {});
        scene.rotate(base).await.unwrap_err();
        let both = scene.held(base.as_str());
        assert_eq!(both.len(), before.len() + 1, "{base}");
        {
            let mut state = scene.state();
            for (role, text) in state.posts[0].clone() {
                state.put(&role, text);
            }
            state.seal();
        }
        let mut repository = scene.person.open();
        let trusted = repository.update(Mode::Write, Scope::All).await.unwrap();
        assert_eq!(trusted.root().version(), 2);
        let rotated = scene.rotate(base).await.unwrap();
        assert!(!both.contains(&ids(&rotated)[0]));
    }
}

/// Whatever was refused, the next rotation takes the key that the first one made.
#[tokio::test]
async fn a_refused_rotation_leaves_one_key_however_often_it_is_tried() {
    let scene = Scene::new(Duration::days(1)).await;
    let old = scene.key_of("root");
    for _ in 0..3 {
        scene.state().attack = Some(|_| {});
        scene.rotate(BaseRole::Root).await.unwrap_err();
        assert_eq!(scene.held("root").len(), 2);
    }
    let made = scene.held("root").into_iter().find(|id| *id != old);
    let rotated = scene.rotate(BaseRole::Root).await.unwrap();
    assert_eq!(rotated.reused, made);
    assert_eq!(ids(&rotated), [made.unwrap()]);
    assert_eq!(scene.held("root").len(), 2);
    assert!(!scene.rotations().exists());
}

/// Nobody but a rotation of this role of this repository chooses which key the next root lists.
#[tokio::test]
async fn a_key_that_the_rotation_did_not_make_is_not_taken() {
    let scene = Scene::new(Duration::days(1)).await;
    let alice = scene.key_of("alice");
    let first = scene.key_of("root");
    // The current root key, a key of another role, one without a new root that it was for.
    let spare = scene.person.key("root").canonical_id().clone();
    for (new, made) in [
        (vec![&first], vec![&first]),
        (vec![&alice], vec![&alice]),
        (vec![], vec![&spare]),
        (vec![&alice], vec![&spare]),
    ] {
        scene.plant(BaseRole::Root, &new, &made, &[]);
        let before = scene.held("root");
        let rotated = scene.rotate(BaseRole::Root).await.unwrap();
        let now = ids(&rotated);
        assert!(!before.contains(&now[0]), "{made:?}");
        assert_ne!(now[0], alice);
        assert!(!scene.rotations().exists());
    }
    // A key that an earlier root listed was replaced for some reason.
    scene.plant(BaseRole::Root, &[&first], &[&first], &[]);
    assert_ne!(ids(&scene.rotate(BaseRole::Root).await.unwrap()), [first]);
    // A key of another repository.
    let key = signet_keys::PrivateKey::generate_ecdsa().unwrap();
    let other = key.public().canonical_id().clone();
    let gun = "example.com/other".parse().unwrap();
    scene.person.keys.add(key, "targets", Some(&gun)).unwrap();
    scene.plant(BaseRole::Targets, &[&other], &[&other], &[]);
    let rotated = scene.rotate(BaseRole::Targets).await.unwrap();
    assert_ne!(ids(&rotated)[0], other);
    assert!(scene.held("targets").contains(&other));
    // A key of this repository that a delegation lists.
    let listed = signet_keys::PrivateKey::generate_ecdsa().unwrap();
    let public = listed.public().clone();
    let id = public.canonical_id().clone();
    let gun = GUN.parse().unwrap();
    scene
        .person
        .keys
        .add(listed, "targets", Some(&gun))
        .unwrap();
    let edit = delegate("targets/ops", &[&public]);
    let mut repository = scene.person.open();
    repository
        .publish(&[edit], PublishOptions::default())
        .await
        .unwrap();
    scene.plant(BaseRole::Targets, &[&id], &[&id], &[]);
    let rotated = scene.rotate(BaseRole::Targets).await.unwrap();
    assert_ne!(ids(&rotated)[0], id);
    assert!(scene.held("targets").contains(&id));
}

/// The same key may sign for a delegation.
#[tokio::test]
async fn a_rotation_leaves_a_key_that_a_delegation_lists() {
    let scene = Scene::new(Duration::days(1)).await;
    let old = scene.key_of("targets");
    let own = scene.person.keys.load(&old).unwrap().public().clone();
    let mut repository = scene.person.open();
    repository
        .publish(
            &[delegate("targets/ops", &[&own])],
            PublishOptions::default(),
        )
        .await
        .unwrap();
    let rotated = scene.rotate(BaseRole::Targets).await.unwrap();
    assert_eq!(rotated.removed, []);
    assert_eq!(rotated.kept, [(old.clone(), "targets/ops".to_owned())]);
    scene
        .person
        .open()
        .publish(&[add("targets/ops", "x")], PublishOptions::default())
        .await
        .unwrap();
    assert!(scene.held("targets").contains(&old));
}

/// Some programs write a `gun` header into the file of a root key.
#[tokio::test]
async fn an_old_root_key_stays_whatever_its_file_says() {
    let scene = Scene::new(Duration::days(1)).await;
    let id = scene.key_of("root");
    let path = scene.person.trust_dir.join(format!("private/{id}.key"));
    let text = std::fs::read_to_string(&path).unwrap();
    let marked = text.replacen("role: root", &format!("gun: {GUN}\nrole: root"), 1);
    assert_ne!(marked, text);
    file::write(&path, &marked).unwrap();
    let rotated = scene.rotate(BaseRole::Root).await.unwrap();
    assert_eq!(rotated.removed, []);
    assert!(path.exists());
}

/// The server answers that it has stored the upload, and throws it away.
#[tokio::test]
async fn the_old_key_stays_until_the_server_shows_the_new_root() {
    let scene = Scene::new(Duration::days(1)).await;
    let old = scene.key_of("targets");
    scene.state().discards = true;
    let error = scene.rotate(BaseRole::Targets).await.unwrap_err();
    assert!(error.to_string().contains("does not show"), "{error}");
    assert!(scene.held("targets").contains(&old));
    scene.state().discards = false;
    let mut repository = scene.person.open();
    repository
        .publish(&[add("targets", "x")], PublishOptions::default())
        .await
        .unwrap();
    // The next one takes the key that is there, and leaves that alone.
    let both = scene.held("targets");
    let rotated = scene.rotate(BaseRole::Targets).await.unwrap();
    assert_eq!(rotated.removed, [old]);
    assert!(both.contains(&ids(&rotated)[0]));
    assert_eq!(scene.held("targets"), ids(&rotated));
}

/// The server has stored the upload, and answers nothing more.
#[tokio::test]
async fn the_old_key_stays_until_somebody_could_look() {
    let scene = Scene::new(Duration::days(1)).await;
    let old = scene.key_of("targets");
    scene.state().posts.clear();
    scene.state().hides = true;
    let rotated = scene.rotate(BaseRole::Targets).await.unwrap();
    assert!(rotated.unconfirmed.is_some());
    assert_eq!(rotated.removed, []);
    assert!(scene.held("targets").contains(&old));
    scene.state().hides = false;
    // The next one removes both that are not needed then.
    let last = scene.rotate(BaseRole::Targets).await.unwrap();
    assert!(last.unconfirmed.is_none());
    let removed = std::collections::BTreeSet::from_iter(last.removed.clone());
    let both = ids(&rotated).into_iter().chain([old]).collect();
    assert_eq!(removed, both);
    assert_eq!(scene.held("targets"), ids(&last));
}

/// What was written down of rotations belongs to the repository that is forgotten.
#[tokio::test]
async fn a_forgotten_repository_has_no_rotation_left() {
    let scene = Scene::new(Duration::days(1)).await;
    scene.state().attack = Some(|_| {});
    scene.rotate(BaseRole::Targets).await.unwrap_err();
    let (file, keys) = (scene.rotations(), scene.held("targets"));
    assert!(file.exists());
    scene.person.open().forget().await.unwrap();
    assert!(!file.exists());
    assert_eq!(scene.held("targets"), keys);
}
