//! The editor and keys: rotation, thresholds, witnessing, purging.

use serde_json::json;
use signet_tuf::{
    BaseRole, Changed, EditError, EditWarning, KeyKind, PublicKey, RepositoryEditor, RoleName,
    Scope,
};
use time::Duration;

use super::{forge_id, publish, read, role, sign, signed, target, trusted, versions};
use crate::forge::{Forge, GUN, Key, NOW, expiry};

#[test]
fn w3_a_new_root_key_is_signed_for_by_the_old_one_and_both_stay_listed() {
    let mut forge = Forge::new();
    let old = forge.signers["root"][0].clone();
    let new = forge.root_key();
    let mut reader = forge.client();
    reader
        .update(Scope::All, |fetch| forge.serve(fetch))
        .result
        .unwrap();
    let files = publish(&mut forge, |editor| {
        editor
            .replace_role_keys(BaseRole::Root, std::slice::from_ref(&new))
            .unwrap();
    });
    assert_eq!(versions(&files), [("root", 2), ("snapshot", 2)]);
    let root = signed(&files[0]);
    let keys = root["keys"].as_object().unwrap();
    assert!(keys.contains_key(old.id().as_str()) && keys.contains_key(new.id().as_str()));
    assert_eq!(
        root["roles"]["root"],
        json!({"keyids": [new.id()], "threshold": 1})
    );
    let run = reader.update(Scope::All, |fetch| forge.serve(fetch));
    assert_eq!(run.result.unwrap().root().version(), 2);

    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let third = forge.root_key();
    editor.replace_role_keys(BaseRole::Root, &[third]).unwrap();
    let lost = new.canonical_id().clone();
    forge.lose(&new);
    let error = forge.sign(editor.drafts().unwrap().remove(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("signing keys not available: need 1 keys from 1 possible keys ({lost})")
    );
}

#[test]
fn a_new_targets_key_signs_in_the_same_publish() {
    let mut forge = Forge::new();
    let (old, new) = (forge.signers["targets"][0].clone(), forge.key());
    let files = publish(&mut forge, |editor| {
        editor
            .replace_role_keys(BaseRole::Targets, std::slice::from_ref(&new))
            .unwrap();
    });
    assert_eq!(
        versions(&files),
        [("root", 2), ("targets", 2), ("snapshot", 2)]
    );
    let root = signed(&files[0]);
    assert!(root["keys"].get(old.id().as_str()).is_none());
    assert_eq!(
        read(&forge)
            .role_keys(&RoleName::targets())
            .unwrap()
            .keys()
            .next(),
        Some(&new)
    );
}

#[test]
fn below_its_threshold_nothing_is_finished_and_keys_count_once() {
    let mut forge = Forge::new();
    let (one, two, missing) = (Key::generate(), forge.key(), Key::generate().bare);
    let (first, second) = (one.root(), one.certified(GUN, NOW, NOW + Duration::days(1)));
    assert_ne!(first.id(), second.id());
    forge.adopt(one);
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let alice = role("targets/alice");
    let keys = [first.clone(), second, missing.clone()];
    let _ = editor.add_delegation_keys(&alice, &keys, 2).unwrap();
    let _ = editor
        .add_delegation_paths(&alice, &[String::new()])
        .unwrap();
    let _ = editor.add_target(&alice, "v2", target(1)).unwrap();
    let draft = editor.drafts().unwrap().remove(1);
    assert_eq!(draft.keys().len(), 3);
    // Two certificates of one key sign, and count once.
    let error = forge.sign(draft.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "not enough signing keys: found 1 of 2 needed keys - 1 other possible keys ({})",
            missing.canonical_id()
        )
    );
    assert_eq!(error.found, [first.canonical_id().clone()]);
    // Nobody at all.
    let error = draft.clone().finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "signing keys not available: need 2 keys from 2 possible keys ({}, {})",
            first.canonical_id(),
            missing.canonical_id()
        )
    );
    // A signature over something else, or by another key than named, is not even taken.
    let mut draft = draft;
    let stray = Key::generate();
    let signature = stray.sign(draft.message());
    assert!(draft.add_signature(&first, signature.clone()).is_err());
    assert!(draft.add_signature(&two, signature).is_err());

    // A threshold that nobody can have set is no threshold.
    for threshold in [0, -1, i64::MIN] {
        let error =
            editor.add_delegation_keys(&role("targets/bob"), std::slice::from_ref(&two), threshold);
        assert!(matches!(error, Err(EditError::Threshold { .. })));
    }
}

