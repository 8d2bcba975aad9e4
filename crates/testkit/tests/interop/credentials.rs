//! Where logins come from: docker and ours ask the same token service on behalf of the same person, and must show the same login.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use data_encoding::BASE64;
use serde_json::{Value, json};
use signet_testkit::file;
use signet_testkit::process::Finished;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::login::{Server, World};

/// Puts a program of this name, a shell script, before all others.
fn install(user: &mut User, name: &str, script: &str) {
    let path = user.path("bin").join(name);
    file::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut folders = vec![user.path("bin")];
    folders.extend(signet_testkit::program::search_path());
    let path = std::env::join_paths(folders).unwrap();
    user.set("PATH", path.to_str().unwrap());
}

/// A credential helper that answers so, and keeps what it was asked in `asked`.
fn helper(user: &mut User, suffix: &str, answer: &str) {
    let asked = user.path("asked").display().to_string();
    let script = format!("cat >> '{asked}'\necho \"|$1\" >> '{asked}'\n{answer}\n");
    install(user, &format!("docker-credential-{suffix}"), &script);
}

fn asked_of_helper(user: &User) -> String {
    let asked = std::fs::read_to_string(user.path("asked")).unwrap_or_default();
    let _ = std::fs::remove_file(user.path("asked"));
    // docker asks once for every step.
    let lines: BTreeSet<&str> = asked.lines().collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

fn configure(user: &User, config: &str) {
    file::write(&user.path(".docker/config.json"), config).unwrap();
}

/// Reads the repository and gives what the service was asked.
fn read(world: &World, user: &User, tool: Tool) -> (BTreeSet<String>, Finished) {
    world.tokens.take_requests();
    let ran = user.run(tool, &["inspect", &world.repository]).unwrap();
    (world.asked(), ran)
}

fn auth(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

/// Acceptance cases 34 to 40 and the rules behind them: the same file, helper and key give the same question to the token service.
#[test]
fn credentials_come_from_where_docker_looks() {
    let world = World::new(Server::Go, true);
    let (mut user, _) = world.signed();
    let host = world.registry.host();
    let host = host.as_str();
    let good = |name: &str, secret: &str| {
        format!(r#"echo '{{"ServerURL":"x","Username":"{name}","Secret":"{secret}"}}'"#)
    };
    helper(&mut user, "good", &good("alice", "wonderland"));
    helper(&mut user, "token", &good("<token>", "identity-of-alice"));
    helper(
        &mut user,
        "none",
        "echo credentials not found in native keychain; exit 1",
    );
    helper(&mut user, "broken", "echo no; exit 1");
    helper(&mut user, "mad", "echo no");
    let alice = json!({"auth": auth("alice:wonderland")});
    let entry = |key: &str, value: &Value| json!({"auths": {key: value}});
    let other = json!({"auth": auth("bob:builder")});
    let port = world.registry.address().port();

    let by_password = "account=alice";
    let by_identity = "refresh_token=identity-of-alice";
    let by_nobody = "GET /token?scope";
    for (config, expected) in [
        (json!({}), by_nobody),
        (entry(host, &alice), by_password),
        (entry(&format!("https://{host}/v1/"), &alice), by_password),
        (entry(&format!("http://{host}"), &alice), by_password),
        (entry(&format!("{host}/team"), &alice), by_password),
        (entry("localhost", &alice), by_nobody),
        (entry(&format!("LOCALHOST:{port}"), &alice), by_nobody),
        // The trust server's own entry is not the registry's (Q8).
        (
            entry(world.server.url().trim_start_matches("https://"), &alice),
            by_nobody,
        ),
        (
            json!({"auths": {format!("https://{host}"): other, host: alice}}),
            by_password,
        ),
        (
            entry(
                host,
                &json!({"auth": auth("alice:"), "identitytoken": "identity-of-alice"}),
            ),
            by_identity,
        ),
        (
            entry(
                host,
                &json!({"username": "bob", "password": "x", "auth": auth("alice:wonderland")}),
            ),
            by_password,
        ),
        (
            entry(
                host,
                &json!({"username": "alice", "password": "wonderland"}),
            ),
            by_password,
        ),
        (entry(host, &json!({"registrytoken": "x"})), by_nobody),
        (json!({"credsStore": "good"}), by_password),
        (json!({"credsStore": "token"}), by_identity),
        (
            json!({"credsStore": "none", "auths": {host: alice}}),
            by_nobody,
        ),
        (json!({"credHelpers": {host: "good"}}), by_password),
        (
            json!({"credHelpers": {host: "token"}, "credsStore": "none"}),
            by_identity,
        ),
        (
            json!({"credHelpers": {"other": "token"}, "credsStore": "good"}),
            by_password,
        ),
    ] {
        configure(&user, &config.to_string());
        let [(docker, docker_ran), (ours, ran)] = [Tool::Docker, Tool::DockerTrust].map(|tool| {
            let read = read(&world, &user, tool);
            let helper = asked_of_helper(&user);
            let uses_helper =
                config.get("credsStore").is_some() || config.get("credHelpers").is_some();
            let key = format!("{host}|get");
            assert_eq!(
                helper,
                if uses_helper { key.as_str() } else { "" },
                "{config}"
            );
            read
        });
        assert_eq!(ours, docker, "{config}");
        assert_eq!(ours.len(), 1, "{config}");
        assert!(
            ours.iter().all(|request| request.contains(expected)),
            "{config}: {ours:?}"
        );
        assert_eq!(
            (ran.code, &ran.stderr),
            (Some(0), &docker_ran.stderr),
            "{config}"
        );
    }

    // Case 39 and Q20: a helper that fails is passed over in silence by docker, and warned of here.
    for (suffix, reason) in [
        ("broken", "it failed with"),
        ("mad", "its answer is malformed"),
        ("missing", "executable file not found in $PATH"),
    ] {
        configure(&user, &json!({"credsStore": suffix}).to_string());
        let (docker, docker_ran) = read(&world, &user, Tool::Docker);
        let (ours, ran) = read(&world, &user, Tool::DockerTrust);
        assert_eq!(ours, docker, "{suffix}");
        assert!(ours.iter().all(|request| request.contains(by_nobody)));
        assert_eq!((ran.code, docker_ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }

    // What is no configuration is warned of in docker's words, and does without.
    for config in [
        json!({"auths": {host: {"auth": "not base64!"}}}).to_string(),
        json!({"auths": {host: {"auth": auth("no colon")}}}).to_string(),
        "{bad".to_owned(),
    ] {
        configure(&user, &config);
        let (docker, docker_ran) = read(&world, &user, Tool::Docker);
        let (ours, ran) = read(&world, &user, Tool::DockerTrust);
        assert_eq!(ours, docker, "{config}");
        assert!(
            ran.stderr
                .starts_with("WARNING: Error parsing config file (")
        );
        assert_eq!(
            (ran.code, ran.stderr),
            (Some(0), docker_ran.stderr),
            "{config}"
        );
    }

    // The variable of docker 28.3 and later goes before the file, which 28.2 does not know.
    configure(&user, &entry(host, &other).to_string());
    user.set("DOCKER_AUTH_CONFIG", &entry(host, &alice).to_string());
    let (asked, ran) = read(&world, &user, Tool::DockerTrust);
    assert!(asked.iter().all(|request| request.contains(by_password)));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    user.set(
        "DOCKER_AUTH_CONFIG",
        &entry("elsewhere", &alice).to_string(),
    );
    let (asked, _) = read(&world, &user, Tool::DockerTrust);
    assert!(asked.iter().all(|request| request.contains("account=bob")));
    user.set(
        "DOCKER_AUTH_CONFIG",
        r#"{"auths":{"h":{"password":"wonderland"}}}"#,
    );
    let (asked, ran) = read(&world, &user, Tool::DockerTrust);
    assert!(asked.iter().all(|request| request.contains("account=bob")));
    assert!(
        ran.stderr
            .starts_with("Failed to create credential store from DOCKER_AUTH_CONFIG:  "),
        "{ran}"
    );
    assert!(!ran.stderr.contains("wonderland"), "{ran}");
}

/// A configuration that says nothing about logins means the platform's own store, once one of its helpers is installed.
#[test]
fn the_platforms_helper_is_found() {
    let world = World::new(Server::Go, true);
    let (mut user, _) = world.signed();
    let answer = r#"echo '{"ServerURL":"x","Username":"alice","Secret":"wonderland"}'"#;
    install(&mut user, "pass", "exit 0\n");
    helper(&mut user, "pass", answer);
    for (config, expected) in [
        ("{}", "account=alice"),
        (r#"{"auths":{}}"#, "account=alice"),
    ] {
        configure(&user, config);
        for tool in [Tool::Docker, Tool::DockerTrust] {
            let (asked, _) = read(&world, &user, tool);
            assert!(
                asked.iter().all(|request| request.contains(expected)),
                "{config} {tool:?}: {asked:?}"
            );
        }
    }
}

/// Case 38: Docker Hub's key is a URL.
#[test]
fn a_helper_is_asked_for_docker_hub_by_its_old_url() {
    let world = World::new(Server::Go, true);
    let (mut user, _) = world.signed();
    helper(
        &mut user,
        "none",
        "echo credentials not found in native keychain; exit 1",
    );
    configure(&user, r#"{"credsStore":"none"}"#);
    for tool in [Tool::Docker, Tool::DockerTrust] {
        for image in ["alpine", "docker.io/myorg/app:v1"] {
            let ran = user.run(tool, &["inspect", image]).unwrap();
            assert_eq!(ran.code, Some(1), "{ran}");
            assert_eq!(asked_of_helper(&user), "https://index.docker.io/v1/|get");
        }
    }
}

/// What a person at a terminal is told when a server does not let them in: docker's line, and what to do.
#[test]
fn a_person_is_told_what_to_do() {
    let world = World::new(Server::Go, false);
    let (user, _) = world.signed();
    let host = world.registry.host();
    let hint = |arguments: &[&str]| {
        let mut command: Command = user.command(Tool::DockerTrust, arguments).unwrap();
        command.env("NO_COLOR", "1").env("TERM", "xterm");
        let terminal = Terminal::spawn(&command).unwrap();
        terminal.finish().unwrap().1
    };
    let name = format!("{}:v1", world.repository);
    std::fs::remove_file(user.path(".docker/config.json")).unwrap();
    let text = hint(&["verify", &name]);
    assert!(
        text.contains(&format!(
            "hint: nobody is logged in there: docker login {host}"
        )),
        "{text}"
    );
    world.log_in(&user, "alice", "wrong");
    let text = hint(&["verify", &name]);
    assert!(
        text.contains(&format!(
            "hint: the stored login of alice is not accepted: docker login {host}"
        )),
        "{text}"
    );
    world.log_in(&user, "bob", "builder");
    let text = hint(&["sign", &name]);
    assert!(
        text.contains("hint: the login of bob does not give this right"),
        "{text}"
    );
}
