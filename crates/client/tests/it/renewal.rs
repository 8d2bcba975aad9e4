//! A renewal signs what its plan says, or fails.

use serde_json::{Value, json};
use signet_client::Error;
use signet_keys::{PrivateKey, Signer as _};
use signet_tuf::RoleName;
use time::Duration;

use crate::scene::{Scene, sealed};

/// Whoever took over the targets meanwhile is the one to renew them.
#[tokio::test]
async fn planned_targets_are_not_left_out_without_a_word() {
    let scene = Scene::new(Duration::days(3 * 365 - 60)).await;
    let plan = scene.person.open().plan_renewal(&[]).await.unwrap();
    let targets = RoleName::targets();
    assert!(plan.renewed.iter().any(|found| found.role == targets));

    let other = PrivateKey::generate_ed25519().unwrap();
    let key = other.public().clone();
    let document: Value = serde_json::from_str(&scene.state().current["targets"]).unwrap();
    let mut signed = document["signed"].clone();
    signed["version"] = json!(signed["version"].as_i64().unwrap() + 1);
    let signed = sealed(&[&other], &signed);
    scene.state().put("targets", signed);
    scene.sign_root(|root| {
        let id = key.id().as_str();
        root["keys"][id] = serde_json::to_value(&key).unwrap();
        root["roles"]["targets"]["keyids"] = json!([id]);
    });
    scene.state().posts.clear();
    let error = scene.person.open().renew(&plan).await.unwrap_err();
    assert!(
        matches!(&error, Error::InsufficientSignatures(missing) if missing.role == targets),
        "{error}"
    );
    assert!(scene.state().posts.is_empty());
}
