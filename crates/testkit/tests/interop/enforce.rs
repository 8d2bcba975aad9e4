//! `pull`, `run` and `create` with real images, a real daemon and real containers, beside docker 28's own content trust.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signet_testkit::file;
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::program::{DOCKER, ours};
use signet_testkit::user::{Tool, User};

use crate::attack::scene::Scene;

/// docker with its content trust, as it was up to version 28.
fn trusting_docker(scene: &Scene, user: &User, words: &[&str]) -> Finished {
    let mut command = user.command(Tool::DockerItself, words).unwrap();
    command.env("DOCKER_CONTENT_TRUST", "1");
    let finished = process::run(&mut command, "", COMMAND_LIMIT).unwrap();
    // Only in what it is called.
    assert!(!finished.stdout.contains("docker-trust"), "{}", scene.gun);
    finished
}

/// What both printed, without what depends on how fast a layer came.
fn told(finished: &Finished) -> (Option<i32>, Vec<String>, Vec<String>) {
    let lines = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.replace("docker-trust", "docker"));
        lines
            .filter(|line| !line.ends_with(": Verifying Checksum"))
            .collect::<Vec<_>>()
    };
    (
        finished.code,
        lines(&finished.stdout),
        lines(&finished.stderr),
    )
}

/// Acceptance cases 104 to 106: the texts of docker 28.2, where the daemon has the image and where it does not.
#[test]
fn pull_run_and_create_say_what_docker_said() {
    let scene = Scene::new();
    let user = scene.stranger();
    let gun = scene.gun.clone();
    scene.jeff_runs(&["sign", "--digest", &scene.signed, &format!("{gun}:latest")]);
    let (v1, other, unknown) = (
        scene.tagged("v1"),
        scene.tagged("other"),
        format!("{gun}-not"),
    );
    let say = ["/bin/sh", "-c", "echo hi; exit 3"];
    let none = ["--network", "none", "--rm"];
    let lines: Vec<Vec<&str>> = vec![
        vec!["pull", &v1],
        vec!["pull", &gun],
        vec!["pull", &other],
        vec!["pull", &unknown],
        vec!["pull", "-a", &unknown],
        vec!["pull", "-a", &v1],
        vec!["pull", "UPPER"],
        vec!["pull"],
        vec!["pull", "--nosuch"],
        [&["run"][..], &none, &[&v1], &say].concat(),
        [&["run", "-q"][..], &none, &[&v1], &say].concat(),
        [&["run", "--pull", "always"][..], &none, &[&v1], &say].concat(),
        [&["run"][..], &none, &[&gun], &say].concat(),
        [&["run", "--pull", "never"][..], &none, &[&v1], &say].concat(),
        [&["run"][..], &none, &[&other], &say].concat(),
        [&["run"][..], &none, &[&unknown], &say].concat(),
        vec!["run", "UPPER"],
        vec!["create", &other],
        vec!["create", &unknown],
        vec!["create", "UPPER"],
    ];
    for line in lines {
        // With an empty daemon, and again with what came of that.
        let answers = |run: &dyn Fn() -> Finished| {
            scene.empty_daemon();
            [told(&run()), told(&run())]
        };
        let dockers = answers(&|| trusting_docker(&scene, &user, &line));
        let answered = answers(&|| user.run(Tool::DockerTrust, &line).unwrap());
        let fixed = |answers: [(Option<i32>, Vec<String>, Vec<String>); 2]| {
            answers.map(|(code, out, err)| {
                let err: Vec<_> = err
                    .into_iter()
                    // The usage lines are of commands of our own, and docker's own server's errors are Go's.
                    .filter(|line| !line.starts_with("Usage:"))
                    .collect();
                (code, out, err)
            })
        };
        assert_eq!(fixed(answered), fixed(dockers), "{line:?}");
    }
    scene.empty_daemon();

    // Better than docker: nothing but the reference with `--quiet`.
    let quiet = user.run(Tool::DockerTrust, &["pull", "-q", &v1]).unwrap();
    assert_eq!(quiet.success().unwrap(), format!("{v1}\n"));
    let created = user
        .expect(Tool::DockerTrust, &["create", "--network", "none", &v1])
        .unwrap();
    let image = scene.docker(&["inspect", "--format", "{{.Config.Image}}", created.trim()]);
    assert_eq!(image, format!("{gun}@{}\n", scene.signed));
}

