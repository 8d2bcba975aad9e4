//! Go's `notary-server` on the same command lines and configurations (acceptance cases 1 to 3 of the specification).

use std::process::Command;

use signet_testkit::program::NOTARY_SERVER;

use super::support::{Folder, MEMORY, run};

const LOCAL: &str = r#""trust_service":{"type":"local"}"#;
const STORED: &str = r#""trust_service":{"type":"local"},"storage":{"backend":"memory"}"#;
const RETHINKDB: &str = r#""backend":"rethinkdb","db_url":"h:1""#;
const NAMES: &str = r#""realm":"https://auth.test/token","issuer":"auth.test","service":"notary""#;

/// Go's program in place of ours, with the same arguments, environment and folder.
fn go(ours: &Command) -> Command {
    let mut command = Command::new(NOTARY_SERVER.find().unwrap());
    command.env_clear().args(ours.get_args());
    for (name, value) in ours.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.current_dir(ours.get_current_dir().unwrap());
    command
}

/// The message of the last line, which must be fatal, and the exit status.
fn fatal(command: Command) -> String {
    let what = format!("{command:?}");
    let (status, _, log) = run(command);
    assert_eq!(status, Some(1), "{what}: {log}");
    let last = log.lines().last().unwrap_or_default();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["level"], "fatal", "{what}: {log}");
    last["msg"].as_str().unwrap().to_owned()
}

fn faults(configurations: &[String], folder: &Folder) {
    for keys in configurations {
        let ours = folder.configured(keys);
        let expected = fatal(go(&ours));
        assert_eq!(fatal(ours), expected, "{keys}");
    }
}

#[test]
fn the_command_line_ends_as_in_go() {
    let folder = Folder::new();
    for (arguments, code) in [
        (&["-version"][..], 0),
        (&["--version"], 0),
        (&["-h"], 0),
        (&["-nope"], 2),
        (&["-config"], 2),
    ] {
        let mut ours = folder.program();
        ours.args(arguments);
        let (go_code, go_out, go_log) = run(go(&ours));
        let (our_code, our_out, our_log) = run(ours);
        assert_eq!(
            (go_code, our_code),
            (Some(code), Some(code)),
            "{arguments:?}"
        );
        let fault = |text: &str| {
            text.lines()
                .next()
                .filter(|line| line.starts_with("flag "))
                .map(str::to_owned)
        };
        assert_eq!(fault(&go_log), fault(&our_log), "{arguments:?}");
        let up_to_colon = |text: &str| text.split_inclusive(": ").next().map(str::to_owned);
        assert_eq!(up_to_colon(&go_out), up_to_colon(&our_out), "{arguments:?}");
    }
}

