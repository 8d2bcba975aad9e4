//! How the tables come to be.

use signet_server::store::{MigrateError, MigrateOptions, MySqlStore, Step};
use signet_testkit::peer::{Database as _, MariaDb, TrustOptions, TrustServer};
use time::Duration;

use super::{go_database, open, pool, publish};
use crate::conformance::conforms;

const BINARY: MigrateOptions = MigrateOptions {
    dry_run: false,
    binary_names: true,
};

async fn migrate(database: &MariaDb, options: MigrateOptions) -> Result<Vec<Step>, MigrateError> {
    MySqlStore::migrate(&pool(&database.url(), 1).await, options).await
}

async fn upgrade(database: &MariaDb) -> Vec<Step> {
    migrate(database, MigrateOptions::default()).await.unwrap()
}

/// The tables as Go's migrations make them, and the table of the tool that runs those.
fn schema_of_go() -> String {
    let database = go_database();
    database
        .query("CREATE TABLE schema_migrations (version bigint not null primary key, dirty boolean not null)")
        .unwrap();
    database.schema().unwrap()
}

#[tokio::test]
async fn an_empty_database_gets_the_tables_of_go_to_the_letter() {
    let database = MariaDb::shared().unwrap();
    let dry = MigrateOptions {
        dry_run: true,
        binary_names: true,
    };
    let planned = migrate(&database, dry).await.unwrap();
    assert_eq!(planned.len(), 6, "{planned:?}");
    assert_eq!(database.query("SHOW TABLES").unwrap(), "");
    let steps = upgrade(&database).await;
    let tables = ["tuf_files", "change_category", "changefeed"].map(Step::CreateTable);
    assert_eq!(steps[..3], tables);
    assert_eq!(steps[3..], [Step::RecordVersion(5)]);
    assert_eq!(database.schema().unwrap(), schema_of_go());
    let rows = "SELECT category FROM change_category ORDER BY 1; SELECT * FROM schema_migrations";
    assert_eq!(database.query(rows).unwrap(), "deletion\nupdate\n5\t0");
    assert_eq!(upgrade(&database).await, []);

    let go = TrustServer::go_with(&TrustOptions::default().database(&database)).unwrap();
    assert_eq!(go.metadata("none", "root.json").unwrap(), None);
    conforms(&open(&database.limited_url()).await, Duration::SECOND).await;

    assert_eq!(migrate(&database, BINARY).await.unwrap().len(), 2);
    assert_eq!(migrate(&database, BINARY).await.unwrap(), []);
    let other = MariaDb::shared().unwrap();
    assert_eq!(migrate(&other, BINARY).await.unwrap().len(), 6);
    let by_bytes = other.schema().unwrap();
    assert_eq!(by_bytes, database.schema().unwrap());
    // Nothing but the collation of three columns.
    assert_eq!(by_bytes.matches("_nopad_bin").count(), 3, "{by_bytes}");
    let back = by_bytes.replace(" CHARACTER SET utf8mb3 COLLATE utf8mb3_nopad_bin", "");
    assert_eq!(back, schema_of_go());
    conforms(&open(&other.limited_url()).await, Duration::SECOND).await;
}

#[tokio::test]
async fn tables_that_go_made_are_left_as_they_are() {
    let database = go_database();
    let before = database.schema().unwrap();
    assert_eq!(upgrade(&database).await, []);
    assert_eq!(database.schema().unwrap(), before);
}

/// The tables as they were after Go's second migration, with a published repository.
fn second_version() -> MariaDb {
    let database = go_database();
    let sql = "DROP TABLE changefeed; DROP TABLE change_category; \
        ALTER TABLE tuf_files DROP KEY sha256, DROP COLUMN sha256; \
        CREATE TABLE timestamp_keys (id int(11) NOT NULL AUTO_INCREMENT, gun varchar(255) NOT NULL, role varchar(255) NOT NULL, \
        cipher varchar(50) NOT NULL, public blob NOT NULL, PRIMARY KEY (id)) DEFAULT CHARSET=utf8; \
        INSERT INTO tuf_files (gun, role, version, data, created_at) VALUES ('a', 'root', 1, 'r', '2016-01-02 03:04:05'), \
        ('a', 'timestamp', 2, 't2', '2016-01-03 03:04:05'), ('a', 'timestamp', 1, 't1', '2016-01-02 03:04:05'); \
        CREATE TABLE schema_migrations (version bigint not null primary key, dirty boolean not null); \
        INSERT INTO schema_migrations VALUES (2, 0)";
    database.query(sql).unwrap();
    database
}