#[test]
fn witnessing_takes_over_what_cannot_be_trusted_any_more() {
    let mut forge = Forge::new();
    let releases = RoleName::releases();
    // Signed by a key that the role no longer lists.
    let stranger = forge.key();
    let document = forge.signed["targets/releases"].clone();
    forge.put("targets/releases", document, &[stranger]);
    forge.seal();
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let error = editor.add_target(&releases, "v2", target(1)).unwrap_err();
    assert!(matches!(error, EditError::Unusable { .. }), "{error}");
    // To renew what nobody vouches for would be to take it over unasked.
    let error = editor.renew(&releases).unwrap_err();
    assert!(matches!(error, EditError::Unusable { .. }), "{error}");
    assert_eq!(editor.renew(&RoleName::targets()).unwrap(), Changed::Yes);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    assert_eq!(editor.witness(&releases).unwrap(), Changed::Yes);
    let _ = editor.add_target(&releases, "v2", target(1)).unwrap();
    let files = sign(&forge, &editor);
    assert_eq!(versions(&files), [("targets/releases", 2), ("snapshot", 3)]);
    forge.accept(&files);
    forge.stamp();
    let repository = read(&forge);
    assert!(repository.lookup("v1", &[]).is_some() && repository.lookup("v2", &[]).is_some());

    // Expired: its keys still vouch for the content, so an edit renews it.
    forge.change("targets/releases", |signed| {
        signed["expires"] = expiry(NOW - Duration::days(1));
    });
    forge.seal();
    publish(&mut forge, |editor| {
        assert_eq!(editor.renew(&releases).unwrap(), Changed::Yes);
        let _ = editor.add_target(&releases, "v3", target(1)).unwrap();
    });
    let repository = read(&forge);
    assert!(repository.lookup("v1", &[]).is_some() && repository.lookup("v3", &[]).is_some());

    // Unusable and untouched, it keeps its entry in the snapshot.
    forge.change("targets/releases", |signed| {
        signed["expires"] = expiry(NOW - Duration::days(1));
    });
    forge.seal();
    publish(&mut forge, |editor| {
        let _ = editor
            .add_target(&RoleName::targets(), "v4", target(1))
            .unwrap();
    });
    assert!(
        forge.signed["snapshot"]["meta"]
            .get("targets/releases")
            .is_some()
    );
}

/// Case 70 of the specification of the command line, with Go's texts.
#[test]
fn what_can_never_be_valid_again_is_not_witnessed() {
    let mut forge = Forge::new();
    let releases = RoleName::releases();
    let ids: Vec<_> = forge.signers["targets/releases"]
        .iter()
        .map(|key| key.canonical_id().clone())
        .collect();
    publish(&mut forge, |editor| {
        let _ = editor.remove_delegation_keys(&releases, &ids).unwrap();
        assert!(matches!(
            editor.warnings(),
            [EditWarning::FewerKeysThanThreshold { threshold: 1, .. }]
        ));
    });
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    assert_eq!(
        editor.witness(&releases).unwrap_err().to_string(),
        "tuf: invalid role targets/releases. role does not specify enough valid signing keys to meet its required threshold"
    );
    let key = forge.key();
    let _ = editor.add_delegation_keys(&releases, &[key], 1).unwrap();
    assert_eq!(editor.witness(&releases).unwrap(), Changed::Yes);

    let refused = |editor: &mut RepositoryEditor<'_>, name: &str| {
        editor.witness(&role(name)).unwrap_err().to_string()
    };
    for (name, text) in [
        ("root", "type of root change not yet supported: witness"),
        ("snapshot", "scope not supported: snapshot"),
        ("timestamp", "scope not supported: timestamp"),
        (
            "targets/unknown",
            "tuf: invalid role targets/unknown. this role is not known",
        ),
    ] {
        assert_eq!(refused(&mut editor, name), text);
    }
}

