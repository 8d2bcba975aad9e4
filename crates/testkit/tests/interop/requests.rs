//! How often a command asks whom, and over which way.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use signet_testkit::chaos::Proxy;
use signet_testkit::image::Image;
use signet_testkit::peer::{Registry, RegistryOptions, TokenService, TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

/// A trust server and a registry that are counted, for somebody who has signed there before.
struct Counted {
    tokens: Option<TokenService>,
    _server: TrustServer,
    trust: Proxy,
    registry: Registry,
    images: Proxy,
    user: User,
    name: String,
}

/// How registry and trust server know who is there. Trust servers know no passwords.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Login {
    None,
    Basic,
    Bearer,
}

impl Counted {
    fn new(login: Login) -> Self {
        let tokens = (login == Login::Bearer).then(|| {
            let service = TokenService::start().unwrap();
            service.user("alice", "wonderland", &[("*", "pull,push")])
        });
        let mut options = TrustOptions::default().plain();
        if let Some(tokens) = &tokens {
            options = options.token(tokens.auth("notary"));
        }
        let server = TrustServer::go_with(&options).unwrap();
        let registry = Registry::start_with(&RegistryOptions {
            htpasswd: login == Login::Basic,
            token: tokens.as_ref().map(|tokens| tokens.auth("registry")),
            ..RegistryOptions::default()
        })
        .unwrap();
        let trust = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let images = Proxy::start(registry.address(), &server.issue().unwrap()).unwrap();
        let user = User::new(&trust.url(), &server.ca_pem()).unwrap();
        let host = images.url().trim_start_matches("https://").to_owned();
        if login != Login::None {
            user.log_in(&host, "alice", "wonderland").unwrap();
        }
        let counted = Self {
            tokens,
            _server: server,
            trust,
            registry,
            images,
            user,
            name: format!("{host}/team/app:v1"),
        };
        counted.push("first");
        let repository = format!("{host}/team/app");
        let add = ["signer", "add", "--key", "jeff.pub", "jeff", &repository];
        counted.expect(&["key", "generate", "jeff"]);
        counted.expect(&add);
        counted.expect(&["sign", "--remote", &counted.name]);
        counted.expect(&["inspect", &counted.name]);
        counted.take();
        counted
    }

    fn push(&self, text: &str) {
        let client = self.registry.client_for("team/app").unwrap();
        Image::single(text).push(&client, "team/app", "v1").unwrap();
    }

    fn expect(&self, arguments: &[&str]) {
        self.user.expect(Tool::DockerTrust, arguments).unwrap();
    }

    /// The requests since the last call, at the trust server, the registry and the token service; what is the repository's is cut short.
    fn take(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let short = |line: String| {
            let (method, path) = line.split_once(' ').unwrap();
            let name = path.rsplit("/_trust/tuf/").next().unwrap();
            let name = name.split('.').next().unwrap();
            format!("{method} {}", name.trim_start_matches("/v2/team/app/"))
        };
        let tokens = self.tokens.as_ref().map(TokenService::take_requests);
        (
            self.trust.take_log().into_iter().map(short).collect(),
            self.images.take_log().into_iter().map(short).collect(),
            tokens
                .unwrap_or_default()
                .iter()
                .map(|request| request.method.clone())
                .collect(),
        )
    }
}

/// With everything in the cache, `sign --remote` of a tag that has moved asks the trust server three times (is it there and what does it want;
/// is anything new; the upload), the registry once, or twice where it wants to know who asks, and the token service once for each of the two.
#[test]
fn signing_from_the_registry_makes_no_request_too_many() {
    for (login, at_registry, tokens) in [
        (Login::None, 1, 0),
        (Login::Basic, 2, 0),
        (Login::Bearer, 2, 2),
    ] {
        let counted = Counted::new(login);
        counted.push("second");
        counted.expect(&["sign", "--remote", &counted.name]);
        let (trust, registry, asked) = counted.take();
        assert_eq!(trust, ["GET /v2/", "GET timestamp", "POST "], "{login:?}");
        assert_eq!(registry, vec!["GET manifests/v1"; at_registry], "{login:?}");
        assert_eq!(asked.len(), tokens, "{login:?}");

        // What was published is fetched by the next command, and then nothing is new.
        counted.expect(&["verify", &counted.name]);
        assert!(counted.take().0.len() > 2);
        counted.expect(&["verify", &counted.name]);
        let (trust, registry, asked) = counted.take();
        assert_eq!(trust, ["GET /v2/", "GET timestamp"], "{login:?}");
        assert!(registry.is_empty(), "{login:?}");
        assert_eq!(asked.len(), tokens / 2, "{login:?}");
    }
}

