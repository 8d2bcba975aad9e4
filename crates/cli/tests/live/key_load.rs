//! `key load`: every form in which OpenSSL and Go write private keys is stored under the key's own ID, or refused. Docker's client is the judge:
//! it must be able to sign with what was stored.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use signet_testkit::file;
use signet_testkit::process::Finished;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

use crate::scene::{Scene, keys_of};

/// The passphrase of encrypted files: the one that is in the environment, so that nothing is asked.
const PASS: &str = "pass:repository-passphrase-1";

/// Somebody who has no trust server.
fn alone() -> User {
    User::new("https://localhost:1", "no certificate").unwrap()
}

fn private(user: &User, name: &str) -> PathBuf {
    let path = user.path(name);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn load(user: &User, words: &[&str], input: &str) -> Finished {
    let words: Vec<&str> = ["key", "load"].iter().chain(words).copied().collect();
    user.run_with_input(Tool::DockerTrust, &words, input)
        .unwrap()
}

/// IDs of the keys in a user's store.
fn stored(user: &User) -> Vec<String> {
    let Ok(files) = fs::read_dir(user.trust_dir().join("private")) else {
        return Vec::new();
    };
    files
        .map(|file| {
            let path = file.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect()
}

/// A key's ID as the specification defines it, from OpenSSL's view of the key.
fn id(user: &User, kind: &str, words: &[&str]) -> String {
    let all: Vec<&str> = ["pkey", "-passin", PASS, "-pubout", "-out", "id.pub"]
        .iter()
        .chain(words)
        .copied()
        .collect();
    user.openssl(&all).unwrap();
    let text = fs::read_to_string(user.path("id.pub")).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let canonical =
        format!("{{\"keytype\":\"{kind}\",\"keyval\":{{\"private\":null,\"public\":\"{body}\"}}}}");
    file::write(&user.path("id.json"), canonical).unwrap();
    let digest = user.openssl(&["dgst", "-sha256", "-r", "id.json"]).unwrap();
    digest.split(' ').next().unwrap().to_owned()
}

/// Files of one key, in every form that OpenSSL writes: name and the command that makes it from `FROM`.
fn forms(of_rsa: bool) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut forms = vec![
        ("pkcs8", vec!["pkey"]),
        (
            "sha256",
            vec!["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", PASS],
        ),
        (
            "aes128",
            vec!["pkcs8", "-topk8", "-v2", "aes-128-cbc", "-passout", PASS],
        ),
        (
            "sha1",
            vec![
                "pkcs8",
                "-topk8",
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                "hmacWithSHA1",
                "-passout",
                PASS,
            ],
        ),
        (
            "sha512",
            vec![
                "pkcs8",
                "-topk8",
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                "hmacWithSHA512",
                "-passout",
                PASS,
            ],
        ),
        (
            "des3",
            vec!["pkcs8", "-topk8", "-v2", "des3", "-passout", PASS],
        ),
        (
            "scrypt",
            vec!["pkcs8", "-topk8", "-scrypt", "-passout", PASS],
        ),
    ];
    if of_rsa {
        forms.extend([
            ("pkcs1", vec!["rsa", "-traditional"]),
            (
                "dek-aes",
                vec!["rsa", "-traditional", "-aes256", "-passout", PASS],
            ),
            (
                "dek-des3",
                vec!["rsa", "-traditional", "-des3", "-passout", PASS],
            ),
        ]);
    } else {
        forms.extend([
            ("sec1", vec!["ec"]),
            ("dek-aes", vec!["ec", "-aes128", "-passout", PASS]),
        ]);
    }
    forms
}

/// Cases 51 and 54 (Q13): each form is stored under the same ID.
#[test]
fn every_form_of_a_key_is_stored() {
    let user = alone();
    user.openssl(&["genrsa", "-out", "rsa.pem", "2048"])
        .unwrap();
    user.openssl(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-out",
        "ec.pem",
    ])
    .unwrap();
    for from in ["rsa.pem", "ec.pem"] {
        let kind = if from == "rsa.pem" { "rsa" } else { "ecdsa" };
        let expected = id(&user, kind, &["-in", from]);
        for (form, command) in forms(from == "rsa.pem") {
            let words: Vec<&str> = command
                .iter()
                .chain(&["-in", from, "-out", "key.pem"])
                .copied()
                .collect();
            user.openssl(&words).unwrap();
            private(&user, "key.pem");
            let loaded = load(&user, &["--name", "jeff", "key.pem"], "")
                .success()
                .unwrap();
            assert_eq!(
                loaded, "Loading key from \"key.pem\"...\nSuccessfully imported key from key.pem\n",
                "{from} {form}"
            );
            assert_eq!(stored(&user), [expected.as_str()], "{from} {form}");
            fs::remove_dir_all(user.trust_dir()).unwrap();
        }
    }
    // The curve before the key, as OpenSSL writes it.
    private(&user, "ec.pem");
    assert!(
        fs::read_to_string(user.path("ec.pem"))
            .unwrap()
            .starts_with("-----BEGIN EC PARAMETERS-----")
    );
    load(&user, &["ec.pem"], "").success().unwrap();
    assert_eq!(stored(&user), [id(&user, "ecdsa", &["-in", "ec.pem"])]);
}

/// Case 55: docker signs with each kind of key that was loaded, in the store that both share.
#[test]
fn docker_signs_with_keys_that_were_loaded() {
    let scene = Scene::with_jeff();
    let (digest, _) = scene.push("v1", "hello");
    scene.sign("v1").success().unwrap();
    for (name, make) in [
        (
            "rsa2048",
            vec![
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ],
        ),
        (
            "rsa3072",
            vec![
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:3072",
            ],
        ),
        (
            "p256",
            vec![
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ],
        ),
        (
            "p384",
            vec![
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-384",
            ],
        ),
        (
            "p521",
            vec![
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-521",
            ],
        ),
        (
            "encrypted",
            vec![
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-aes-256-cbc",
                "-pass",
                PASS,
            ],
        ),
    ] {
        let person = scene.stranger();
        let words: Vec<&str> = make.iter().chain(&["-out", "key.pem"]).copied().collect();
        person.openssl(&words).unwrap();
        private(&person, "key.pem");
        load(&person, &["key.pem", "--name", name], "")
            .success()
            .unwrap();
        let public = person.path("key.pub").display().to_string();
        person
            .openssl(&[
                "pkey", "-in", "key.pem", "-passin", PASS, "-pubout", "-out", &public,
            ])
            .unwrap();
        scene
            .run(&["signer", "add", "--key", &public, name, &scene.gun])
            .success()
            .unwrap();
        person
            .expect(Tool::Docker, &["sign", &scene.tagged("v1")])
            .unwrap();
        assert_eq!(
            scene.list(&format!("targets/{name}")),
            [format!("v1 {digest}")].into(),
            "{name}"
        );
        // And so does this program.
        person
            .expect(Tool::DockerTrust, &["sign", &scene.tagged("v1")])
            .unwrap();
    }
}

/// Keys that Go wrote: as its store has them, and as `notary key export` writes them.
#[test]
fn keys_that_go_wrote_are_loaded() {
    let user = alone();
    user.expect(Tool::Docker, &["key", "generate", "dockers"])
        .unwrap();
    let file = keys_of(&user, "dockers").pop().unwrap();
    let key = file.file_stem().unwrap().to_str().unwrap().to_owned();

    // The file's own name for the key goes before --name.
    let other = alone();
    fs::copy(&file, other.path("stored.pem")).unwrap();
    private(&other, "stored.pem");
    load(&other, &["stored.pem", "--name", "else"], "")
        .success()
        .unwrap();
    assert_eq!(stored(&other), [key.as_str()]);
    assert_eq!(keys_of(&other, "dockers").len(), 1);

    // An exported key is stored as it is, under its ID, and nothing is asked.
    let other = alone();
    let exported = other.path("exported.pem").display().to_string();
    user.expect(Tool::Notary, &["key", "export", "-o", &exported])
        .unwrap();
    private(&other, "exported.pem");
    let text = fs::read_to_string(&exported).unwrap();
    assert!(text.contains(&format!("path: {key}\n")), "{text}");
    load(&other, &["exported.pem"], "").success().unwrap();
    assert_eq!(stored(&other), [key.as_str()]);
    let listed = other.expect(Tool::Notary, &["key", "list"]).unwrap();
    assert!(listed.contains("dockers"), "{listed}");

    // Case 56: a name that is no key ID, and one that is another key's.
    for (named, problem) in [
        (
            "../../evil".to_owned(),
            "the path header \"../../evil\" does not end in a key ID".to_owned(),
        ),
        (
            String::from("evil"),
            "the path header \"evil\" does not end in a key ID".to_owned(),
        ),
    ] {
        let other = alone();
        file::write(
            &other.path("evil.pem"),
            text.replace(&format!("path: {key}"), &format!("path: {named}")),
        )
        .unwrap();
        private(&other, "evil.pem");
        assert_eq!(
            load(&other, &["evil.pem"], "").failure(1).unwrap(),
            format!("error importing key from evil.pem: {problem}\n")
        );
        assert_eq!(stored(&other), Vec::<String>::new());
        assert!(!other.path(".docker/evil.key").exists() && !other.path("evil.key").exists());
    }
}

/// What cannot be a signer's key is refused with the reason, and nothing is stored.
#[test]
fn what_is_not_stored_is_refused() {
    let user = alone();
    for (file, words) in [
        ("weak.pem", vec!["genrsa", "-out", "weak.pem", "1024"]),
        (
            "weak.pub",
            vec!["rsa", "-in", "weak.pem", "-pubout", "-out", "weak.pub"],
        ),
        (
            "p224.pem",
            vec![
                "ecparam",
                "-name",
                "secp224r1",
                "-genkey",
                "-noout",
                "-out",
                "p224.pem",
            ],
        ),
        (
            "p224.pub",
            vec!["ec", "-in", "p224.pem", "-pubout", "-out", "p224.pub"],
        ),
        (
            "p224.crt",
            vec![
                "req", "-x509", "-key", "p224.pem", "-days", "9", "-subj", "/CN=p224", "-out",
                "p224.crt",
            ],
        ),
        (
            "weak.crt",
            vec![
                "req", "-x509", "-key", "weak.pem", "-days", "9", "-subj", "/CN=weak", "-out",
                "weak.crt",
            ],
        ),
        (
            "k1.pem",
            vec![
                "ecparam",
                "-name",
                "secp256k1",
                "-genkey",
                "-noout",
                "-out",
                "k1.pem",
            ],
        ),
        (
            "ed.pem",
            vec!["genpkey", "-algorithm", "ed25519", "-out", "ed.pem"],
        ),
        (
            "ed-encrypted.pem",
            vec![
                "pkcs8",
                "-topk8",
                "-in",
                "ed.pem",
                "-passout",
                PASS,
                "-out",
                "ed-encrypted.pem",
            ],
        ),
        (
            "pbes1.pem",
            vec![
                "pkcs8",
                "-topk8",
                "-in",
                "p224.pem",
                "-v1",
                "PBE-SHA1-3DES",
                "-passout",
                PASS,
                "-out",
                "pbes1.pem",
            ],
        ),
    ] {
        user.openssl(&words).unwrap();
        private(&user, file);
    }
    file::write(
        &user.path("broken.pem"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    private(&user, "broken.pem");
    let weak = "RSA bit length is too short: 1024 bits, at least 2048 are needed";
    let curve = |name| {
        format!("ECDSA private keys on curve {name} are not supported, only P-256, P-384 and P-521")
    };
    let ed = "Ed25519 keys cannot be signers' keys: an ECDSA or RSA key is needed";
    for (file, problem) in [
        ("weak.pem", weak.to_owned()),
        ("p224.pem", curve("P-224")),
        ("k1.pem", curve("1.3.132.0.10")),
        ("ed.pem", ed.to_owned()),
        ("ed-encrypted.pem", ed.to_owned()),
        (
            "pbes1.pem",
            "unsupported encryption 1.2.840.113549.1.12.1.3".to_owned(),
        ),
        (
            "broken.pem",
            "malformed key file: not a PKCS#8 key".to_owned(),
        ),
    ] {
        assert_eq!(
            load(&user, &[file], "").failure(1).unwrap(),
            format!("error importing key from {file}: {problem}\n")
        );
    }
    assert_eq!(stored(&user), Vec::<String>::new());

    // Public keys that could never sign validly, before anything is made or sent for them.
    let p224 = "ECDSA keys on curve P-224 are too weak, P-256, P-384 or P-521 is needed";
    for (file, problem) in [
        ("weak.pub", weak),
        ("p224.pub", p224),
        ("p224.crt", p224),
        (
            "weak.crt",
            "invalid certificate: RSA bit length is too short",
        ),
    ] {
        let added = user
            .run(
                Tool::DockerTrust,
                &["signer", "add", "--key", file, "jeff", "localhost:1/x"],
            )
            .unwrap();
        assert_eq!(added.stdout, "", "{file}");
        assert_eq!(
            added.failure(1).unwrap(),
            format!("could not parse public key from file: {file}: {problem}\n")
        );
    }
}

/// Case 52: only the owner may read the file, in every bit.
#[test]
fn a_key_file_that_others_can_use_is_refused() {
    let user = alone();
    user.ec_key("prime256v1", "key.pem").unwrap();
    for mode in [0o604, 0o602, 0o601, 0o640, 0o620, 0o610, 0o644] {
        fs::set_permissions(user.path("key.pem"), Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            load(&user, &["key.pem"], "").failure(1).unwrap(),
            "refusing to load key from key.pem: private key file key.pem must not be readable or writable by others\n"
        );
    }
    for mode in [0o600, 0o400, 0o700] {
        fs::set_permissions(user.path("key.pem"), Permissions::from_mode(mode)).unwrap();
        load(&user, &["key.pem"], "").success().unwrap();
    }
    assert_eq!(stored(&user).len(), 1);
}

/// On a terminal: one question for the file, two for the new passphrase, and the second key of a file takes what the first was given.
#[test]
fn key_load_asks_as_docker_does() {
    let user = User::without_passphrases("https://localhost:1", "no certificate").unwrap();
    let mut text = String::new();
    for at in ["one.pem", "two.pem"] {
        user.openssl(&[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-aes-256-cbc",
            "-pass",
            "pass:file-passphrase-1",
            "-out",
            at,
        ])
        .unwrap();
        text += &fs::read_to_string(user.path(at)).unwrap();
    }
    file::write(&user.path("both.pem"), text).unwrap();
    private(&user, "both.pem");
    let spawn = || {
        Terminal::spawn(
            &user
                .command(
                    Tool::DockerTrust,
                    &["key", "load", "both.pem", "--name", "jeff"],
                )
                .unwrap(),
        )
        .unwrap()
    };
    let mut terminal = spawn();
    terminal
        .expect("Loading key from \"both.pem\"...\r\nEnter passphrase for encrypted key: ")
        .unwrap();
    terminal.enter("wrong-passphrase").unwrap();
    terminal
        .expect("\r\nPassphrase incorrect. Please retry.\r\nEnter passphrase for encrypted key: ")
        .unwrap();
    terminal.enter("file-passphrase-1").unwrap();
    terminal
        .expect("Enter passphrase for new jeff key with ID ")
        .unwrap();
    terminal.enter("long-passphrase-1").unwrap();
    terminal
        .expect("Repeat passphrase for new jeff key with ID ")
        .unwrap();
    terminal.enter("long-passphrase-1").unwrap();
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(
        text.ends_with("Successfully imported key from both.pem\n"),
        "{text}"
    );
    assert_eq!(
        (text.matches("passphrase for").count(), stored(&user).len()),
        (4, 2),
        "{text}"
    );

    // Four wrong ones are the end; ^C ends at once, and nothing more is stored.
    fs::remove_dir_all(user.trust_dir()).unwrap();
    let mut terminal = spawn();
    for _ in 0..4 {
        terminal
            .expect("Enter passphrase for encrypted key: ")
            .unwrap();
        terminal.enter("wrong-passphrase").unwrap();
    }
    let (status, text) = terminal.finish().unwrap();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(
        text.ends_with("error importing key from both.pem: cannot load key from provided file both.pem: could not decrypt key\n"),
        "{text}"
    );
    let mut terminal = spawn();
    terminal
        .expect("Enter passphrase for encrypted key: ")
        .unwrap();
    terminal.press("\u{3}").unwrap();
    assert_eq!(terminal.finish().unwrap().0.code(), Some(130));
    assert_eq!(stored(&user), Vec::<String>::new());
}

/// `notary key export` writes every key of a store into one file; all of them are stored again, and docker signs with them.
#[test]
fn several_keys_come_in_one_file() {
    let user = alone();
    let mut text = String::new();
    for command in [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048".to_owned(),
        "ecparam -name prime256v1 -genkey".to_owned(),
        format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -aes-256-cbc -pass {PASS}"),
        "genrsa 1024".to_owned(),
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        text += &user.openssl(&words).unwrap();
    }
    file::write(&user.path("all.pem"), text).unwrap();
    private(&user, "all.pem");
    let loaded = load(&user, &["all.pem", "--name", "jeff"], "");
    assert!(
        loaded.stderr.contains("failed to import key 5 to store: RSA bit length is too short: 1024 bits, at least 2048 are needed"),
        "{loaded}"
    );
    loaded.success().unwrap();
    assert_eq!(keys_of(&user, "jeff").len(), 3);
    let listed = user.expect(Tool::Notary, &["key", "list"]).unwrap();
    assert_eq!(listed.matches("jeff").count(), 3, "{listed}");
}
