//! A delegation that has expired, and how its signer mends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use signet_client::{Edit, Managed, PublishOptions};
use signet_keys::{KeyStore as _, PrivateKey, Signer as _};
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};
use signet_tuf::{RoleName, Target};
use time::{Duration, OffsetDateTime};

use super::GUN;
use crate::library::{block_on, key_store, open_at};

/// How long a delegation is good for.
const LIFETIME: Duration = Duration::days(3 * 365);
/// How long it has left when it is published; the server takes nothing that has expired.
const LEFT: Duration = Duration::seconds(8);

#[expect(
    clippy::disallowed_methods,
    reason = "the real servers of this test go by the real time"
)]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Case 44.
#[test]
fn an_expired_delegation_is_told_and_mended_by_its_signer() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    let keys = key_store(&owner);
    let add = |role: &str| {
        let key = PrivateKey::generate_ecdsa().unwrap();
        let public = key.public().clone();
        keys.add(key, role, None).unwrap();
        public
    };
    let (root, jeff) = (add("root"), add("jeff"));
    let role: RoleName = "targets/jeff".parse().unwrap();
    // Every publish happens as if so many seconds ago.
    let ago = Arc::new(AtomicI64::new(0));
    let shared = Arc::clone(&ago);
    let clock = move || now() - Duration::seconds(shared.load(Ordering::Relaxed));
    let mut repository = open_at(&server, &owner, GUN, Arc::new(clock));
    let target = |role: &RoleName, name: &str| Edit::AddTarget {
        role: role.clone(),
        name: name.to_owned(),
        target: Target::new([7; 32], 5),
    };
    let mut publish = |since: Duration, edits: &[Edit]| {
        ago.store(since.whole_seconds(), Ordering::Relaxed);
        block_on(async {
            if repository.trusted().is_none()
                && since > LIFETIME / 2
                && !repository.remembers_root().unwrap()
            {
                let id = root.canonical_id();
                repository.initialize(id, Managed::ByServer).await.unwrap();
            }
            repository
                .publish(edits, PublishOptions::default())
                .await
                .unwrap();
        });
    };
    let begun = LIFETIME - Duration::days(1);
    let delegate = Edit::AddDelegation {
        role: role.clone(),
        threshold: 1,
        keys: vec![jeff],
        paths: vec![String::new()],
    };
    publish(begun, &[delegate]);
    publish(Duration::ZERO, &[target(&RoleName::targets(), "v1")]);
    publish(LIFETIME - LEFT, &[target(&role, "rel1")]);
    std::thread::sleep(LEFT.unsigned_abs() + std::time::Duration::from_secs(1));

    for tool in [Tool::Notary, Tool::OurNotary] {
        let finished = owner.run(tool, &["list", GUN]).unwrap();
        assert_eq!(finished.code, Some(0), "{finished}");
        assert!(
            finished.stdout.contains("\nv1 ") && !finished.stdout.contains("\nrel1 "),
            "{finished}"
        );
        let logged = super::logged(&finished);
        assert_eq!(
            logged.first(),
            Some(&"level=error msg=\"Metadata for targets/jeff expired\""),
            "{finished}"
        );
        assert!(
            logged.iter().any(|line| line.starts_with(
                "level=warning msg=\"Error getting targets/jeff: targets/jeff expired at "
            )),
            "{finished}"
        );
    }
    let said = owner
        .expect(Tool::OurNotary, &["witness", GUN, "targets/jeff", "-p"])
        .unwrap();
    assert_eq!(
        said,
        format!(
            "The following roles were successfully marked for witnessing on the next publish:\n\t- targets/jeff\nAuto-publishing changes to {GUN}\nSuccessfully published changes for repository {GUN}\n"
        )
    );
    for tool in [Tool::Notary, Tool::OurNotary] {
        let finished = owner.run(tool, &["list", GUN]).unwrap();
        assert!(finished.stdout.contains("\nrel1 "), "{finished}");
        assert_eq!(finished.stderr, "", "{finished}");
    }
    assert_eq!(server.version(GUN, "targets/jeff").unwrap(), 2);
}
