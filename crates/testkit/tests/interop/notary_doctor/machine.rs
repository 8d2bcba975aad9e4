//! What lies on this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use signet_testkit::file;
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

use super::{Findings, begin};

fn mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn configuration_folders_and_keys_are_looked_at() {
    let server = TrustServer::go().unwrap();
    let mut user = User::new(&server.url(), &server.ca_pem()).unwrap();
    let found = Findings::of(&user, &[]);
    assert_eq!(found.of_state("problem"), [""; 0], "{:#?}", found.all);
    assert_eq!(found.of_state("warning"), [""; 0], "{:#?}", found.all);
    found.expect("config", "ok", &["config.json is in force"]);
    found.expect("pins", "ok", &["no pins"]);
    found.expect("trust-folder", "ok", &["from trust_dir"]);
    found.expect("server", "ok", &[&server.url(), "from remote_server.url"]);
    found.expect("keys", "ok", &["no private keys"]);
    for check in ["connection", "tls", "clock", "server-answer"] {
        found.expect(check, "ok", &[]);
    }
    let text = user.run(Tool::OurNotary, &["doctor"]).unwrap();
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""), "{text}");
    assert!(
        text.stdout.starts_with("This machine\n  ok       "),
        "{text}"
    );
    assert!(
        text.stdout.ends_with("\nno problems, no warnings\n"),
        "{text}"
    );

    // Keys: without a role, without a passphrase, no keys at all, and open to others.
    begin(&user);
    let private = user.trust_dir().join("private");
    mode(&private, 0o755);
    user.ec_key("prime256v1", "plain.pem").unwrap();
    let import = ["key", "import", "plain.pem", "-r", "alice"];
    user.expect(Tool::Notary, &import).unwrap();
    let alice = fs::read_dir(&private)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| fs::read_to_string(path).unwrap().contains("role: alice"))
        .unwrap();
    let text = fs::read_to_string(&alice).unwrap();
    file::write(&alice, text.replace("role: alice\n", "")).unwrap();
    file::write(&private.join("notes.key"), "not a key").unwrap();
    let found = Findings::of(&user, &[]);
    assert_eq!(found.of_state("problem"), [""; 0], "{:#?}", found.all);
    found.expect("key-folder", "warning", &["mode 755", "chmod go-rwx"]);
    found.expect(
        "key-role",
        "warning",
        &["names no role", "notary key import"],
    );
    found.expect("keys", "warning", &["notes.key"]);
    found.expect("keys", "ok", &["4 private keys, 4 encrypted"]);
    mode(&alice, 0o644);
    mode(&user.trust_dir(), 0o777);
    let found = Findings::of(&user, &[]);
    found.expect("key-mode", "warning", &["mode 644"]);
    found.expect(
        "trust-folder",
        "problem",
        &["others can change", "chmod go-w"],
    );
    mode(&user.trust_dir(), 0o700);

    // The layout of the first versions.
    fs::create_dir(private.join("root_keys")).unwrap();
    let found = Findings::of(&user, &[]);
    found.expect("keys", "warning", &["moves them"]);
    assert!(private.join("root_keys").is_dir());
    fs::remove_dir_all(&private).unwrap();
    file::write(&private, "a file").unwrap();
    let found = Findings::of(&user, &[]);
    found.expect("key-folder", "problem", &["is no folder"]);
    fs::remove_file(&private).unwrap();

    // The configuration, pins in it, and the variable.
    let config = user.path(".notary/config.json");
    let pins = r#"{"trust_pinning":{"certs":{"a":["xyz"]},"ca":{"b":"/nowhere.pem"},"disable_tofu":true}}"#;
    file::write(&config, pins).unwrap();
    let found = Findings::of(&user, &["-s", &server.url()]);
    found.expect("pins", "ok", &["1 with root keys", "disable_tofu"]);
    found.expect("pins", "warning", &["xyz"]);
    found.expect("pins", "problem", &["trust_pinning.ca", "\"b\""]);
    found.expect("tls", "problem", &["--tlscacert"]);
    file::write(&config, "{").unwrap();
    Findings::of(&user, &[]).expect("config", "problem", &["While parsing config"]);
    fs::remove_file(&config).unwrap();
    let ca = user.path(".docker/ca.crt");
    user.set("NOTARY_AUTH", "!!!");
    let here = ["-s", &server.url(), "--tlscacert", ca.to_str().unwrap()];
    let found = Findings::of(&user, &here);
    found.expect("config", "ok", &["there is no"]);
    found.expect("login", "problem", &["base64"]);
    let wrong = user.run(Tool::OurNotary, &["doctor", "../up"]).unwrap();
    assert_eq!(wrong.code, Some(1), "{wrong}");
    let many = user.run(Tool::OurNotary, &["doctor", "a", "b"]).unwrap();
    assert!(many.stdout.contains("Usage:"), "{many}");
}
