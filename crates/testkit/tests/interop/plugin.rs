//! The docker client runs our program as its plugin `docker signet` (`trust` is its own command up to version 28).

use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, Storage, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::program::DOCKER;
use signet_testkit::terminal::Terminal;
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

/// What docker asks of a plugin before it calls it, and what it shows of it.
#[test]
fn the_docker_client_lists_it_and_shows_its_help() {
    let user = User::without_passphrases("https://localhost:1", "no certificate").unwrap();
    user.install_plugin().unwrap();
    let information = docker(&user, &["info", "--format", "{{json .ClientInfo.Plugins}}"]);
    let plugins: serde_json::Value = serde_json::from_str(&information.stdout).unwrap();
    let ours = plugins
        .as_array()
        .unwrap()
        .iter()
        .find(|plugin| plugin["Name"] == "signet")
        .unwrap();
    assert!(ours.get("Err").is_none(), "{ours}");
    assert_eq!(ours["Vendor"], "Signet");

    let trust = user.expect(Tool::Docker, &["--help"]).unwrap();
    let page = docker(&user, &["signet", "--help"]).success().unwrap();
    assert!(page.starts_with("Usage:  docker signet COMMAND\n\nManage trust on Docker images\n"));
    for line in trust.lines().filter(|line| line.starts_with("  ")) {
        assert!(page.lines().any(|ours| ours == line), "{line}\n{page}");
    }
    // Commands that docker has look the same on all three ways to their page; `sign` has flags of its own.
    for words in [
        &["inspect"][..],
        &["key"],
        &["key", "generate"],
        &["key", "load"],
        &["signer", "add"],
    ] {
        let line: Vec<&str> = words.iter().copied().chain(["--help"]).collect();
        let expected = user.expect(Tool::Docker, &line).unwrap();
        let expected = expected.replace("docker trust", "docker signet");
        let line: Vec<&str> = ["signet"].into_iter().chain(line).collect();
        assert_eq!(docker(&user, &line).success().unwrap(), expected);
        let topic: Vec<&str> = ["help", "signet"].iter().chain(words).copied().collect();
        assert_eq!(docker(&user, &topic).success().unwrap(), expected);
    }
    let refused = docker(&user, &["signet", "-D", "inspect", "x"]);
    assert_eq!(refused.code, Some(125));
    assert!(
        refused
            .stderr
            .starts_with("unknown shorthand flag: 'D' in -D"),
        "{refused}"
    );
}

/// docker's socket ends with docker, and on a terminal only then; the plugin ends at once, and the terminal echoes again.
#[test]
fn a_prompt_ends_with_the_docker_client() {
    let server = TrustServer::ours(Storage::Memory).unwrap();
    let user = User::without_passphrases(&server.url(), &server.ca_pem()).unwrap();
    user.install_plugin().unwrap();
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(format!(
        // Without the third descriptor a shell gives its background jobs an empty input.
        "exec 3<&0; {} signet key generate jeff <&3 & echo \"docker $!\"; wait $!; sleep 1; echo; stty -a; ls",
        DOCKER.find().unwrap().display()
    ));
    user.dress(&mut shell);
    let mut terminal = Terminal::spawn(&shell).unwrap();
    terminal.expect("docker ").unwrap();
    let docker = terminal.expect("\r\n").unwrap();
    terminal.expect("key with ID ").unwrap();
    let killed = std::process::Command::new("kill")
        .args(["-KILL", docker.trim()])
        .status();
    assert!(killed.unwrap().success());
    let (_, screen) = terminal.finish().unwrap();
    let settings = screen.rsplit_once("speed").unwrap().1;
    assert!(
        settings
            .split_whitespace()
            .any(|word| word.trim_end_matches(';') == "echo"),
        "{screen}"
    );
    assert!(!user.path("jeff.pub").exists());
}

/// After a pull on a terminal, docker asks the plugin what the user might do next.
#[test]
fn a_hook_reminds_of_verification_after_a_pull() {
    let user = User::without_passphrases("https://localhost:1", "no certificate").unwrap();
    user.install_plugin().unwrap();
    signet_testkit::file::write(
        &user.path(".docker/config.json"),
        r#"{"plugins":{"signet":{"hooks":"pull"}},"features":{"hooks":"true"}}"#,
    )
    .unwrap();
    let pull = user
        .command(Tool::DockerItself, &["pull", "localhost:1/team/app:v1"])
        .unwrap();
    let (status, screen) = Terminal::spawn(&pull).unwrap().finish().unwrap();
    assert!(!status.success());
    let advice = screen.split("What's next:").nth(1);
    assert!(
        advice.is_some_and(|advice| advice.contains("signet verify")),
        "{screen}"
    );
}
