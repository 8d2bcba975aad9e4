//! Updates that come too late, while others are being stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use signet_server::Settings;
use signet_server::http::ManagedRole;
use signet_server::store::{MemoryStore, MetadataStore};
use signet_server::trust::{MemoryTrust, TrustError, TrustService};
use signet_tuf::{Gun, KeyId, PublicKey};
use tokio::sync::Semaphore;

use crate::fixture::{Answer, Server};
use crate::publisher::{Key, Publisher, seal, targets_signed};
use crate::shared::SharedMemory;

const GUN: &str = "registry.example.com/a/b";
/// How long an answer may take that waits for nobody.
const SOON: Duration = Duration::from_secs(20);

/// Signs only as often as it is allowed to, and counts.
#[derive(Debug)]
struct Slow {
    keys: MemoryTrust,
    allowed: Semaphore,
    signed: AtomicUsize,
}

#[async_trait]
impl TrustService for Slow {
    async fn create_key(&self, gun: &Gun, role: ManagedRole) -> Result<PublicKey, TrustError> {
        self.keys.create_key(gun, role).await
    }

    async fn find_key(&self, gun: &Gun, id: &KeyId) -> Result<Option<PublicKey>, TrustError> {
        self.keys.find_key(gun, id).await
    }

    async fn sign(&self, gun: &Gun, id: &KeyId, message: &[u8]) -> Result<Vec<u8>, TrustError> {
        self.signed.fetch_add(1, Ordering::SeqCst);
        self.allowed.acquire().await.unwrap().forget();
        self.keys.sign(gun, id, message).await
    }

    async fn check(&self) -> Result<(), TrustError> {
        self.keys.check().await
    }
}

async fn soon(answer: impl Future<Output = Answer>) -> Answer {
    let answer = tokio::time::timeout(SOON, answer).await;
    answer.expect("it waits for the other update")
}

async fn late_updates_wait_for_nobody(store: Arc<dyn MetadataStore>) {
    let trust = Arc::new(Slow {
        keys: MemoryTrust::new(),
        allowed: Semaphore::new(4),
        signed: AtomicUsize::new(0),
    });
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::clone(&trust) as Arc<dyn TrustService>;
    let server = Arc::new(Server::on(store, keys, Settings::default(), folder));
    // Two signatures each, of snapshot and timestamp.
    let publisher = Publisher::published(&server, GUN).await;
    let third = publisher.targets(3, &["v3"]);
    server.post(GUN, &[("targets", &third)]).await.assert_ok();
    let signed = || trust.signed.load(Ordering::SeqCst);
    assert_eq!(signed(), 4);

    let (late, new_root) = (publisher.targets(3, &["late"]), publisher.root(2));
    let stranger = Key::new();
    let forged = seal(&targets_signed(2, publisher.expires, &["x"]), &[&stranger]);
    let root = publisher.root(1);
    let updates: [&[(&str, &[u8])]; 4] = [
        &[("targets", &late)],
        &[("root", &new_root), ("targets", &late)],
        &[("root", &root), ("targets", &third)],
        &[("targets", &forged)],
    ];
    // Nobody is before them.
    let mut expected = Vec::new();
    for update in updates {
        let answer = soon(server.post(GUN, update)).await;
        expected.push((answer.status, answer.text().to_owned()));
    }
    assert!(expected[0].1.contains("\"VERSION\""), "{expected:?}");
    assert_eq!(expected[0], expected[1]);
    assert_eq!(expected[0], expected[2]);
    assert!(expected[3].1.contains("\"INVALID_UPDATE\""), "{expected:?}");
    assert_eq!(signed(), 4, "nothing is signed in vain");

    // One is being stored, and does not come to its end.
    let fourth = publisher.targets(4, &["v4"]);
    let (first, body) = (Arc::clone(&server), fourth.clone());
    let first = tokio::spawn(async move { first.post(GUN, &[("targets", &body)]).await });
    while signed() < 5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for (update, (status, text)) in updates.into_iter().zip(&expected) {
        let answer = soon(server.post(GUN, update)).await;
        assert_eq!((answer.status, answer.text()), (*status, &**text));
    }
    // What is not too late waits, and is too late when its turn comes.
    let (other, body) = (Arc::clone(&server), publisher.targets(4, &["other"]));
    let other = tokio::spawn(async move { other.post(GUN, &[("targets", &body)]).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!other.is_finished() && !first.is_finished());
    trust.allowed.add_permits(2);
    first.await.unwrap().assert_ok();
    soon(async { other.await.unwrap() }).await.assert_conflict();
    assert_eq!(signed(), 6);
}

#[tokio::test]
async fn an_update_that_is_too_late_waits_for_nobody() {
    late_updates_wait_for_nobody(Arc::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn an_update_that_is_too_late_waits_for_nobody_where_others_write_too() {
    late_updates_wait_for_nobody(Arc::new(SharedMemory::default())).await;
}
