//! `doctor`: every finding with the fault that causes it, played by real servers, real certificates and real files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signet_testkit::certificate::Authority;
use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::file;
use signet_testkit::peer::{Registry, TokenService, TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::expiry::now;
use crate::scene::{Scene, keys_of};

/// What was found, as `(check, state, text and advice)`.
pub(crate) struct Findings {
    code: Option<i32>,
    all: Vec<(String, String, String)>,
}

impl Findings {
    /// The finding of that check and state whose text or advice has `part`.
    pub(crate) fn expect(&self, check: &str, state: &str, part: &str) {
        assert!(
            self.all
                .iter()
                .any(|(c, s, text)| c == check && s == state && text.contains(part)),
            "no {state} of {check} with {part:?} in {:#?}",
            self.all
        );
    }

    pub(crate) fn states(&self, state: &str) -> Vec<&str> {
        let found = self.all.iter().filter(|(_, s, _)| s == state);
        found.map(|(check, ..)| check.as_str()).collect()
    }
}

pub(crate) fn doctor(user: &User, words: &[&str]) -> Findings {
    let words: Vec<&str> = ["doctor", "--format=json"]
        .iter()
        .chain(words)
        .copied()
        .collect();
    let finished = user.run_with_input(Tool::DockerTrust, &words, "").unwrap();
    let json: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let all: Vec<_> = json["Findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let words = format!("{} -> {}", text(finding, "Text"), text(finding, "Advice"));
            (text(finding, "Check"), text(finding, "State"), words)
        })
        .collect();
    let count = |state: &str| all.iter().filter(|(_, s, _)| s == state).count();
    assert_eq!(json["Problems"], count("problem"));
    assert_eq!(json["Warnings"], count("warning"));
    // What is wrong has advice, and decides about the exit code.
    for (check, state, words) in &all {
        let advised = !words.ends_with(" -> ");
        assert_eq!(
            advised,
            matches!(state.as_str(), "problem" | "warning"),
            "{check}: {words}"
        );
    }
    assert_eq!(
        finished.code,
        Some(i32::from(count("problem") > 0)),
        "{finished}"
    );
    Findings {
        code: finished.code,
        all,
    }
}

/// Every file below a folder with its content and mode.
fn tree(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let mode = entry.metadata().unwrap().permissions().mode();
            if path.is_dir() {
                folders.push(path.clone());
                found.insert(path.display().to_string(), (Vec::new(), mode));
            } else {
                found.insert(path.display().to_string(), (fs::read(&path).unwrap(), mode));
            }
        }
    }
    found
}

#[test]
fn a_healthy_repository_has_no_problems_and_is_only_looked_at() {
    let mut scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    // Nobody may be asked for a passphrase, and nothing may be opened with one.
    scene.user.unset("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE");
    scene
        .user
        .unset("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE");
    let before = tree(scene.user.home());
    let _ = scene.proxy.take_log();
    let found = doctor(&scene.user, &[&scene.gun]);
    assert_eq!(found.states("problem"), [""; 0]);
    found.expect("keys", "ok", "3 private keys, 3 encrypted");
    found.expect("server", "ok", "from DOCKER_CONTENT_TRUST_SERVER");
    found.expect("connection", "ok", "answers at");
    found.expect("tls", "ok", "is trusted, until ");
    found.expect("clock", "ok", "agrees");
    found.expect("server-answer", "ok", "");
    found.expect("login", "ok", "no login");
    found.expect("repository", "ok", "complete");
    found.expect("root", "ok", "trusted before");
    found.expect("signing", "ok", "keys are here for root, targets, targets/");
    found.expect("publishing", "ok", "lets this user publish");
    found.expect("expiry", "ok", "timestamp 20");
    found.expect("root-certificate", "ok", "valid until 20");
    let log = scene.proxy.take_log();
    assert!(log.iter().all(|line| line.starts_with("GET ")), "{log:?}");
    assert_eq!(tree(scene.user.home()), before);

    // Who has never seen it learns nothing from looking either.
    let reader = scene.stranger();
    for _ in 0..2 {
        let found = doctor(&reader, &[&scene.gun]);
        found.expect("root", "warning", "trusted on first use");
        found.expect("signing", "ok", "no key here");
    }
    assert!(!reader.trust_dir().exists());
    let told = reader
        .run(Tool::DockerTrust, &["doctor", &scene.gun])
        .unwrap();
    assert!(
        told.stdout.starts_with("This machine\n  ok       "),
        "{told}"
    );
    assert!(
        told.stdout
            .contains(&format!("\nRepository {}\n", scene.gun)),
        "{told}"
    );
    assert!(
        told.stdout.ends_with(" warnings\n") && !told.stdout.contains('\x1b'),
        "{told}"
    );
    reader
        .run(Tool::DockerTrust, &["doctor", "a", "b"])
        .unwrap()
        .failure(1)
        .unwrap();
}

