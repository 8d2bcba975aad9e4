//! Start, faults of the configuration, and signals, beside Go's program: acceptance cases 40 and 41 of signer-and-keys.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use signet_testkit::peer::{Make, Signer, SignerOptions};
use signet_testkit::process::{COMMAND_LIMIT, Finished, Group, Service, run};
use signet_testkit::program::{self, NOTARY_SIGNER};
use signet_testkit::{file, port};

fn program_of(make: Make) -> Command {
    let path = match make {
        Make::Go => NOTARY_SIGNER.find(),
        Make::Ours => program::ours("notary-signer"),
    };
    let mut command = Command::new(path.unwrap());
    command.env("HOME", "/nonexistent");
    command
}

fn start(make: Make, folder: &Path, more: &[&str]) -> Finished {
    let mut command = program_of(make);
    command.args(["-config", "signer.json"]).args(more);
    run(command.current_dir(folder), "", COMMAND_LIMIT).unwrap()
}

/// The last line of the log, which is why it did not start.
fn fatal(make: Make, folder: &Path, more: &[&str]) -> String {
    let finished = start(make, folder, more);
    assert_eq!(finished.code, Some(1), "{make:?}: {finished}");
    let line = finished.stderr.lines().last().unwrap_or_default();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "fatal", "{make:?}: {finished}");
    line["msg"].as_str().unwrap().to_owned()
}

fn configure(folder: &Path, config: &Value) {
    file::write(&folder.join("signer.json"), config.to_string()).unwrap();
}

/// A folder with a certificate, and a service that listens.
fn world() -> Signer {
    Signer::ours().unwrap()
}

/// The section `server` that the other sections stand beside.
fn server() -> Value {
    json!({"grpc_addr": "127.0.0.1:0", "tls_cert_file": "signer.crt", "tls_key_file": "signer.key"})
}

