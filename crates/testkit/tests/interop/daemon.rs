//! A tag that the docker client signs on its ordinary way: over a real daemon, which pushes the image first.

use std::collections::BTreeSet;
use std::process::Command;

use signet_testkit::peer::{Daemon, Registry, Storage, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT};
use signet_testkit::user::{Tool, User};

use crate::judge::{inspect, stranger};

/// An image `name` of one file at the daemon that `user` works with.
fn build_image(user: &User, name: &str, content: &str) {
    signet_testkit::file::write(&user.path("rootfs/hello"), content).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-C", "rootfs", "-cf", "image.tar", "."]);
    user.dress(&mut tar);
    process::run(&mut tar, "", COMMAND_LIMIT)
        .unwrap()
        .success()
        .unwrap();
    user.expect(Tool::DockerItself, &["import", "image.tar", name])
        .unwrap();
}

fn signs_over_the_daemon(server: &TrustServer) {
    let daemon = Daemon::start().unwrap();
    let registry = Registry::start().unwrap();
    let mut user = User::new(&server.url(), &server.ca_pem()).unwrap();
    daemon.admit(&mut user);
    let repository = format!("{}/team/app", registry.host());
    let image = format!("{repository}:v1");
    build_image(&user, &image, "hello");

    user.expect(Tool::Docker, &["key", "generate", "jeff"])
        .unwrap();
    user.expect(
        Tool::Docker,
        &["signer", "add", "--key", "jeff.pub", "jeff", &repository],
    )
    .unwrap();
    let printed = user.expect(Tool::Docker, &["sign", &image]).unwrap();
    let pushed = printed
        .split("digest: sha256:")
        .nth(1)
        .and_then(|rest| rest.get(..64))
        .unwrap_or_else(|| panic!("no digest in {printed}"))
        .to_owned();

    for tool in [Tool::Docker, Tool::DockerTrust] {
        let seen = inspect(&stranger(server), tool, &repository);
        let jeff = BTreeSet::from(["jeff".to_owned()]);
        assert_eq!(
            seen.tags.get("v1"),
            Some(&(pushed.clone(), jeff)),
            "{tool:?}"
        );
    }
    // The enforcement that docker 28 and older have accepts what was signed.
    user.set("DOCKER_CONTENT_TRUST", "1");
    let pulled = user.expect(Tool::DockerItself, &["pull", &image]).unwrap();
    assert!(pulled.contains(&format!("@sha256:{pushed}")), "{pulled}");
}

#[test]
fn docker_signs_over_a_daemon_on_our_server() {
    signs_over_the_daemon(&TrustServer::ours(Storage::Sqlite).unwrap());
}

#[test]
fn docker_signs_over_a_daemon_on_the_go_server() {
    signs_over_the_daemon(&TrustServer::go().unwrap());
}
