//! Q20: what is probably a mistake is told where that can be known without asking the server, and changes nothing else.

use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

use super::{GUN, changes, key_id, logged, people, reset};

#[test]
fn what_a_role_does_not_have_is_told() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    people(&owner);
    owner.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
    let jeff = key_id(&owner, "jeff.crt");
    let ben = key_id(&owner, "ben.crt");
    let add = [
        "delegation",
        "add",
        GUN,
        "targets/a",
        "jeff.crt",
        "--paths",
        "a/",
    ];
    owner
        .expect(Tool::Notary, &[&add[..], &["-p"]].concat())
        .unwrap();
    let warned = |words: &[&str]| -> Vec<String> {
        let go = owner.run(Tool::Notary, words).unwrap();
        let staged = changes(&owner);
        reset(&owner);
        let our = owner.run(Tool::OurNotary, words).unwrap();
        assert_eq!((&our.stdout, our.code), (&go.stdout, Some(0)), "{our}");
        assert_eq!(changes(&owner), staged);
        reset(&owner);
        let lines = logged(&our).into_iter();
        lines
            .map(|line| line.replace("level=warning msg=", ""))
            .collect()
    };
    let none: [&str; 0] = [];
    let remove = |rest: &[&'static str]| [&["delegation", "remove", GUN], rest].concat();
    // Nothing of the delegation is remembered before the repository is read again.
    let unknown = warned(&remove(&["targets/a", "-y"]));
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(
        unknown[0].contains("targets/a is not among the delegations of"),
        "{unknown:?}"
    );
    owner.expect(Tool::OurNotary, &["list", GUN]).unwrap();
    assert_eq!(warned(&remove(&["targets/a", "-y"])), none);
    assert_eq!(warned(&remove(&["targets/a", "--paths", "a/"])), none);
    assert_eq!(warned(&["witness", GUN, "targets/a", "targets"]), none);
    assert_eq!(
        warned(&["delegation", "remove", GUN, "targets/a", &jeff]),
        none
    );
    assert_eq!(warned(&["delegation", "purge", GUN, "--key", &jeff]), none);

    let one = |lines: Vec<String>, parts: &[&str]| {
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in parts {
            assert!(lines[0].contains(part), "{lines:?}");
        }
    };
    one(
        warned(&["delegation", "remove", GUN, "targets/a", &jeff, &ben, "abc"]),
        &[
            "targets/a does not have these keys",
            &format!(": {ben}, abc;"),
        ],
    );
    let steering = ["delegation", "remove", GUN, "targets/a", "\u{1b}[2J"];
    let told = owner.run(Tool::OurNotary, &steering).unwrap();
    assert_eq!(changes(&owner).len(), 1);
    assert!(told.stdout.contains("with keys [\\x1b[2J], "), "{told}");
    assert!(!told.stderr.contains('\u{1b}'), "{told}");
    reset(&owner);
    one(
        warned(&remove(&["targets/a", "--paths", "a/,zz,"])),
        &["targets/a does not have these paths", ": zz, \\\"\\\""],
    );
    one(
        warned(&["delegation", "purge", GUN, "--key", &ben, "--key", &jeff]),
        &["no delegation has these keys", &format!(": {ben};")],
    );
    one(
        warned(&["witness", GUN, "targets/unknown", "targets/a"]),
        &["targets/unknown is not among the delegations of"],
    );

    // What is staged counts as well.
    owner
        .expect(
            Tool::Notary,
            &["delegation", "add", GUN, "targets/b", "ben.crt"],
        )
        .unwrap();
    let told = owner
        .run(
            Tool::OurNotary,
            &["delegation", "remove", GUN, "targets/b", &ben],
        )
        .unwrap();
    assert_eq!(told.stderr, "", "{told}");
}