#[test]
fn files_of_this_machine() {
    let server = TrustServer::go().unwrap();
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let look = || doctor(&user, &[]);
    look().expect("config", "ok", "there is no ");
    for name in ["jeff", "bob"] {
        user.expect(Tool::DockerTrust, &["key", "generate", name])
            .unwrap();
    }
    file::write(&user.path(".docker/config.json"), "{\"auths\": 1}").unwrap();
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let trust = user.trust_dir();
    let found = look();
    found.expect("config", "problem", "Error parsing config file");
    found.expect("trust-folder", "ok", "closed to others");
    found.expect("keys", "ok", "2 private keys, 2 encrypted");
    mode(&trust, 0o755);
    look().expect("trust-folder", "warning", "chmod go-rwx");
    mode(&trust, 0o777);
    look().expect("trust-folder", "problem", "others can change");
    mode(&trust, 0o700);

    // The keys: one that others can read, one that is not encrypted, one that is none, one that is too weak.
    let jeff = keys_of(&user, "jeff").pop().unwrap();
    mode(&jeff, 0o644);
    look().expect("key-mode", "warning", "(jeff) (mode 644); it is encrypted");
    mode(&jeff, 0o600);
    let private = trust.join("private");
    let plain = |name: &str, arguments: &[&str]| {
        user.openssl(arguments).unwrap();
        let pem = fs::read_to_string(user.path(name)).unwrap();
        pem.replacen("-----\n", "-----\nrole: plain\n\n", 1)
    };
    let open = plain(
        "ec.pem",
        &[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            "ec.pem",
        ],
    );
    user.expect(
        Tool::DockerTrust,
        &["key", "load", "ec.pem", "--name", "carol"],
    )
    .unwrap();
    let carol = keys_of(&user, "carol").pop().unwrap();
    file::write(&carol, &open).unwrap();
    look().expect("key-encryption", "warning", "(plain) is not encrypted");
    mode(&carol, 0o640);
    look().expect("key-mode", "problem", "which is not encrypted");
    mode(&carol, 0o600);
    let weak = plain("rsa.pem", &["genrsa", "-out", "rsa.pem", "1024"]);
    file::write(&private.join(format!("{}.key", "ab".repeat(32))), &weak).unwrap();
    look().expect("key-file", "problem", "cannot be used");
    file::write(&private.join("notes.key"), "remember the milk").unwrap();
    look().expect("keys", "warning", "notes.key");

    // The policy.
    file::write(&trust.join("policy.json"), "{\"version\": 1}").unwrap();
    look().expect("policy", "problem", "missing field `rules`");
    file::write(
        &trust.join("policy.json"),
        "{\"version\": 1, \"rules\": {}}",
    )
    .unwrap();
    look().expect("policy", "ok", "is in force");
    look().expect("daemon", "warning", "sign --remote");
}

