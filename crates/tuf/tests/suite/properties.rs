//! What holds for every input.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use signet_tuf::certificate::{Bundle, any_public_key_from_pem, public_key_from_pem};
use signet_tuf::lookup::Paths;
use signet_tuf::metadata::Metadata;
use signet_tuf::{
    Expiry, Gun, KeyId, Mode, PublicKey, Received, RepositoryEditor, RoleName, Root, Scope,
    SignedFile, Snapshot, Target, Targets, Timestamp, TrustedRepository, canonical,
};

use crate::editor::assert_go_stable;
use crate::forge::{Forge, NOW, targets_document};
use crate::museum::pointers;

const ROLES: [&str; 5] = [
    "root",
    "timestamp",
    "snapshot",
    "targets",
    "targets/releases",
];

/// Strings with everything that encodings treat specially.
fn text() -> impl Strategy<Value = String> {
    let special = select(vec![
        "\"", "\\", "/", "<", ">", "&", "\u{2028}", "\u{2029}", "\u{7f}", "é", "e\u{301}",
        "\u{ffff}", "😀", "",
    ]);
    vec(
        prop_oneof![special.prop_map(str::to_owned), "[a-z0-9 _.*-]{0,3}"],
        0..5,
    )
    .prop_map(|parts| parts.concat())
}

