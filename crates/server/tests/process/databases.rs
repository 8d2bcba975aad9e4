//! Servers on databases that they share.

use signet_testkit::peer::{Database, MariaDb, PostgreSql};

use crate::support::{Folder, Server, run};

const PASSPHRASE: (&str, &str) = ("NOTARY_SERVER_LOCAL_PASSPHRASE", "not to be told");
const KEY: &str = "/v2/registry.example.com/a/_trust/tuf/timestamp.key";

fn keys(database: &dyn Database) -> String {
    format!(
        r#""trust_service":{{"type":"local"}},"storage":{{"backend":"{}","db_url":"{}"}},"server":{{"http_addr":"127.0.0.1:0"}},"logging":{{"level":"info"}}"#,
        database.backend(),
        database.url()
    )
}

fn two_servers_share_tables_and_keys(database: &dyn Database) {
    let folder = Folder::new();
    let keys = keys(database);
    let program = || {
        let mut command = folder.configured(&keys);
        command.env(PASSPHRASE.0, PASSPHRASE.1);
        command
    };
    // Neither the table nor a passphrase: each is told, with what to do.
    let (status, _, log) = run(program());
    assert_eq!(status, Some(1));
    assert!(log.contains("run 'notary-server migrate"), "{log}");
    let (status, _, log) = run(folder.configured(&keys));
    assert_eq!(status, Some(1));
    assert!(log.contains("NOTARY_SERVER_LOCAL_PASSPHRASE_FILE"), "{log}");

    let migrate = |more: &[&str]| {
        let configured = folder.configured(&keys);
        let mut command = folder.program();
        command
            .arg("migrate")
            .args(configured.get_args())
            .args(more);
        let (status, out, log) = run(command);
        assert_eq!(status, Some(0), "{log}");
        out
    };
    let planned = migrate(&["-dry-run"]);
    assert!(
        planned.contains("create the table private_keys\n"),
        "{planned}"
    );
    let done = migrate(&[]);
    assert!(done.starts_with(&planned), "{done}");
    assert!(done.contains("database are ready\n"), "{done}");
    assert_eq!(migrate(&["-dry-run"]), "nothing is to be done\n");

    let (one, other) = (Server::start(program()), Server::start(program()));
    let (status, key) = one.get(KEY);
    assert_eq!(status, 200, "{key}");
    assert_eq!(other.get(KEY), (200, key));
    for server in [&one, &other] {
        assert_eq!(server.get("/_notary_server/health"), (200, "{}".to_owned()));
        assert!(!server.log().contains(PASSPHRASE.1));
    }
    let check = |passphrase: &str, more: &[&str]| {
        let configured = folder.configured(&keys);
        let mut command = folder.program();
        command.arg("check").args(configured.get_args()).args(more);
        run({
            command.env(PASSPHRASE.0, passphrase);
            command
        })
    };
    let (status, out, _) = check(PASSPHRASE.1, &[]);
    let clean = "0 documents of 0 repositories: no faults\n1 signing keys: no faults\n";
    assert_eq!((status, out.as_str()), (Some(0), clean));
    let (status, out, _) = check("another", &["-format", "json"]);
    assert_eq!(status, Some(1));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["checked"]["faults"], 0);
    assert_eq!(report["keys"]["faults"], 1);

    let mut wrong = folder.configured(&keys);
    wrong.env(PASSPHRASE.0, "another");
    let (status, _, log) = run(wrong);
    assert_eq!(status, Some(1));
    assert!(log.contains("cannot be decrypted"), "{log}");
}

#[test]
fn servers_share_mariadb() {
    two_servers_share_tables_and_keys(&MariaDb::shared().unwrap());
}

#[test]
fn servers_share_postgresql() {
    two_servers_share_tables_and_keys(&PostgreSql::shared().unwrap());
}

