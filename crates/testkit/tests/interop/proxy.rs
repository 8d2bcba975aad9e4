//! `HTTPS_PROXY`: the same servers are asked through it as by the docker client, and never one on this machine.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use signet_testkit::chaos;
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

/// A proxy that keeps where to it was asked for a tunnel. It takes every host for the one behind it, and refuses where there is none.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(behind: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        // It ends with the process of the tests.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || drop(carry(client, behind, &log)));
            }
        });
        Self { address, asked }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `HOST:PORT` of each request since the last call; a host that was asked for again at once counts once.
    fn take(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.dedup();
        asked
    }
}

fn carry(
    mut client: TcpStream,
    behind: Option<SocketAddr>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = BufReader::new(client.try_clone()?);
    let mut request = String::new();
    head.read_line(&mut request)?;
    let line = request.trim_end();
    let host = line
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    log.lock().unwrap().push(host.unwrap_or(line).to_owned());
    // Nothing follows the head before the tunnel is there, so the buffer takes nothing along.
    while !matches!(request.as_str(), "\r\n" | "") {
        request.clear();
        head.read_line(&mut request)?;
    }
    let Some(behind) = behind else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    };
    let mut server = TcpStream::connect(behind)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = up.join();
    Ok(())
}

/// Where docker connects to (cases 20 to 24), and what it leaves alone (case 33).
#[test]
fn a_proxy_is_asked_for_the_same_servers_as_by_docker() {
    let proxy = Proxy::start(None);
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        for (image, server, expected) in [
            ("alpine", None, Some("notary.docker.io:443")),
            (
                "index.docker.io/alpine:3",
                None,
                Some("notary.docker.io:443"),
            ),
            (
                "registry.example.com:5443/x",
                None,
                Some("registry.example.com:5443"),
            ),
            (
                "registry.example.com/x",
                None,
                Some("registry.example.com:443"),
            ),
            (
                "alpine",
                Some("https://trust.example.com:4443"),
                Some("trust.example.com:4443"),
            ),
            ("localhost:1/x", None, None),
            ("127.0.0.1:1/x", None, None),
            ("alpine", Some("https://localhost:1"), None),
        ] {
            for tool in [Tool::Docker, Tool::DockerTrust] {
                let mut user = User::new("https://localhost:1", "no certificate").unwrap();
                user.set(variable, &proxy.url());
                match server {
                    Some(server) => user.set("DOCKER_CONTENT_TRUST_SERVER", server),
                    None => user.unset("DOCKER_CONTENT_TRUST_SERVER"),
                }
                user.run(tool, &["inspect", image])
                    .unwrap()
                    .failure(1)
                    .unwrap();
                let asked = proxy.take();
                let expected: Vec<&str> = expected.into_iter().collect();
                assert_eq!(asked, expected, "{tool:?} {image} {server:?} {variable}");
            }
        }
    }
}

/// Case 33: trust and token servers are reached through the proxy of the environment, by CONNECT to their own names, and those of this machine
/// directly.
#[test]
fn case_33_proxies_carry_everything_but_this_machine() {
    let server = TrustServer::go_plain().unwrap();
    let remote = chaos::Proxy::start(
        server.address(),
        &server.issue_as("notary.example").unwrap(),
    );
    let remote = remote.unwrap();
    let port = remote.url().rsplit_once(':').unwrap().1.parse().unwrap();
    let tunnel = Proxy::start(Some(SocketAddr::from(([127, 0, 0, 1], port))));
    for tool in [Tool::Docker, Tool::DockerTrust] {
        let mut user = User::new("https://notary.example:4443", &server.ca_pem()).unwrap();
        let gun = format!(
            "registry.example/team/{}",
            if tool == Tool::Docker { "a" } else { "b" }
        );
        user.expect(tool, &["key", "generate", "jeff"]).unwrap();
        for name in ["HTTPS_PROXY", "https_proxy"] {
            user.set(name, &tunnel.url());
            let add = ["signer", "add", "--key", "jeff.pub", "jeff", &gun];
            user.expect(tool, &add).unwrap();
            assert_eq!(tunnel.take(), ["notary.example:4443"], "{tool:?} {name}");
            user.unset(name);
        }

        // Nothing of this machine goes through a proxy, and nothing that is excepted.
        user.set("HTTPS_PROXY", &tunnel.url());
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
