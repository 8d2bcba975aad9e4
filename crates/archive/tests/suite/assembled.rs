//! Repositories that are put together from rows or files.

use bytes::Bytes;
use serde_json::json;
use signet_archive::{Currency, Held, Sha256, assemble};
use signet_tuf::update::MAX_ROLES;

use crate::support::{NOW, moment, source};

/// No client follows more roles than that, so more are not claimed to be current: nobody could check it.
#[test]
fn a_snapshot_makes_no_more_roles_current_than_a_client_follows() {
    let base64 = |bytes: &Bytes| data_encoding::BASE64.encode(&Sha256::of(bytes).0);
    let signed = |kind: &str, meta: serde_json::Value| {
        let signed =
            json!({"_type": kind, "expires": "2030-01-01T00:00:00Z", "meta": meta, "version": 1});
        Bytes::from(json!({"signatures": [], "signed": signed}).to_string())
    };
    let empty = Bytes::from_static(b"{}");
    let listed =
        |bytes: &Bytes| json!({"hashes": {"sha256": base64(bytes)}, "length": bytes.len()});
    let roles: Vec<String> = (0..MAX_ROLES + 100)
        .map(|nth| format!("targets/r{nth:06}"))
        .collect();
    let meta: serde_json::Map<_, _> = roles
        .iter()
        .map(|role| (role.clone(), listed(&empty)))
        .collect();
    let snapshot = signed("Snapshot", meta.into());
    let timestamp = signed("Timestamp", json!({"snapshot": listed(&snapshot)}));
    let held = |role: &str, bytes: &Bytes| Held {
        role: role.parse().unwrap(),
        bytes: bytes.clone(),
        published: None,
    };
    let mut all = vec![held("timestamp", &timestamp), held("snapshot", &snapshot)];
    all.extend(roles.iter().map(|role| held(role, &empty)));
    let gun = "registry.example.com/many".parse().unwrap();
    let repository = assemble(
        &gun,
        source(),
        moment(NOW),
        all,
        Currency::Newest,
        Vec::new(),
    );
    let current = repository.record.current;
    assert_eq!(current.len(), MAX_ROLES);
    for role in ["timestamp", "snapshot", "targets/r000000"] {
        assert!(
            current.contains_key(&role.parse::<signet_tuf::RoleName>().unwrap()),
            "{role}"
        );
    }
    assert_eq!(repository.record.documents.len(), MAX_ROLES + 102);
}
