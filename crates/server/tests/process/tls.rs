//! TLS as `openssl s_client` sees it (acceptance case 14), and certificates that change.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::support::{Folder, Server, run, wait_for};

const RSA: &str = "req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost";

fn keys(rest: &str) -> String {
    format!(
        r#""server":{{"http_addr":"127.0.0.1:0","tls_cert_file":"c.pem","tls_key_file":"k.pem"{rest}}},
        "trust_service":{{"type":"local"}},"storage":{{"backend":"memory"}}"#
    )
}

/// Asks for `/v2/` through openssl. Gives what it wrote, when the handshake and the request succeeded.
fn ask(folder: &Folder, server: &Server, options: &str) -> Option<String> {
    let mut command = Command::new("openssl");
    command.args([
        "s_client",
        "-connect",
        &server.address(),
        "-servername",
        "localhost",
        "-quiet",
        "-no_ign_eof",
    ]);
    command
        .args(options.split(' ').filter(|option| !option.is_empty()))
        .current_dir(folder.path(""));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let mut input = child.stdin.take().unwrap();
    // Refused connections do not take it.
    let _ = std::io::Write::write_all(
        &mut input,
        b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let output = child.wait_with_output().unwrap();
    drop(input);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.starts_with("HTTP/1.1 200 OK").then_some(text)
}

#[test]
fn old_versions_are_refused_and_new_ones_served() {
    let folder = Folder::new();
    folder.openssl(RSA);
    let server = Server::start(folder.configured(&keys("")));
    for accepted in [
        "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
        "-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305",
        "-tls1_3",
        "-CAfile c.pem -verify_return_error",
    ] {
        assert!(ask(&folder, &server, accepted).is_some(), "{accepted}");
    }
    for refused in [
        "-tls1 -cipher ALL@SECLEVEL=0",
        "-tls1_1 -cipher ALL@SECLEVEL=0",
        "-tls1_2 -cipher AES128-SHA",
        "-tls1_2 -cipher ECDHE-RSA-AES128-SHA",
    ] {
        assert!(ask(&folder, &server, refused).is_none(), "{refused}");
    }
}

#[test]
fn a06_with_a_client_ca_nobody_connects_without_a_certificate() {
    let folder = Folder::new();
    folder.openssl(RSA);
    let server = Server::start(folder.configured(&keys(r#","client_ca_file":"c.pem""#)));
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(ask(&folder, &server, version).is_none(), "{version}");
        // The documented set-up: the server's own certificate is the client's too.
        assert!(
            ask(
                &folder,
                &server,
                &format!("{version} -cert c.pem -key k.pem")
            )
            .is_some(),
            "{version}"
        );
    }
}

#[test]
fn a06_without_usable_tls_files_nothing_listens() {
    let folder = Folder::new();
    folder.openssl(RSA);
    folder.openssl("genpkey -algorithm RSA -aes256 -pass pass:abcd -out encrypted.pem");
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for (certificate, key, client_ca) in [
        ("none.pem", "k.pem", ""),
        ("c.pem", "none.pem", ""),
        ("c.pem", "encrypted.pem", ""),
        ("c.pem", "c.pem", ""),
        ("c.pem", "k.pem", "none.pem"),
        ("", "", "c.pem"),
    ] {
        let server = format!(
            r#"{{"http_addr":"127.0.0.1:{port}","tls_cert_file":"{certificate}","tls_key_file":"{key}","client_ca_file":"{client_ca}"}}"#
        );
        let command = folder.configured(&format!(r#""server":{server},"trust_service":{{"type":"local"}},"storage":{{"backend":"memory"}}"#));
        let (status, _, log) = run(command);
        assert_eq!(status, Some(1), "{server}");
        assert!(
            log.lines().last().unwrap().contains("\"level\":\"fatal\""),
            "{log}"
        );
    }
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let folder = Folder::new();
    folder.openssl(RSA);
    let server = Server::start(folder.configured(&keys("")));
    folder.openssl("x509 -in c.pem -out old.pem");
    assert!(ask(&folder, &server, "-CAfile old.pem -verify_return_error").is_some());
    // A certificate without its key changes nothing.
    folder.write("k.pem", "junk");
    server.signal(Signal::HUP);
    server.await_log("the certificates stay as they are");
    assert!(ask(&folder, &server, "-CAfile old.pem -verify_return_error").is_some());
    folder.openssl(RSA);
    server.signal(Signal::HUP);
    server.await_log("read the certificates again");
    wait_for("the new certificate", || {
        ask(&folder, &server, "-CAfile c.pem -verify_return_error").is_some()
    });
    assert!(ask(&folder, &server, "-CAfile old.pem -verify_return_error").is_none());
}

/// As Kubernetes does it with mounted secrets: all names are links through one link, which is replaced.
#[test]
fn certificates_are_read_again_when_a_link_to_them_is_replaced() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    let version = |name: &str| {
        folder.openssl(RSA);
        std::fs::create_dir(folder.path(name)).unwrap();
        for file in ["c.pem", "k.pem"] {
            std::fs::rename(folder.path(file), folder.path(name).join(file)).unwrap();
        }
        symlink(name, folder.path("next")).unwrap();
        std::fs::rename(folder.path("next"), folder.path("data")).unwrap();
    };
    version("one");
    for file in ["c.pem", "k.pem"] {
        symlink(format!("data/{file}"), folder.path(&format!("link-{file}"))).unwrap();
    }
    let names = r#""server":{"http_addr":"127.0.0.1:0","tls_cert_file":"link-c.pem","tls_key_file":"link-k.pem","client_ca_file":"link-c.pem"},
        "trust_service":{"type":"local"},"storage":{"backend":"memory"}"#;
    let server = Server::start(folder.configured(names));
    let with = |name: &str| {
        ask(
            &folder,
            &server,
            &format!(
                "-CAfile {name}/c.pem -verify_return_error -cert {name}/c.pem -key {name}/k.pem"
            ),
        )
    };
    assert!(with("one").is_some());
    // In the same folder as the first was made, so the link stands aside for a moment.
    std::fs::rename(folder.path("data"), folder.path("old")).unwrap();
    version("two");
    server.await_log("read the certificates again");
    wait_for("the new certificate", || with("two").is_some());
    // Who may connect has changed with it.
    assert!(with("one").is_none());
}
