//! The editor: what it writes, what it refuses, and that the engine accepts it (specification, `tuf.md` 18.10).

#[cfg(test)]
mod keys;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use signet_tuf::metadata::Metadata;
use signet_tuf::{
    BaseRole, Changed, EditError, EditWarning, Mode, PublicKey, Received, RepositoryEditor,
    RoleName, Root, Scope, SignedFile, Snapshot, Target, Targets, TrustedRepository, canonical,
    envelope,
};
use time::Duration;

use crate::forge::{Forge, GUN, NOW, expiry, targets_document};
use crate::support::Client;

fn role(name: &str) -> RoleName {
    name.parse().unwrap()
}

fn target(length: i64) -> Target {
    Target::new([7; 32], length)
}

/// What a writer sees of the server.
fn trusted(forge: &Forge) -> Box<TrustedRepository> {
    let mut client = forge.client();
    client.mode = Mode::Write;
    client
        .update(Scope::All, |fetch| forge.serve(fetch))
        .result
        .unwrap()
}

/// What a new reader sees of the server.
fn read(forge: &Forge) -> Box<TrustedRepository> {
    let run = forge
        .client()
        .update(Scope::All, |fetch| forge.serve(fetch));
    assert_eq!(run.warnings, Vec::<String>::new());
    run.result.unwrap()
}

/// Signs everything that the editor wants signed, snapshot included.
fn sign(forge: &Forge, editor: &RepositoryEditor<'_>) -> Vec<SignedFile> {
    let drafts = editor.drafts().unwrap();
    let mut files: Vec<SignedFile> = drafts.into_iter().map(|d| forge.sign(d).unwrap()).collect();
    let snapshot = editor.snapshot_draft(&files).unwrap();
    files.push(forge.sign(snapshot).unwrap());
    for file in &files {
        assert_go_stable(file);
    }
    files
}

