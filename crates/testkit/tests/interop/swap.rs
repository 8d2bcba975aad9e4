//! Go's `notary-server` and `notary-signer` replaced by ours and back, on databases with Go's tables.
//!
//! Go's client judges every repository after every change of a program.

mod bootstrapped;
mod recorded;
mod repository;
mod tables;
mod world;

use signet_testkit::peer::{Make, MariaDb, PostgreSql};

use crate::judge::stranger;
use tables::Tables;
use world::{World, assert_history};

/// Whose server and whose signer are at work, one program changed at a time, and then both.
const STEPS: [(Make, Make); 6] = [
    (Make::Ours, Make::Go),
    (Make::Ours, Make::Ours),
    (Make::Go, Make::Ours),
    (Make::Go, Make::Go),
    (Make::Ours, Make::Ours),
    (Make::Go, Make::Go),
];

#[test]
fn each_program_is_replaced_and_comes_back_on_postgresql() {
    each_program_is_replaced_and_comes_back(|| PostgreSql::shared().unwrap());
}

#[test]
fn each_program_is_replaced_and_comes_back_on_mariadb() {
    each_program_is_replaced_and_comes_back(|| MariaDb::shared().unwrap());
}

fn each_program_is_replaced_and_comes_back<D: Tables>(database: impl Fn() -> D) {
    let (documents, keys) = (database(), database());
    documents.make();
    keys.make_key_table();
    let mut world = World::populated(&documents, &keys);
    for (number, (server, signer)) in STEPS.into_iter().enumerate() {
        let before = world.seen();
        world.change_to(server, signer);
        let after = world.seen();
        assert!(after.keys().eq(before.keys()), "{server:?} and {signer:?}");
        for (path, text) in before {
            assert_eq!(after[&path], text, "{path}, {server:?} and {signer:?}");
        }
        for repository in &mut world.repositories {
            let what = format!("{}, {server:?} and {signer:?}", repository.gun);
            repository.is_listed(&world.reader, &what);
            repository.publish(&world.owner, &format!("step{number}"));
            repository.is_listed(&stranger(&world.server), &what);
        }
        world.rotate(number);
        world.delete_or_publish_again(number);
        if server == Make::Ours {
            world.check();
        }
    }
    assert_history(&documents);
}
