//! Which of several things that are wrong is named: the same one as by the docker client at hand.

use signet_testkit::user::{Tool, User};

/// A trust server that cannot be one, beside whatever else is wrong with the line.
#[test]
fn a_wrong_server_is_named_when_docker_names_it() {
    let mut user = User::without_passphrases("https://localhost:1", "no certificate").unwrap();
    let digest = format!("x@sha256:{}", "0".repeat(64));
    let mut wrong = String::new();
    for server in [
        "http://x",
        "x",
        "localhost:4443",
        "ftp://x",
        "//x",
        "HTTP://x",
        "http://x y",
    ] {
        user.set("DOCKER_CONTENT_TRUST_SERVER", server);
        for line in [
            vec!["inspect", "x"],
            vec!["inspect", "--pretty", "x"],
            vec!["inspect", "x", "UPPER", "y"],
            vec!["inspect", "UPPER"],
            vec!["inspect", "a:"],
            vec!["inspect", &digest],
            vec!["sign", "x"],
            vec!["sign", "x:1"],
            vec!["sign", "UPPER"],
            vec!["sign", &digest],
            vec!["signer", "add", "--key", "nofile", "jeff", "x"],
            vec!["signer", "add", "jeff", "x"],
            vec!["signer", "remove", "jeff", "x"],
            vec!["signer", "remove", "releases", "x"],
            vec!["revoke", "x"],
            vec!["revoke", "-y", "x"],
            vec!["revoke", "x:1"],
            vec!["revoke", "UPPER"],
            vec!["revoke", "-y", &digest],
        ] {
            let docker = user.run(Tool::Docker, &line).unwrap();
            let ours = user.run(Tool::DockerTrust, &line).unwrap();
            if (&docker.stdout, &docker.stderr, docker.code)
                != (&ours.stdout, &ours.stderr, ours.code)
            {
                wrong += &format!("{server} {line:?}\ndocker {docker}\nours {ours}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
