//! How the table comes to be.

use signet_keys::database::{MigrateError, Step, migrate};
use signet_testkit::peer::{MariaDb, PostgreSql};

use crate::world::{Engine, Peer, World, empty};

/// What Go's migrations make, as the dumps of its databases show it.
const GO_POSTGRES: &str = "\
id:integer:NO,created_at:timestamp without time zone:YES,updated_at:timestamp without time zone:YES,\
deleted_at:timestamp without time zone:YES,key_id:character varying:NO,encryption_alg:character varying:NO,\
keywrap_alg:character varying:NO,algorithm:character varying:NO,passphrase_alias:character varying:NO,\
public:bytea:NO,private:bytea:NO,gun:character varying:NO,role:character varying:NO,\
last_used:timestamp without time zone:YES";
const GO_MYSQL: &str = "\
id:int(11):NO,created_at:timestamp:YES,updated_at:timestamp:YES,deleted_at:timestamp:YES,key_id:varchar(255):NO,\
encryption_alg:varchar(255):NO,keywrap_alg:varchar(255):NO,algorithm:varchar(50):NO,passphrase_alias:varchar(50):NO,\
public:blob:NO,private:blob:NO,gun:varchar(255):NO,role:varchar(255):NO,last_used:datetime:YES";

fn in_postgres(peer: &PostgreSql) {
    let columns = "SELECT string_agg(column_name || ':' || data_type || ':' || is_nullable, ',' ORDER BY \
        ordinal_position) FROM information_schema.columns WHERE table_name = 'private_keys'";
    assert_eq!(peer.query(columns).unwrap().trim(), GO_POSTGRES);
    let keys = "SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE conrelid = \
        'private_keys'::regclass AND contype IN ('p', 'u')";
    let keys = peer.query(keys).unwrap();
    assert_eq!(keys.trim(), "key_id,key_id_2,private_keys_pkey");
    let version = peer.query("SELECT version, dirty FROM schema_migrations");
    assert_eq!(version.unwrap().trim(), "1|f");
}

fn in_mariadb(peer: &MariaDb) {
    let columns = "SELECT GROUP_CONCAT(column_name, ':', column_type, ':', is_nullable ORDER BY ordinal_position) \
        FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'private_keys'";
    assert_eq!(peer.query(columns).unwrap().trim(), GO_MYSQL);
    let keys = "SELECT GROUP_CONCAT(DISTINCT index_name ORDER BY index_name) FROM information_schema.statistics \
        WHERE table_schema = DATABASE() AND table_name = 'private_keys'";
    let keys = peer.query(keys).unwrap();
    assert_eq!(keys.trim().to_lowercase(), "key_id,key_id_2,primary");
    let version = peer.query("SELECT CONCAT(version, '|', dirty) FROM schema_migrations");
    assert_eq!(version.unwrap().trim(), "2|0");
}

fn is_as_go_makes_it(peer: &Peer) {
    match peer {
        Peer::MariaDb(peer) => in_mariadb(peer),
        Peer::PostgreSql(peer) => in_postgres(peer),
        Peer::Sqlite { .. } => {}
    }
}

pub(crate) async fn ends_as_those_of_go_and_does_nothing_twice(engine: Engine) {
    let (database, peer) = empty(engine).await;
    let steps = migrate(&database, false).await.unwrap();
    assert_eq!(steps[0], Step::CreateTable);
    is_as_go_makes_it(&peer);
    assert_eq!(migrate(&database, false).await.unwrap(), []);
    is_as_go_makes_it(&peer);
}

pub(crate) async fn a_dry_run_changes_nothing(engine: Engine) {
    let (database, _peer) = empty(engine).await;
    let would = migrate(&database, true).await.unwrap();
    assert_eq!(migrate(&database, true).await.unwrap(), would);
    assert_eq!(migrate(&database, false).await.unwrap(), would);
}

pub(crate) async fn a_table_of_another_program_is_refused(engine: Engine) {
    let world = World::on(engine).await;
    world
        .run("ALTER TABLE private_keys RENAME COLUMN keywrap_alg TO other")
        .await;
    assert!(matches!(
        migrate(&world.database, false).await,
        Err(MigrateError::Foreign("keywrap_alg"))
    ));
}

#[tokio::test]
async fn the_first_table_of_go_on_mysql_is_upgraded_wherever_an_upgrade_stopped() {
    for (state, added) in [
        (
            "DROP COLUMN gun, DROP COLUMN role, DROP COLUMN last_used",
            3,
        ),
        ("DROP COLUMN role, DROP COLUMN last_used", 2),
        ("DROP COLUMN last_used", 1),
    ] {
        let world = World::on(Engine::MariaDb).await;
        let sample = &crate::samples()[0];
        world.insert(sample).await;
        world
            .run(&format!("ALTER TABLE private_keys {state}"))
            .await;
        world.run("UPDATE schema_migrations SET version = 1").await;
        let steps = migrate(&world.database, false).await.unwrap();
        assert!(matches!(&steps[0], Step::AddColumns(columns) if columns.len() == added));
        assert_eq!(steps[1..], [Step::RecordVersion(2)]);
        is_as_go_makes_it(&world.peer);
        world
            .keys
            .load(&sample.id(), crate::now())
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_migration_that_was_interrupted_is_finished() {
    // After the note that it is under way, and before the table.
    let world = World::on(Engine::MariaDb).await;
    world
        .run("DROP TABLE private_keys; UPDATE schema_migrations SET dirty = 1")
        .await;
    let steps = migrate(&world.database, false).await.unwrap();
    assert_eq!(steps, [Step::CreateTable, Step::RecordVersion(2)]);
    is_as_go_makes_it(&world.peer);
}

#[tokio::test]
async fn the_number_of_a_trust_server_in_the_same_database_is_left_alone() {
    for engine in [Engine::PostgreSql, Engine::MariaDb] {
        let world = World::on(engine).await;
        world
            .run("DROP TABLE private_keys; CREATE TABLE tuf_files (id int)")
            .await;
        world.run("UPDATE schema_migrations SET version = 77").await;
        let steps = migrate(&world.database, false).await.unwrap();
        assert_eq!(steps, [Step::CreateTable]);
        let version = "(SELECT max(version) FROM schema_migrations)";
        world.insert(&crate::samples()[0]).await;
        assert_eq!(world.text(version, "").await.as_deref(), Some("77"));
    }
}

#[tokio::test]
async fn a_later_version_is_not_touched() {
    for engine in [Engine::PostgreSql, Engine::MariaDb] {
        let world = World::on(engine).await;
        world.run("UPDATE schema_migrations SET version = 3").await;
        assert!(matches!(
            migrate(&world.database, false).await,
            Err(MigrateError::Newer { found: 3, .. })
        ));
    }
}