/// Publishes edits, and reads the result as a new client.
fn publish(forge: &mut Forge, edit: impl FnOnce(&mut RepositoryEditor<'_>)) -> Vec<SignedFile> {
    let repository = trusted(forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    edit(&mut editor);
    let files = sign(forge, &editor);
    forge.accept(&files);
    forge.stamp();
    files
}

fn signed(file: &SignedFile) -> Value {
    let document: Value = serde_json::from_slice(&file.bytes).unwrap();
    document["signed"].clone()
}

fn versions(files: &[SignedFile]) -> Vec<(&str, i64)> {
    files
        .iter()
        .map(|file| (file.role.as_str(), file.version))
        .collect()
}

/// Parses into the known structures and writes the same bytes (section 2.6).
pub(crate) fn assert_go_stable(file: &SignedFile) {
    fn check<T: Metadata>(file: &SignedFile) {
        let received = Received::<T>::parse(&file.role, file.bytes.clone()).unwrap();
        assert!(received.is_conforming());
        assert_eq!(received.unverified().version(), file.version);
        received.validate().unwrap();
        let again = canonical::to_vec(received.unverified()).unwrap();
        assert_eq!(envelope::encode(&again, received.signatures()), file.bytes);
    }
    match file.role.base() {
        Some(BaseRole::Root) => check::<Root>(file),
        Some(BaseRole::Snapshot) => check::<Snapshot>(file),
        _ => check::<Targets>(file),
    }
}

fn base_keys(forge: &Forge) -> BTreeMap<BaseRole, Vec<PublicKey>> {
    BaseRole::ALL
        .into_iter()
        .map(|role| (role, forge.signers[role.as_str()].clone()))
        .collect()
}

#[test]
fn w1_a_new_repository_starts_with_root_1_targets_2_snapshot_2() {
    let mut forge = Forge::empty();
    let mut editor = RepositoryEditor::new_repository(GUN.parse().unwrap(), NOW, base_keys(&forge));
    assert_eq!(
        editor
            .add_target(&RoleName::targets(), "a&b", target(3))
            .unwrap(),
        Changed::Yes
    );
    let files = sign(&forge, &editor);
    assert_eq!(
        versions(&files),
        [("root", 1), ("targets", 2), ("snapshot", 2)]
    );
    // Case E6: the file escapes the name, the signature covers it as it is.
    let text = String::from_utf8(files[1].bytes.to_vec()).unwrap();
    assert!(text.starts_with(r#"{"signed":{"_type":"Targets","delegations":{"keys":{},"roles":[]},"expires":"2029-11-21T20:00:00Z","targets":{"a\u0026b":{"hashes""#), "{text}");
    assert_eq!(signed(&files[0])["expires"], "2036-11-19T20:00:00Z");
    assert_eq!(signed(&files[2])["expires"], "2029-11-21T20:00:00Z");
    forge.accept(&files);
    forge.stamp();
    assert_eq!(read(&forge).lookup("a&b", &[]).unwrap().target, target(3));
}

#[test]
fn an_unpublished_repository_goes_out_as_it_was_initialised() {
    let forge = Forge::empty();
    let editor = RepositoryEditor::new_repository(GUN.parse().unwrap(), NOW, base_keys(&forge));
    let files = sign(&forge, &editor);
    let mut cache = Client::new(GUN, NOW);
    for file in &files {
        cache.store(&file.role, file.bytes.clone());
    }
    let later = NOW + Duration::days(2000);
    let gun: signet_tuf::Gun = GUN.parse().unwrap();
    let mut editor = RepositoryEditor::from_unpublished(gun.clone(), later, &cache.cached)
        .unwrap()
        .unwrap();
    let drafts = editor.drafts().unwrap();
    assert_eq!(drafts.len(), 2);
    let root = drafts.into_iter().next().unwrap();
    root.check().unwrap();
    assert_eq!(root.finish().unwrap(), files[0]);
    // A root that is changed before anyone saw it keeps its number.
    editor
        .replace_role_keys(BaseRole::Snapshot, &forge.signers["timestamp"])
        .unwrap();
    assert_eq!(editor.drafts().unwrap()[0].version(), 1);

    assert!(matches!(
        editor.replace_role_keys(BaseRole::Root, &[]),
        Err(EditError::NoKeys(role)) if role == RoleName::root()
    ));
    // Without its targets nothing is made up in their place.
    let mut lone = cache.cached.clone();
    lone.targets.clear();
    assert!(matches!(
        RepositoryEditor::from_unpublished(gun.clone(), NOW, &lone),
        Some(Err(EditError::NotLoaded(role))) if role == RoleName::targets()
    ));

    let mut foreign = cache.cached.clone();
    foreign
        .targets
        .insert(RoleName::targets(), Forge::new().files["targets"].clone());
    assert!(matches!(
        RepositoryEditor::from_unpublished(gun.clone(), NOW, &foreign),
        Some(Err(EditError::Rule(_)))
    ));
    assert!(RepositoryEditor::from_unpublished(gun, NOW, &signet_tuf::Cached::default()).is_none());
}

#[test]
fn an_identical_entry_changes_nothing() {
    let mut forge = Forge::new();
    publish(&mut forge, |editor| {
        let _ = editor
            .add_target(&RoleName::releases(), "v2", target(2))
            .unwrap();
    });
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let mut again = target(2);
    again.custom = Some(serde_json::value::RawValue::from_string("null".to_owned()).unwrap());
    assert_eq!(
        editor
            .add_target(&RoleName::releases(), "v2", again)
            .unwrap(),
        Changed::No
    );
    assert_eq!(
        editor.remove_target(&RoleName::releases(), "v9").unwrap(),
        Changed::No
    );
    assert!(editor.drafts().unwrap().is_empty());
    assert_eq!(
        editor
            .add_target(&RoleName::releases(), "v2", target(3))
            .unwrap(),
        Changed::Yes
    );
    assert_eq!(
        editor.remove_target(&RoleName::releases(), "v1").unwrap(),
        Changed::Yes
    );
    assert_eq!(
        versions(&sign(&forge, &editor)),
        [("targets/releases", 3), ("snapshot", 3)]
    );
}

#[test]
fn w7_w8_paths_are_kept_in_gos_words() {
    let mut forge = Forge::new();
    let (alice, sub) = (forge.key(), forge.key());
    publish(&mut forge, |editor| {
        let paths = ["alice/", "shared/"].map(str::to_owned);
        assert!(matches!(
            editor.add_delegation_paths(&role("targets/alice"), &paths),
            Err(error) if error.to_string() == "tuf: invalid role targets/alice."
        ));
        let _ = editor
            .add_delegation_keys(&role("targets/alice"), &[alice], 1)
            .unwrap();
        let _ = editor
            .add_delegation_paths(&role("targets/alice"), &paths)
            .unwrap();
    });
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let error = |result: Result<Changed, EditError>| result.unwrap_err().to_string();
    let x = role("targets/alice/x");
    assert_eq!(
        error(editor.add_target(&role("targets/alice"), "outside/x", target(1))),
        "Could not add all targets"
    );
    let _ = editor.add_delegation_keys(&x, &[sub], 1).unwrap();
    assert_eq!(
        error(editor.add_delegation_paths(&x, &["other/".to_owned()])),
        "tuf: invalid role targets/alice/x. invalid paths to add to role"
    );
    assert_eq!(
        error(editor.add_delegation_keys(
            &role("targets/nobody/x"),
            &[forge.signers["targets"][0].clone()],
            1
        )),
        "tuf: invalid role targets/nobody. delegation does not exist"
    );
    assert_eq!(
        error(editor.add_target(&role("targets/nobody"), "v", target(1))),
        "tuf: invalid role targets/nobody. delegation does not exist"
    );
    assert_eq!(
        error(editor.add_target(&role("snapshot"), "v", target(1))),
        "cannot add targets to this role"
    );
    assert_eq!(
        error(editor.witness(&role("targets/nobody"))),
        "tuf: invalid role targets/nobody. this role is not known"
    );
    assert_eq!(
        error(editor.witness(&role("root"))),
        "type of root change not yet supported: witness"
    );
    // A child without a path may sign nothing; once it has one, that holds.
    assert_eq!(
        error(editor.add_target(&x, "shared/x", target(1))),
        "Could not add all targets"
    );
    let _ = editor
        .add_delegation_paths(&x, &["shared/x".to_owned()])
        .unwrap();
    assert_eq!(
        editor.add_target(&x, "shared/x", target(1)).unwrap(),
        Changed::Yes
    );
    let files = sign(&forge, &editor);
    assert_eq!(
        versions(&files),
        [
            ("targets/alice", 1),
            ("targets/alice/x", 1),
            ("snapshot", 3)
        ]
    );
}

#[test]
fn w4_w5_w6_removals_leave_what_go_leaves() {
    let mut forge = Forge::new();
    let key = forge.key();
    let alice = role("targets/alice");
    publish(&mut forge, |editor| {
        let _ = editor
            .add_delegation_keys(&alice, &[key.clone(), key.clone()], 1)
            .unwrap();
        let paths = ["a/", "b/", "a/"].map(str::to_owned);
        let _ = editor.add_delegation_paths(&alice, &paths).unwrap();
        assert_eq!(
            editor
                .add_delegation_keys(&alice, std::slice::from_ref(&key), 1)
                .unwrap(),
            Changed::No
        );
        assert_eq!(
            editor.add_delegation_paths(&alice, &paths).unwrap(),
            Changed::No
        );
    });
    let entry =
        |forge: &Forge, i: usize| forge.signed["targets"]["delegations"]["roles"][i].to_string();
    let id = key.id();
    assert_eq!(
        entry(&forge, 1),
        format!(
            r#"{{"keyids":["{id}"],"name":"targets/alice","paths":["a/","b/"],"threshold":1}}"#
        )
    );
    publish(&mut forge, |editor| {
        assert_eq!(
            editor
                .remove_delegation_paths(&alice, &["c".to_owned()])
                .unwrap(),
            Changed::No
        );
        assert_eq!(
            editor
                .remove_delegation_paths(&alice, &["a/".to_owned()])
                .unwrap(),
            Changed::Yes
        );
    });
    assert!(entry(&forge, 1).contains(r#""paths":["b/"]"#));
    publish(&mut forge, |editor| {
        assert_eq!(editor.clear_delegation_paths(&alice).unwrap(), Changed::Yes);
    });
    assert_eq!(
        entry(&forge, 1),
        format!(r#"{{"keyids":["{id}"],"name":"targets/alice","threshold":1}}"#)
    );
    publish(&mut forge, |editor| {
        assert_eq!(
            editor
                .remove_delegation_keys(&alice, &[forge_id("00")])
                .unwrap(),
            Changed::No
        );
        assert_eq!(
            editor
                .remove_delegation_keys(&alice, &[key.canonical_id().clone()])
                .unwrap(),
            Changed::Yes
        );
        assert_eq!(
            editor.warnings()[0].to_string(),
            "role targets/alice has fewer keys than its threshold of 1; it will not be usable until keys are added to it"
        );
    });
    assert_eq!(
        entry(&forge, 1),
        r#"{"keyids":null,"name":"targets/alice","threshold":1}"#
    );
    assert!(
        forge.signed["targets"]["delegations"]["keys"]
            .get(id.as_str())
            .is_none()
    );
    publish(&mut forge, |editor| {
        assert_eq!(editor.remove_delegation(&alice).unwrap(), Changed::Yes);
        assert_eq!(editor.remove_delegation(&alice).unwrap(), Changed::No);
        assert_eq!(
            editor.remove_delegation(&RoleName::releases()).unwrap(),
            Changed::Yes
        );
    });
    assert_eq!(
        forge.signed["targets"]["delegations"].to_string(),
        r#"{"keys":{},"roles":null}"#
    );
    let listed = forge.signed["snapshot"]["meta"].as_object().unwrap();
    assert_eq!(listed.keys().collect::<Vec<_>>(), ["root", "targets"]);
    assert_eq!(read(&forge).list(&[]).len(), 1);
}

fn forge_id(digits: &str) -> signet_tuf::KeyId {
    digits.repeat(32).parse().unwrap()
}

#[test]
fn w10_a_delegation_created_again_continues_its_versions() {
    let mut forge = Forge::new();
    let releases = RoleName::releases();
    let key = forge.signers["targets/releases"][0].clone();
    let recreate = |editor: &mut RepositoryEditor<'_>| {
        let _ = editor
            .add_delegation_keys(&releases, std::slice::from_ref(&key), 1)
            .unwrap();
        let _ = editor
            .add_delegation_paths(&releases, &[String::new()])
            .unwrap();
        let _ = editor.add_target(&releases, "new", target(1)).unwrap();
    };
    let files = publish(&mut forge, |editor| {
        let _ = editor.remove_delegation(&releases).unwrap();
        recreate(editor);
    });
    assert_eq!(
        versions(&files),
        [("targets", 2), ("targets/releases", 2), ("snapshot", 2)]
    );
    publish(&mut forge, |editor| {
        let _ = editor.remove_delegation(&releases).unwrap();
    });
    forge.files.remove("targets/releases");
    let files = publish(&mut forge, |editor| {
        recreate(editor);
        editor.continue_from(&releases, 41);
    });
    assert_eq!(
        versions(&files),
        [("targets", 4), ("targets/releases", 42), ("snapshot", 4)]
    );
    let repository = read(&forge);
    assert!(repository.lookup("new", &[]).is_some() && repository.lookup("v1", &[]).is_none());
}

#[test]
fn w9_expired_targets_are_renewed_by_the_next_publish() {
    let mut forge = Forge::new();
    forge.change("targets", |signed| {
        signed["expires"] = expiry(NOW - Duration::days(1));
    });
    forge.seal();
    let files = publish(&mut forge, |editor| {
        let _ = editor
            .add_target(&RoleName::releases(), "v2", target(1))
            .unwrap();
        assert!(!editor.drafts().unwrap()[0].is_optional());
    });
    assert_eq!(
        versions(&files),
        [("targets", 2), ("targets/releases", 2), ("snapshot", 3)]
    );
    assert!(read(&forge).lookup("v2", &[]).is_some());
}

#[test]
fn a_root_near_its_end_is_renewed_where_its_key_is_at_hand() {
    let mut forge = Forge::new();
    forge.change("root", |signed| {
        signed["expires"] = expiry(NOW + Duration::days(100));
    });
    forge.seal();
    let repository = trusted(&forge);
    let editor = RepositoryEditor::from_trusted(&repository, NOW);
    let draft = editor.drafts().unwrap().remove(0);
    assert!(draft.is_optional() && draft.role() == &RoleName::root() && draft.version() == 2);
    let earlier = RepositoryEditor::from_trusted(&repository, NOW - Duration::days(200));
    assert!(earlier.drafts().unwrap().is_empty());
    let files = publish(&mut forge, |_| ());
    assert_eq!(versions(&files), [("root", 2), ("snapshot", 3)]);
    let _ = read(&forge);
    // Left out, the snapshot names the root that is there.
    let snapshot = editor.snapshot_draft(&[]).unwrap();
    assert_eq!(snapshot.version(), 3);

    forge.change("root", |signed| {
        signed["expires"] = expiry(NOW - Duration::days(1));
    });
    forge.seal();
    let repository = trusted(&forge);
    let editor = RepositoryEditor::from_trusted(&repository, NOW);
    assert!(!editor.drafts().unwrap()[0].is_optional());
}

#[test]
fn e10_custom_data_is_canonical_before_it_is_signed() {
    let custom = |text: &str| {
        let mut target = target(1);
        target.custom = Some(serde_json::value::RawValue::from_string(text.to_owned()).unwrap());
        target
    };
    let mut forge = Forge::new();
    let files = publish(&mut forge, |editor| {
        let _ = editor
            .add_target(
                &RoleName::targets(),
                "x",
                custom(r#"{ "b": 1.0, "a": "<\u0078>" }"#),
            )
            .unwrap();
        assert!(matches!(
            editor.warnings(),
            [EditWarning::CustomNeedsEscapes { .. }]
        ));
        let _ = editor
            .add_target(&RoleName::targets(), "y", custom("null"))
            .unwrap();
        for bad in ["1.5", r#"{"a":1,"a":2}"#, "9007199254740993", r#""a\nb""#] {
            let result = editor.add_target(&RoleName::targets(), "z", custom(bad));
            assert!(result.is_err(), "{bad}");
        }
        assert!(
            editor
                .add_target(&RoleName::targets(), "a\nb", target(1))
                .is_err()
        );
        assert!(
            editor
                .add_target(&RoleName::targets(), "z", target(-1))
                .is_err()
        );
        assert!(
            editor
                .add_target(&RoleName::targets(), "z", target((1 << 53) + 1))
                .is_err()
        );
    });
    let text = String::from_utf8(files[0].bytes.to_vec()).unwrap();
    assert!(
        text.contains(r#""x":{"custom":{"a":"\u003cx\u003e","b":1},"hashes""#),
        "{text}"
    );
    assert!(text.contains(r#""y":{"hashes""#), "{text}");
    assert!(read(&forge).lookup("x", &[]).is_some());
}

#[test]
fn a_name_that_go_cannot_write_is_read_but_not_written_again() {
    let mut forge = Forge::new();
    forge.forge("targets", {
        let mut document = forge.signed["targets"].clone();
        document["targets"] = targets_document(&[("a\u{1}b", 1)])["targets"].clone();
        document
    });
    // Our own writer has no form for it either, so it is escaped by hand; the signature covers the raw byte.
    let text = String::from_utf8(forge.files["targets"].to_vec()).unwrap();
    forge.files.insert(
        "targets".to_owned(),
        Bytes::from(text.replace('\u{1}', "\\u0001")),
    );
    forge.seal();
    assert!(read(&forge).lookup("a\u{1}b", &[]).is_some());
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let _ = editor
        .add_target(&RoleName::targets(), "x", target(1))
        .unwrap();
    assert!(matches!(
        editor.drafts(),
        Err(EditError::ControlCharacter(_))
    ));
    let _ = editor
        .remove_target(&RoleName::targets(), "a\u{1}b")
        .unwrap();
    assert_eq!(editor.drafts().unwrap().len(), 1);
}

#[test]
fn a_document_that_was_not_loaded_is_not_replaced_by_an_empty_one() {
    let mut forge = Forge::new();
    let alice = forge.key();
    publish(&mut forge, |editor| {
        let _ = editor
            .add_delegation_keys(&role("targets/alice"), &[alice], 1)
            .unwrap();
        let _ = editor
            .add_delegation_paths(&role("targets/alice"), &["alice/".to_owned()])
            .unwrap();
        let _ = editor
            .add_target(&role("targets/alice"), "alice/x", target(1))
            .unwrap();
    });
    let scope = Scope::For("v1".to_owned());
    let run = forge.client().update(scope, |fetch| forge.serve(fetch));
    let repository = run.result.unwrap();
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let result = editor.add_target(&role("targets/alice"), "alice/y", target(1));
    assert!(matches!(result, Err(EditError::NotLoaded(_))), "{result:?}");
}

#[test]
fn the_snapshot_waits_for_what_must_be_signed() {
    let forge = Forge::new();
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let _ = editor
        .add_target(&RoleName::releases(), "v2", target(1))
        .unwrap();
    assert!(
        matches!(editor.snapshot_draft(&[]), Err(EditError::Unsigned(role)) if role == RoleName::releases())
    );
}

#[test]
fn versions_end_where_databases_end() {
    let mut forge = Forge::new();
    forge.change("targets/releases", |signed| {
        signed["version"] = i32::MAX.into();
    });
    forge.seal();
    let repository = trusted(&forge);
    let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
    let _ = editor
        .add_target(&RoleName::releases(), "v2", target(1))
        .unwrap();
    assert!(matches!(
        editor.drafts(),
        Err(EditError::VersionExhausted { .. })
    ));
}
