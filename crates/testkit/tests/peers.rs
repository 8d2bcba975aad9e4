//! The kit itself: every peer starts, does its work, and is spoilt by the proxy as asked. Peers of other projects only.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::time::{Duration, Instant};

use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::image::{Image, digest};
use signet_testkit::peer::{
    PostgreSql, Registry, RegistryOptions, Signer, TokenFault, TokenService, TrustOptions,
    TrustServer,
};
use signet_testkit::process::{COMMAND_LIMIT, Finished};
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

const GUN: &str = "localhost:5000/team/app";

fn user_of(server: &TrustServer) -> User {
    User::new(&server.url(), &server.ca_pem()).unwrap()
}

fn initialise(user: &User) {
    user.become_signer(Tool::Docker, "jeff", GUN).unwrap();
}

#[test]
fn the_go_client_initialises_a_repository_on_the_go_server() {
    let server = TrustServer::go().unwrap();
    initialise(&user_of(&server));
    assert_eq!(
        (
            server.version(GUN, "root").unwrap(),
            server.version(GUN, "targets").unwrap()
        ),
        (1, 2)
    );
    assert_eq!(
        server
            .metadata("localhost:5000/other", "root.json")
            .unwrap(),
        None
    );
}

#[test]
fn the_go_server_keeps_its_keys_in_the_go_signer() {
    let signer = Signer::go().unwrap();
    let server = TrustServer::go_with_signer(&signer).unwrap();
    initialise(&user_of(&server));
    let root = server.metadata(GUN, "root.json").unwrap().unwrap();
    let root: serde_json::Value = serde_json::from_slice(&root).unwrap();
    let timestamp_key = root["signed"]["roles"]["timestamp"]["keyids"][0]
        .as_str()
        .unwrap();
    assert_eq!(root["signed"]["keys"][timestamp_key]["keytype"], "ecdsa");
}

#[test]
fn passphrases_are_typed_on_a_terminal() {
    let server = TrustServer::go().unwrap();
    let user = User::without_passphrases(&server.url(), &server.ca_pem()).unwrap();
    let mut terminal = Terminal::spawn(
        &user
            .command(Tool::Docker, &["key", "generate", "jeff"])
            .unwrap(),
    )
    .unwrap();
    terminal
        .expect("Enter passphrase for new jeff key with ID ")
        .unwrap();
    terminal.enter_secret("correct horse battery").unwrap();
    terminal.expect("Repeat passphrase").unwrap();
    terminal.enter_secret("correct horse battery").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert!(status.success(), "{text}");
    assert!(
        !text.contains("correct horse"),
        "the passphrase was echoed: {text}"
    );
}

#[test]
fn images_and_indexes_are_pushed_to_a_registry_with_a_password() {
    let registry = Registry::start_with(&RegistryOptions {
        htpasswd: true,
        ..RegistryOptions::default()
    })
    .unwrap();
    for image in [Image::single("hello"), Image::multi_platform("hello")] {
        image.push(&registry.client(), "team/app", "v1").unwrap();
        let accept = [(
            "Accept",
            "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json",
        )];
        let stored = registry
            .client()
            .request("GET", "/v2/team/app/manifests/v1", &accept, &[])
            .unwrap();
        assert_eq!(
            stored.header("docker-content-digest").unwrap(),
            image.digest()
        );
        assert_eq!(
            (digest(&stored.body), stored.body.len()),
            (image.digest(), image.size())
        );
    }
    let stranger = signet_testkit::http::Client::plain(registry.address());
    assert_eq!(stranger.get("/v2/").unwrap().status, 401);
}

fn list(user: &User) -> Finished {
    user.run(Tool::Notary, &["list", GUN]).unwrap()
}

#[test]
fn the_proxy_spoils_what_it_is_told_to() {
    let server = TrustServer::go_plain().unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let user = User::new(&proxy.url(), &server.ca_pem()).unwrap();
    initialise(&user);
    let stranger = || User::new(&proxy.url(), &server.ca_pem()).unwrap();
    assert_eq!(list(&stranger()).code, Some(0), "faithful at first");
    let uploads = |log: &[String]| log.iter().filter(|line| line.starts_with("POST ")).count();
    assert_eq!(uploads(&proxy.take_log()), 1);

    let faults = [
        Fault::Cut,
        Fault::Lost,
        Fault::Truncated,
        Fault::Status(503),
        Fault::Body(b"{}".to_vec()),
        Fault::Endless,
        Fault::Swapped(format!("/v2/{GUN}/_trust/tuf/root.json")),
    ];
    for fault in faults {
        let spoilt = fault.clone();
        proxy.set(move |_, path| {
            if path.ends_with("timestamp.json") {
                spoilt.clone()
            } else {
                Fault::None
            }
        });
        assert_eq!(list(&stranger()).code, Some(1), "{fault:?}");
    }

    proxy.set(|_, path| {
        if path.ends_with("timestamp.json") {
            Fault::Slow(Duration::from_millis(300))
        } else {
            Fault::None
        }
    });
    let started = Instant::now();
    assert_eq!(list(&stranger()).code, Some(0));
    assert!(started.elapsed() >= Duration::from_millis(300));

    proxy.heal();
    let reader = stranger();
    list(&reader).success().unwrap();
    user.expect(
        Tool::Notary,
        &[
            "addhash",
            GUN,
            "v1",
            "3",
            "--sha256",
            &digest(b"v1")["sha256:".len()..],
            "-p",
        ],
    )
    .unwrap();
    list(&reader).success().unwrap();
    proxy.set(|_, path| {
        if path.ends_with("timestamp.json") {
            Fault::Replayed
        } else {
            Fault::None
        }
    });
    assert_eq!(list(&reader).code, Some(1), "an old timestamp was taken");
}