#[test]
fn certificates_of_the_server() {
    let server = TrustServer::go_plain().unwrap();
    let authority = Authority::new("Doctor's authority").unwrap();
    let image = "registry.example.com/app";
    let scene = |names: &[&str], from: i64, until: i64| {
        let identity = authority.issue_for(names, now(), from, until).unwrap();
        let proxy = Proxy::start(server.address(), &identity).unwrap();
        let user = User::new(&proxy.url(), &authority.pem()).unwrap();
        (proxy, user)
    };
    let (proxy, user) = scene(&["localhost"], -1, 10);
    let found = doctor(&user, &[image]);
    found.expect("tls", "warning", "is trusted, until ");
    found.expect(
        "repository",
        "warning",
        "does not know registry.example.com/app",
    );
    let host = proxy.url().replace("https://", "");
    let folder = user.path(&format!(".docker/tls/{host}"));
    let port = host.strip_prefix("localhost").unwrap();

    // The folder: other names and other contents than docker looks for.
    file::write(&folder.join("ca.pem"), authority.pem()).unwrap();
    file::write(&folder.join("junk.crt"), "junk").unwrap();
    let found = doctor(&user, &[image]);
    found.expect(
        "tls-folder",
        "warning",
        "ca.pem is ignored because of its name",
    );
    found.expect("tls-folder", "warning", "junk.crt holds no certificate");
    file::write(&folder.join("client.cert"), authority.pem()).unwrap();
    doctor(&user, &[image]).expect(
        "server",
        "problem",
        "missing key client.key for client certificate client.cert",
    );
    fs::remove_file(folder.join("client.cert")).unwrap();
    let other = user.path(".docker/tls/localhost");
    fs::rename(&folder, &other).unwrap();
    let found = doctor(&user, &[image]);
    found.expect(
        "tls-folder",
        "warning",
        "tls/localhost is for another port or spelling",
    );
    found.expect(
        "tls-folder",
        "warning",
        &format!("call it {}", folder.display()),
    );
    found.expect("tls", "problem", &format!("tls/localhost{port}/ca.crt"));
    fs::rename(&other, &folder).unwrap();

    for (names, from, until, said) in [
        (
            ["localhost"].as_slice(),
            -20,
            -10,
            "must renew its certificate",
        ),
        (&["localhost"], 10, 20, "clock"),
        (&["trust.example.com"], -1, 365, "subjectAltName"),
    ] {
        let (_proxy, user) = scene(names, from, until);
        let found = doctor(&user, &[image]);
        found.expect("tls", "problem", said);
        assert_eq!(found.code, Some(1));
        // For a registry on this machine docker overlooks it all, which is said.
        let found = doctor(&user, &["localhost:5000/app"]);
        found.expect("tls", "warning", "overlooked");
    }
}