#[test]
fn all_signed_tags_are_pulled_in_order() {
    let scene = Scene::new();
    let user = scene.stranger();
    let gun = scene.gun.clone();
    let second = scene.push("v2", "second");
    scene.empty_daemon();
    scene.jeff_runs(&["sign", "--remote", &scene.tagged("v2")]);
    let skipped = [
        "addhash",
        &gun,
        "only512",
        "5",
        "--sha512",
        &"ab".repeat(64),
        "-r",
        "targets/releases",
        "-p",
    ];
    scene.jeff.expect(Tool::Notary, &skipped).unwrap();

    let pulled = user.run(Tool::DockerTrust, &["pull", "-a", &gun]).unwrap();
    assert_eq!(
        pulled.stderr,
        format!(
            "Skipping target for \"{gun}\"\nTagging {gun}@{} as {gun}:v1\nTagging {gun}@{second} as {gun}:v2\n",
            scene.signed
        )
    );
    let printed = pulled.success().unwrap();
    let numbers: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("Pull ("))
        .collect();
    assert_eq!(
        numbers,
        [
            format!("Pull (1 of 2): {gun}:v1@{}", scene.signed),
            format!("Pull (2 of 2): {gun}:v2@{second}")
        ]
    );
    assert!(printed.ends_with(&format!("\n{gun}\n")), "{printed}");
    let dockers = trusting_docker(&scene, &scene.stranger(), &["pull", "-a", "-q", &gun]);
    assert!(dockers.stderr.contains("Skipping target for"), "{dockers}");
    // One update: the timestamp is read once.
    drop(scene.trust.take_log());
    user.expect(Tool::DockerTrust, &["pull", "-q", "-a", &gun])
        .unwrap();
    let log = scene.trust.take_log();
    let timestamps = log
        .iter()
        .filter(|line| line.ends_with("timestamp.json"))
        .count();
    assert_eq!(timestamps, 1, "{log:?}");

    let empty = format!("{gun}-empty");
    scene.jeff_runs(&["signer", "add", "--key", "jeff.pub", "jeff", &empty]);
    let refused = user
        .run(Tool::DockerTrust, &["pull", "-a", &empty])
        .unwrap();
    assert_eq!(
        refused.failure(1).unwrap(),
        format!("No trusted tags for {empty}\n")
    );
}

/// Acceptance case 108, and what else switches the check off with docker.
#[test]
fn what_is_not_checked_is_said_or_refused() {
    let scene = Scene::new();
    let mut user = scene.stranger();
    let v1 = scene.tagged("v1");
    let pinned = format!("{}@{}", scene.gun, scene.other);
    let run = |user: &User, image: &str| {
        user.run(
            Tool::DockerTrust,
            &["run", "--rm", "--network", "none", image],
        )
        .unwrap()
    };
    let pulled = user.run(Tool::DockerTrust, &["pull", &pinned]).unwrap();
    assert!(pulled.stderr.contains("nothing was checked"), "{pulled}");
    assert!(
        pulled
            .success()
            .unwrap()
            .ends_with(&format!("\n{pinned}\n"))
    );
    let id = scene.docker(&["inspect", "--format", "{{.Id}}", &pinned]);
    let id = id.trim();
    for image in [&pinned, id, id.trim_start_matches("sha256:")] {
        let ran = run(&user, image);
        assert!(ran.stderr.contains("nothing was checked"), "{ran}");
        assert_eq!(ran.success().unwrap(), "other\n");
    }
    // Half an ID is a name at Docker Hub, whose trust server is asked.
    let refused = run(&user, &id[7..19]);
    assert!(
        refused.code == Some(125) && !refused.stderr.contains("nothing was checked"),
        "{refused}"
    );

    // Where a policy demands something, a bare digest is not enough.
    let policy = user.path(".docker/trust/policy.json");
    file::write(
        &policy,
        r#"{"version": 1, "rules": {"*": {"signers": {"all_of": ["jeff"]}}}}"#,
    )
    .unwrap();
    for words in [["pull", &pinned], ["run", &pinned], ["create", &pinned]] {
        let refused = user.run(Tool::DockerTrust, &words).unwrap();
        assert!(refused.stderr.contains("the policy demands"), "{refused}");
        assert!(refused.code.is_some_and(|code| code != 0), "{refused}");
    }
    assert_eq!(run(&user, &v1).success().unwrap(), "signed\n");
    file::write(
        &policy,
        r#"{"version": 1, "rules": {"*": {"signers": {"all_of": ["ann"]}}}}"#,
    )
    .unwrap();
    let refused = run(&user, &v1);
    assert!(
        refused.code == Some(125) && refused.stderr.contains("ann"),
        "{refused}"
    );
    fs::remove_file(policy).unwrap();
    scene.empty_daemon();

    for words in [
        vec!["pull", "--disable-content-trust", &v1],
        vec!["run", "--disable-content-trust", &v1],
        vec!["create", "--disable-content-trust=true", &v1],
        vec!["run", "--mount", "type=image,source=a:1,target=/a", &v1],
        vec!["run", "--no-such-flag", &v1],
        vec!["create", "--no-such-flag", &v1],
    ] {
        let refused = user.run(Tool::DockerTrust, &words).unwrap();
        assert!(refused.code.is_some_and(|code| code != 0), "{refused}");
    }
    assert_eq!(scene.state(), "");
    user.set("DOCKER_CONTENT_TRUST", "0");
    let refused = run(&user, &scene.tagged("other"));
    assert!(
        refused
            .stderr
            .contains("DOCKER_CONTENT_TRUST=0 does not switch the check off"),
        "{refused}"
    );
    assert!(
        refused.stderr.contains("No valid trust data for other"),
        "{refused}"
    );
    assert_eq!(scene.state(), "");
}

