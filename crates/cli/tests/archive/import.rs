//! `notary archive import`: what may be demanded of an archive before anything of it is stored.

use signet_testkit::file;

use crate::support::{DEMO, Desk, Key, demo, notary};

#[test]
fn the_archivist_and_the_pins_are_held_to() {
    let desk = Desk::new();
    let (key, other) = (Key::new(), Key::new());
    let archive = desk.pack_signed("a.tar.gz", &[demo()], Some(&key));
    file::write(&desk.path("a.pub"), key.pem()).unwrap();
    file::write(&desk.path("b.pub"), other.pem()).unwrap();
    let wrong = format!(
        r#"{{"trust_pinning": {{"certs": {{"{DEMO}": ["{}"]}}}}}}"#,
        "0".repeat(64)
    );
    file::write(&desk.path("pins.json"), wrong).unwrap();
    let database = desk.text("server.db");
    let import = |more: &[&str]| {
        let words = [
            "archive", "import", &archive, "--into", &database, "--create",
        ];
        notary(&[&words, more].concat())
    };
    for (more, part) in [
        (vec!["--archivist", &*desk.text("b.pub")], "it is signed by"),
        (
            vec!["--archivist", ""],
            "the archivist's key cannot be read",
        ),
        (
            vec!["-c", &*desk.text("pins.json")],
            "unable to match any certificates",
        ),
    ] {
        let found = import(&more);
        assert_eq!(found.code, Some(1), "{more:?}: {found}");
        let told = format!("{}{}", found.stdout, found.stderr);
        assert!(told.contains(part), "{more:?}: {told}");
    }
    let found = import(&["--archivist", &desk.text("a.pub")]);
    assert_eq!(found.code, Some(0), "{found}");
    assert!(found.stdout.contains(DEMO), "{found}");
}

/// Who imports compares them with what the owner says, before anything is stored.
#[test]
fn the_root_that_comes_to_a_server_for_the_first_time_is_named() {
    let desk = Desk::new();
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let page = crate::support::docker_says("1.0.pretty");
    let certificate = page
        .lines()
        .find_map(|line| line.strip_prefix("  Root Key:\t"))
        .unwrap();
    let pins = format!(r#"{{"trust_pinning": {{"certs": {{"{DEMO}": ["{certificate}"]}}}}}}"#);
    file::write(&desk.path("pins.json"), pins).unwrap();
    let (database, pins) = (desk.text("server.db"), desk.text("pins.json"));
    let import = |more: &[&str]| {
        let words = [
            "archive", "import", &archive, "--into", &database, "--create",
        ];
        notary(&[&words, more].concat()).success().unwrap()
    };
    let key = crate::support::expected()["keys"][certificate]["canonical_id"].clone();
    let key = key.as_str().unwrap();
    let named = format!("  first root here: certificate {certificate} of key {key}");
    for (more, said) in [
        (
            &["--dry-run"][..],
            "; no pin vouches for it: compare it with what its owner says\n",
        ),
        (&["--dry-run", "-c", &pins], ", as trust_pinning says\n"),
    ] {
        let told = import(more);
        assert!(told.contains(&named) && told.contains(said), "{told}");
    }
    let json = import(&["--dry-run", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let root = &json["repositories"][0]["first_root"];
    assert_eq!(
        (&root[0]["id"], &root[0]["bare"]),
        (&certificate.into(), &key.into())
    );
    assert!(import(&[]).contains(&named));
    // What is there already was decided before.
    let again = import(&[]);
    assert!(!again.contains("first root"), "{again}");
}
