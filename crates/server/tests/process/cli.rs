//! Command line, configuration and start-up faults (acceptance cases 1 to 7 of the specification).

use super::support::{Folder, MEMORY, Server, run};

/// The message of the last line, which must be fatal, and the exit status.
fn fatal(command: std::process::Command) -> String {
    let (status, _, log) = run(command);
    assert_eq!(status, Some(1), "{log}");
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "fatal", "{log}");
    last["msg"].as_str().unwrap().to_owned()
}

#[test]
fn version_usage_and_unknown_flags() {
    let folder = Folder::new();
    let with = |arguments: &[&str]| {
        let mut command = folder.program();
        command.args(arguments);
        run(command)
    };
    let (status, out, log) = with(&["-version"]);
    assert_eq!((status, log.as_str()), (Some(0), ""));
    assert!(
        out.starts_with("notary-server Version: ")
            && out.contains(", Git commit: ")
            && out.contains(", Go version: "),
        "{out}"
    );
    let (status, out, log) = with(&["-nope"]);
    assert_eq!(status, Some(2));
    assert!(
        log.starts_with("flag provided but not defined: -nope\n  -archive file\n"),
        "{log}"
    );
    assert!(
        out.starts_with("usage: ") && out.ends_with("notary-server\n"),
        "{out}"
    );
    assert_eq!(with(&["-h"]).0, Some(0));
    let (status, out, log) = with(&["--help"]);
    assert_eq!((status, log.as_str()), (Some(0), ""));
    assert!(out.contains("\nExamples:\n"));
    assert_eq!(with(&["-logf", "xml"]).0, Some(2));
}

