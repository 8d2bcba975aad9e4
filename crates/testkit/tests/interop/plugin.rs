//! The docker client runs our program as its plugin `docker signet` (`trust` is its own command up to version 28).

use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, Storage, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::program::DOCKER;
use signet_testkit::user::{Tool, User};

use crate::judge::stranger;

fn docker(user: &User, arguments: &[&str]) -> Finished {
    let mut command = std::process::Command::new(DOCKER.find().unwrap());
    command.args(arguments);
    user.dress(&mut command);
    process::run(&mut command, "", COMMAND_LIMIT).unwrap()
}

#[test]
fn the_docker_client_runs_it_and_hands_on_output_and_exit_code() {
    let server = TrustServer::ours(Storage::Memory).unwrap();
    let registry = Registry::start().unwrap();
    let gun = format!("{}/team/app", registry.host());
    let user = stranger(&server);
    user.install_plugin().unwrap();
    docker(&user, &["signet", "key", "generate", "jeff"])
        .success()
        .unwrap();
    docker(
        &user,
        &["signet", "signer", "add", "--key", "jeff.pub", "jeff", &gun],
    )
    .success()
    .unwrap();
    let image = Image::single("hello");
    image.push(&registry.client(), "team/app", "v1").unwrap();
    docker(&user, &["signet", "sign", "--remote", &format!("{gun}:v1")])
        .success()
        .unwrap();

    let answer = docker(&user, &["signet", "verify", &format!("{gun}:v1")])
        .success()
        .unwrap();
    assert_eq!(answer, format!("{gun}@{}\n", image.digest()));
    let direct = user.expect(Tool::DockerTrust, &["inspect", &gun]).unwrap();
    assert_eq!(
        docker(&user, &["signet", "inspect", &gun])
            .success()
            .unwrap(),
        direct
    );

    let refused = docker(&user, &["signet", "verify", &format!("{gun}:nightly")]);
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (
            user.run(Tool::DockerTrust, &["verify", &format!("{gun}:nightly")])
                .unwrap()
                .code,
            ""
        )
    );
    assert!(refused.code.is_some_and(|code| code != 0), "{refused}");
    assert_eq!(
        docker(&user, &["signet", "sign", "--no-such-flag"]).code,
        Some(125)
    );
}

#[test]
fn global_flags_before_the_command_reach_it() {
    let server = TrustServer::ours(Storage::Memory).unwrap();
    let user = stranger(&server);
    user.install_plugin().unwrap();
    let config = user.path(".docker").display().to_string();
    let finished = docker(
        &user,
        &[
            "-D",
            "--config",
            &config,
            "-H",
            "unix:///x.sock",
            "signet",
            "inspect",
            "localhost:5000/none",
        ],
    );
    let stderr = finished.failure(1).unwrap();
    assert!(
        stderr.contains("no signatures or cannot access localhost:5000/none"),
        "{stderr}"
    );
}

#[test]
fn its_metadata_call_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        std::process::Command::new(signet_testkit::program::ours("docker-trust").unwrap());
    command
        .arg("docker-cli-plugin-metadata")
        .env_clear()
        .current_dir(folder.path());
    let answer = process::run(&mut command, "", COMMAND_LIMIT)
        .unwrap()
        .success()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(metadata["SchemaVersion"], "0.1.0");
    assert_eq!(metadata["Vendor"], "Signet");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