#[test]
fn starting_over_takes_nothing_over_but_the_number() {
    let mut forge = Forge::new();
    let releases = RoleName::releases();
    let stranger = forge.key();
    forge.change("targets/releases", |signed| signed["version"] = 7.into());
    let document = forge.signed["targets/releases"].clone();
    forge.put("targets/releases", document, &[stranger]);
    forge.seal();
    let files = publish(&mut forge, |editor| {
        editor.start_over(&releases);
        let _ = editor.add_target(&releases, "v2", target(1)).unwrap();
    });
    assert_eq!(versions(&files), [("targets/releases", 8), ("snapshot", 3)]);
    let repository = read(&forge);
    assert!(repository.lookup("v1", &[]).is_none() && repository.lookup("v2", &[]).is_some());
    // Where the keys vouch for the content there is nothing to start over.
    publish(&mut forge, |editor| {
        editor.start_over(&releases);
        let _ = editor.add_target(&releases, "v3", target(1)).unwrap();
    });
    assert!(read(&forge).lookup("v2", &[]).is_some());
}

#[test]
fn keys_are_purged_from_every_document_that_can_be_signed() {
    let mut forge = Forge::new();
    let (shared, own) = (forge.key(), forge.key());
    publish(&mut forge, |editor| {
        for name in ["targets/a", "targets/b"] {
            let keys = [shared.clone(), own.clone()];
            let _ = editor.add_delegation_keys(&role(name), &keys, 1).unwrap();
        }
        let _ = editor
            .add_delegation_keys(&role("targets/a/x"), std::slice::from_ref(&shared), 1)
            .unwrap();
    });
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let ids = [shared.canonical_id().clone()];
    let targets_key = forge.signers["targets"][0].clone();
    let all = RoleName::targets();
    assert_eq!(
        editor
            .purge_keys(&all, &[forge_id("11")], |_| true)
            .unwrap(),
        Changed::No
    );
    let changed = editor
        .purge_keys(&all, &ids, |key| *key == targets_key)
        .unwrap();
    assert_eq!(changed, Changed::Yes);
    assert_eq!(
        editor.warnings(),
        [EditWarning::NotPurged {
            role: role("targets/a")
        }]
    );
    assert_eq!(
        editor.warnings()[0].to_string(),
        "role targets/a contains keys being purged but you do not have the necessary keys present to sign it; keys will not be purged from targets/a or its immediate children"
    );
    for name in ["targets/a", "targets/b"] {
        let left = editor.role_keys(&role(name)).unwrap();
        assert_eq!(left.keys().collect::<Vec<_>>(), [&own]);
    }
    assert_eq!(
        editor.role_keys(&role("targets/a/x")).unwrap().keys().len(),
        1
    );
}

#[test]
fn keys_that_verifiers_refuse_are_not_added() {
    let forge = Forge::new();
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let key = Key::generate();
    let inverted = key.certified(GUN, NOW, NOW - Duration::days(1));
    let p256 = key.bare.public_bytes().to_vec();
    let mislabelled = |kind| PublicKey::new(kind, p256.clone());
    for bad in [
        inverted,
        mislabelled(KeyKind::Rsa),
        mislabelled(KeyKind::Ed25519),
        mislabelled(KeyKind::EcdsaX509),
        mislabelled("sm2".into()),
    ] {
        let result = editor.add_delegation_keys(&role("targets/x"), &[bad], 1);
        assert!(matches!(result, Err(EditError::UnusableKey { .. })));
    }
    assert!(editor.drafts().unwrap().is_empty());
}
