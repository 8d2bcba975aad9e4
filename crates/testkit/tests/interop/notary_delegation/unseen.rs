//! What a signer's computer never verified, and its role's keys did not sign.

use signet_testkit::file;
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

use super::{GUN, changes, key_id, people};
use crate::typist::converse;

/// Jeff released a tag and left; Ben, who stays, comes with a new computer.
#[test]
fn what_was_never_verified_is_witnessed_by_whoever_has_seen_it() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    people(&owner);
    let jeff = key_id(&owner, "jeff.crt");
    let go = |words: &[&str]| owner.expect(Tool::Notary, words).unwrap();
    go(&["init", GUN, "-p"]);
    go(&["key", "rotate", GUN, "snapshot", "-r"]);
    go(&["key", "import", "jeff.key", "--role", "jeff"]);
    let role = "targets/releases";
    let digest = "0f".repeat(32);
    let add = ["delegation", "add", GUN, role, "jeff.crt", "ben.crt"];
    go(&[&add[..], &["--all-paths", "-p"]].concat());
    go(&[
        "addhash", GUN, "v1", "7", "--sha256", &digest, "-r", role, "-p",
    ]);
    go(&["delegation", "remove", GUN, role, &jeff, "-p"]);

    let version = || server.version(GUN, role).unwrap();
    let before = version();
    let key = std::fs::read(owner.path("ben.key")).unwrap();
    let newcomer = || {
        let ben = User::new(&server.url(), &server.ca_pem()).unwrap();
        file::write(&ben.path("ben.key"), &key).unwrap();
        let import = ["key", "import", "ben.key", "--role", "ben"];
        ben.expect(Tool::OurNotary, &import).unwrap();
        ben
    };
    let witness = ["witness", GUN, role, "--publish"];
    let listed = format!("  v1 sha256:{digest} 7 bytes\n");

    let ben = newcomer();
    let alone = ben.run(Tool::OurNotary, &witness).unwrap();
    assert_eq!(alone.code, Some(1), "{alone}");
    assert!(alone.stderr.contains(&listed), "{alone}");
    assert!(
        alone.stdout.ends_with("\n* fatal: the present targets/releases metadata is not signed by the role's keys and was never verified here\n"),
        "{alone}"
    );
    assert_eq!((version(), changes(&ben).len()), (before, 1));
    let publish = ben.command(Tool::OurNotary, &["publish", GUN]).unwrap();
    let (screen, code) = converse(&publish, &["n"]);
    assert_eq!((code, version()), (Some(1), before), "{screen}");
    assert!(
        screen.replace('\r', "").contains(&listed) && screen.contains("Sign it?"),
        "{screen}"
    );
    let (screen, code) = converse(&publish, &["yes"]);
    assert_eq!((code, version()), (Some(0), before + 1), "{screen}");
    go(&["list", GUN]);

    // Whoever has compared it says so in a script.
    let release_and_leave = |name: &str| {
        go(&[&add[..5], &["--all-paths", "-p"]].concat());
        go(&[
            "addhash", GUN, name, "7", "--sha256", &digest, "-r", role, "-p",
        ]);
        go(&["delegation", "remove", GUN, role, &jeff, "-p"]);
    };
    let agreed = [&witness[..], &["--yes"]].concat();
    release_and_leave("v2");
    let told = newcomer().run(Tool::OurNotary, &agreed).unwrap();
    assert_eq!(told.code, Some(0), "{told}");
    assert!(told.stderr.contains("  v2 sha256:"), "{told}");
    // That does not do where a key that stayed signed what was verified last.
    let known = ben.expect(Tool::OurNotary, &["list", GUN]).unwrap();
    assert!(known.contains("\nv2 "), "{known}");
    release_and_leave("v3");
    let before = version();
    let refused = ben.run(Tool::OurNotary, &agreed).unwrap();
    assert_eq!((refused.code, version()), (Some(1), before), "{refused}");
    assert!(refused.stderr.contains("these keys did sign"), "{refused}");
}