const CONTENT: &str = "SELECT created_at, gun, version, sha256, category FROM changefeed ORDER BY id; \
    SELECT COUNT(*) FROM tuf_files WHERE sha256 = SHA2(data, 256); SELECT * FROM schema_migrations";

#[tokio::test]
async fn tables_of_an_early_go_server_are_upgraded_wherever_it_was_interrupted() {
    let database = second_version();
    let steps = upgrade(&database).await;
    assert_eq!(
        steps,
        [
            Step::AddChecksums,
            Step::FillChecksums,
            Step::DropTable("timestamp_keys"),
            Step::CreateTable("change_category"),
            Step::CreateTable("changefeed"),
            Step::RecordVersion(5),
        ]
    );
    assert_eq!(database.schema().unwrap(), schema_of_go());
    let content = database.query(CONTENT).unwrap();
    let digest =
        |text: &str| data_encoding::HEXLOWER.encode(&signet_tuf::crypto::sha256(text.as_bytes()));
    let feed = format!(
        "2016-01-02 03:04:05\ta\t1\t{}\tupdate\n2016-01-03 03:04:05\ta\t2\t{}\tupdate\n3\n5\t0",
        digest("t1"),
        digest("t2")
    );
    assert_eq!(content, feed);
    // Ended after a statement: what it left is found, and the end is the same.
    for done in [
        "ALTER TABLE tuf_files ADD COLUMN sha256 CHAR(64) DEFAULT NULL, ADD INDEX sha256 (sha256)",
        "ALTER TABLE tuf_files ADD COLUMN sha256 CHAR(64) DEFAULT NULL, ADD INDEX sha256 (sha256); \
            UPDATE tuf_files SET sha256 = SHA2(data, 256) LIMIT 1; DROP TABLE timestamp_keys",
        "CREATE TABLE change_category (category varchar(20) NOT NULL, PRIMARY KEY (category)) DEFAULT CHARSET=utf8; \
            INSERT INTO change_category VALUES ('update')",
        "CREATE TABLE changefeed_unfinished (id int)",
    ] {
        let database = second_version();
        database.query(done).unwrap();
        upgrade(&database).await;
        assert_eq!(database.schema().unwrap(), schema_of_go(), "{done}");
        assert_eq!(database.query(CONTENT).unwrap(), feed, "{done}");
    }
}

#[tokio::test]
async fn the_number_of_the_last_migration_is_respected_and_kept() {
    // The tool before today's: a row for each.
    let database = second_version();
    database
        .query("DROP TABLE schema_migrations; CREATE TABLE schema_migrations (version int not null primary key); INSERT INTO schema_migrations VALUES (1), (2)")
        .unwrap();
    upgrade(&database).await;
    let rows = database.query("SELECT version FROM schema_migrations ORDER BY 1");
    assert_eq!(rows.unwrap(), "1\n2\n3\n4\n5");

    let database = second_version();
    database
        .query("UPDATE schema_migrations SET version = 3, dirty = 1")
        .unwrap();
    let before = database.schema().unwrap();
    let dirty = migrate(&database, MigrateOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(dirty, MigrateError::Dirty(3)), "{dirty:?}");
    database
        .query("UPDATE schema_migrations SET version = 9, dirty = 0")
        .unwrap();
    let newer = migrate(&database, MigrateOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(newer, MigrateError::Newer { found: 9, known: 5 }),
        "{newer:?}"
    );
    assert_eq!(database.schema().unwrap(), before);

    let foreign = MariaDb::shared().unwrap();
    foreign
        .query("CREATE TABLE tuf_files (id int, gun text)")
        .unwrap();
    let refused = migrate(&foreign, MigrateOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, MigrateError::Foreign("created_at")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn of_two_migrations_at_once_one_is_refused_and_servers_go_on() {
    let database = go_database();
    let store = open(&database.limited_url()).await;
    let name = format!("notary-server.{}", {
        let digest = signet_tuf::crypto::sha256(database.name().as_bytes());
        data_encoding::HEXLOWER.encode(&digest[..20])
    });
    let holder = pool(&database.url(), 1).await;
    let held: i64 = sqlx::query_scalar("SELECT CAST(GET_LOCK(?, 0) AS SIGNED)")
        .bind(&name)
        .fetch_one(&holder)
        .await
        .unwrap();
    assert_eq!(held, 1);
    let busy = migrate(&database, BINARY).await.unwrap_err();
    assert!(matches!(busy, MigrateError::Busy), "{busy:?}");
    holder.close().await;
    publish(&store, "a", 1).await.unwrap();
    assert_eq!(migrate(&database, BINARY).await.unwrap().len(), 2);
    publish(&store, "a", 2).await.unwrap();
}
