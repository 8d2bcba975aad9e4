//! What somebody else put into the trust folder: links, staged changes, documents.

use serde_json::json;
use signet_client::changelist::{Change, ChangeError, ChangelistError, Edit};
use signet_client::initialize::choose_root_key;
use signet_client::publish::PublishOptions;
use signet_client::{Error, Managed, NewRoot, RootKey};
use signet_keys::{KeyStore as _, root_certificate};
use signet_tuf::BaseRole;
use time::Duration;

use crate::person::now;
use crate::scene::{GUN, Scene};

#[tokio::test]
async fn staged_changes_replace_no_keys() {
    let scene = Scene::new(Duration::days(1)).await;
    scene.state().posts.clear();
    let strange = scene.person.key("strange");
    let changelist = scene.person.open().changelist().unwrap();
    for role in BaseRole::ALL {
        for keys in [vec![strange.clone()], Vec::new()] {
            let edit = Edit::ReplaceRoleKeys { role, keys };
            let mut repository = scene.person.open();
            let refused = repository.stage(&edit).unwrap_err();
            assert!(matches!(refused, Error::RoleKeysStaged { .. }), "{refused}");
            let name = changelist.add(&Change::from(&edit), now()).unwrap();
            let error = repository
                .publish_staged(PublishOptions::default())
                .await
                .unwrap_err();
            assert!(
                matches!(
                    &error,
                    Error::Changelist(ChangelistError::Change {
                        name: named,
                        source: ChangeError::RoleKeys(named_role),
                    }) if *named == name && *named_role == role
                ),
                "{error}"
            );
            changelist.clear().unwrap();
        }
    }
    assert!(scene.state().posts.is_empty());
}

#[tokio::test]
async fn nothing_is_deleted_through_a_link() {
    let scene = Scene::new(Duration::days(1)).await;
    let trust = &scene.person.trust_dir;
    let private = trust.join("private");
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&private)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = names();
    assert!(before.len() >= 3, "{before:?}");
    let folder = trust.join("tuf").join(GUN).join("changelist");
    drop(std::fs::remove_dir_all(&folder));
    std::os::unix::fs::symlink(&private, &folder).unwrap();
    let mut repository = scene.person.open();
    let changelist = repository.changelist().unwrap();
    let first = before[0].to_str().unwrap();
    changelist.remove([first]).unwrap_err();
    changelist.clear().unwrap_err();
    changelist.list().unwrap_err();
    let edit = Edit::Witness {
        role: crate::person::role("targets"),
    };
    repository.stage(&edit).unwrap_err();
    let Error::Changelist(ChangelistError::File(error)) = repository.forget().await.unwrap_err()
    else {
        panic!("not about the changelist");
    };
    assert!(error.text().contains("it is a link"), "{}", error.text());
    assert_eq!(names(), before);

    // The trust folder itself may be a link.
    std::fs::remove_file(&folder).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("trust");
    std::os::unix::fs::symlink(trust, &moved).unwrap();
    let mut person = scene.person;
    person.trust_dir = moved;
    let mut repository = person.open();
    repository.stage(&edit).unwrap();
    assert_eq!(repository.changelist().unwrap().list().unwrap().len(), 1);
    repository.forget().await.unwrap();
    assert!(repository.changelist().unwrap().list().unwrap().is_empty());
    assert!(!repository.remembers_root().unwrap());
}

#[tokio::test]
async fn an_unsigned_root_chooses_no_keys() {
    let scene = Scene::empty().await;
    let person = &scene.person;
    let (root, other, alice) = (person.key("root"), person.key("root"), person.key("alice"));
    let mut ids = [root.id().clone(), other.id().clone()];
    ids.sort();
    let [lower, higher] = ids;
    let signer = person.keys.load(&higher).unwrap();
    let certificate = root_certificate(signer.as_ref(), &GUN.parse().unwrap(), now()).unwrap();
    let role = |id: &str| json!({"keyids": [id], "threshold": 1});
    let (listed, a) = (certificate.id().as_str(), alice.id().as_str());
    let planted = json!({"signed": {
        "_type": "Root", "consistent_snapshot": false, "expires": "2036-01-01T00:00:00Z", "version": 1,
        "keys": {listed: certificate, a: alice},
        "roles": {"root": role(listed), "targets": role(a), "snapshot": role(a), "timestamp": role(a)},
    }, "signatures": []});
    let metadata = person.trust_dir.join("tuf").join(GUN).join("metadata");
    std::fs::create_dir_all(&metadata).unwrap();
    signet_testkit::file::write(&metadata.join("root.json"), planted.to_string()).unwrap();

    let chosen = choose_root_key(person.keys.as_ref(), &person.trust_dir)
        .unwrap()
        .unwrap();
    assert_eq!((chosen.id, chosen.in_use), (lower, false));
    let root = NewRoot {
        key: RootKey::Held(higher),
        certificate: None,
    };
    let error = person
        .open()
        .begin(root, Managed::ByServer)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::AlreadyTrusted { .. }), "{error}");
    let text = std::fs::read_to_string(metadata.join("root.json")).unwrap();
    assert_eq!(text, planted.to_string());
}