#[test]
fn case_40_what_keeps_it_from_starting_is_named_as_in_go() {
    let signer = world();
    let folder = signer.folder();
    let storage = |storage: Value| json!({"server": server(), "storage": storage});
    let sql = |backend: &str, url: &str| {
        storage(json!({"backend": backend, "db_url": url, "default_alias": "a"}))
    };
    let path = folder.display();
    let free = port::free().unwrap();
    for (config, message) in [
        (
            json!({"logging": {"level": "bogus"}}),
            "not a valid logrus Level: \"bogus\"".to_owned(),
        ),
        (
            json!({"reporting": {"bugsnag": {"endpoint": "x"}}}),
            "must provide an API key for bugsnag".to_owned(),
        ),
        (
            json!({}),
            "unable to set up TLS: Could not load X509 key pair (cert: \"\", key: \"\"): open : no such file or directory".to_owned(),
        ),
        (
            json!({"server": {"tls_cert_file": "none", "tls_key_file": "signer.key"}}),
            format!("unable to set up TLS: Could not load X509 key pair (cert: \"{path}/none\", key: \"{path}/signer.key\"): open {path}/none: no such file or directory"),
        ),
        (
            json!({"server": {"tls_cert_file": "signer.crt", "tls_key_file": "signer.key", "client_ca_file": "none"}}),
            format!("unable to set up TLS: could not read CA certificate \"{path}/none\": open {path}/none: no such file or directory"),
        ),
        (
            json!({"server": {"tls_cert_file": "signer.crt", "tls_key_file": "signer.key"}}),
            "grpc listen address required for server".to_owned(),
        ),
        (
            storage(json!({"backend": "x"})),
            "x is not an allowed backend, must be one of: [memory mysql sqlite3 rethinkdb postgres]".to_owned(),
        ),
        (
            json!({"server": server()}),
            " is not an allowed backend, must be one of: [memory mysql sqlite3 rethinkdb postgres]".to_owned(),
        ),
        (
            storage(json!({"backend": "postgres"})),
            "must provide a non-empty database source for postgres".to_owned(),
        ),
        (
            storage(json!({"backend": "postgres", "db_url": "x"})),
            "must provide a default alias for the key DB".to_owned(),
        ),
        (
            storage(json!({"backend": "mysql", "db_url": "u@tcp(127.0.0.1:1)/x"})),
            "must provide a default alias for the key DB".to_owned(),
        ),
        (
            // The source goes before the alias.
            storage(json!({"backend": "mysql", "db_url": "x"})),
            "failed to parse the database source for mysql".to_owned(),
        ),
        (
            storage(json!({"backend": "rethinkdb", "default_alias": "a"})),
            "must provide a non-empty host:port for rethinkdb".to_owned(),
        ),
        (
            sql("rethinkdb", "x:1"),
            "cowardly refusal to connect to rethinkdb without a CA cert".to_owned(),
        ),
        (
            storage(json!({"backend": "rethinkdb", "db_url": "x:1", "default_alias": "a", "tls_ca_file": "ca.crt"})),
            "cowardly refusal to connect to rethinkdb without a client cert and key".to_owned(),
        ),
        (
            json!({"server": {"grpc_addr": signer.address().to_string(), "tls_cert_file": "signer.crt", "tls_key_file": "signer.key"}, "storage": {"backend": "memory"}}),
            format!("grpc server failed to listen on {0}: listen tcp {0}: bind: address already in use", signer.address()),
        ),
    ] {
        configure(folder, &config);
        for make in [Make::Go, Make::Ours] {
            assert_eq!(fatal(make, folder, &[]), message, "{make:?}");
        }
    }
    // The drivers have words of their own for the reason, which is told by both.
    for (backend, url) in [
        (
            "postgres",
            format!("postgres://u@{free}/x?sslmode=disable&connect_timeout=1"),
        ),
        ("mysql", format!("u@tcp({free})/x?timeout=1s")),
    ] {
        configure(folder, &sql(backend, &url));
        for make in [Make::Go, Make::Ours] {
            let message = fatal(make, folder, &[]).to_lowercase();
            assert!(
                message.starts_with("failed to create a new keydbstore: "),
                "{make:?}: {message}"
            );
            assert!(
                message.contains("connection refused"),
                "{make:?}: {message}"
            );
        }
    }
    // The parsers of JSON, too.
    file::write(&folder.join("signer.json"), "{").unwrap();
    for make in [Make::Go, Make::Ours] {
        let message = fatal(make, folder, &[]);
        let begin = "Could not read config at :signer.json, viper error: While parsing config: ";
        assert!(message.starts_with(begin), "{make:?}: {message}");
    }
    std::fs::remove_file(folder.join("signer.json")).unwrap();
    let message = format!(
        "Could not read config at :signer.json, viper error: Config File \"signer\" Not Found in \"[{path}]\""
    );
    for make in [Make::Go, Make::Ours] {
        assert_eq!(fatal(make, folder, &[]), message, "{make:?}");
    }
}

#[test]
fn case_40_keys_in_memory_are_not_bootstrapped() {
    let signer = world();
    configure(
        signer.folder(),
        &json!({"server": server(), "storage": {"backend": "memory"}}),
    );
    for make in [Make::Go, Make::Ours] {
        let message = fatal(make, signer.folder(), &["-bootstrap"]);
        assert_eq!(message, "store does not support bootstrapping", "{make:?}");
    }
}

#[test]
fn flags_end_as_in_go() {
    for (arguments, code, on_stdout, on_stderr) in [
        (&["-version"][..], 0, "notary-signer Version: ", ""),
        (&["--version"], 0, "notary-signer Version: ", ""),
        (&["-h"], 0, "", "Path to configuration file"),
        (&["-nope"], 2, "", "flag provided but not defined: -nope\n"),
        (&["-config"], 2, "", "flag needs an argument: -config\n"),
    ] {
        for make in [Make::Go, Make::Ours] {
            let mut command = program_of(make);
            let finished = run(command.args(arguments), "", COMMAND_LIMIT).unwrap();
            assert_eq!(finished.code, Some(code), "{make:?}: {finished}");
            assert!(
                finished.stdout.starts_with(on_stdout),
                "{make:?}: {finished}"
            );
            assert_eq!(
                finished.stdout.is_empty(),
                on_stdout.is_empty(),
                "{make:?}: {finished}"
            );
            assert!(finished.stderr.contains(on_stderr), "{make:?}: {finished}");
        }
    }
}