/// A docker client that only prints what it is asked for.
fn recorder(user: &User) {
    let path = user.path("bin/docker");
    file::write(
        &path,
        "#!/bin/sh\nprintf '%s\\n' \"$@\"\nenv | grep DOCKER_CLI_PLUGIN\nexit 7\n",
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Every flag of the real client, also those that its help hides: which take a value, and which do not.
#[test]
fn the_image_is_found_behind_every_flag_of_docker() {
    let mut user = User::new("https://localhost:1", "").unwrap();
    let mut flags: BTreeMap<(String, String), bool> = BTreeMap::new();
    for command in ["run", "create"] {
        let help = user
            .expect(Tool::DockerItself, &[command, "--help"])
            .unwrap();
        for line in help.lines().filter(|line| line.starts_with("  ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let names: Vec<&str> = words
                .iter()
                .take(2)
                .filter(|word| word.starts_with('-'))
                .map(|word| word.trim_end_matches(','))
                .collect();
            let at = line.len() - line.trim_start().len();
            if names.is_empty() || (at != 2 && at != 6) {
                continue;
            }
            for name in names {
                if name != "--help" {
                    flags.insert((command.to_owned(), name.to_owned()), false);
                }
            }
        }
        for hidden in ["--net", "--net-alias", "--dns-opt"] {
            flags.insert((command.to_owned(), hidden.to_owned()), false);
        }
    }
    assert!(flags.len() > 220, "{flags:?}");
    for ((command, name), takes_value) in &mut flags {
        let asked = user.run(Tool::DockerItself, &[command, name]).unwrap();
        *takes_value = asked.stderr.starts_with("flag needs an argument: ");
        assert!(
            *takes_value || asked.stderr.contains("requires at least 1 argument"),
            "{asked}"
        );
    }

    recorder(&user);
    user.set(
        "PATH",
        &format!("{}:/usr/bin:/bin", user.path("bin").display()),
    );
    let image = format!("a@sha256:{}", "ab".repeat(32));
    for ((command, name), takes_value) in &flags {
        if name == "--disable-content-trust" {
            continue;
        }
        let mut words = vec![command.as_str(), name];
        // What docker would refuse is for docker to refuse.
        if *takes_value {
            words.push(if name == "--pull" { "missing" } else { "value" });
        }
        words.extend([&image, "command", "--rm", "b:1"]);
        let ran = user.run(Tool::DockerTrust, &words).unwrap();
        assert_eq!(ran.stdout, format!("{}\n", words.join("\n")), "{ran}");
        assert!(
            ran.stderr.starts_with(&format!("{image} is used as it is")),
            "{ran}"
        );
        assert_eq!(ran.code, Some(7), "{ran}");
    }
}

/// The client is docker, with docker's global flags, and never this program again.
#[test]
fn the_docker_client_is_found_and_gets_the_global_flags() {
    let mut user = User::new("https://localhost:1", "").unwrap();
    let image = format!("a@sha256:{}", "ab".repeat(32));
    user.set("PATH", "bin:");
    let refused = user.run(Tool::DockerTrust, &["create", &image]).unwrap();
    assert!(
        refused
            .failure(1)
            .unwrap()
            .contains("cannot find the docker client")
    );
    recorder(&user);
    let config = user.path(".docker").display().to_string();
    // A folder that depends on where the user stands is no place for programs.
    let refused = user.run(Tool::DockerTrust, &["create", &image]).unwrap();
    assert!(
        refused
            .failure(1)
            .unwrap()
            .contains("cannot find the docker client")
    );
    // Neither is this program a docker client.
    fs::create_dir(user.path("own")).unwrap();
    symlink(ours("docker-trust").unwrap(), user.path("own/docker")).unwrap();
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        user.path("own").display(),
        user.path("bin").display()
    );
    user.set("PATH", &path);
    let words = [
        "-D",
        "--config",
        &config,
        "-H",
        "unix:///x",
        "create",
        "--name",
        "x",
        &image,
    ];
    let ran = user.run(Tool::DockerTrust, &words).unwrap();
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(7), format!("{}\n", words.join("\n")).as_str())
    );

    // As a plugin: the client that runs us, and none of its words to its plugin.
    user.set("PATH", "/usr/bin:/bin");
    user.set(
        "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND",
        &user.path("bin/docker").display().to_string(),
    );
    user.set("DOCKER_CLI_PLUGIN_SOCKET", "@nobody");
    let words = ["-D", "trust", "create", &image, "a"];
    let ran = user.run(Tool::DockerTrust, &words).unwrap();
    assert_eq!(
        (ran.code, ran.stdout),
        (Some(7), format!("-D\ncreate\n{image}\na\n"))
    );
}

