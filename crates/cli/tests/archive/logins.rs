//! Which passwords a trust server gets to see: one that asks for a login whatever it is asked, and names repositories as it likes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use data_encoding::BASE64;
use serde_json::json;
use signet_testkit::file;
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};

use crate::support::{Desk, demo};

/// Registries in the names that the server makes up.
const NAMED: [&str; 3] = [
    "docker.io/library/alpine",
    "registry.example.com/any/thing",
    "ghcr.io/a/b",
];

/// A server that wants passwords, and everything that it was told.
struct Curious {
    port: u16,
    passwords: Arc<Mutex<Vec<String>>>,
}

impl Curious {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let passwords = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&passwords);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                thread::spawn(move || serve(&stream, &heard));
            }
        });
        Self { port, passwords }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The passwords that came, each once; and it forgets them.
    fn heard(&self) -> Vec<String> {
        let mut heard = std::mem::take(&mut *self.passwords.lock().unwrap());
        heard.sort();
        heard.dedup();
        heard
    }
}

/// Answers one request and closes the connection.
fn serve(stream: &TcpStream, heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut password, mut length) = (String::new(), None, 0);
    if reader.read_line(&mut first).is_err() {
        return;
    }
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        if name.eq_ignore_ascii_case("authorization") {
            let value = value.strip_prefix("Basic ").unwrap();
            let text = BASE64.decode(value.as_bytes()).unwrap();
            password = Some(String::from_utf8(text).unwrap());
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
    }
    let _ = std::io::copy(&mut reader.take(length), &mut std::io::sink());
    let (status, body) = match password {
        None => ("401 Unauthorized", "{}".to_owned()),
        Some(password) => {
            heard.lock().unwrap().push(password);
            if first.contains("/_trust/changefeed") {
                let records = NAMED.iter().enumerate().map(|(id, gun)| {
                    json!({
                        "ID": (id + 1).to_string(), "CreatedAt": "2026-01-01T00:00:00Z", "GUN": gun, "Version": 1,
                        "SHA256": "0".repeat(64), "Category": "update",
                    })
                });
                let records: Vec<_> = records.collect();
                let body = json!({"count": records.len(), "records": records});
                ("200 OK", body.to_string())
            } else {
                ("404 Not Found", "{}".to_owned())
            }
        }
    };
    let mut stream = stream;
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// Somebody who is logged in at many registries, this server among them.
fn log_in_everywhere(desk: &Desk, server: &Curious) {
    let auth = |name: &str| json!({"auth": BASE64.encode(format!("me:{name}").as_bytes())});
    let auths = json!({"auths": {
        "https://index.docker.io/v1/": auth("hub"),
        "registry.example.com": auth("example"),
        "ghcr.io": auth("ghcr"),
        server.host(): auth("own"),
    }});
    file::write(&desk.path(".docker/config.json"), auths.to_string()).unwrap();
}

fn notary(home: &Path, auth: Option<&str>, words: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notary"));
    command.args(words).env_clear().env("HOME", home);
    if let Some(auth) = auth {
        command.env("NOTARY_AUTH", BASE64.encode(auth.as_bytes()));
    }
    process::run(command.current_dir(home), "", COMMAND_LIMIT).unwrap()
}

#[test]
fn a_server_that_names_repositories_sees_the_login_for_itself_alone() {
    let (desk, server) = (Desk::new(), Curious::start());
    log_in_everywhere(&desk, &server);
    let home = desk.path("");
    let url = server.url();
    let create = |auth, more: &[&str]| {
        let words = [
            &[
                "-s",
                &url,
                "archive",
                "create",
                "--restart",
                "-o",
                "a.tar.gz",
            ],
            more,
        ]
        .concat();
        notary(&home, auth, &words);
        server.heard()
    };
    assert_eq!(create(None, &["--changefeed"]), ["me:own"]);
    assert_eq!(create(Some("a:b"), &["--changefeed"]), ["a:b"]);
    // What the user allows, and no more.
    assert_eq!(
        create(None, &["--changefeed", "--login-for", "ghcr.io"]),
        ["me:ghcr", "me:own"]
    );
    assert_eq!(
        create(
            None,
            &[
                "--changefeed",
                "--login-for",
                "docker.io",
                "--login-for",
                "ghcr.io"
            ]
        ),
        ["me:ghcr", "me:hub", "me:own"]
    );
    // Who names a repository names no login: any server may have one of that name.
    for gun in NAMED {
        assert_eq!(create(None, &[gun]), ["me:own"]);
    }
    assert_eq!(
        create(None, &["ghcr.io/a/b", "--login-for", "ghcr.io"]),
        ["me:ghcr"]
    );
    let told = |more: &[&str]| {
        let words = [&["archive", "create", "-o", "b.tar.gz"], more].concat();
        let done = notary(&home, None, &words);
        assert_eq!(done.code, Some(1));
        done.stdout
    };
    let text = told(&["--changefeed", "--login-for", "https://ghcr.io"]);
    assert!(text.contains("takes the name of a registry"), "{text}");
    let text = told(&["--from-database", "x.db", "--login-for", "ghcr.io"]);
    assert!(text.contains("--login-for is for a trust server"), "{text}");
}

/// The server of somebody else, asked for an image of Docker Hub.
#[test]
fn a_name_shows_no_registrys_login_to_another_server() {
    let (desk, server) = (Desk::new(), Curious::start());
    log_in_everywhere(&desk, &server);
    let (home, url) = (desk.path(""), server.url());
    for gun in NAMED {
        notary(&home, None, &["-s", &url, "list", gun]);
        assert_eq!(server.heard(), ["me:own"], "{gun}");
        notary(&home, Some("a:b"), &["-s", &url, "list", gun]);
        assert_eq!(server.heard(), ["a:b"], "{gun}");
    }
    let same_host = json!({"auths": {"127.0.0.1:1": {"auth": BASE64.encode(b"me:registry")}}});
    file::write(&desk.path(".docker/config.json"), same_host.to_string()).unwrap();
    notary(&home, None, &["-s", &url, "list", "127.0.0.1:1/team/app"]);
    assert_eq!(server.heard(), ["me:registry"]);
}

#[test]
fn an_archive_does_not_choose_which_passwords_a_server_sees() {
    let (desk, server) = (Desk::new(), Curious::start());
    log_in_everywhere(&desk, &server);
    let home = desk.path("");
    // Its repository is named after registry.example.com.
    let archive = desk.pack("a.tar.gz", &[demo()]);
    let url = server.url();
    let import = |auth, more: &[&str]| {
        let words = [&["archive", "import", &archive, "--into", &url], more].concat();
        notary(&home, auth, &words);
        server.heard()
    };
    assert_eq!(import(None, &[]), ["me:own"]);
    assert_eq!(import(Some("a:b"), &[]), ["a:b"]);
    assert_eq!(
        import(None, &["--login-for", "registry.example.com"]),
        ["me:example"]
    );
    assert_eq!(import(None, &[crate::support::DEMO]), ["me:own"]);
    let named = [crate::support::DEMO, "--login-for", "registry.example.com"];
    assert_eq!(import(None, &named), ["me:example"]);
}