#[test]
fn the_go_server_and_the_registry_accept_the_tokens_of_the_service() {
    let tokens = TokenService::start()
        .unwrap()
        .user("alice", "wonderland", &[("*", "pull,push")])
        .user("bob", "builder", &[("team/app", "pull")])
        .with_identity_tokens();
    let server =
        TrustServer::go_with(&TrustOptions::default().token(tokens.auth("notary"))).unwrap();
    let registry = Registry::start_with(&RegistryOptions {
        token: Some(tokens.auth("registry")),
        ..RegistryOptions::default()
    })
    .unwrap();

    // The registry takes what the service issues for it, and nothing else.
    let image = Image::single("hello");
    image
        .push(&registry.client_for("team/app").unwrap(), "team/app", "v1")
        .unwrap();
    assert!(image.push(&registry.client(), "team/app", "v1").is_err());
    let path = "/v2/team/app/manifests/v1";
    let other = tokens.auth("notary").token("team/app", "pull").unwrap();
    let refused = registry.client().with_bearer(&other).get(path).unwrap();
    assert_eq!(refused.status, 401, "a token for another service");

    // Go's server and docker's client agree on who may publish.
    let gun = format!("{}/team/app", registry.host());
    let user = user_of(&server);
    let add = ["signer", "add", "--key", "jeff.pub", "jeff", &gun];
    user.expect(Tool::Docker, &["key", "generate", "jeff"])
        .unwrap();
    for (name, password) in [("bob", "builder"), ("alice", "wrong")] {
        user.log_in(&registry.host(), name, password).unwrap();
        let refused = user.run(Tool::Docker, &add).unwrap();
        assert_eq!(refused.code, Some(1), "{refused}");
    }
    assert_eq!(server.metadata(&gun, "root.json").unwrap(), None);
    tokens.take_requests();
    user.log_in(&registry.host(), "alice", "wonderland")
        .unwrap();
    user.expect(Tool::Docker, &add).unwrap();
    assert_eq!(server.version(&gun, "targets").unwrap(), 2);
    let first = tokens.take_requests().remove(0).essence();
    let scope = format!(
        "repository%3Alocalhost%3A{}%2Fteam%2Fapp%3Apull%2Cpush",
        registry.address().port()
    );
    assert_eq!(
        first,
        format!(
            "GET /token?account=alice&scope={scope}&service=notary | Basic YWxpY2U6d29uZGVybGFuZA=="
        )
    );

    // docker's own login gets an identity token, which opens the same doors.
    let mut login = user
        .command(
            Tool::DockerItself,
            &["login", "-u", "alice", "--password-stdin", &registry.host()],
        )
        .unwrap();
    let finished = signet_testkit::process::run(&mut login, "wonderland", COMMAND_LIMIT).unwrap();
    assert_eq!(finished.code, Some(0), "{finished}");
    let config = std::fs::read_to_string(user.path(".docker/config.json")).unwrap();
    assert!(config.contains("identity-of-alice"), "{config}");
    user.expect(Tool::Docker, &["inspect", &gun]).unwrap();

    // A service that is out of order opens none.
    tokens.set(TokenFault::Status(500, "{}".to_owned()));
    std::fs::remove_dir_all(user.path(".docker/trust/tuf")).unwrap();
    assert_eq!(
        user.run(Tool::Docker, &["inspect", &gun]).unwrap().code,
        Some(1)
    );
    tokens.issue_stale(1);
    tokens.set(TokenFault::None);
    assert_eq!(
        user.run(Tool::Docker, &["inspect", &gun]).unwrap().code,
        Some(1)
    );
    user.expect(Tool::Docker, &["inspect", &gun]).unwrap();
}

#[test]
fn postgresql_keeps_what_is_in_it_over_a_crash_and_a_dump() {
    let mut database = PostgreSql::start().unwrap();
    database
        .query("CREATE TABLE t (name text); INSERT INTO t VALUES ('b'), ('A'), ('a')")
        .unwrap();
    // By bytes, A would come first.
    let sorted = "SELECT string_agg(name, '' ORDER BY name) FROM t";
    assert_eq!(database.query(sorted).unwrap(), "aAb");
    database.kill().unwrap();
    assert!(database.query(sorted).is_err());
    database.restart().unwrap();
    assert_eq!(database.query(sorted).unwrap(), "aAb");

    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump.sql");
    database.dump(&dump).unwrap();
    let other = PostgreSql::shared().unwrap();
    assert!(other.query(sorted).is_err());
    other.load(&dump).unwrap();
    assert_eq!(other.query(sorted).unwrap(), "aAb");
    assert!(PostgreSql::shared().unwrap().query(sorted).is_err());
}
