//! Names and passwords of our server, as docker's and Go's clients send them.

use data_encoding::BASE64;
use serde_json::json;
use signet_testkit::peer::{TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::stranger;

/// `s3cret` and `other`, hashed by libxcrypt's `crypt`.
const USERS: &str = "\
alice:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK
bob:$2a$06$abcdefghijklmnopqrstuu6FttqYLNXdPO90XO7YlC0uHRd1WxOhm
";
const GUN: &str = "r.example/team/app";
/// SHA-256 of `hello world` and a newline.
const HELLO: &str = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";

/// alice may do everything below `r.example/team/` and `localhost:5000/team/`, bob may read there.
fn server() -> TrustServer {
    let prefixes = ["r.example/team/", "localhost:5000/team/"];
    let rules = prefixes.map(|prefix| {
        [
            json!({"user": "alice", "prefix": prefix, "rights": "admin"}),
            json!({"user": "bob", "prefix": prefix, "rights": "pull"}),
        ]
    });
    let options = TrustOptions::default().htpasswd(USERS, json!(rules.as_flattened()));
    TrustServer::ours_with(&options).unwrap()
}

fn auth(login: &str) -> String {
    BASE64.encode(login.as_bytes())
}

fn person(server: &TrustServer, login: &str) -> User {
    let mut user = User::new(&server.url(), &server.ca_pem()).unwrap();
    user.set("NOTARY_AUTH", &auth(login));
    user
}

fn target() -> [&'static str; 7] {
    ["addhash", GUN, "v1", "12", "--sha256", HELLO, "-p"]
}

#[test]
fn both_notary_clients_publish_rotate_and_delete_with_a_password() {
    for tool in [Tool::Notary, Tool::OurNotary] {
        let server = server();
        let alice = person(&server, "alice:s3cret");
        for words in [
            &["init", GUN, "-p"][..],
            &target(),
            &["key", "rotate", GUN, "snapshot", "-r"],
        ] {
            alice.expect(tool, words).unwrap();
        }
        // Go's client reads without a login only (Q7), whatever the server offers; ours reads.
        let bob = person(&server, "bob:other");
        let listed = bob.run(Tool::OurNotary, &["list", GUN]).unwrap();
        assert!(listed.clone().success().unwrap().contains("v1"), "{listed}");
        // Somebody without a cache.
        let bob = person(&server, "bob:other");
        let listed = bob.run(Tool::Notary, &["list", GUN]).unwrap();
        assert_eq!(listed.code, Some(1), "{listed}");
        assert!(
            listed.to_string().contains("no basic auth credentials"),
            "{listed}"
        );
        // Who may only read does not write, nor somebody with another password.
        for login in ["bob:other", "alice:other", "mallory:s3cret"] {
            let stranger = person(&server, login);
            let refused = stranger.run(tool, &["init", GUN, "-p"]).unwrap();
            assert_eq!(refused.code, Some(1), "{refused}");
            let deleted = stranger.run(tool, &["delete", GUN, "--remote"]).unwrap();
            assert_eq!(deleted.code, Some(1), "{deleted}");
            assert!(
                deleted.to_string().contains(
                    "you are not authorized to perform this operation: server returned 401."
                ),
                "{deleted}"
            );
        }
        alice.expect(tool, &["delete", GUN, "--remote"]).unwrap();
    }
}

#[test]
fn docker_signs_with_the_login_for_the_registry() {
    const REPOSITORY: &str = "localhost:5000/team/app";
    let server = server();
    let alice = stranger(&server);
    alice.log_in("localhost:5000", "alice", "s3cret").unwrap();
    alice
        .become_signer(Tool::Docker, "jeff", REPOSITORY)
        .unwrap();
    let bob = stranger(&server);
    bob.log_in("localhost:5000", "bob", "other").unwrap();
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let seen = bob.expect(tool, &["inspect", REPOSITORY]).unwrap();
        assert!(seen.contains("\"Name\": \"jeff\""), "{seen}");
        // Below another name the same login opens nothing.
        let refused = bob
            .run(tool, &["inspect", "localhost:5000/team-evil/app"])
            .unwrap();
        assert_eq!(refused.code, Some(1), "{refused}");
    }
}
