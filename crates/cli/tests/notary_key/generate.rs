//! `key generate`.

use crate::home::{BOTH, Home, Program, after_usage, mode, same};

#[test]
fn keys_are_stored_as_go_stores_them() {
    let home = Home::new();
    for (words, role) in [
        (&[][..], "root"),
        (&["ECDSA", "-r", "jeff"], "jeff"),
        (&["ecdsa", "--role", "targets/a"], "targets/a"),
    ] {
        for program in BOTH {
            let words = [&["key", "generate"], words].concat();
            let out = home.good(program, &words);
            let id = out
                .strip_prefix(&format!("Generated new ecdsa {role} key with keyID: "))
                .unwrap();
            let id = id.strip_suffix('\n').unwrap();
            let file = home.key(id);
            assert!(
                file.starts_with(&format!(
                    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: {role}\n\nMIH"
                )),
                "{file}"
            );
            assert_eq!(
                mode(&home.path(&format!(".notary/private/{id}.key"))),
                0o600
            );
        }
    }
    assert_eq!(mode(&home.path(".notary/private")), 0o700);
    assert_eq!(home.keys().len(), 6);
}

/// Case 73, and what else is refused.
#[test]
fn what_cannot_be_made_is_refused_in_gos_words() {
    let home = Home::new();
    let said = same(&home, &["key", "generate", "rsa"]);
    assert_eq!(
        said.out,
        "\n* fatal: Algorithm not allowed, possible values are: ECDSA\n"
    );
    same(&home, &["key", "generate", "-o", "nofolder/x"]);
    for program in BOTH {
        let said = home.run(program, &["key", "generate", "a", "b"]);
        assert_eq!(
            (said.code, after_usage(&said)),
            (
                Some(1),
                "* fatal: Please provide only one Algorithm as an argument to generate (rsa, ecdsa)\n"
            )
        );
    }
    let home = Home::without_passphrases();
    let said = same(&home, &["key", "generate", "-r", "jeff"]);
    assert_eq!(
        said.out,
        "\n* fatal: Failed to create a new jeff key: maximum number of passphrase attempts exceeded\n"
    );
    assert!(home.keys().is_empty());
}

/// Q25: Go stores a key that it then refuses to import.
#[test]
fn a_key_of_one_repository_needs_its_name() {
    let home = Home::new();
    for role in ["targets", "snapshot", "timestamp"] {
        assert_eq!(
            home.run(Program::Go, &["key", "generate", "-r", "targets"])
                .code,
            Some(0)
        );
        let before = home.keys();
        let said = home.run(Program::Ours, &["key", "generate", "-r", role]);
        assert_eq!(said.code, Some(1));
        assert!(said.out.starts_with(&format!("\n* fatal: Failed to create a new {role} key: Cannot have canonical role key without a gun")), "{}", said.out);
        assert_eq!(home.keys(), before);
    }
    let id = home.generate(Program::Ours, &["-r", "targets", "-g", "example.com/app"]);
    assert!(
        home.key(&id)
            .contains("\ngun: example.com/app\nrole: targets\n\n")
    );
    let said = home.run(
        Program::Ours,
        &["key", "generate", "-r", "targets", "-g", "../x"],
    );
    assert_eq!(said.code, Some(1), "{}", said.out);
}

/// Case 74, the first half: two files, nothing stored. The private key names itself, which Go wants before it imports an encrypted key.
#[test]
fn with_output_two_files_are_written_and_nothing_is_stored() {
    let home = Home::new();
    for (program, stem) in [(Program::Go, "go"), (Program::Ours, "our")] {
        let out = home.good(program, &["key", "generate", "-o", stem, "-r", "jeff"]);
        assert_eq!(out, "");
        for (name, beginning) in [
            (
                format!("{stem}.pem"),
                "-----BEGIN PUBLIC KEY-----\nrole: jeff\n\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE",
            ),
            (
                format!("{stem}-key.pem"),
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            ),
        ] {
            assert!(
                home.read(&name).starts_with(beginning),
                "{}",
                home.read(&name)
            );
            assert!(home.read(&name).contains("\nrole: jeff\n\n"));
            assert_eq!(mode(&home.path(&name)), 0o600);
        }
    }
    assert!(home.keys().is_empty());
    let file = home.read("our-key.pem");
    let id = file
        .split("\npath: ")
        .nth(1)
        .unwrap()
        .split('\n')
        .next()
        .unwrap();
    home.good(Program::Go, &["key", "import", "our-key.pem"]);
    assert_eq!(home.keys(), [format!("{id}.key")]);
    assert!(
        same(&home, &["key", "list"])
            .out
            .contains(&format!("\njeff           {id}    "))
    );
}

/// A private key that is overwritten is lost.
#[test]
fn files_that_are_there_are_kept() {
    for taken in ["x-key.pem", "x.pem"] {
        let home = Home::new();
        home.write(taken, "a key");
        let said = home.run(Program::Ours, &["key", "generate", "-o", "x"]);
        assert_eq!(
            (said.code, said.out),
            (
                Some(1),
                format!("\n* fatal: {taken} exists already and is not replaced\n")
            )
        );
        assert_eq!(home.read(taken), "a key");
        assert!(!home.path("x.pem").exists() || !home.path("x-key.pem").exists());
    }
}

/// The passphrase of a root key that is written to a file is that of root keys; Go takes the one of delegations.
#[test]
fn a_file_is_encrypted_with_the_passphrase_of_its_role() {
    let home = Home::new();
    home.good(Program::Ours, &["key", "generate", "-o", "x"]);
    let key = home.path("x-key.pem");
    for (passphrase, works) in [(crate::home::ROOT, true), (crate::home::DELEGATION, false)] {
        let opened = std::process::Command::new(signet_testkit::program::OPENSSL.find().unwrap())
            .args([
                "pkey",
                "-noout",
                "-passin",
                &format!("pass:{passphrase}"),
                "-in",
            ])
            .arg(stripped(&home, &key))
            .output()
            .unwrap();
        assert_eq!(opened.status.success(), works, "{passphrase}");
    }
}

/// OpenSSL does not read headers.
fn stripped(home: &Home, path: &std::path::Path) -> std::path::PathBuf {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains(": ") && !line.is_empty())
        .collect();
    home.write("stripped.pem", format!("{}\n", lines.join("\n")))
}
