//! Documents at the end of their validity: both programs refuse them, and ours lets their owners renew them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use signet_client::{Managed, PublishOptions};
use signet_keys::{KeyStore as _, PrivateKey, Signer as _};
use signet_testkit::file;
use signet_testkit::image::digest;
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};
use signet_tuf::{RoleName, Target};

use crate::judge::stranger;
use crate::library::{block_on, key_store, open_at};
use crate::notary_rotate::BOTH;
use crate::takeover::clock;

const GUN: &str = "example.com/late";
const DAY: i64 = 24 * 3600;
/// How long documents are good for, in seconds.
const TARGETS: i64 = 3 * 365 * DAY;
const ROOT: i64 = 3650 * DAY;
/// How much of its validity a document has left when it is published: servers take nothing that has expired.
const LEFT: i64 = 20;

/// A repository that its owner published long ago, whose documents end right now.
struct Late {
    server: TrustServer,
    owner: User,
    /// Who knew it before: with Go's program, and with ours.
    readers: [User; 2],
}

impl Late {
    /// Targets, and the snapshot where the owner signs it.
    fn targets(snapshot: Managed) -> Self {
        Self::published(snapshot, LEFT - TARGETS, LEFT - TARGETS, |_, _| {})
    }

    /// The root, whose certificate is good for some hours.
    fn root() -> Self {
        let renew = |late: &Self, offset: &Arc<AtomicI64>| {
            offset.store(LEFT - ROOT, Ordering::Relaxed);
            let mut repository = open_at(&late.server, &late.owner, GUN, clock(offset));
            let options = PublishOptions {
                renew: vec![RoleName::root()],
                ..PublishOptions::default()
            };
            block_on(repository.publish(&[], options)).unwrap();
        };
        Self::published(Managed::ByServer, DAY / 2 - ROOT, 0, renew)
    }

    fn published(
        snapshot: Managed,
        begun: i64,
        published: i64,
        then: impl Fn(&Self, &Arc<AtomicI64>),
    ) -> Self {
        let server = TrustServer::go().unwrap();
        let late = Self {
            owner: stranger(&server),
            readers: BOTH.map(|_| stranger(&server)),
            server,
        };
        let key = PrivateKey::generate_ecdsa().unwrap();
        let id = key.public().id().clone();
        key_store(&late.owner).add(key, "root", None).unwrap();
        let offset = Arc::new(AtomicI64::new(begun));
        let mut repository = open_at(&late.server, &late.owner, GUN, clock(&offset));
        block_on(repository.initialize(&id, snapshot)).unwrap();
        offset.store(published, Ordering::Relaxed);
        let edit = signet_client::Edit::AddTarget {
            role: RoleName::targets(),
            name: "v1".to_owned(),
            target: Target::new([7; 32], 3),
        };
        block_on(repository.publish(&[edit], PublishOptions::default())).unwrap();
        then(&late, &offset);
        late.ours(&["list", GUN]);
        late.is_read_by_all();
        std::thread::sleep(Duration::from_secs(LEFT as u64 + 1));
        late
    }

    /// What both programs say to who knew it before.
    fn refused(&self) -> String {
        let list = |reader: &User, tool| reader.run(tool, &["list", GUN]).unwrap();
        let [go, our] = [
            list(&self.readers[0], Tool::Notary),
            list(&self.readers[1], Tool::OurNotary),
        ];
        assert_eq!(
            (our.code, &our.stdout),
            (Some(1), &go.stdout),
            "{go}\n{our}"
        );
        our.stdout
    }

    fn ours(&self, words: &[&str]) -> String {
        self.owner.expect(Tool::OurNotary, words).unwrap()
    }

    /// Strangers with both programs, and those who knew it before.
    fn is_read_by_all(&self) {
        for (tool, user) in [
            (Tool::Notary, &stranger(&self.server)),
            (Tool::OurNotary, &stranger(&self.server)),
            (Tool::Notary, &self.readers[0]),
            (Tool::OurNotary, &self.readers[1]),
        ] {
            let table = user.expect(tool, &["list", GUN]).unwrap();
            assert!(table.contains("\nv1 "), "{table}");
        }
    }
}

/// Case 43 and Q9.
#[test]
fn what_has_expired_is_renewed_by_whoever_has_its_keys() {
    let late = Late::targets(Managed::Locally);
    let refused = late.refused();
    assert!(
        refused.starts_with("\n* fatal: snapshot expired at "),
        "{refused}"
    );
    let renewed = late.ours(&["renew", GUN]);
    let head = format!(
        "Successfully renewed these roles of {GUN}:\n\nROLE        VERSION    VALID UNTIL\n"
    );
    assert!(renewed.starts_with(&head), "{renewed}");
    let roles: Vec<&str> = renewed
        .lines()
        .skip(4)
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(roles, ["targets", "snapshot"]);
    late.is_read_by_all();
    let versions = |role| late.server.version(GUN, role).unwrap();
    assert_eq!(
        (versions("root"), versions("targets"), versions("snapshot")),
        (1, 3, 3)
    );
    assert_eq!(
        late.ours(&["renew", GUN]),
        format!(
            "Nothing of {GUN} ends within six months; name roles to renew them all the same.\n"
        )
    );
    // Before its end, too, and without a word of the others.
    late.ours(&["renew", GUN, "root"]);
    assert_eq!(versions("root"), 2);
    assert_eq!(versions("targets"), 3);
    late.ours(&["renew", GUN, "snapshot"]);
    assert_eq!((versions("root"), versions("snapshot")), (2, 5));
    late.is_read_by_all();
    let unknown = late
        .owner
        .run(Tool::OurNotary, &["renew", GUN, "targets/nobody"])
        .unwrap();
    assert_eq!(
        unknown.stdout,
        "\n* fatal: tuf: invalid role targets/nobody. this role is not known\n"
    );
    let timestamp = late.ours(&["renew", GUN, "timestamp"]);
    assert!(timestamp.contains("renews it by itself"), "{timestamp}");
}