/// JSON whose numbers are integers that every reader agrees on.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1i64 << 53)..=1 << 53).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((text(), inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn parse_as_everything(bytes: &Bytes) {
    fn look<T: Metadata>(role: &str, bytes: &Bytes) {
        if let Ok(received) = Received::<T>::parse(&role.parse().unwrap(), bytes.clone()) {
            drop(received.validate());
            let _ = (received.is_conforming(), received.unknown_member());
        }
    }
    look::<Root>("root", bytes);
    look::<Timestamp>("timestamp", bytes);
    look::<Snapshot>("snapshot", bytes);
    look::<Targets>("targets", bytes);
    look::<Targets>("targets/a", bytes);
    drop(canonical::canonicalize(bytes));
    if let Ok(key) = serde_json::from_slice::<PublicKey>(bytes) {
        let _ = key.canonical_id();
    }
    drop(Bundle::from_pem(bytes));
    drop(public_key_from_pem(bytes, NOW));
    drop(any_public_key_from_pem(bytes, NOW));
    if let Ok(text) = std::str::from_utf8(bytes) {
        drop(text.parse::<RoleName>());
        drop(text.parse::<Gun>());
        drop(text.parse::<KeyId>());
        drop(Expiry::parse(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_canonical_form_is_a_fixed_point(value in json_value()) {
        let form = canonical::canonicalize(value.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&canonical::canonicalize(&form).unwrap(), &form);
        prop_assert_eq!(&canonical::to_vec(&value).unwrap(), &form);
        // Neither white space, nor order, nor the escapes of files matter.
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(&canonical::canonicalize(pretty.as_bytes()).unwrap(), &form);
        let file = canonical::to_file_form(&form);
        prop_assert_eq!(&canonical::canonicalize(&file).unwrap(), &form);
        prop_assert!(!file.iter().any(|byte| b"<>&".contains(byte)));
        // And it means the same.
        prop_assert_eq!(serde_json::from_slice::<Value>(&form).unwrap(), value);
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        parse_as_everything(&bytes.into());
    }

    #[test]
    fn json_like_text_is_read_or_refused(parts in vec(select(vec![
        "{", "}", "[", "]", ":", ",", "\"", "\\u", "\\", "d83d", "0", "-", "1e9", ".", "null", "true", " ", "\n",
        "\"signed\":", "\"signatures\":", "\"_type\":\"Root\"", "\"version\":1", "\"keys\":", "\"roles\":", "\"meta\":",
        "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "AAAA", "2030-01-01T00:00:00Z", "targets/",
    ]), 0..40)) {
        parse_as_everything(&parts.concat().into());
    }

    #[test]
    fn paths_allow_what_starts_with_one_of_them(
        parent in vec("[ab/]{0,3}", 0..5), child in vec("[ab/]{0,3}", 0..5), name in "[ab/]{0,4}",
    ) {
        let starts = |paths: &[String], name: &str| paths.iter().any(|path| name.starts_with(path.as_str()));
        let outer = Paths::everything().restrict(&parent);
        prop_assert_eq!(outer.allow(&name), starts(&parent, &name));
        let covered: Vec<String> = child.iter().filter(|path| starts(&parent, path)).cloned().collect();
        prop_assert_eq!(outer.restrict(&child).allow(&name), starts(&covered, &name));
    }

    #[test]
    fn moments_that_are_read_are_written_as_they_were(
        seconds in -62_135_596_800i64..253_402_300_800, nanos in 0u32..1_000_000_000, offset in -1439i32..1440,
    ) {
        let moment = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
            .replace_nanosecond(nanos).unwrap();
        let ours = serde_json::to_string(&Expiry::at(moment)).unwrap();
        let read: Expiry = serde_json::from_str(&ours).unwrap();
        prop_assert_eq!(read.moment(), moment);
        prop_assert_eq!(&serde_json::to_string(&read).unwrap(), &ours);
        // The same text with an offset keeps it.
        let zone = format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60);
        let text = ours.replace("Z\"", &format!("{zone}\""));
        if let Ok(read) = serde_json::from_str::<Expiry>(&text) {
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
}

/// A value for a place in a document.
fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => json_value(),
        1 => Just(json!(i64::MAX)),
        1 => Just(json!(u64::MAX)),
        1 => Just(json!(1.5)),
        1 => select(ROLES.to_vec()).prop_map(Value::from),
        1 => Just(json!("9999-12-31T23:59:59.999999999-23:59")),
        1 => Just(json!("0000-01-01T00:00:00+23:59")),
    ]
}

fn versions(repository: &TrustedRepository) -> BTreeMap<String, i64> {
    let mut versions = BTreeMap::from([
        ("root".to_owned(), repository.root().version()),
        ("timestamp".to_owned(), repository.timestamp().version()),
        ("snapshot".to_owned(), repository.snapshot().version()),
    ]);
    for (role, document) in repository.all_targets() {
        versions.insert(role.to_string(), document.version());
    }
    versions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_documents_are_read_or_refused(
        role in select(ROLES.to_vec()),
        flips in vec((any::<Index>(), any::<u8>()), 0..6),
        cut in any::<Index>(),
        cuts in any::<bool>(),
    ) {
        let forge = Forge::new();
        let mut bytes = forge.files[role].to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        parse_as_everything(&bytes.into());
    }

    /// Several wrong places at once, in documents that the right keys have signed.
    #[test]
    fn signed_nonsense_never_stops_the_engine_but_by_an_error(
        places in vec((select(ROLES.to_vec()), any::<Index>(), replacement()), 1..5),
        again in any::<bool>(),
    ) {
        let mut forge = Forge::new();
        let mut client = forge.client();
        if again {
            client.update(Scope::All, |fetch| forge.serve(fetch)).result.unwrap();
        }
        for (role, place, value) in places {
            let mut document = forge.signed[role].clone();
            let pointers = pointers(&document);
            let pointer = &pointers[place.index(pointers.len())];
            *document.pointer_mut(pointer).unwrap() = value;
            if canonical::canonicalize(document.to_string().as_bytes()).is_ok() {
                forge.put_unchecked(role, &document);
            }
            match role {
                "timestamp" => {}
                "snapshot" => forge.stamp(),
                _ => forge.seal(),
            }
        }
        for mode in [Mode::Read, Mode::Write] {
            let mut client = client.clone();
            client.mode = mode;
            let run = client.update(Scope::All, |fetch| forge.serve(fetch));
            if let Ok(repository) = run.result {
                let _ = (repository.list(&[]), repository.all_occurrences(None), repository.delegations());
                let editor = RepositoryEditor::from_trusted(&repository, NOW);
                drop(editor.drafts());
                drop(editor.snapshot_draft(&[]));
            }
        }
    }

    /// Whatever the server puts together out of honestly signed documents, no role that was trusted goes back.
    #[test]
    fn no_update_accepts_a_rollback(
        states in vec((vec(1i64..5, 4), any::<bool>(), any::<bool>()), 2..7),
        wipe in vec(any::<Index>(), 0..4),
    ) {
        let mut forge = Forge::new();
        let mut client = forge.client();
        let mut trusted: BTreeMap<String, i64> = BTreeMap::new();
        let mut accepted = 0;
        for (i, (version, fresh_above, hide)) in states.iter().enumerate() {
            for (role, version) in [("targets/releases", version[0]), ("targets", version[1])] {
                forge.change(role, |signed| signed["version"] = version.into());
            }
            let hidden = hide.then(|| forge.files.remove("targets/releases").unwrap());
            forge.seal();
            // Either what is above goes on, or it is anything as well.
            if !fresh_above {
                forge.change("snapshot", |signed| signed["version"] = version[2].into());
                forge.stamp();
                forge.change("timestamp", |signed| signed["version"] = version[3].into());
            }
            let run = client.update(Scope::All, |fetch| forge.serve(fetch));
            if let Ok(repository) = run.result {
                accepted += 1;
                for (role, version) in versions(&repository) {
                    let last = trusted.insert(role.clone(), version).unwrap_or_default();
                    prop_assert!(version >= last, "{} went from {} to {}", role, last, version);
                }
            }
            if let Some(hidden) = hidden {
                forge.files.insert("targets/releases".to_owned(), hidden);
            }
            // A cache that loses files does not lose what is remembered.
            if let Some(which) = wipe.get(i) {
                match which.index(4) {
                    0 => client.cached.timestamp = None,
                    1 => client.cached.snapshot = None,
                    2 => { client.cached.targets.remove(&RoleName::targets()); }
                    _ => { client.cached.targets.remove(&RoleName::releases()); }
                }
            }
        }
        prop_assert!(accepted > 0);
    }

    /// Any edits give documents that Go programs re-serialise to the same bytes, and that readers accept.
    #[test]
    fn every_edit_is_written_in_gos_form_and_trusted(
        edits in vec((0u8..8, 0usize..3, text(), json_value()), 1..12),
    ) {
        let mut forge = Forge::new();
        let names: Vec<RoleName> = ["targets/releases", "targets/a", "targets/a/b"]
            .map(|name| name.parse().unwrap()).to_vec();
        let keys: Vec<PublicKey> = (0..2).map(|_| forge.key()).collect();
        for edits in edits.chunks(4) {
            let mut client = forge.client();
            client.mode = Mode::Write;
            let repository = client.update(Scope::All, |fetch| forge.serve(fetch)).result.unwrap();
            let mut editor = RepositoryEditor::from_trusted(&repository, NOW);
            for (kind, which, name, custom) in edits {
                let (role, paths) = (&names[*which], [name.clone()]);
                let key = &keys[which % 2];
                // What is refused leaves no trace.
                let _ = match kind {
                    0 | 1 => {
                        let mut target = Target::new([1; 32], 5);
                        target.custom = serde_json::value::to_raw_value(custom).ok();
                        editor.add_target(role, name, target)
                    }
                    2 => editor.add_target(&RoleName::targets(), name, Target::new([2; 32], 6)),
                    3 => editor.add_delegation_keys(role, std::slice::from_ref(key), 1),
                    4 => editor.add_delegation_paths(role, &paths),
                    5 => editor.remove_delegation_keys(role, &[key.canonical_id().clone()]),
                    6 => editor.remove_delegation(role),
                    _ => editor.remove_target(role, name),
                };
            }
            let mut files: Vec<SignedFile> = Vec::new();
            for draft in editor.drafts().unwrap() {
                // A role may have lost its keys: then nothing is published, which is as it should be.
                match forge.sign(draft) {
                    Ok(file) => files.push(file),
                    Err(_) => return Ok(()),
                }
            }
            files.push(forge.sign(editor.snapshot_draft(&files).unwrap()).unwrap());
            for file in &files {
                assert_go_stable(file);
            }
            forge.accept(&files);
            forge.stamp();
            let mut reader = forge.client();
            prop_assert!(reader.update(Scope::All, |fetch| forge.serve(fetch)).result.is_ok());
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_stack_overflow() {
    for open in ["[", "{\"a\":"] {
        parse_as_everything(&open.repeat(100_000).into());
    }
    let document = targets_document(&[]).to_string();
    let text = format!(
        "{{\"signed\":{document},\"signatures\":{}}}",
        "[".repeat(100_000)
    );
    parse_as_everything(&text.into());
}