/// docker's own plugin protocol: exit code, output, and a signal that docker passes on over its socket.
#[test]
fn as_a_plugin_it_ends_when_docker_says_so() {
    let scene = Scene::new();
    let user = scene.stranger();
    user.install_plugin().unwrap();
    let v1 = scene.tagged("v1");
    let line = [
        "signet",
        "run",
        "--rm",
        "--network",
        "none",
        &v1,
        "/bin/sh",
        "-c",
    ];
    let ran = user
        .run(
            Tool::DockerItself,
            &[&line[..], &["echo hi; exit 3"]].concat(),
        )
        .unwrap();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), "hi\n"), "{ran}");

    let wait = "trap 'exit 5' TERM; echo ready > /ready; sleep 60 & wait";
    let mut command = Command::new(DOCKER.find().unwrap());
    command
        .args(line)
        .arg(wait)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    user.dress(&mut command);
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    let running = || {
        let id = scene.docker(&["container", "ls", "-q"]);
        let id = id.trim().to_owned();
        let ready = ["exec", &id, "/bin/busybox", "cat", "/ready"];
        !id.is_empty() && scene.jeff.run(Tool::DockerItself, &ready).unwrap().stdout == "ready\n"
    };
    while !running() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the container does not start"
        );
        thread::sleep(Duration::from_millis(100));
    }
    let id = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(5), "{status}");
    assert!(started.elapsed() < Duration::from_secs(50));
    assert_eq!(scene.docker(&["container", "ls", "-aq"]), "");
}

/// One home, one daemon, many commands at once.
#[test]
fn commands_at_the_same_moment_do_not_disturb_each_other() {
    let scene = Scene::new();
    let user = scene.stranger();
    let v1 = scene.tagged("v1");
    thread::scope(|scope| {
        for number in 0..6 {
            let (user, v1) = (&user, &v1);
            scope.spawn(move || {
                if number % 2 == 0 {
                    user.expect(Tool::DockerTrust, &["pull", v1]).unwrap();
                } else {
                    let words = ["run", "--rm", "--network", "none", v1];
                    assert_eq!(user.expect(Tool::DockerTrust, &words).unwrap(), "signed\n");
                }
            });
        }
    });
}
