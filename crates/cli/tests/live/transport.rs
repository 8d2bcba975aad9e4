//! Certificates and passwords, for the trust server and for the registry.

use std::fs;

use signet_testkit::file;
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, RegistryOptions, TrustServer};
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::scene::{Scene, keys_of};

/// Cases 28, 32 and Q9: certificates are always verified, except for a trust server on this machine that serves a registry on this machine.
#[test]
fn an_unknown_certificate_is_refused() {
    let scene = Scene::with_jeff();
    let stranger = scene.stranger();
    let host = scene.proxy.url().replace("https://", "");
    fs::remove_dir_all(stranger.path(&format!(".docker/tls/{host}"))).unwrap();
    stranger
        .expect(Tool::DockerTrust, &["inspect", &scene.gun])
        .unwrap();

    file::write(
        &stranger.path("jeff.pub"),
        fs::read(scene.user.path("jeff.pub")).unwrap(),
    )
    .unwrap();
    let words = [
        "signer",
        "add",
        "--key",
        "jeff.pub",
        "jeff",
        "registry.example.com/app",
    ];
    let text = stranger
        .run(Tool::DockerTrust, &words)
        .unwrap()
        .failure(1)
        .unwrap();
    assert!(
        text.starts_with("Error: error contacting notary server: ") && text.contains("certificate"),
        "{text}"
    );
    // Case 29: only files named *.crt count.
    let folder = stranger.path(&format!(".docker/tls/{host}"));
    fs::create_dir_all(&folder).unwrap();
    file::write(&folder.join("ca.pem"), scene.server.ca_pem()).unwrap();
    stranger
        .run(Tool::DockerTrust, &words)
        .unwrap()
        .failure(1)
        .unwrap();
    fs::rename(folder.join("ca.pem"), folder.join("anything.crt")).unwrap();
    stranger.expect(Tool::DockerTrust, &words).unwrap();
    // Case 30.
    file::write(&folder.join("client.cert"), "").unwrap();
    let text = stranger
        .run(Tool::DockerTrust, &words)
        .unwrap()
        .failure(1)
        .unwrap();
    let expected = "missing key client.key for client certificate client.cert. CA certificates must use the extension .crt\n";
    assert!(text.starts_with(expected), "{text}");
}

/// Cases 35 and 41: the trust server gets the registry's credentials when it asks for a password, and nothing at all is sent without any. A
/// registry that wants a password stands in for such a trust server.
#[test]
fn a_password_is_shown_to_a_server_that_asks() {
    let scene = Scene::with_password();
    let (user, proxy) = (&scene.user, &scene.proxy);
    let (host, image) = (scene.registry.host(), scene.tagged("v1"));
    let sign = || {
        user.run(Tool::DockerTrust, &["sign", "--remote", &image])
            .unwrap()
            .failure(1)
            .unwrap()
    };

    assert_eq!(
        sign(),
        "Error: error contacting notary server: no basic auth credentials\n"
    );
    assert_eq!(proxy.take_log(), ["GET /v2/"]);
    user.log_in(&host, Registry::USER, "wrong").unwrap();
    assert_eq!(
        sign(),
        "access to team/app:v1 denied with status 401: authentication required\n"
    );
    assert!(proxy.take_log().contains(&"GET /v2/".to_owned()));
    user.log_in(&host, Registry::USER, Registry::PASSWORD)
        .unwrap();
    // The stand-in lets her in, and has no trust data; its registry has no such image.
    let text = sign();
    assert!(
        text.contains("team/app:v1 is not in the registry"),
        "{text}"
    );
}

/// A registry with a password, signed from with credentials and refused without.
#[test]
fn sign_shows_the_registry_its_password() {
    let server = TrustServer::go().unwrap();
    let closed = Registry::start_with(&RegistryOptions {
        htpasswd: true,
        ..RegistryOptions::default()
    })
    .unwrap();
    let user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let image = Image::multi_platform("hello");
    let client = closed
        .client()
        .with_basic(Registry::USER, Registry::PASSWORD);
    image.push(&client, "team/app", "v1").unwrap();
    let name = format!("{}/team/app:v1", closed.host());
    let text = user
        .run(Tool::DockerTrust, &["sign", "--remote", &name])
        .unwrap()
        .failure(1)
        .unwrap();
    assert_eq!(text, "no basic auth credentials\n");
    assert!(
        !user.trust_dir().join("private").exists(),
        "keys were made for an image that could not be read"
    );

    user.log_in(&closed.host(), Registry::USER, Registry::PASSWORD)
        .unwrap();
    user.expect(Tool::DockerTrust, &["sign", "--remote", &name])
        .unwrap();
    let verified = user.expect(Tool::DockerTrust, &["verify", &name]).unwrap();
    assert_eq!(
        verified,
        format!("{}/team/app@{}\n", closed.host(), image.digest())
    );
    assert_eq!(keys_of(&user, "alice").len(), 1);
}

/// A slash at the end of the server's URL changes nothing. docker asks for `//v2/` then, and is redirected to nowhere.
#[test]
fn a_slash_after_the_servers_url_is_no_path() {
    let scene = Scene::with_jeff();
    let url = format!("{}/", scene.proxy.url());
    let gun = scene.gun.clone();
    let _ = scene.proxy.take_log();
    let mut user = scene.user;
    user.set("DOCKER_CONTENT_TRUST_SERVER", &url);
    user.expect(Tool::DockerTrust, &["inspect", &gun]).unwrap();
    let log = scene.proxy.take_log();
    assert!(
        log.len() > 1 && log.iter().all(|line| line.starts_with("GET /v2/")),
        "{log:?}"
    );
}

/// Without `DOCKER_CONTENT_TRUST_SERVER` the registry is asked, and one on this machine mostly speaks plain HTTP.
#[test]
fn a_server_without_tls_is_told_in_dockers_words() {
    let scene = Scene::new();
    let url = format!("https://{}", scene.registry.host());
    let mut user = User::new(&url, &scene.server.ca_pem()).unwrap();
    user.set("DOCKER_CONTENT_TRUST_SERVER", "");
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let words = ["sign", &scene.tagged("v1")];
        let refused = user.run(tool, &words).unwrap().failure(1).unwrap();
        assert_eq!(
            refused,
            "Error: error contacting notary server: tls: first record does not look like a TLS handshake\n"
        );
    }
    let words = ["sign", &scene.tagged("v1")];
    let command = user.command(Tool::DockerTrust, &words).unwrap();
    let mut terminal = Terminal::spawn(&command).unwrap();
    terminal.expect("set DOCKER_CONTENT_TRUST_SERVER").unwrap();
}
