//! Staging and publishing with our `notary` beside Go's: on one trust folder in turns, against Go's server.

use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

const GUN: &str = "example.com/app";

/// A Go server and somebody with all passphrases.
fn scene() -> (TrustServer, User) {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    (server, owner)
}

/// Case 15: what one program staged the other publishes.
#[test]
fn removals_staged_by_either_are_published_by_the_other() {
    let (_server, owner) = scene();
    let go = |words: &[&str]| owner.expect(Tool::Notary, words).unwrap();
    let our = |words: &[&str]| owner.expect(Tool::OurNotary, words).unwrap();
    let digest = "0f".repeat(32);
    go(&["init", GUN]);
    for name in ["v1", "v2", "v3"] {
        go(&["addhash", GUN, name, "7", "--sha256", &digest]);
    }
    let said =
        format!("Pushing changes to {GUN}\nSuccessfully published changes for repository {GUN}\n");
    assert_eq!(our(&["publish", GUN]), said);
    let removed = format!("Removal of v1 from {GUN} staged for next publish.\n");
    assert_eq!(our(&["remove", GUN, "v1"]), removed);
    assert_eq!(go(&["publish", GUN]), said);
    assert!(!go(&["list", GUN]).contains("\nv1 "));
    assert_eq!(
        our(&["remove", GUN, "v2", "-p"]),
        format!(
            "Removal of v2 from {GUN} staged for next publish.\nAuto-publishing changes to {GUN}\n\
             Successfully published changes for repository {GUN}\n"
        )
    );
    let listed = go(&["list", GUN]);
    assert!(
        !listed.contains("\nv2 ") && listed.contains("\nv3 "),
        "{listed}"
    );
}