#[test]
fn servers_that_are_not_there_or_are_none() {
    let scene = Scene::with_jeff();
    let mut user = scene.stranger();
    let gun = scene.gun.as_str();
    let look = || doctor(&user, &[gun]);
    let page = |status: u16| {
        let headers = vec![("Content-Type", "text/html".to_owned())];
        Fault::Answer(status, headers, b"<html>hello</html>".to_vec())
    };
    for (fault, said) in [
        (page(200), "a web page answers /v2/ (200)"),
        (page(404), "a web page answers /v2/ (404)"),
        (
            Fault::Status(503),
            "with 503: it is there and does not work",
        ),
        (
            Fault::Status(404),
            "answered with 404: this does not look like a trust server",
        ),
    ] {
        scene.proxy.set(move |_, path| {
            if path == "/v2/" {
                fault.clone()
            } else {
                Fault::None
            }
        });
        look().expect("server-answer", "problem", said);
    }
    scene.proxy.set(|_, _| Fault::Cut);
    look().expect("tls", "problem", "no trusted connection");
    let date = |text: &str| {
        vec![
            ("Date", text.to_owned()),
            ("Content-Type", "application/json".to_owned()),
        ]
    };
    let old = Fault::Answer(200, date("Sun, 06 Nov 1994 08:49:37 GMT"), b"{}".to_vec());
    scene.proxy.set(move |_, path| {
        if path == "/v2/" {
            old.clone()
        } else {
            Fault::None
        }
    });
    look().expect("clock", "problem", "s ahead of the server's");

    // One that says nothing: each step has its limit.
    scene.proxy.set(|_, path| {
        if path == "/v2/" {
            Fault::Slow(Duration::from_secs(30))
        } else {
            Fault::None
        }
    });
    let started = Instant::now();
    look().expect("tls", "problem", "no answer within 10 s");
    assert!(started.elapsed() < Duration::from_secs(20));

    // One whose documents do not hold, and one that gives none.
    let timestamp = format!("/v2/{gun}/_trust/tuf/timestamp.json");
    let at = timestamp.clone();
    scene.proxy.set(move |_, path| {
        if path == at {
            Fault::Body(b"{}".to_vec())
        } else {
            Fault::None
        }
    });
    let found = look();
    assert!(found.states("problem").contains(&"repository"));
    scene.proxy.heal();
    user.expect(Tool::DockerTrust, &["inspect", gun]).unwrap();
    scene.proxy.set(move |_, path| {
        if path == timestamp {
            Fault::Status(503)
        } else {
            Fault::None
        }
    });
    look().expect("repository", "warning", "what it said before");

    drop(scene.proxy);
    look().expect("connection", "problem", "cannot be reached");
    user.set(
        "DOCKER_CONTENT_TRUST_SERVER",
        "https://no-such-host.invalid",
    );
    doctor(&user, &[gun]).expect("name", "problem", "no-such-host.invalid has no address");
    for wrong in ["http://localhost:1", "nonsense"] {
        user.set("DOCKER_CONTENT_TRUST_SERVER", wrong);
        for words in [[gun].as_slice(), &[]] {
            doctor(&user, words).expect("server", "problem", "valid https URL required");
        }
    }
    user.unset("DOCKER_CONTENT_TRUST_SERVER");
    doctor(&user, &[]).expect("server", "skipped", "name a repository");
    doctor(&user, &["BAD"]).expect("server", "problem", "must be lowercase");
}

#[test]
fn logins_and_their_helpers() {
    let scene = Scene::with_password();
    let (user, image) = (&scene.user, &scene.gun);
    let host = scene.registry.host();
    let found = doctor(user, &[image]);
    found.expect("server-answer", "ok", "asks for a login");
    found.expect("credentials", "ok", "not logged in");
    found.expect("login", "problem", &format!("docker login {host}"));
    user.log_in(&host, Registry::USER, Registry::PASSWORD)
        .unwrap();
    let found = doctor(user, &[image]);
    found.expect("credentials", "ok", &format!("as {}", Registry::USER));
    found.expect("login", "ok", "there is a login");
    assert!(
        !found
            .all
            .iter()
            .any(|(.., text)| text.contains(Registry::PASSWORD))
    );
    file::write(
        &user.path(".docker/config.json"),
        json!({"auths": {}, "credHelpers": {host: "nowhere"}}).to_string(),
    )
    .unwrap();
    doctor(user, &[image]).expect("credentials", "problem", "docker-credential-nowhere");
}

#[test]
fn roles_that_cannot_be_signed_and_changes_left_behind() {
    let scene = Scene::with_jeff();
    scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    scene.generate("ben");
    scene.notary(&[
        "addhash",
        &scene.gun,
        "later",
        "5",
        "--sha256",
        &"ab".repeat(32),
    ]);
    let found = doctor(&scene.user, &[&scene.gun]);
    found.expect("staged", "warning", "1 change is staged");
    found.expect("staged", "warning", "changelist");
    scene.notary(&["reset", &scene.gun, "--all"]);

    // As in `verify_refuses_while_the_releases_role_cannot_be_trusted`.
    let jeff = keys_of(&scene.user, "jeff").pop().unwrap();
    let jeff = jeff.file_stem().unwrap().to_str().unwrap().to_owned();
    let role = "targets/releases";
    scene.notary(&["delegation", "add", &scene.gun, role, "ben.pub", "-p"]);
    scene.notary(&["delegation", "remove", &scene.gun, role, &jeff, "-p"]);
    doctor(&scene.user, &[&scene.gun]).expect(
        "roles",
        "problem",
        "notary witness GUN targets/releases",
    );
    let reader = scene.stranger();
    let found = doctor(&reader, &[&scene.gun]);
    found.expect(
        "roles",
        "problem",
        "what targets/releases lists cannot be trusted",
    );
    found.expect(
        "roles",
        "problem",
        "whoever holds a key of targets/releases must sign again",
    );

    let policy = json!({"version": 1, "rules": {"*": {"signers": {"all_of": ["jeff", "bob"]}, "root_certificates": ["00".repeat(32)]}}});
    file::write(&reader.trust_dir().join("policy.json"), policy.to_string()).unwrap();
    doctor(&reader, &[&scene.gun]).expect("repository", "problem", "trust data mismatch");
    let policy = json!({"version": 1, "rules": {"*": {"signers": {"all_of": ["jeff", "bob"]}, "first_use": false}}});
    file::write(&reader.trust_dir().join("policy.json"), policy.to_string()).unwrap();
    doctor(&reader, &[&scene.gun]).expect("repository", "problem", "refuses trust on first use");
    let policy = json!({"version": 1, "rules": {"*": {"signers": {"all_of": ["jeff", "bob"]}}}});
    file::write(&reader.trust_dir().join("policy.json"), policy.to_string()).unwrap();
    doctor(&reader, &[&scene.gun]).expect("policy-signers", "problem", "asks for bob,");
}