#[test]
fn faults_of_sections_are_named_as_in_go() {
    let folder = Folder::new();
    let remote = |rest: &str| format!(r#""trust_service":{{"type":"remote"{rest}}}"#);
    let storage = |rest: &str| format!(r#"{LOCAL},"storage":{{{rest}}}"#);
    let prefixes = |value: &str| format!(r#""repositories":{{"gun_prefixes":{value}}}"#);
    let ages = |rest: &str| format!(r#"{STORED},"caching":{{"max_age":{{{rest}}}}}"#);
    let certified = r#""tls_ca_file":"a","client_cert_file":"b","client_key_file":"c""#;
    faults(
        &[
            r#""logging":{"level":"x y"}"#.to_owned(),
            prefixes(r#"["a/",5]"#),
            prefixes(r#""a/ b""#),
            prefixes(r#"["/a/"]"#),
            prefixes(r#"["../a/"]"#),
            prefixes(r#"["a//b/"]"#),
            prefixes(r#"[" a/"]"#),
            r#""reporting":{"bugsnag":{"endpoint":"x"}}"#.to_owned(),
            String::new(),
            r#""trust_service":{"type":"LOCAL"}"#.to_owned(),
            remote(""),
            remote(r#","key_algorithm":"random""#),
            remote(r#","key_algorithm":"ecdsa","tls_client_cert":"x""#),
            remote(r#","key_algorithm":"ecdsa","tls_client_key":"x""#),
            remote(r#","key_algorithm":"ecdsa","tls_ca_file":"/nope""#),
            storage(""),
            storage(r#""backend":"asdf""#),
            storage(r#""backend":"mysql""#),
            storage(r#""backend":"postgres""#),
            storage(r#""backend":"sqlite3""#),
            storage(r#""backend":"mysql","db_url":"zzz""#),
            storage(r#""backend":"rethinkdb""#),
            storage(RETHINKDB),
            storage(&format!(r#"{RETHINKDB},"tls_ca_file":"a""#)),
            storage(&format!("{RETHINKDB},{certified}")),
            storage(&format!(r#"{RETHINKDB},{certified},"database":"d""#)),
            ages(r#""current_metadata":3.5"#),
            ages(r#""current_metadata":-1"#),
            ages(r#""consistent_metadata":31536001"#),
        ],
        &folder,
    );
}

#[test]
fn faults_of_the_listener_are_named_as_in_go() {
    let folder = Folder::new();
    folder.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem -days 30 -subj /CN=localhost");
    folder.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.pem");
    folder.openssl("genpkey -algorithm RSA -aes256 -pass pass:abcd -out encrypted.pem");
    folder.write("empty.pem", "nothing\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!(r#""http_addr":"{}""#, taken.local_addr().unwrap());
    let files = |certificate: &str, key: &str| {
        format!(
            r#""http_addr":"127.0.0.1:0","tls_cert_file":"{certificate}","tls_key_file":"{key}""#
        )
    };
    let configurations: Vec<String> = [
        String::new(),
        r#""http_addr":"nope""#.to_owned(),
        r#""http_addr":"127.0.0.1:x1""#.to_owned(),
        taken,
        files("c.pem", ""),
        files("", "k.pem"),
        r#""http_addr":"127.0.0.1:0","client_ca_file":"c.pem""#.to_owned(),
        files("none.pem", "k.pem"),
        files("c.pem", "none.pem"),
        files("c.pem", "other.pem"),
        files("c.pem", "encrypted.pem"),
        files("empty.pem", "k.pem"),
        files("c.pem", "c.pem"),
        files("c.pem", "k.pem") + r#","client_ca_file":"none.pem""#,
        files("c.pem", "k.pem") + r#","client_ca_file":"empty.pem""#,
    ]
    .iter()
    .map(|server| format!(r#"{STORED},"server":{{{server}}}"#))
    .collect();
    faults(&configurations, &folder);
}

#[test]
fn faults_of_authentication_are_named_as_in_go() {
    let folder = Folder::new();
    folder.write("empty.pem", "");
    let damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    folder.write("damaged.pem", damaged);
    let options = |rest: &str| format!(r#""type":"token","options":{{{rest}}}"#);
    let bundle = |path: &str| options(&format!(r#"{NAMES},"rootcertbundle":"{path}""#));
    let configurations: Vec<String> = [
        r#""type":"token""#.to_owned(),
        r#""type":"token","options":[]"#.to_owned(),
        r#""type":"token","options":"x""#.to_owned(),
        options(r#""issuer":"i","service":"s""#),
        options(r#""realm":5,"issuer":"i","service":"s""#),
        options(r#""realm":"x""#),
        options(r#""realm":"x","issuer":"y""#),
        options(NAMES),
        bundle("/nope"),
        bundle("empty.pem"),
    ]
    .iter()
    .map(|auth| format!(r#"{MEMORY},"auth":{{{auth}}}"#))
    .collect();
    faults(&configurations, &folder);
    // The parsers of certificates have words of their own for the reason.
    let ours = folder.configured(&format!(r#"{MEMORY},"auth":{{{}}}"#, bundle("damaged.pem")));
    for command in [go(&ours), ours] {
        let message = fatal(command);
        let begin = "unable to parse token auth root certificate: ";
        assert!(message.starts_with(begin), "{message}");
    }
}

#[test]
fn a_database_that_is_away_is_named_as_in_go() {
    let folder = Folder::new();
    for (backend, url) in [
        (
            "postgres",
            "postgres://u@127.0.0.1:1/x?sslmode=disable&connect_timeout=1",
        ),
        ("mysql", "u@tcp(127.0.0.1:1)/x?timeout=1s"),
    ] {
        let keys = format!(r#"{LOCAL},"storage":{{"backend":"{backend}","db_url":"{url}"}}"#);
        let ours = folder.configured(&keys);
        for command in [go(&ours), ours] {
            let message = fatal(command);
            let begin = format!("Error starting {backend} driver: ");
            assert!(message.starts_with(&begin), "{message}");
            let reason = message.to_lowercase();
            assert!(reason.contains("connection refused"), "{message}");
        }
    }
}
