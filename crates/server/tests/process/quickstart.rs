//! Running without a configuration: the folder, the certificates, the lines to paste, and who may connect.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::support::{Folder, Server, run, wait_for};

fn quickstart(folder: &Folder) -> Command {
    let mut command = folder.program();
    command.args(["--data-dir", "data", "--http-addr", "localhost:0"]);
    command
}

/// The port that the printed lines name.
fn port(server: &Server) -> u16 {
    server.await_out("Stop with Ctrl-C.\n");
    let out = server.out();
    let line = out.lines().find_map(|line| {
        line.trim()
            .strip_prefix("export DOCKER_CONTENT_TRUST_SERVER=https://localhost:")
    });
    line.unwrap_or_else(|| panic!("{out}")).parse().unwrap()
}

/// Whether openssl connects to this address when it trusts `ca`.
fn trusts(ca: &Path, address: &str, name: &str) -> bool {
    let check = if name.parse::<std::net::IpAddr>().is_ok() {
        "-verify_ip"
    } else {
        "-verify_hostname"
    };
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            address,
            check,
            name,
            "-verify_return_error",
            "-CAfile",
        ])
        .arg(ca)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("openssl is installed");
    output.status.success()
}

#[test]
fn the_printed_lines_make_clients_trust_it() {
    let folder = Folder::new();
    let server = Server::start(quickstart(&folder));
    let port = port(&server);
    let out = server.out();
    assert!(
        out.starts_with(&format!(
            "notary-server is ready at https://localhost:{port}\n"
        )),
        "{out}"
    );
    // What a user does: paste.
    let pasted: String = out
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(|line| format!("{line}\n"))
        .collect();
    let script = format!(
        "set -eu\n{pasted}test \"$DOCKER_CONTENT_TRUST_SERVER\" = https://localhost:{port}\n"
    );
    let status = Command::new("sh")
        .args(["-c", &script])
        .env("HOME", folder.path(""))
        .env_remove("DOCKER_CONFIG")
        .status()
        .unwrap();
    assert!(status.success(), "{script}");
    let ca = folder.path(&format!(".docker/tls/localhost:{port}/ca.crt"));
    assert!(trusts(&ca, &format!("127.0.0.1:{port}"), "localhost"));
    assert!(trusts(&ca, &format!("127.0.0.1:{port}"), "127.0.0.1"));
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert!(trusts(&ca, &format!("[::1]:{port}"), "::1"));
    }
    assert!(!trusts(&ca, &format!("127.0.0.1:{port}"), "example.com"));
}

#[test]
fn a_restart_keeps_the_authority() {
    let folder = Folder::new();
    let mut first = Server::start(quickstart(&folder));
    port(&first);
    let ca = std::fs::read(folder.path("data/tls/ca.crt")).unwrap();
    assert_eq!(first.stop(), Some(0));
    let second = Server::start(quickstart(&folder));
    let port = port(&second);
    assert_eq!(std::fs::read(folder.path("data/tls/ca.crt")).unwrap(), ca);
    assert!(trusts(
        &folder.path("data/tls/ca.crt"),
        &format!("127.0.0.1:{port}"),
        "localhost"
    ));
}

#[test]
fn one_folder_has_one_server() {
    let folder = Folder::new();
    let server = Server::start(quickstart(&folder));
    port(&server);
    let (status, _, log) = run(quickstart(&folder));
    assert_eq!(status, Some(1));
    assert!(
        log.contains("data is in use by another notary-server"),
        "{log}"
    );
}

#[test]
fn what_changes_nothing_works_beside_a_server_and_what_does_names_it() {
    let folder = Folder::new();
    let server = Server::start(quickstart(&folder));
    port(&server);
    let command = |words: &[&str]| {
        let mut command = folder.program();
        command.args(words).args(["--data-dir", "data"]);
        run(command)
    };
    let (status, out, log) = command(&["check"]);
    assert_eq!(status, Some(0), "{log}");
    assert!(
        out.starts_with("0 documents of 0 repositories: no faults\n"),
        "{out}"
    );
    let (status, out, log) = command(&["migrate", "-dry-run"]);
    assert_eq!(status, Some(0), "{log}");
    assert!(out.contains("data/notary-server.sqlite"), "{out}");
    let (status, _, log) = command(&["migrate"]);
    assert_eq!(status, Some(1), "{log}");
    let expected = format!(
        "data is in use by a notary-server (process {}): stop that first",
        server.id()
    );
    assert!(log.contains(&expected), "{log}");
    drop(server);
    let (status, out, log) = command(&["migrate"]);
    assert_eq!(status, Some(0), "{log}");
    assert!(out.ends_with("are ready\n"), "{out}");
}

#[test]
fn who_only_looks_makes_no_folder() {
    let folder = Folder::new();
    let mut command = folder.program();
    command.args(["check", "--data-dir", "data"]);
    let (status, _, log) = run(command);
    assert_eq!(status, Some(1), "{log}");
    assert!(!folder.path("data").exists());
}

#[test]
fn a_taken_port_comes_with_advice() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = folder.program();
    command.args([
        "--data-dir",
        "data",
        "--http-addr",
        &taken.local_addr().unwrap().to_string(),
    ]);
    let (status, _, log) = run(command);
    assert_eq!(status, Some(1));
    assert!(
        log.contains("bind: address already in use. Another address is chosen with --http-addr"),
        "{log}"
    );
}

#[test]
fn the_folder_is_where_xdg_says() {
    let folder = Folder::new();
    let mut command = folder.program();
    command
        .args(["--http-addr", "127.0.0.1:0"])
        .env("XDG_DATA_HOME", folder.path("xdg"));
    let server = Server::start(command);
    wait_for("the database", || {
        folder
            .path("xdg/signet/notary-server/notary-server.sqlite")
            .exists()
    });
    drop(server);
}

#[test]
fn others_cannot_connect_unless_that_is_asked_for() {
    let folder = Folder::new();
    for address in [":0", "0.0.0.0:0", "[::]:0"] {
        let mut command = folder.program();
        command.args(["--data-dir", "data", "--http-addr", address]);
        let (status, _, log) = run(command);
        assert_eq!(status, Some(1), "{address}");
        assert!(log.contains("--insecure-no-auth"), "{log}");
        let mut command = folder.program();
        command
            .args(["--data-dir", "data"])
            .env("NOTARY_SERVER_SERVER_HTTP_ADDR", address);
        assert_eq!(run(command).0, Some(1), "{address} from a variable");
    }
    let mut command = folder.program();
    command.args([
        "--data-dir",
        "data",
        "--http-addr",
        "0.0.0.0:0",
        "--insecure-no-auth",
    ]);
    let server = Server::start(command);
    server.await_out("everybody who can connect can publish");
}

#[test]
fn a07_nothing_in_the_folder_can_be_read_by_others() {
    let folder = Folder::new();
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "umask 000; exec \"$0\" --data-dir data --http-addr 127.0.0.1:0",
        env!("CARGO_BIN_EXE_notary-server"),
    ]);
    command
        .env_clear()
        .env("HOME", folder.path(""))
        .current_dir(folder.path(""));
    let server = Server::start(command);
    server.await_out("Stop with Ctrl-C.\n");
    let mut folders = vec![folder.path("data")];
    let mut seen = 0;
    while let Some(path) = folders.pop() {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", path.display());
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            seen += 1;
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let public = entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "crt");
            assert_eq!(
                mode,
                if public { 0o644 } else { 0o600 },
                "{}",
                entry.path().display()
            );
        }
    }
    assert!(seen >= 6, "{seen} files");
}
