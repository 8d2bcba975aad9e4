//! Whoever controls the registry, or the way to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use signet_testkit::chaos::Fault;
use signet_testkit::image::Image;
use signet_testkit::user::Tool;

use super::scene::{Scene, redirect, try_command};

/// What the daemon, or whoever watches it, says of bytes that are not those that were signed, or of none.
const WRONG_BYTES: [&str; 13] = [
    "manifest verification failed for digest",
    "filesystem layer verification failed for digest",
    "image config verification failed for digest",
    "expected index but found manifest",
    "mediaType in manifest should be",
    "manifest unknown",
    "gave up the pull of",
    "unexpected EOF",
    "unexpected end of JSON input",
    "received unexpected HTTP status",
    "error parsing HTTP 404 response body",
    "invalid character",
    "unknown blob",
];

fn manifest(scene: &Scene, reference: &str) -> Vec<u8> {
    let accept = "application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json";
    let path = format!("/v2/team/app/manifests/{reference}");
    let client = scene.registry.client();
    let answer = client
        .request("GET", &path, &[("Accept", accept)], &[])
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.body
}

/// The tag leads to another image. The digest does not care.
#[test]
fn a_moved_tag_changes_nothing() {
    let scene = Scene::new();
    let other = manifest(&scene, &scene.other);
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let path = "/v2/team/app/manifests/v1";
    let client = scene.registry.client();
    let moved = client
        .request("PUT", path, &[("Content-Type", kind)], &other)
        .unwrap();
    assert_eq!(moved.status, 201, "{}", moved.text());

    let user = scene.stranger();
    let image = scene.tagged("v1");
    scene.runs(&user);
    for _ in 0..2 {
        let printed = try_command(&user, "pull", &image)
            .finished
            .success()
            .unwrap();
        assert!(
            printed.contains(&format!("Digest: {}\n", scene.signed)),
            "{printed}"
        );
        assert!(!printed.contains(&scene.other), "{printed}");
    }
    let says = user.expect(
        Tool::DockerItself,
        &["run", "--rm", "--network", "none", &image],
    );
    assert_eq!(says.unwrap(), "signed\n", "the local tag is another image");
    scene.empty_daemon();
    // docker's own pull takes what the registry says: that is the attack.
    user.expect(Tool::DockerItself, &["pull", &image]).unwrap();
    let says = user.expect(
        Tool::DockerItself,
        &["run", "--rm", "--network", "none", &image],
    );
    assert_eq!(says.unwrap(), "other\n");
    // A local tag that leads elsewhere does not count either, whether the daemon has the signed image or not.
    for _ in 0..2 {
        let tried = try_command(&user, "run", &image);
        assert_eq!(tried.finished.success().unwrap(), "signed\n");
        user.expect(Tool::DockerItself, &["pull", &image]).unwrap();
    }

    // Without the signed image the other one is no replacement. The daemon has never seen this one's manifest.
    let gone = scene.push("gone", "gone");
    scene.jeff_runs(&["sign", "--remote", &scene.tagged("gone")]);
    scene.empty_daemon();
    let path = format!("/v2/team/app/manifests/{gone}");
    assert_eq!(
        client.request("DELETE", &path, &[], &[]).unwrap().status,
        202
    );
    scene.refused_from_registry("deleted image", &scene.tagged("gone"), &gone, &WRONG_BYTES);
}

