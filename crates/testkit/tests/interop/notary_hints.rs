//! What our `notary` says on a terminal below the line that says what failed, for changes that cannot be published: the next command.

use signet_testkit::file;
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

use crate::typist::converse;

const GUN: &str = "example.com/app";
/// SHA-256 of `hello world` and a newline.
const HELLO: &str = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";

/// The hints of a command that fails, in one line.
fn hints(user: &User, words: &[&str]) -> String {
    let command = user.command(Tool::OurNotary, words).unwrap();
    let (screen, code) = converse(&command, &[]);
    assert_eq!(code, Some(1), "{screen}");
    let (_, after) = screen.split_once("* fatal: ").unwrap();
    let hints = after.split("hint:").skip(1);
    hints.collect::<Vec<_>>().concat().replace("\r\n", "")
}

#[test]
fn a_publish_that_fails_ends_with_the_next_command() {
    let server = TrustServer::go().unwrap();
    let mut owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    owner.ec_key("prime256v1", "jeff.key").unwrap();
    owner.certificate("jeff").unwrap();
    owner.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
    let role = "targets/jeff";
    let add = [
        "delegation",
        "add",
        GUN,
        role,
        "jeff.crt",
        "--paths",
        "a/",
        "-p",
    ];
    owner.expect(Tool::Notary, &add).unwrap();
    let failing = |owner: &User, role: &str, name: &str| {
        let stage = ["addhash", GUN, name, "12", "--sha256", HELLO, "-r", role];
        owner.expect(Tool::Notary, &stage).unwrap();
        let told = hints(owner, &["publish", GUN]);
        owner
            .expect(Tool::Notary, &["reset", GUN, "--all"])
            .unwrap();
        told
    };
    let expect = |told: &str, parts: &[&str]| {
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
    };
    expect(
        &failing(&owner, "targets/ben", "a/v1"),
        &["notary delegation add example.com/app targets/ben KEY.crt"],
    );
    expect(
        &failing(&owner, role, "b/v1"),
        &["notary delegation add example.com/app targets/jeff --paths"],
    );
    expect(
        &failing(&owner, role, "a/v1"),
        &[
            "notary key import KEY.pem -r jeff",
            "notary publish example.com/app goes on",
        ],
    );
    owner.set("NOTARY_TARGETS_PASSPHRASE", "something else");
    expect(
        &failing(&owner, "targets", "v1"),
        &["what NOTARY_TARGETS_PASSPHRASE holds"],
    );
    let changelist = owner.trust_dir().join("tuf").join(GUN).join("changelist");
    file::write(&changelist.join("00000000000000000001_x.change"), "{").unwrap();
    expect(
        &hints(&owner, &["publish", GUN]),
        &["notary reset example.com/app -n NUMBER"],
    );
}
