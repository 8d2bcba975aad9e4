//! The kit itself: every peer starts, does its work, and is spoilt by the proxy as asked. Peers of other projects only.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::time::{Duration, Instant};

use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::image::{Image, digest};
use signet_testkit::peer::{GoSigner, Registry, RegistryOptions, TrustServer};
use signet_testkit::process::Finished;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

const GUN: &str = "localhost:5000/team/app";

fn user_of(server: &TrustServer) -> User {
    User::new(&server.url(), &server.ca_pem()).unwrap()
}

fn initialise(user: &User) {
    user.expect(Tool::Docker, &["key", "generate", "jeff"])
        .unwrap();
    user.expect(
        Tool::Docker,
        &["signer", "add", "--key", "jeff.pub", "jeff", GUN],
    )
    .unwrap();
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
    let signer = GoSigner::start().unwrap();
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
        tls: None,
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