/// Started in a folder with its certificate, and with these variables.
fn spawn(make: Make, folder: &Path, variables: &[(&str, String)]) -> Service {
    let mut command = program_of(make);
    command
        .args(["-config", "signer.json"])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(folder);
    let log = folder.join(format!("{make:?}.log"));
    Service::spawn("notary-signer", &mut command, &log, Group::Own).unwrap()
}

#[test]
fn case_41_a_variable_goes_before_the_file() {
    let signer = world();
    let mut section = server();
    // In use: without the variable there is no start.
    section["grpc_addr"] = json!(signer.address().to_string());
    configure(
        signer.folder(),
        &json!({"server": section, "storage": {"backend": "x"}}),
    );
    for make in [Make::Go, Make::Ours] {
        let address = port::free().unwrap();
        let variables = [
            ("NOTARY_SIGNER_SERVER_GRPC_ADDR", address.to_string()),
            ("NOTARY_SIGNER_STORAGE_BACKEND", "memory".to_owned()),
            // Empty ones count as unset.
            ("NOTARY_SIGNER_SERVER_TLS_CERT_FILE", String::new()),
        ];
        let mut service = spawn(make, signer.folder(), &variables);
        service.wait_listening(address).unwrap();
    }
}

#[test]
fn every_format_is_read_and_the_alias_has_a_variable_of_its_own() {
    let signer = world();
    let folder = signer.folder();
    let url = "postgres://u@127.0.0.1:1/x?sslmode=disable&connect_timeout=1";
    // Go reads a file of another format where it has the same name up to the extension.
    for (name, text) in [
        (
            "of-yaml.yaml",
            format!(
                "server:\n  grpc_addr: 127.0.0.1:0\n  tls_cert_file: signer.crt\n  tls_key_file: signer.key\n\
                 storage:\n  backend: postgres\n  db_url: {url}\n"
            ),
        ),
        (
            "of-toml.toml",
            format!(
                "[server]\ngrpc_addr = \"127.0.0.1:0\"\ntls_cert_file = \"signer.crt\"\ntls_key_file = \"signer.key\"\n\
                 [storage]\nbackend = \"postgres\"\ndb_url = \"{url}\"\n"
            ),
        ),
    ] {
        file::write(&folder.join(name), text).unwrap();
        for make in [Make::Go, Make::Ours] {
            for (alias, message) in [
                ("", "must provide a default alias for the key DB"),
                ("timestamp_1", "failed to create a new keydbstore: "),
            ] {
                let mut command = program_of(make);
                command
                    .args(["-config", name])
                    .env("NOTARY_SIGNER_DEFAULT_ALIAS", alias)
                    .current_dir(folder);
                let finished = run(&mut command, "", COMMAND_LIMIT).unwrap();
                assert_eq!(finished.code, Some(1), "{make:?}: {finished}");
                assert!(finished.stderr.contains(message), "{make:?}: {finished}");
            }
        }
    }
}

#[test]
fn it_ends_in_peace_when_it_is_asked_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut signer = world();
        let status = signer.service().stop_by(signal, COMMAND_LIMIT).unwrap();
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn case_41_signals_change_the_level_as_in_go() {
    let said = [Make::Go, Make::Ours].map(|make| {
        let mut signer = Signer::start_with(make, &SignerOptions::default()).unwrap();
        let mut lines = 0;
        let mut send = |signal: Signal, times: usize| {
            for _ in 0..times {
                signer.service().signal(signal).unwrap();
                lines += 1;
                wait_for(|| told(&signer.service().log()).len() == lines);
            }
        };
        send(Signal::USR1, 5);
        send(Signal::USR2, 8);
        told(&signer.service().log())
    });
    assert_eq!(said[0].len(), 13);
    assert_eq!(said[1], said[0]);
    assert_eq!(said[0][0], "Successfully setting log level to warning");
}

/// What a service says of its level.
fn told(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| line.contains(" log level"))
        .map(str::to_owned)
        .collect()
}

fn wait_for(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(10));
    }
}