#[test]
fn faults_are_the_last_line_at_level_fatal() {
    let folder = Folder::new();
    let with = |keys: &str| fatal(folder.configured(keys));
    assert_eq!(
        with(r#""trust_service":{"type":"local"},"storage":{"backend":"memory"}"#),
        "http listen address required for server"
    );
    assert_eq!(
        with(""),
        "must specify either a \"local\" or \"remote\" type for trust_service"
    );
    assert_eq!(
        with(r#""logging":{"level":"bogus"}"#),
        "not a valid logrus Level: \"bogus\""
    );
    assert_eq!(
        with(
            r#""trust_service":{"type":"local"},"storage":{"backend":"memory"},"server":{"http_addr":"127.0.0.1:x1"}"#
        ),
        "address tcp/x1: unknown port"
    );
    let mut command = folder.program();
    command.args(["-config", "none.json"]);
    assert!(fatal(command).starts_with(
        "Could not read config at :none.json, viper error: Config File \"none\" Not Found in \"["
    ));
    // Not the same as no -config: a script whose variable is empty must not get another server.
    let mut command = folder.program();
    command.arg("-config=");
    assert!(fatal(command).starts_with("Could not read config at :, viper error: "));
}

#[test]
fn a_taken_port_is_named() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    let address = server.address();
    let keys = format!(
        r#""server":{{"http_addr":"{address}"}},"trust_service":{{"type":"local"}},"storage":{{"backend":"memory"}}"#
    );
    assert_eq!(
        fatal(folder.configured(&keys)),
        format!("listen tcp {address}: bind: address already in use")
    );
}

#[test]
fn the_start_is_told_line_by_line() {
    let folder = Folder::new();
    let server = Server::start(folder.configured(MEMORY));
    let messages: Vec<String> = server
        .log()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["msg"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(messages[0].starts_with("Version: "));
    // In the order of notary-server 0.7.0.
    assert_eq!(
        messages[1..4],
        [
            "Using local signing service, which requires ED25519. Ignoring all other trust_service parameters, including keyAlgorithm",
            "Using memory backend",
            "Starting Server",
        ]
    );
}

#[test]
fn the_first_line_is_shown_and_no_other_below_the_level() {
    let folder = Folder::new();
    let mut server = Server::spawn(&mut folder.configured(MEMORY));
    server.await_log("Version: ");
    // Standard error says nothing more until the end, which is the only sign that it has begun.
    super::support::wait_for("handlers", || {
        server.signal(rustix::process::Signal::CONT);
        std::fs::read_to_string(format!("/proc/{}/status", server.id())).is_ok_and(|status| {
            let caught = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:\t"))
                .unwrap_or_default();
            u64::from_str_radix(caught.trim(), 16).is_ok_and(|mask| mask >> 14 & 1 == 1)
        })
    });
    assert_eq!(server.stop(), Some(0));
    assert_eq!(server.log().lines().count(), 1, "{}", server.log());
}

#[test]
fn variables_configure_what_the_file_does_not() {
    let folder = Folder::new();
    let rest = r#""server":{"http_addr":"127.0.0.1:0"},"trust_service":{"type":"local"}"#;
    let mut command = folder.configured(rest);
    command.env("NOTARY_SERVER_STORAGE_BACKEND", "memory").env(
        "NOTARY_SERVER_REPOSITORIES_GUN_PREFIXES",
        "docker.io/ quay.io/",
    );
    let server = Server::start(command);
    let post = |gun: &str| {
        let request = format!(
            "POST /v2/{gun}/_trust/tuf/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        server.ask(&request).1
    };
    assert!(post("ghcr.io/x").contains("Require GUNs with prefix: [docker.io/ quay.io/]"));
    assert!(!post("quay.io/x").contains("INVALID_GUN"));

    let mut command = folder.configured(rest);
    command.env("NOTARY_SERVER_STORAGE", r#"{"backend":"memory"}"#);
    Server::start(command);
    let mut command = folder.configured(MEMORY);
    command.env("NOTARY_SERVER_STORAGE", "junk");
    assert_eq!(
        fatal(command),
        "NOTARY_SERVER_STORAGE is set, but is no JSON object: it would hide what the configuration file says in this section"
    );
}

// The configurations that come with the Go server, by their own keys.
#[test]
fn configurations_of_go_are_accepted_up_to_what_comes_later() {
    let folder = Folder::new();
    folder.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout notary-server.key -out notary-server.crt -days 30 -subj /CN=x");
    folder.openssl("x509 -in notary-server.crt -out root-ca.crt");
    let common = r#""server":{"http_addr":":4443","tls_key_file":"./notary-server.key","tls_cert_file":"./notary-server.crt"},
        "trust_service":{"type":"remote","hostname":"notarysigner","port":"7899","tls_ca_file":"./root-ca.crt","key_algorithm":"ecdsa",
        "tls_client_cert":"./notary-server.crt","tls_client_key":"./notary-server.key"},"logging":{"level":"debug"}"#;
    for storage in [
        r#""storage":{"backend":"mysql","db_url":"server@tcp(mysql:3306)/notaryserver?parseTime=True"}"#,
        r#""storage":{"backend":"postgres","db_url":"postgres://server@postgresql:5432/notaryserver?sslmode=verify-ca"}"#,
    ] {
        let message = fatal(folder.configured(&format!("{common},{storage}")));
        assert!(
            message.starts_with("Error starting ") && message.contains(" driver: "),
            "{message}"
        );
    }
    let message = fatal(folder.configured(r#""trust_service":{"type":"local"},"storage":{"backend":"mysql","db_url":"u@tcp(h:1)/db"}"#));
    assert!(
        message.starts_with("Error starting mysql driver: "),
        "{message}"
    );
}

#[test]
fn bootstrap_makes_the_tables_and_ends() {
    let folder = Folder::new();
    let database = folder.path("trust.db");
    let keys = format!(
        r#""trust_service":{{"type":"local"}},"storage":{{"backend":"sqlite3","db_url":"{}"}}"#,
        database.display()
    );
    let mut command = folder.configured(&keys);
    command.arg("-bootstrap");
    let (status, out, log) = run(command);
    assert_eq!(status, Some(0), "{log}");
    assert!(out.contains("are ready"), "{out}");
    assert!(database.metadata().unwrap().len() > 0);
    let mut command = folder.configured(MEMORY);
    command.arg("-bootstrap");
    assert_eq!(fatal(command), "store does not support bootstrapping");
}

#[test]
fn a_taken_debug_port_is_fatal() {
    // Held by this test, or by whoever made the test fail to.
    let _held = std::net::TcpListener::bind("127.0.0.1:8080");
    let folder = Folder::new();
    let mut command = folder.configured(MEMORY);
    command.arg("-debug");
    let message = fatal(command);
    assert_eq!(
        message,
        "error listening on debug interface: listen tcp localhost:8080: bind: address already in use"
    );
}
