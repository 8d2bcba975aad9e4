//! Nothing is done twice: counts of parsing, verifying, hashing, opening keys and signing in one update and one publish.
//!
//! The counters are the process's, so this test has a program of its own.

#![expect(
    clippy::unwrap_used,
    reason = "the lint's exception for tests does not reach their helper functions"
)]

#[path = "it/person.rs"]
mod person;

use person::{Person, add, delegate};
use signet_client::Managed;
use signet_client::publish::PublishOptions;
use signet_testkit::peer::TrustServer;
use signet_tuf::tally::Tally;
use signet_tuf::update::{Mode, Scope};

const GUN: &str = "localhost:5000/x";

/// Work on documents since `before`: parsed, verified, hashed.
fn work(before: Tally) -> (u64, u64, u64) {
    let done = Tally::now().since(before);
    (done.parsed, done.verified, done.hashed)
}

#[tokio::test]
async fn one_update_and_one_publish_do_nothing_twice() {
    let server = TrustServer::go().unwrap();
    let home = tempfile::tempdir().unwrap();
    let alice_home = tempfile::tempdir().unwrap();
    let admin = Person::new(&server, GUN, home.path());
    let alice = Person::new(&server, GUN, alice_home.path());
    let key = alice.key("alice");
    let mut repository = admin.initialized(Managed::ByServer).await;
    let edits = [
        delegate("targets/alice", &[&key]),
        delegate("targets/releases", &[&key]),
    ];
    repository
        .publish(&edits, PublishOptions::default())
        .await
        .unwrap();
    let tags = |tag| [add("targets/alice", tag), add("targets/releases", tag)];
    alice
        .open()
        .publish(&tags("v1"), PublishOptions::default())
        .await
        .unwrap();
    // As another command on another day: nothing is known but the files.
    let alice = Person::new(&server, GUN, alice_home.path());
    let reader_home = tempfile::tempdir().unwrap();
    let reader = Person::new(&server, GUN, reader_home.path());

    // Root, timestamp, snapshot, targets and two delegations, each with one signature. Timestamp and root of a first
    // contact are named by nobody; the others by SHA-256 and SHA-512, and root by the snapshot.
    let before = Tally::now();
    assert_eq!(
        reader.list().await,
        ["v1 targets/alice", "v1 targets/releases"]
    );
    assert_eq!(work(before), (6, 6, 10));

    // From the cache it is the same work: that is what makes the cache safe.
    let before = Tally::now();
    assert_eq!(
        reader.list().await,
        ["v1 targets/alice", "v1 targets/releases"]
    );
    assert_eq!(work(before), (6, 6, 10));

    // A write is no more work than a read.
    alice.list().await;
    let mut repository = alice.open();
    let before = Tally::now();
    repository.update(Mode::Write, Scope::All).await.unwrap();
    assert_eq!(work(before), (6, 6, 10));

    // Publishing adds the signatures that were made, each checked once. The key serves two roles and is opened once.
    let (before, before_keys) = (Tally::now(), signet_keys::tally::Tally::now());
    let published = repository
        .publish(&tags("v2"), PublishOptions::default())
        .await
        .unwrap();
    assert_eq!((published.attempts, published.files.len()), (1, 2));
    assert_eq!(work(before), (0, 2, 0));
    let keys = signet_keys::tally::Tally::now().since(before_keys);
    assert_eq!((keys.derived, keys.loaded, keys.signed), (1, 1, 2));
}