/// With tokens the token server decides, and says less than asked for without a word: only the trust server's answer tells.
#[test]
fn a_token_may_be_good_for_reading_only() {
    let tokens = TokenService::start()
        .unwrap()
        .user("alice", "wonderland", &[("*", "pull,push")])
        .user("bob", "builder", &[("*", "pull")]);
    let server =
        TrustServer::go_with(&TrustOptions::default().token(tokens.auth("notary"))).unwrap();
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let gun = "localhost:5000/team/app";
    let log_in =
        |name: &str, password: &str| user.log_in("localhost:5000", name, password).unwrap();
    doctor(&user, &[gun]).expect("repository", "problem", "401");
    log_in("bob", "wrong");
    doctor(&user, &[gun]).expect("login", "problem", "incorrect username or password");
    log_in("alice", "wonderland");
    user.become_signer(Tool::DockerTrust, "jeff", gun).unwrap();
    let found = doctor(&user, &[gun]);
    found.expect("login", "ok", "there is a login");
    found.expect("publishing", "ok", "");
    assert_eq!(found.states("problem"), [""; 0]);
    log_in("bob", "builder");
    let found = doctor(&user, &[gun]);
    found.expect("repository", "ok", "");
    found.expect("publishing", "warning", "401");
    fs::remove_dir_all(user.trust_dir().join("private")).unwrap();
    doctor(&user, &[gun]).expect("publishing", "skipped", "read only");
}

/// Which program is `docker trust`, as clients of different age see it.
#[test]
fn the_docker_client_and_its_plugin() {
    let server = TrustServer::go().unwrap();
    let mut user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let program = user.path("bin/docker");
    user.set("PATH", &user.path("bin").to_string_lossy());
    doctor(&user, &[]).expect("docker", "skipped", "no docker client");
    let client = |version: &str| {
        let text = format!("#!/bin/sh\necho 'Docker version {version}, build 1234567'\n");
        file::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        doctor(&user, &[])
    };
    client("28.2.2").expect(
        "docker",
        "ok",
        "docker 28.2.2 has a trust command of its own",
    );
    client("29.0.1").expect(
        "docker",
        "warning",
        "link this program as ~/.docker/cli-plugins/docker-trust",
    );
    let plugins = user.path(".docker/cli-plugins");
    file::write(&plugins.join("docker-trust"), "").unwrap();
    client("29.0.1").expect("docker", "warning", "another program than this one");
    fs::remove_file(plugins.join("docker-trust")).unwrap();
    let this = user.command(Tool::DockerTrust, &[]).unwrap();
    std::os::unix::fs::symlink(this.get_program(), plugins.join("docker-trust")).unwrap();
    client("29.0.1").expect("docker", "ok", "runs this program through");
    client("of a kind nobody knows").expect("docker", "ok", "a trust command of its own");
}
