//! Transcripts of Go's `notary` that no other test goes through: the questions on a terminal from the first `init` to the last rotation, and what
//! begins or publishes nothing.

use signet_testkit::chaos::Fault;
use signet_testkit::file;
use signet_testkit::user::{Tool, User};

use crate::go_client::mask;
use crate::notary_rotate::{BOTH, GUN, HELLO, Scene};
use crate::typist::converse;

/// Whose passphrases are asked for, and in which order (sections 6.1, 8 and 10).
#[test]
fn everything_is_asked_for_on_a_terminal_as_go_asks() {
    let lines: &[(&[&str], &[&str])] = &[
        (&["init", GUN, "-p"], &[]),
        (&["init", "example.com/other"], &[]),
        (&["key", "import", "jeff.key", "--role", "jeff"], &[]),
        (&["key", "generate", "-r", "jeff"], &[]),
        (
            &[
                "delegation",
                "add",
                GUN,
                "targets/releases",
                "jeff.crt",
                "--all-paths",
                "-p",
            ],
            &[],
        ),
        (&["addhash", GUN, "v1", "12", "--sha256", HELLO], &[]),
        (
            &[
                "addhash",
                GUN,
                "v2",
                "12",
                "--sha256",
                HELLO,
                "-r",
                "targets/releases",
            ],
            &[],
        ),
        (&["publish", GUN], &[]),
        (&["list", GUN], &[]),
        (&["witness", GUN, "targets/releases", "-p"], &[]),
        (&["key", "rotate", GUN, "targets"], &[]),
        (&["key", "rotate", GUN, "snapshot"], &[]),
        (&["key", "rotate", GUN, "timestamp", "-r"], &[]),
        (&["key", "rotate", GUN, "root"], &["n"]),
        (&["key", "rotate", GUN, "root"], &["y"]),
        (&["key", "rotate", GUN, "snapshot", "-r"], &[]),
        (&["remove", GUN, "v1", "-p"], &[]),
        (&["publish", GUN], &[]),
        (&["delete", GUN, "--remote"], &[]),
    ];
    let maker = User::new("https://localhost:1", "").unwrap();
    maker.ec_key("prime256v1", "jeff.key").unwrap();
    maker.certificate("jeff").unwrap();
    let [go, our] = BOTH.map(|tool| {
        let scene = Scene::empty();
        let person = scene.reader();
        for name in ["jeff.key", "jeff.crt"] {
            let text = std::fs::read_to_string(maker.path(name)).unwrap();
            file::write(&person.path(name), text).unwrap();
        }
        let typed = |(words, answers): &(&[&str], &[&str])| {
            let command = person.command(tool, words).unwrap();
            let (screen, code) = converse(&command, answers);
            format!("{words:?} [{code:?}]\n{}", mask(&screen, &person))
        };
        lines.iter().map(typed).collect::<Vec<_>>()
    });
    for (go, our) in go.iter().zip(&our) {
        assert_eq!(our, go);
    }
    assert!(
        go[0].contains("You are about to create a new root signing key passphrase."),
        "{}",
        go[0]
    );
    // Each one refuses nothing, and two lines ask for nothing.
    let silent = go.iter().filter(|screen| !screen.contains("Enter pass"));
    assert!(go.iter().all(|screen| screen.contains("[Some(0)]")));
    assert_eq!(silent.count(), 6);
}

/// Case 61: what a variable has is not asked for, at a terminal neither.
#[test]
fn a_wrong_passphrase_in_a_variable_is_final_at_a_terminal_too() {
    let mut scene = Scene::new();
    scene
        .owner
        .set("NOTARY_SNAPSHOT_PASSPHRASE", "something-else");
    for tool in BOTH {
        let command = scene.owner.command(tool, &["publish", GUN]).unwrap();
        let (screen, code) = converse(&command, &[]);
        assert_eq!(code, Some(1), "{screen}");
        assert!(!screen.contains("Enter passphrase"), "{tool:?}: {screen}");
        assert!(
            screen.contains("* fatal: password invalid, operation has failed."),
            "{tool:?}: {screen}"
        );
    }
}

/// Section 10.1: what the server answers when it is asked for its key.
#[test]
fn a_server_that_gives_no_key_begins_nothing() {
    let scene = Scene::empty();
    for (fault, told) in [
        (
            Fault::Status(404),
            "timestamp key trust data unavailable.  Has a notary repository been initialized?",
        ),
        (
            Fault::Status(500),
            "unable to reach trust server at this time: 500.",
        ),
        (
            Fault::Status(401),
            "you are not authorized to perform this operation: server returned 401.",
        ),
    ] {
        scene.proxy.set(move |_, path| {
            if path.ends_with("timestamp.key") {
                fault.clone()
            } else {
                Fault::None
            }
        });
        for tool in BOTH {
            let refused = scene.owner.run(tool, &["init", GUN]).unwrap();
            assert_eq!(refused.code, Some(1), "{refused}");
            // Go names the root key that its first failure left behind.
            assert!(
                refused.stdout.ends_with(&format!("\n* fatal: {told}\n")),
                "{refused}"
            );
        }
    }
    scene.proxy.set(|_, path| {
        if path.ends_with("timestamp.key") {
            Fault::Body(b"junk".to_vec())
        } else {
            Fault::None
        }
    });
    let fresh = User::new(&scene.proxy.url(), &scene.server.ca_pem()).unwrap();
    let refused = fresh.run(Tool::OurNotary, &["init", GUN]).unwrap();
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stdout.starts_with("\n* fatal: "), "{refused}");
    assert!(!fresh.trust_dir().join("private").exists());
}

/// Section 10.4: a signer whose owner keeps the snapshot key, and gives it to nobody.
#[test]
fn who_has_no_snapshot_key_is_told_by_the_server() {
    let scene = Scene::new();
    scene.owner.ec_key("prime256v1", "jeff.key").unwrap();
    scene.owner.certificate("jeff").unwrap();
    scene.go(&[
        "delegation",
        "add",
        GUN,
        "targets/releases",
        "jeff.crt",
        "--all-paths",
        "-p",
    ]);
    let key = std::fs::read_to_string(scene.owner.path("jeff.key")).unwrap();
    let said = BOTH.map(|tool| {
        let jeff = User::new(&scene.proxy.url(), &scene.server.ca_pem()).unwrap();
        file::write(&jeff.path("jeff.key"), &key).unwrap();
        jeff.expect(tool, &["key", "import", "jeff.key", "--role", "jeff"])
            .unwrap();
        let line = ["addhash", GUN, "v2", "12", "--sha256", HELLO];
        let line = [&line[..], &["-r", "targets/releases", "-p"]].concat();
        let refused = jeff.run(tool, &line).unwrap();
        assert_eq!(refused.code, Some(1), "{refused}");
        let status = jeff.expect(tool, &["status", GUN]).unwrap();
        assert!(status.contains("    v2\n"), "{status}");
        refused.stdout
    });
    assert_eq!(said[1], said[0]);
    assert!(
        said[1].contains("\n* fatal: Metadata hierarchy is incomplete: no snapshot was included"),
        "{}",
        said[1]
    );
}
