//! What a server that withholds or shows something else makes of a repository that is begun, or seems to be.

use serde_json::{Value, json};
use signet_client::publish::PublishOptions;
use signet_client::{Error, ErrorKind, Legacy, Managed, NewKeys, NewRoot, RootKey};
use signet_keys::{KeyStore as _, PrivateKey, Signer as _, root_certificate};
use signet_tuf::BaseRole;
use signet_tuf::update::{Mode, Scope};
use time::Duration;

use crate::person::{add, now};
use crate::scene::{GUN, Scene, State, sealed, signature};

/// A computer with the owner's keys, which has seen the root and nothing else; then the server denies all.
async fn root_seen_alone(scene: &Scene) {
    for folder in ["tuf", "signet"] {
        std::fs::remove_dir_all(scene.person.trust_dir.join(folder)).unwrap();
    }
    scene
        .state()
        .all
        .retain(|name, _| !name.contains("timestamp"));
    let mut repository = scene.person.open();
    repository.update(Mode::Read, Scope::All).await.unwrap_err();
    assert!(repository.remembers_root().unwrap());
    scene.state().all.clear();
    scene.state().posts.clear();
}

#[tokio::test]
async fn a_root_that_was_seen_without_a_timestamp_is_not_published_to() {
    let scene = Scene::new(Duration::days(1)).await;
    root_seen_alone(&scene).await;
    let mut repository = scene.person.open();
    let error = repository
        .publish(&[add("targets", "new")], PublishOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoTrustData, "{error}");
    for role in [BaseRole::Targets, BaseRole::Snapshot, BaseRole::Root] {
        let mut repository = scene.person.open();
        let error = repository
            .rotate(role, NewKeys::Made, Legacy::None)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoTrustData, "{role}: {error}");
    }
    assert!(scene.state().posts.is_empty());
}

#[tokio::test]
async fn only_what_was_begun_here_and_never_published_is_published() {
    let scene = Scene::empty().await;
    let mut repository = scene.person.open();
    let root = || NewRoot {
        key: RootKey::New,
        certificate: None,
    };
    repository.begin(root(), Managed::ByServer).await.unwrap();
    let metadata = scene
        .person
        .trust_dir
        .join("tuf")
        .join(GUN)
        .join("metadata");
    let private = scene.person.trust_dir.join("private");
    let held = scene.person.keys.list().unwrap();
    let key = |role: &str| {
        let held = held.iter().find(|key| key.role == role).unwrap();
        private.join(format!("{}.key", held.id))
    };
    // Each of these is missing on somebody else's computer.
    for file in [metadata.join("targets.json"), key("root"), key("targets")] {
        let away = scene.person.trust_dir.join("away");
        std::fs::rename(&file, &away).unwrap();
        let mut repository = scene.person.open();
        let error = repository
            .publish(&[add("targets", "v1")], PublishOptions::default())
            .await
            .unwrap_err();
        let shown = file.display();
        assert_eq!(error.kind(), ErrorKind::NoTrustData, "{shown}: {error}");
        std::fs::rename(&away, &file).unwrap();
    }
    assert!(scene.state().posts.is_empty());
    let mut repository = scene.person.open();
    repository
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap();
    assert_eq!(scene.person.list().await, ["v1 targets"]);

    // From now on a denial is one, also before anything else was read back.
    let scene = Scene::empty().await;
    let mut repository = scene.person.open();
    repository.begin(root(), Managed::ByServer).await.unwrap();
    repository
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap();
    scene.state().all.clear();
    let mut repository = scene.person.open();
    let error = repository
        .publish(&[add("targets", "v2")], PublishOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoTrustData, "{error}");
    assert_eq!(scene.state().posts.len(), 1);
}

/// The server shows a repository under a root of its own, with the owner's targets key beside its own one.
fn shows_its_own(state: &mut State) {
    let (_, text) = state
        .posts
        .last()
        .unwrap()
        .iter()
        .find(|(role, _)| role == "root")
        .unwrap()
        .clone();
    let root: Value = serde_json::from_str(&text).unwrap();
    let mut signed = root["signed"].clone();
    let targets = PrivateKey::generate_ed25519().unwrap();
    let key = PrivateKey::generate_ecdsa().unwrap();
    let certificate = root_certificate(&key, &GUN.parse().unwrap(), now()).unwrap();
    for key in [&certificate, targets.public()] {
        signed["keys"][key.id().as_str()] = serde_json::to_value(key).unwrap();
    }
    signed["roles"]["root"]["keyids"] = json!([certificate.id().as_str()]);
    signed["roles"]["targets"]["keyids"]
        .as_array_mut()
        .unwrap()
        .push(json!(targets.public().id().as_str()));
    let signature = signature(&key, certificate.id().as_str(), "ecdsa", &signed);
    state.put(
        "root",
        json!({"signed": signed, "signatures": [signature]}).to_string(),
    );
    let document = json!({
        "_type": "Targets", "expires": "2036-01-01T00:00:00Z", "targets": {}, "version": 1,
        "delegations": {"keys": {}, "roles": []},
    });
    state.put("targets", sealed(&[&targets], &document));
    state.seal();
}

#[tokio::test]
async fn a_refused_first_publish_does_not_go_on_under_another_ones_root() {
    let scene = Scene::empty().await;
    scene.state().attack = Some(shows_its_own);
    let mut repository = scene.person.initialized(Managed::ByServer).await;
    let error = repository
        .publish(&[add("targets", "v1")], PublishOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::BegunByOther { .. }), "{error}");
    assert_eq!(scene.state().posts.len(), 1);
    // Nor is it the trusted root from now on.
    assert!(!scene.person.open().remembers_root().unwrap());
}
