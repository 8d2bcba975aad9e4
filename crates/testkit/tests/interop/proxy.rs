//! `HTTPS_PROXY`: the same servers are asked through it as by the docker client, and never one on this machine.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use signet_testkit::user::{Tool, User};

/// A proxy that opens no tunnel and remembers where to it was asked to.
struct Refusing {
    url: String,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Refusing {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let shared = Arc::clone(&asked);
        // It ends with the process of the tests.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                let _ = BufReader::new(&stream).read_line(&mut line);
                shared
                    .lock()
                    .unwrap()
                    .insert(line.split(" HTTP/").next().unwrap().to_owned());
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
            }
        });
        Self { url, asked }
    }

    fn take(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Case 33, and where docker connects to (cases 20 to 24).
#[test]
fn a_proxy_is_asked_for_the_same_servers_as_by_docker() {
    let proxy = Refusing::start();
    for (variable, value) in [
        ("HTTPS_PROXY", proxy.url.clone()),
        ("https_proxy", proxy.url.clone()),
    ] {
        for (image, server, expected) in [
            ("alpine", None, Some("CONNECT notary.docker.io:443")),
            (
                "index.docker.io/alpine:3",
                None,
                Some("CONNECT notary.docker.io:443"),
            ),
            (
                "registry.example.com:5443/x",
                None,
                Some("CONNECT registry.example.com:5443"),
            ),
            (
                "registry.example.com/x",
                None,
                Some("CONNECT registry.example.com:443"),
            ),
            (
                "alpine",
                Some("https://trust.example.com:4443"),
                Some("CONNECT trust.example.com:4443"),
            ),
            ("localhost:1/x", None, None),
            ("127.0.0.1:1/x", None, None),
            ("alpine", Some("https://localhost:1"), None),
        ] {
            for tool in [Tool::Docker, Tool::DockerTrust] {
                let mut user = User::new("https://localhost:1", "no certificate").unwrap();
                user.set(variable, &value);
                match server {
                    Some(server) => user.set("DOCKER_CONTENT_TRUST_SERVER", server),
                    None => user.unset("DOCKER_CONTENT_TRUST_SERVER"),
                }
                user.run(tool, &["inspect", image])
                    .unwrap()
                    .failure(1)
                    .unwrap();
                let expected: BTreeSet<String> =
                    expected.iter().map(|&text| text.to_owned()).collect();
                assert_eq!(
                    proxy.take(),
                    expected,
                    "{tool:?} {image} {server:?} {variable}"
                );
            }
        }
    }
    // What is excepted is not asked through it.
    let mut user = User::new("https://trust.invalid:1", "no certificate").unwrap();
    user.set("HTTPS_PROXY", &proxy.url);
    user.set("NO_PROXY", "trust.invalid");
    for tool in [Tool::Docker, Tool::DockerTrust] {
        user.run(tool, &["inspect", "alpine"])
            .unwrap()
            .failure(1)
            .unwrap();
        assert_eq!(proxy.take(), BTreeSet::new(), "{tool:?}");
    }
}
