//! Keys that are encrypted for another passphrase.

use signet_keys::database::{DatabaseError, Rotation, Walk};

use crate::now;
use time::macros::datetime;

use crate::world::{Engine, World, samples};

fn set(world: &World, alias: &str, passphrase: &str) {
    let mut passphrases = world.passphrases.lock().unwrap();
    passphrases.insert(alias.into(), passphrase.into());
}

const NEW: Rotation<'static> = Rotation {
    alias: "new",
    dry_run: false,
    now: datetime!(2026-11-22 12:00 UTC),
};

async fn world_with_rows(engine: Engine) -> World {
    let world = World::on(engine).await;
    for row in &samples() {
        world.insert(row).await;
    }
    world
}

pub(crate) async fn every_key_gets_the_new_passphrase(engine: Engine) {
    let world = world_with_rows(engine).await;
    let missing = world.keys.rotate_alias(NEW, &mut |_| {}).await;
    assert!(matches!(missing, Err(DatabaseError::MissingPassphrase(alias)) if alias == "new"));
    set(&world, "new", "another password");
    let mut told = 0;
    let mut tell = |walk: &Walk| told = walk.keys;
    let walk = world.keys.rotate_alias(NEW, &mut tell).await.unwrap();
    assert_eq!((walk.keys, walk.rotated, walk.failed), (6, 6, 0));
    assert_eq!(told, 6);
    assert_eq!(world.keys.aliases().await.unwrap(), ["new"]);
    // Another process does without the old one.
    world.passphrases.lock().unwrap().remove("timestamp_1");
    let other = world.open().await;
    for row in samples() {
        let signed = other.sign(&row.id(), b"x", now()).await.unwrap();
        assert_eq!(signed.key.public.public_bytes(), row.public());
    }
    // What is done stays.
    let walk = world.keys.rotate_alias(NEW, &mut |_| {}).await.unwrap();
    assert_eq!((walk.keys, walk.rotated), (6, 0));
}

pub(crate) async fn a_key_that_cannot_be_opened_stays_and_is_told(engine: Engine) {
    let world = world_with_rows(engine).await;
    let first = samples().remove(0).id();
    let sql = "UPDATE private_keys SET passphrase_alias = 'lost' WHERE key_id =";
    world.run(&format!("{sql} '{first}'")).await;
    set(&world, "new", "another password");
    for walk in [
        world.keys.verify(&mut |_| {}).await.unwrap(),
        world.keys.rotate_alias(NEW, &mut |_| {}).await.unwrap(),
    ] {
        assert_eq!((walk.keys, walk.failed), (6, 1));
        assert_eq!(walk.failures[0].0, first);
    }
    assert_eq!(world.keys.aliases().await.unwrap(), ["lost", "new"]);
}

pub(crate) async fn nothing_is_written_in_a_dry_run(engine: Engine) {
    let world = world_with_rows(engine).await;
    set(&world, "new", "another password");
    let dry = Rotation {
        dry_run: true,
        ..NEW
    };
    let walk = world.keys.rotate_alias(dry, &mut |_| {}).await.unwrap();
    assert_eq!((walk.keys, walk.rotated), (6, 6));
    assert_eq!(world.keys.aliases().await.unwrap(), ["timestamp_1"]);
}