/// docker asks more often for less: its `sign` of a tag that is signed already reads no manifest and uploads nothing new.
#[test]
fn docker_asks_more_often() {
    let counted = Counted::new(Login::Bearer);
    let docker = counted.user.expect(Tool::Docker, &["sign", &counted.name]);
    docker.unwrap();
    let (trust, registry, tokens) = counted.take();
    let [ping, timestamp, root, upload] = ["GET /v2/", "GET timestamp", "GET root", "POST "];
    assert_eq!(
        trust,
        [
            ping, timestamp, timestamp, timestamp, timestamp, root, timestamp, upload
        ]
    );
    assert_eq!((registry.len(), tokens.len()), (0, 1));

    counted.expect(&["inspect", &counted.name]);
    counted.take();
    counted.expect(&["sign", &counted.name]);
    let (trust, registry, tokens) = counted.take();
    assert_eq!(trust, [ping, timestamp, upload]);
    assert_eq!((registry.len(), tokens.len()), (0, 1));
}

/// A proxy that takes every host for the one behind it, and keeps what it was asked for.
struct Tunnel {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    fn start(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || drop(carry(client, behind, &log)));
            }
        });
        Self { address, asked }
    }

    fn take(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.dedup();
        asked
    }
}

fn carry(
    mut client: TcpStream,
    behind: SocketAddr,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    log.lock()
        .unwrap()
        .push(head.lines().next().unwrap_or_default().to_owned());
    let mut server = TcpStream::connect(behind)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = up.join();
    Ok(())
}

/// Case 33: trust and token servers are reached through the proxy of the environment, by CONNECT to their own names, and those of this machine
/// directly.
#[test]
fn case_33_proxies_carry_everything_but_this_machine() {
    let server = TrustServer::go_plain().unwrap();
    let remote = Proxy::start(
        server.address(),
        &server.issue_as("notary.example").unwrap(),
    );
    let remote = remote.unwrap();
    let port = remote.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let tunnel = Tunnel::start(SocketAddr::from(([127, 0, 0, 1], port)));
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let mut user = User::new("https://notary.example:4443", &server.ca_pem()).unwrap();
        let gun = format!(
            "registry.example/team/{}",
            if tool == Tool::Docker { "a" } else { "b" }
        );
        user.expect(tool, &["key", "generate", "jeff"]).unwrap();
        for name in ["HTTPS_PROXY", "https_proxy"] {
            user.set(name, &format!("http://{}", tunnel.address));
            let add = ["signer", "add", "--key", "jeff.pub", "jeff", &gun];
            user.expect(tool, &add).unwrap();
            assert_eq!(
                tunnel.take(),
                ["CONNECT notary.example:4443 HTTP/1.1"],
                "{tool:?} {name}"
            );
            user.unset(name);
        }

        // Nothing of this machine goes through a proxy, and nothing that is excepted.
        user.set("HTTPS_PROXY", &format!("http://{}", tunnel.address));
        let direct = TrustServer::go().unwrap();
        user.trust_authority(&direct.url(), &direct.ca_pem())
            .unwrap();
        user.set("DOCKER_CONTENT_TRUST_SERVER", &direct.url());
        user.run(tool, &["inspect", "registry.example/team/c"])
            .unwrap();
        assert!(tunnel.take().is_empty(), "{tool:?}");
        user.set("DOCKER_CONTENT_TRUST_SERVER", "https://notary.example:4443");
        user.set("NO_PROXY", "notary.example");
        let cut_off = user.run(tool, &["inspect", "registry.example/team/d"]);
        assert_eq!(cut_off.unwrap().code, Some(1));
        assert!(tunnel.take().is_empty(), "{tool:?}");
    }
}