#[test]
fn a_check_reads_the_passphrase_beside_a_file_and_says_when_it_has_none() {
    let folder = Folder::new();
    let file = folder.path("trust.db");
    let settings = format!(
        r#""trust_service":{{"type":"local"}},"storage":{{"backend":"sqlite3","db_url":"{}"}},"server":{{"http_addr":"127.0.0.1:0"}},"logging":{{"level":"info"}}"#,
        file.display()
    );
    let server = Server::start(folder.configured(&settings));
    assert_eq!(server.get(KEY).0, 200);
    let check = || {
        let configured = folder.configured(&settings);
        let mut command = folder.program();
        command.arg("check").args(configured.get_args());
        run(command)
    };
    let documents = "0 documents of 0 repositories: no faults\n";
    let (status, out, log) = check();
    let keys = "1 signing keys: no faults\n";
    assert_eq!(
        (status, out),
        (Some(0), format!("{documents}{keys}")),
        "{log}"
    );
    drop(server);
    std::fs::remove_file(folder.path("trust.db.passphrase")).unwrap();
    let (status, out, log) = check();
    let keys = "signing keys: not checked, there are none or their passphrase is not given\n";
    assert_eq!(
        (status, out),
        (Some(0), format!("{documents}{keys}")),
        "{log}"
    );
}

/// The files of the key service are on another machine, or do not exist yet.
#[test]
fn tables_are_made_and_checked_without_the_files_of_a_key_service() {
    let folder = Folder::new();
    let settings = format!(
        r#""trust_service":{{"type":"remote","hostname":"signer","port":"7899","key_algorithm":"ecdsa","tls_ca_file":"none"}},"storage":{{"backend":"sqlite3","db_url":"{}"}}"#,
        folder.path("trust.db").display()
    );
    for word in ["migrate", "check"] {
        let configured = folder.configured(&settings);
        let mut command = folder.program();
        command.arg(word).args(configured.get_args());
        let (status, _, log) = run(command);
        assert_eq!(status, Some(0), "{word}: {log}");
    }
}

#[test]
fn a_connection_that_proves_nothing_is_warned_of() {
    let database = MariaDb::start_tls().unwrap();
    for (tls, warning) in [
        (
            "skip-verify",
            "storage.db_url: the connection to the database is encrypted, but whoever answers is believed",
        ),
        (
            "preferred",
            "storage.db_url: the connection to the database is not encrypted where the database",
        ),
    ] {
        let folder = Folder::new();
        let keys = keys(&database).replace("tls=skip-verify", &format!("tls={tls}"));
        let commands = [["migrate", "-dry-run"].as_slice(), &["migrate"], &["check"]];
        for words in commands {
            let configured = folder.configured(&keys.replace("\"info\"", "\"error\""));
            let mut command = folder.program();
            command.args(words).args(configured.get_args());
            let (status, out, log) = run(command);
            assert_eq!(status, Some(0), "{words:?}: {log}");
            let mut lines = log.lines();
            assert!(
                lines.any(|line| line.starts_with(warning)),
                "{words:?}: {log}"
            );
            assert!(!out.contains(warning), "{words:?}: {out}");
            assert_eq!(log.matches("tls=true").count(), 1, "{words:?}: {log}");
        }
        let mut command = folder.configured(&keys);
        command.env(PASSPHRASE.0, PASSPHRASE.1);
        let server = Server::start(command);
        let log = server.log();
        let line = log.lines().find(|line| line.contains(warning)).unwrap();
        assert!(line.contains("\"level\":\"warning\""), "{line}");
        assert!(!log.contains(database.login().1), "{log}");
    }
    // Nothing is said where the database proves who it is.
    let folder = Folder::new();
    let ca = folder.write("ca.crt", &database.ca_pem().unwrap());
    let proven = format!("tls=true&tls-ca={}", ca.display());
    let keys = keys(&database).replace("tls=skip-verify", &proven);
    let configured = folder.configured(&keys);
    let mut command = folder.program();
    command.arg("check").args(configured.get_args());
    let (status, _, log) = run(command);
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("storage.db_url"), "{log}");
}
