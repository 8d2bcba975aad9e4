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