#[test]
fn an_expired_root_is_renewed_by_whoever_has_its_key() {
    let late = Late::root();
    let refused = late.refused();
    assert!(
        refused.starts_with("\n* fatal: root expired at "),
        "{refused}"
    );
    // Whoever has no key is told which one it takes.
    let nobody = stranger(&late.server);
    let helpless = nobody.run(Tool::OurNotary, &["renew", GUN]).unwrap();
    assert_eq!(helpless.code, Some(1), "{helpless}");
    assert!(
        helpless
            .stdout
            .starts_with("root was left as it is: its validity ends ")
            && helpless.stdout.contains(", which is not here\n")
            && helpless.stdout.ends_with(&format!(
                "\n* fatal: root of {GUN} could not be renewed here\n"
            )),
        "{helpless}"
    );
    // What would happen, for people and for programs.
    let before = late.server.version(GUN, "root").unwrap();
    let dry = late.ours(&["renew", "--dry-run", GUN]);
    assert!(
        dry.starts_with(&format!("These roles of {GUN} would be renewed:\n")),
        "{dry}"
    );
    assert_eq!(late.server.version(GUN, "root").unwrap(), before);
    let done = late.ours(&["renew", GUN, "--format", "json"]);
    let line: Value = serde_json::from_str(done.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["role"], &line["version"], &line["renewed"]),
        (&json!("root"), &json!(before + 1), &json!(true))
    );
    let bytes = late.server.metadata(GUN, "root.json").unwrap().unwrap();
    let root: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(line["expires"], root["signed"]["expires"]);
    late.is_read_by_all();
}

/// The owner of the root key need not be the one who signs targets.
#[test]
fn a_rotation_and_a_publish_renew_targets_on_the_way() {
    let late = Late::targets(Managed::ByServer);
    let refused = late.refused();
    assert!(
        refused.starts_with("\n* fatal: targets expired at "),
        "{refused}"
    );
    let stuck = late
        .owner
        .run(Tool::Notary, &["key", "rotate", GUN, "targets"])
        .unwrap();
    assert_eq!(stuck.code, Some(1), "{stuck}");
    late.ours(&["key", "rotate", GUN, "targets"]);
    late.is_read_by_all();
}

/// What is signed again is the newest that this computer has seen, or nothing.
#[test]
fn nothing_older_than_what_was_seen_is_renewed() {
    let late = Late::targets(Managed::ByServer);
    let folder = digest(GUN.as_bytes()).replace("sha256:", "signet/");
    let floors = late.owner.trust_dir().join(folder).join("floors.json");
    late.ours(&["renew", "--dry-run", GUN]);
    let mut remembered: Value = serde_json::from_slice(&std::fs::read(&floors).unwrap()).unwrap();
    remembered["roles"]["targets"]["version"] = json!(9);
    file::write(&floors, remembered.to_string()).unwrap();
    let refused = late.owner.run(Tool::OurNotary, &["renew", GUN]).unwrap();
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (
            Some(1),
            "\n* fatal: version 2 is lower than current version 9\n"
        )
    );
    // Where nothing was seen only somebody who knows can tell.
    for folder in ["tuf", "signet"] {
        std::fs::remove_dir_all(late.owner.trust_dir().join(folder)).unwrap();
    }
    late.ours(&["renew", "--dry-run", GUN]);
    for folder in ["tuf", "signet"] {
        std::fs::remove_dir_all(late.owner.trust_dir().join(folder)).unwrap();
    }
    let unseen = late.owner.run(Tool::OurNotary, &["renew", GUN]).unwrap();
    assert_eq!(unseen.code, Some(1), "{unseen}");
    assert!(
        unseen
            .stdout
            .starts_with(&format!("\n* fatal: this computer has never seen {GUN}, ")),
        "{unseen}"
    );
    assert_eq!(late.server.version(GUN, "targets").unwrap(), 2);
    for folder in ["tuf", "signet"] {
        std::fs::remove_dir_all(late.owner.trust_dir().join(folder)).unwrap();
    }
    late.ours(&["renew", GUN, "--yes"]);
    assert_eq!(late.server.version(GUN, "targets").unwrap(), 3);
}
