//! Which roots `notary` follows, beside Go's: pins, names, unrelated roots, older documents.

use serde_json::{Value, json};
use signet_testkit::chaos::Fault;
use signet_testkit::file;
use signet_testkit::peer::{TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::notary_rotate::{BOTH, GUN, HELLO, Scene};

/// Somebody new with these pins.
fn pinning(scene: &Scene, pins: &Value) -> User {
    let user = scene.reader();
    let path = user.path(".notary/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["trust_pinning"] = pins.clone();
    file::write(&path, config.to_string()).unwrap();
    user
}

/// Both programs give the same answer to somebody new; this is it.
fn agreed(scene: &Scene, pins: &Value) -> (Option<i32>, String) {
    let [go, our] = BOTH.map(|tool| {
        let user = pinning(scene, pins);
        user.run(tool, &["list", GUN]).unwrap()
    });
    assert_eq!(
        (our.code, &our.stdout),
        (go.code, &go.stdout),
        "{pins}\n{go}\n{our}"
    );
    (our.code, our.stdout)
}

/// Cases 50 and 51.
#[test]
fn pins_hold_as_with_go_and_for_capital_letters_too() {
    let scene = Scene::new();
    let root = scene.root();
    let id = root["signed"]["roles"]["root"]["keyids"][0].clone();
    let certificate = root["signed"]["keys"][id.as_str().unwrap()]["keyval"]["public"].clone();
    let pem = data_encoding::BASE64
        .decode(certificate.as_str().unwrap().as_bytes())
        .unwrap();
    file::write(&scene.owner.path("root.crt"), pem).unwrap();
    let ca = scene.owner.path("root.crt");
    let wrong = json!(["0".repeat(64)]);
    for pins in [
        json!({"certs": {GUN: [id]}, "disable_tofu": true}),
        json!({"certs": {"example.com/*": [id]}}),
        json!({"certs": {"example.com/*": wrong, GUN: [id]}}),
        json!({"certs": {"other.example/app": wrong}}),
    ] {
        let (code, table) = agreed(&scene, &pins);
        assert_eq!(code, Some(0), "{table}");
        assert!(table.contains("v1"), "{table}");
    }
    let path = "\n* fatal: could not validate the path to a trusted root: ";
    let unmatched = format!("{path}unable to match any certificates to trust_pinning config\n");
    for (pins, told) in [
        (json!({"certs": {GUN: wrong}}), unmatched.clone()),
        (
            json!({"certs": {"example.com/*": wrong}}),
            unmatched.clone(),
        ),
        (
            json!({"disable_tofu": true}),
            format!("{path}invalid trust pinning specified\n"),
        ),
        (
            json!({"ca": {"example.com": "/no/such/ca.pem"}}),
            format!("{path}could not load root cert from CA path\n"),
        ),
    ] {
        assert_eq!(agreed(&scene, &pins), (Some(1), told), "{pins}");
    }
    // A root that is its own authority. Go refuses every certificate for code signing only, which all of these are.
    let own = pinning(&scene, &json!({"ca": {"example.com": ca}}));
    let listed = own.run(Tool::OurNotary, &["list", GUN]).unwrap();
    assert_eq!(listed.code, Some(0), "{listed}");

    // Q6: Go takes the first root that comes for names with capital letters.
    let capital = "example.com/App";
    scene.go(&["init", capital, "-p"]);
    let pins = json!({"certs": {capital: wrong}});
    let go = pinning(&scene, &pins)
        .run(Tool::Notary, &["list", capital])
        .unwrap();
    assert_eq!(go.code, Some(0), "{go}");
    let our = pinning(&scene, &pins)
        .run(Tool::OurNotary, &["list", capital])
        .unwrap();
    assert_eq!((our.code, our.stdout), (Some(1), unmatched));
}

/// Cases 45 and 46: the certificate of a root names its repository.
#[test]
fn a_root_certificate_names_its_repository_or_all_below() {
    let scene = Scene::empty();
    let owner = &scene.owner;
    let password = format!("pass:{}", User::ROOT_PASSPHRASE);
    owner.ec_key("prime256v1", "wild.key").unwrap();
    owner
        .openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            "wild.key",
            "-out",
            "wild.pem",
            "-passout",
            &password,
            "-v2",
            "aes-256-cbc",
            "-v2prf",
            "hmacWithSHA1",
        ])
        .unwrap();
    for (name, subject) in [
        ("wild", "/CN=example.com\\/*"),
        ("wrong", "/CN=example.org\\/*"),
    ] {
        owner
            .openssl(&[
                "req",
                "-new",
                "-x509",
                "-key",
                "wild.key",
                "-sha256",
                "-days",
                "3650",
                "-subj",
                subject,
                "-out",
                &format!("{name}.crt"),
                "-addext",
                "extendedKeyUsage=codeSigning",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .unwrap();
    }
    let init = [
        "init",
        GUN,
        "--rootkey",
        "wild.pem",
        "--rootcert",
        "wild.crt",
        "-p",
    ];
    scene.go(&init);
    scene.go(&["addhash", GUN, "v1", "12", "--sha256", HELLO, "-p"]);
    let (code, table) = agreed(&scene, &json!({}));
    assert_eq!(code, Some(0), "{table}");
    assert!(table.contains("v1"), "{table}");

    let wrong = ["init", "example.com/other", "--rootcert", "wrong.crt"];
    scene.go(&wrong);
    let [go, our] = BOTH.map(|tool| {
        let line = ["key", "rotate", "example.com/other", "snapshot"];
        owner.run(tool, &line).unwrap()
    });
    let told = "\n* fatal: could not validate the path to a trusted root: unable to retrieve valid leaf certificates\n";
    assert_eq!((go.code, go.stdout.as_str()), (Some(1), told));
    assert_eq!((our.code, our.stdout.as_str()), (Some(1), told));
}

/// Case 48: another repository of the same name.
#[test]
fn an_unrelated_root_is_not_followed() {
    let scene = Scene::new();
    let other = TrustServer::go_with(&TrustOptions::default().plain()).unwrap();
    let address = other.address();
    let readers = BOTH.map(|tool| {
        let reader = scene.reader();
        reader.expect(tool, &["list", GUN]).unwrap();
        reader
    });
    scene.proxy.set(move |_, _| Fault::Elsewhere(address));
    let usurper = User::new(&scene.proxy.url(), &scene.server.ca_pem()).unwrap();
    usurper.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
    for (reader, tool) in readers.iter().zip(BOTH) {
        let refused = reader.run(tool, &["list", GUN]).unwrap();
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (
                Some(1),
                "\n* fatal: could not rotate trust to a new trusted root: failed to validate data with current trusted certificates\n"
            ),
            "{tool:?}"
        );
    }
    // Nothing of it is remembered.
    scene.proxy.heal();
    for (reader, tool) in readers.iter().zip(BOTH) {
        let table = reader.expect(tool, &["list", GUN]).unwrap();
        assert!(table.contains("v1"), "{table}");
    }
}

/// Case 49.
#[test]
fn what_was_newer_before_is_not_followed() {
    let scene = Scene::new();
    let stranger = scene.reader();
    stranger.expect(Tool::Notary, &["list", GUN]).unwrap();
    for name in ["v2", "v3"] {
        scene.go(&["addhash", GUN, name, "12", "--sha256", HELLO, "-p"]);
    }
    let readers = BOTH.map(|tool| {
        let reader = scene.reader();
        reader.expect(tool, &["list", GUN]).unwrap();
        reader
    });
    // The first timestamp that was ever asked for.
    scene
        .proxy
        .set(|_, path| match path.ends_with("/timestamp.json") {
            true => Fault::Replayed,
            false => Fault::None,
        });
    for (reader, tool) in readers.iter().zip(BOTH) {
        let refused = reader.run(tool, &["list", GUN]).unwrap();
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (
                Some(1),
                "\n* fatal: version 1 is lower than current version 3\n"
            ),
            "{tool:?}"
        );
    }
}
