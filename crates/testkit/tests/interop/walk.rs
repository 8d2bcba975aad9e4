//! The manual's walk (key, signer, signed tag, inspect) with every client on every server.

use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

use crate::judge::{inspect, list_delegations, list_targets, stranger};

const DIGEST: &str = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";

#[test]
fn sanity_docker_client_on_go_server() {
    let server = TrustServer::go().unwrap();
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let gun = "localhost:5000/team/app";
    println!(
        "{}",
        user.expect(Tool::Docker, &["key", "generate", "jeff"])
            .unwrap()
    );
    println!(
        "{}",
        user.expect(
            Tool::Docker,
            &["signer", "add", "--key", "jeff.pub", "jeff", gun]
        )
        .unwrap()
    );
    println!(
        "{}",
        user.expect(
            Tool::Notary,
            &["addhash", gun, "v1", "528", "--sha256", DIGEST, "-p"]
        )
        .unwrap()
    );
    println!(
        "{}",
        user.expect(Tool::Docker, &["sign", &format!("{gun}:v1")])
            .unwrap()
    );
    println!("{:?}", inspect(&user, Tool::Docker, gun));
    let judge = stranger(&server);
    println!("{:?}", inspect(&judge, Tool::Docker, gun));
    println!("{:?}", list_targets(&judge, gun, &[]));
    println!("{:?}", list_delegations(&judge, gun));
}
