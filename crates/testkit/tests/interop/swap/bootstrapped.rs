//! Databases that were empty until our programs made the tables: Go's programs and Go's client work on them, and ours after them.

use std::process::Command;

use serde_json::{Value, json};
use signet_testkit::peer::{Make, MariaDb, PostgreSql};
use signet_testkit::process::{self, COMMAND_LIMIT};
use signet_testkit::{file, program};

use super::tables::Tables;
use super::world::{World, assert_history};
use crate::judge::stranger;

#[test]
fn go_works_on_a_postgresql_that_ours_made_from_nothing() {
    go_works_on_what_ours_made(|| PostgreSql::shared().unwrap(), ["2 f", "1 f"]);
}

#[test]
fn go_works_on_a_mariadb_that_ours_made_from_nothing() {
    go_works_on_what_ours_made(|| MariaDb::shared().unwrap(), ["5 0", "2 0"]);
}

/// `noted` is what Go's migration tool leaves once it has done all migrations of the server and of the signer: it finds nothing to do then.
fn go_works_on_what_ours_made<D: Tables>(database: impl Fn() -> D, noted: [&str; 2]) {
    let (documents, keys) = (database(), database());
    let remote =
        json!({"type": "remote", "hostname": "localhost", "port": "1", "key_algorithm": "ecdsa"});
    let server = json!({"storage": documents.storage(), "trust_service": remote});
    let signer = json!({"storage": keys.storage()});
    let programs = [("notary-server", &server), ("notary-signer", &signer)];
    for (name, configuration) in programs {
        make(name, configuration, &["-bootstrap"]);
    }
    let assert_noted = || {
        let rows = "SELECT CONCAT(version, ' ', dirty) FROM schema_migrations";
        assert_eq!(
            [documents.ask(rows), keys.ask(rows)],
            noted.map(|row| [row.to_owned()])
        );
        for (name, configuration) in programs {
            let told = make(name, configuration, &["migrate", "-dry-run"]);
            assert_eq!(told, "nothing is to be done\n", "{name}");
        }
    };
    assert_noted();
    let mut world = World::populated(&documents, &keys);
    for (step, make) in [Make::Ours, Make::Go].into_iter().enumerate() {
        world.change_to(make, make);
        for repository in &mut world.repositories {
            let what = format!("{}, {make:?}", repository.gun);
            repository.is_listed(&world.reader, &what);
            repository.publish(&world.owner, &format!("step{step}"));
            repository.is_listed(&stranger(&world.server), &what);
        }
        if make == Make::Ours {
            world.check();
        }
    }
    assert_history(&documents);
    assert_noted();
}

/// What one of our programs says that works on tables.
fn make(name: &str, configuration: &Value, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("configuration.json");
    file::write(&path, configuration.to_string()).unwrap();
    let mut command = Command::new(program::ours(name).unwrap());
    command.args(arguments).arg("-config").arg(path);
    let finished = process::run(&mut command, "", COMMAND_LIMIT).unwrap();
    finished.success().unwrap()
}
