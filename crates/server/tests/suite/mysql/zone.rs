//! Servers whose time zone skips an hour in spring: what is written in that hour, and what Go's server reads of it.

use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::KeyDatabase;
use signet_keys::database::{Algorithm, Options};
use signet_server::Settings;
use signet_server::http::ManagedRole;
use signet_server::trust::{DatabaseTrust, MemoryTrust, TrustService as _};
use signet_sql::Database as Opened;
use signet_testkit::peer::{Database as _, MariaDb, TrustOptions, TrustServer};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{gun, open, pool, publish_at};
use crate::fixture::Server;

/// The years 2025 and 2026 of Central Europe, of which mariadb-tzinfo-to-sql makes more.
const ZONE: &str = "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (1, 'N'); \
    INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('Europe/Berlin', 1); \
    INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) \
        VALUES (1, 0, 3600, 0, 'CET'), (1, 1, 7200, 1, 'CEST'); \
    INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) \
        VALUES (1, 0, 0), (1, 1743296400, 1), (1, 1761440400, 0), (1, 1774746000, 1), (1, 1792890000, 0); \
    SET GLOBAL time_zone = 'Europe/Berlin'";
/// Moments as UTC, and what is in the rows of them. At two o'clock in March the clocks of the zone go to three.
const MOMENTS: [(OffsetDateTime, &str); 5] = [
    (datetime!(2026-03-29 01:59:59 UTC), "01:59:59"),
    (datetime!(2026-03-29 02:00 UTC), "03:00:00"),
    (datetime!(2026-03-29 02:59:59.999 UTC), "03:00:00"),
    (datetime!(2026-03-29 03:00:01 UTC), "03:00:01"),
    // Twice in the zone.
    (datetime!(2026-10-25 02:30 UTC), "02:30:00"),
];

/// A database whose sessions are in that zone.
fn database() -> MariaDb {
    let database = MariaDb::start().unwrap();
    database.query(ZONE).unwrap();
    database.make_tables().unwrap();
    database
}

#[tokio::test]
async fn what_is_published_in_an_hour_that_the_zone_skips_is_stored_and_read_as_by_go() {
    let database = database();
    let refused = database.query(
        "SET sql_mode = 'STRICT_ALL_TABLES'; \
        INSERT INTO changefeed (created_at, gun, version) VALUES ('2026-03-29 02:30:00', 'x', 1)",
    );
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("1292"), "{refused}");

    let store = Arc::new(open(&database.limited_url()).await);
    for (version, (moment, _)) in (1..).zip(MOMENTS) {
        publish_at(&store, "a", version, moment).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let trust = Arc::new(MemoryTrust::new());
    let ours = Server::on(store, trust, Settings::default(), folder);
    let options = TrustOptions::default().database(&database).plain();
    let go = TrustServer::go_with(&options).unwrap();
    let go = go.client().unwrap();
    for (version, (moment, kept)) in (1..).zip(MOMENTS) {
        let path = format!("/v2/a/_trust/tuf/{version}.targets.json");
        let answer = ours.get(&path).await;
        let ours = answer.header("last-modified").unwrap().to_owned();
        let theirs = go.get(&path).unwrap();
        let theirs = theirs.header("last-modified").unwrap();
        assert_eq!(ours, theirs.replace("UTC", "GMT"), "{moment}");
        assert!(ours.ends_with(&format!("{kept} GMT")), "{moment}: {ours}");
    }
    let feed = "/v2/_trust/changefeed?records=100";
    let theirs = go.get(feed).unwrap().text();
    assert_eq!(ours.get(feed).await.text(), theirs.trim_end());
    assert_eq!(
        theirs.matches("2026-03-29T03:00:00Z").count(),
        2,
        "{theirs}"
    );
    let later = datetime!(2026-03-29 02:30 UTC);
    assert!(ours.store.delete(&gun("a"), later).await.unwrap());
}

#[tokio::test]
async fn keys_are_made_and_used_in_an_hour_that_the_zone_skips() {
    let database = database();
    let opened = Opened::MySql(pool(&database.url(), 2).await);
    let made = signet_keys::database::migrate_beside_documents(&opened, false).await;
    assert!(!made.unwrap().is_empty());
    let alias = |_: &str| Some(SecretString::from("a passphrase"));
    let keys = KeyDatabase::open(opened, Options::new("alias"), Arc::new(alias)).await;
    let clock = Arc::new(|| datetime!(2026-03-29 02:30 UTC));
    let trust = DatabaseTrust::new(keys.unwrap(), Algorithm::Ecdsa, clock);
    let gun = gun("a");
    let key = trust
        .create_key(&gun, ManagedRole::Timestamp)
        .await
        .unwrap();
    let moments = "SELECT created_at, updated_at, last_used, deleted_at FROM private_keys";
    assert_eq!(
        database.query(moments).unwrap(),
        "2026-03-29 03:00:00\t2026-03-29 03:00:00\tNULL\tNULL"
    );
    trust.sign(&gun, key.id(), b"message").await.unwrap();
    assert!(trust.retire_key(&gun, key.id()).await.unwrap());
    let moments = database.query(moments).unwrap();
    assert!(!moments.contains("NULL"), "{moments}");
}