/// Other bytes, fewer bytes, no bytes, bytes from elsewhere, bytes without end.
#[test]
fn bytes_that_were_not_signed_are_refused() {
    let scene = Scene::new();
    let other = manifest(&scene, &scene.other);
    let signed: Value = serde_json::from_slice(&manifest(&scene, &scene.signed)).unwrap();
    let layer = signed["layers"][0]["digest"].as_str().unwrap().to_owned();
    let config = signed["config"]["digest"].as_str().unwrap().to_owned();
    let other_manifest = format!("/v2/team/app/manifests/{}", scene.other);
    let elsewhere = format!("http://{}{other_manifest}", scene.registry.address());

    let manifests = [
        ("swapped manifest", Fault::Forged(other)),
        (
            "swapped manifest with its own digest",
            Fault::Instead(other_manifest),
        ),
        ("manifest from elsewhere", redirect(elsewhere)),
        ("manifest that is missing", Fault::Status(404)),
        ("truncated manifest", Fault::Truncated),
        ("manifest of nothing", Fault::Forged(b"{}".to_vec())),
        ("manifest without end", Fault::Endless),
        ("dripping manifest", Fault::Dripping),
        ("no answer for a manifest", Fault::Silent),
    ];
    for (attack, fault) in manifests {
        Scene::spoil(&scene.front, &format!("manifests/{}", scene.signed), fault);
        scene.refused_from_registry(attack, &scene.tagged("v1"), &scene.signed, &WRONG_BYTES);
    }
    let blobs = [
        (
            "swapped layer",
            &layer,
            Fault::Forged(b"something else".to_vec()),
        ),
        ("missing layer", &layer, Fault::Status(404)),
        ("truncated layer", &layer, Fault::Truncated),
        ("layer without end", &layer, Fault::Endless),
        ("dripping layer", &layer, Fault::Dripping),
        (
            "swapped configuration",
            &config,
            Fault::Forged(b"{\"os\":\"linux\"}".to_vec()),
        ),
        ("dripping configuration", &config, Fault::Dripping),
    ];
    for (attack, blob, fault) in blobs {
        Scene::spoil(&scene.front, &format!("blobs/{blob}"), fault);
        scene.refused_from_registry(attack, &scene.tagged("v1"), &scene.signed, &WRONG_BYTES);
    }
    scene.front.heal();
    scene.runs(&scene.stranger());
}

/// A daemon of its own: it goes on waiting for such a layer when nobody wants it any more.
#[test]
fn a_layer_that_never_comes_is_given_up() {
    let scene = Scene::new();
    Scene::spoil(&scene.front, "/blobs/", Fault::Silent);
    scene.refused_from_registry(
        "no answer for a layer",
        &scene.tagged("v1"),
        &scene.signed,
        &["gave up the pull of"],
    );
}

/// One platform's image in place of the index that was signed.
#[test]
fn a_stripped_index_is_refused() {
    let scene = Scene::new();
    let index = Image::multi_platform("hello");
    index
        .push(&scene.registry.client(), "team/app", "multi")
        .unwrap();
    let image = scene.tagged("multi");
    scene.jeff_runs(&["sign", "--remote", &image]);
    let parsed: Value = serde_json::from_slice(&manifest(&scene, &index.digest())).unwrap();
    let child = parsed["manifests"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = manifest(&scene, &child);
    for (attack, fault) in [
        (
            "stripped index",
            Fault::Instead(format!("/v2/team/app/manifests/{child}")),
        ),
        (
            "stripped index under the index's digest",
            Fault::Forged(body),
        ),
    ] {
        Scene::spoil(
            &scene.front,
            &format!("manifests/{}", index.digest()),
            fault,
        );
        scene.refused_from_registry(attack, &image, &index.digest(), &WRONG_BYTES);
    }
    // An image of the index that the index does not list.
    let other = format!("/v2/team/app/manifests/{}", scene.other);
    Scene::spoil(
        &scene.front,
        &format!("manifests/{child}"),
        Fault::Instead(other),
    );
    scene.refused_from_registry(
        "swapped image of an index",
        &image,
        &index.digest(),
        &WRONG_BYTES,
    );
    scene.front.heal();
    let pulled = try_command(&scene.stranger(), "pull", &image)
        .finished
        .success()
        .unwrap();
    assert!(pulled.contains(&index.digest()), "{pulled}");
}

/// The right answer to whoever looks, another one to whoever uses (class A18).
#[test]
fn a_registry_that_changes_its_answers_gains_nothing() {
    let scene = Scene::new();
    let other = manifest(&scene, &scene.other);
    for honest in 0..3 {
        let asked = Arc::new(AtomicUsize::new(0));
        let (needle, other, count) = (
            format!("manifests/{}", scene.signed),
            other.clone(),
            Arc::clone(&asked),
        );
        scene.front.set(move |_, path| {
            if path.contains(&needle) && count.fetch_add(1, Ordering::Relaxed) >= honest {
                Fault::Forged(other.clone())
            } else {
                Fault::None
            }
        });
        let user = scene.stranger();
        for command in ["pull", "run", "run"] {
            let tried = try_command(&user, command, &scene.tagged("v1"));
            if tried.finished.code == Some(0) {
                assert!(
                    !tried.finished.stdout.contains("other"),
                    "{}",
                    tried.finished
                );
            } else {
                tried.is_refused("changing answers", &WRONG_BYTES);
            }
        }
        assert!(
            asked.load(Ordering::Relaxed) > 0,
            "the registry was never asked"
        );
        assert!(
            !scene.state().contains(&scene.other),
            "the other image is at the daemon"
        );
        scene.empty_daemon();
    }
}
