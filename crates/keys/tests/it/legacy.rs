//! Old folder layouts: acceptance cases 10 to 12 of signer-and-keys.

use signet_keys::keyfile::MAX_BYTES;
use signet_keys::store::Problem;
use signet_keys::{KeyStore, Signer};

use crate::support::{Given, copy, data, manifest, store_in, tree};

#[test]
fn case_10_old_folders_become_what_go_makes_of_them() {
    for version in ["v01", "v03"] {
        let dir = tempfile::tempdir().unwrap();
        copy(
            &data(&format!("legacy/{version}/private")),
            &dir.path().join("private"),
        );
        let store = store_in(dir.path(), Given::always("legacy-passphrase-1"));
        assert!(store.take_warnings().is_empty());
        assert_eq!(
            tree(&dir.path().join("private")),
            tree(&data(&format!("legacy/{version}-migrated/private")))
        );
        assert!(!dir.path().join("private/root_keys").exists());
        assert!(!dir.path().join("private/tuf_keys").exists());

        let text =
            std::fs::read_to_string(data(&format!("legacy/{version}/key-list.txt"))).unwrap();
        let listed = store.list().unwrap();
        assert_eq!(text.matches("<trust dir>/private").count(), listed.len());
        for info in listed {
            let line = text
                .lines()
                .find(|line| line.contains(info.id.as_str()))
                .unwrap();
            let gun = info.gun.map(|gun| gun.to_string()).unwrap_or_default();
            let columns: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(columns[0], info.role);
            assert_eq!(columns[1..columns.len() - 3].concat(), gun);
        }
    }
}

#[test]
fn case_11_what_cannot_be_read_stays() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    copy(&data("legacy/v01/private"), &private);
    let id = "1".repeat(64);
    let junk = [
        ("root_keys/junk.key", b"not PEM".to_vec()),
        ("root_keys/notes.txt", b"notes".to_vec()),
        (
            "root_keys/noid_root.key",
            std::fs::read(data("plain/p256-root.pkcs8.pem")).unwrap(),
        ),
        (
            "tuf_keys/a/b.key",
            vec![b'x'; usize::try_from(MAX_BYTES).unwrap() + 1],
        ),
    ];
    std::fs::create_dir_all(private.join("tuf_keys/a")).unwrap();
    for (name, bytes) in &junk {
        std::io::Write::write_all(
            &mut std::fs::File::create(private.join(name)).unwrap(),
            bytes,
        )
        .unwrap();
    }
    // And a key whose new place is taken by another file.
    std::fs::copy(
        data("plain/p256-root.pkcs8.pem"),
        private.join(format!("tuf_keys/a/{id}_targets.key")),
    )
    .unwrap();
    std::fs::copy(
        data("plain/p256-alice.pkcs8.pem"),
        private.join(format!("{id}.key")),
    )
    .unwrap();

    let store = store_in(dir.path(), Given::always("legacy-passphrase-1"));
    let problems: Vec<String> = store
        .take_warnings()
        .iter()
        .map(|w| format!("{} {}", w.path.file_name().unwrap().display(), w.problem))
        .collect();
    assert_eq!(
        problems,
        [
            "junk.key the file is not named after a key ID".to_owned(),
            "noid_root.key the file is not named after a key ID".to_owned(),
            format!("{id}_targets.key not migrated, another key file of this ID exists"),
            "b.key the file is not named after a key ID".to_owned(),
        ]
    );
    for (name, bytes) in &junk {
        assert_eq!(std::fs::read(private.join(name)).unwrap(), *bytes);
    }
    assert!(
        private
            .join(format!("tuf_keys/a/{id}_targets.key"))
            .exists()
    );
    assert!(!private.join("tuf_keys/docker.io").exists());
    for (name, bytes) in tree(&data("legacy/v01-migrated/private")) {
        assert_eq!(std::fs::read(private.join(name)).unwrap(), bytes);
    }
    assert_eq!(store.list().unwrap().len(), 4);
    // Opening again changes nothing and says the same.
    let before = tree(&private);
    let store = store_in(dir.path(), Given::always("legacy-passphrase-1"));
    assert_eq!(store.take_warnings().len(), 4);
    assert_eq!(tree(&private), before);
}

#[test]
fn a_migration_that_was_cut_off_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    copy(&data("legacy/v03/private"), &private);
    // As after a crash between writing the new file and removing the old one.
    let id = "8935a9a3e48f569c53918a27e9b60609d44e5e560eda911ffdf9d81ce7cd92d2";
    std::fs::copy(
        data(&format!("legacy/v03-migrated/private/{id}.key")),
        private.join(format!("{id}.key")),
    )
    .unwrap();
    assert!(
        store_in(dir.path(), Given::always("x"))
            .take_warnings()
            .is_empty()
    );
    assert_eq!(tree(&private), tree(&data("legacy/v03-migrated/private")));
}

#[test]
fn case_12_migrated_keys_open_and_are_rewritten_as_pkcs8() {
    for sample in manifest().legacy {
        let dir = tempfile::tempdir().unwrap();
        let private = dir.path().join("private");
        std::fs::create_dir(&private).unwrap();
        let name = format!("{}.key", sample.key_id);
        std::fs::copy(data(&sample.after_migration), private.join(&name)).unwrap();
        let store = store_in(dir.path(), Given::always(&sample.passphrase));
        let id = sample.key_id.parse().unwrap();
        let info = store.info(&id).unwrap().unwrap();
        assert_eq!(info.role, sample.role);
        let key = store.load_private(&id).unwrap();
        assert_eq!(key.public().kind().as_str(), sample.keytype);
        let copy =
            signet_keys::PrivateKey::from_private_bytes(key.public().kind(), key.private_bytes())
                .unwrap();
        store.replace(copy, &info.role, info.gun.as_ref()).unwrap();
        let text = std::fs::read_to_string(private.join(name)).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
        assert_eq!(store.info(&id).unwrap().unwrap(), info);
    }
}

#[test]
fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let private = dir.path().join("private");
    let elsewhere = dir.path().join("elsewhere");
    copy(&data("legacy/v03/private/root_keys"), &elsewhere);
    std::fs::create_dir(&private).unwrap();
    std::os::unix::fs::symlink(&elsewhere, private.join("root_keys")).unwrap();
    let store = store_in(dir.path(), Given::always("x"));
    assert!(
        store
            .take_warnings()
            .iter()
            .all(|w| !matches!(w.problem, Problem::Exists))
    );
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
    assert!(store.list().unwrap().is_empty());
}
