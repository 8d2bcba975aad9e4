//! `key import`.

use std::fs;
use std::path::Path;

use crate::home::{BOTH, DELEGATION, Home, Program, after_usage, same};

/// The key of most recorded files.
const ALICE: &str = "7c6b7d1f005badddc6512c45e0aeeec3c1d55c77efdd5d138e32f0629e5929c6";

fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../keys/tests/data");
    fs::read(folder.join(name)).unwrap()
}

/// The headers of a stored key, or of none.
fn headers(home: &Home) -> Vec<String> {
    let mut found = Vec::new();
    for file in home.keys() {
        let text = home.read(&format!(".notary/private/{file}"));
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(": ")).collect();
        found.push(format!("{file} {}", lines.join(" ")));
    }
    found
}

/// Files that mean the same to both: which keys are stored, under which role and repository. Case 79 is the first, 80 the last.
#[test]
fn recorded_files_are_imported_as_go_imports_them() {
    for (file, flags) in [
        ("01-plain-noheaders.pem", &[][..]),
        ("01-plain-noheaders.pem", &["-r", "root"]),
        (
            "01-plain-noheaders.pem",
            &["-r", "root", "-g", "docker.io/a/b"],
        ),
        (
            "01-plain-noheaders.pem",
            &["-r", "targets", "-g", "docker.io/a/b"],
        ),
        (
            "01-plain-noheaders.pem",
            &["-r", "snapshot", "-g", "docker.io/a/b"],
        ),
        (
            "01-plain-noheaders.pem",
            &["-r", "targets/rel", "-g", "docker.io/a/b"],
        ),
        ("02-headers-gun-role.pem", &[]),
        (
            "02-headers-gun-role.pem",
            &["-r", "snapshot", "-g", "other/gun"],
        ),
        ("03-root-with-gun.pem", &[]),
        ("09-encrypted-path-norole.pem", &[]),
        ("01-plain-noheaders.pem", &["-r", "targets"]),
    ] {
        let [go, ours] = BOTH.map(|program| {
            let home = Home::new();
            home.write(file, recorded(&format!("import/{file}")));
            let words = [&["key", "import", file], flags].concat();
            let said = home.run(program, &words);
            let log = said
                .err
                .split_once("level=")
                .map(|(_, text)| text.to_owned());
            (said.code, said.out, log, headers(&home))
        });
        assert_eq!(ours, go, "{file} {flags:?}");
        assert_eq!(go.3.len(), usize::from(go.0 == Some(0)), "{file} {flags:?}");
    }
}

/// A store that Go exported, and one repository of it.
#[test]
fn recorded_exports_come_back() {
    for (file, keys) in [("export/all.pem", 12), ("export/gun.pem", 2)] {
        let stored = BOTH.map(|program| {
            let home = Home::without_passphrases();
            home.write("keys.pem", recorded(file));
            home.good(program, &["key", "import", "keys.pem"]);
            headers(&home)
        });
        assert_eq!(stored[0], stored[1]);
        assert_eq!(stored[0].len(), keys, "{file}");
    }
}

#[test]
fn files_that_are_not_there_are_named() {
    let home = Home::new();
    let said = same(&home, &["key", "import", "nofile"]);
    assert_eq!(
        said.out,
        "\n* fatal: open nofile: no such file or directory\n"
    );
    for program in BOTH {
        let said = home.run(program, &["key", "import"]);
        assert_eq!(
            (said.code, after_usage(&said)),
            (
                Some(1),
                "* fatal: must specify at least one input file to import keys from\n"
            )
        );
    }
    // Nothing is stored before all files are there.
    home.write("a.pem", recorded("import/01-plain-noheaders.pem"));
    assert_eq!(
        home.run(Program::Ours, &["key", "import", "a.pem", "nofile"])
            .code,
        Some(1)
    );
    assert!(home.keys().is_empty());
}

/// Q11: exit code 0 means that every key of every file is stored.
#[test]
fn keys_that_are_left_out_make_the_import_fail() {
    let home = Home::without_passphrases();
    let nobody = recorded("import/08-encrypted-nopath.pem");
    home.write("mixed.pem", [recorded("export/gun.pem"), nobody].concat());
    assert_eq!(
        home.run(Program::Go, &["key", "import", "mixed.pem"]).code,
        Some(0)
    );
    let home = {
        let other = Home::without_passphrases();
        other.write("mixed.pem", home.read("mixed.pem"));
        other
    };
    let said = home.run(Program::Ours, &["key", "import", "mixed.pem"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(1), "\n* fatal: imported 2 of 3 keys\n")
    );
    let words = "msg=\"failed to import key to store: Invalid key generated, key may be encrypted and does not contain path header\"\n";
    assert!(said.err.ends_with(words), "{}", said.err);
    assert_eq!(home.keys().len(), 2);

    home.write("nothing.txt", recorded("import/14-no-pem.txt"));
    assert_eq!(
        home.run(Program::Go, &["key", "import", "nothing.txt"])
            .code,
        Some(0)
    );
    let said = home.run(Program::Ours, &["key", "import", "nothing.txt"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(1), "\n* fatal: no keys found in nothing.txt\n")
    );
}

/// Q11: Go gives the root key another role, and puts anything in its place.
#[test]
fn a_stored_key_keeps_its_role_and_its_content() {
    let home = Home::new();
    home.write("plain.pem", recorded("import/01-plain-noheaders.pem"));
    home.good(Program::Ours, &["key", "import", "plain.pem", "-r", "root"]);
    let before = home.key(ALICE);
    let said = home.run(
        Program::Ours,
        &["key", "import", "plain.pem", "-r", "alice"],
    );
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("already stored for \\\"root\\\"; remove it first"),
        "{}",
        said.err
    );
    assert_eq!(home.key(ALICE), before);
    home.write("other.pem", recorded("import/09-encrypted-path-norole.pem"));
    let said = home.run(Program::Ours, &["key", "import", "other.pem", "-r", "root"]);
    assert_eq!((said.code, home.key(ALICE)), (Some(1), before.clone()));
    // What it exported itself is the same content.
    home.good(Program::Ours, &["key", "export", "-o", "own.pem"]);
    home.good(Program::Ours, &["key", "import", "own.pem"]);
    assert_eq!(home.key(ALICE), before);
    home.good(Program::Go, &["key", "import", "plain.pem", "-r", "alice"]);
    assert!(home.key(ALICE).contains("role: alice"));
}

/// Case 74, the second half: a file of Go's `key generate -o` has no name in it, and Go refuses it.
#[test]
fn a_generated_file_of_either_program_is_imported() {
    let home = Home::new();
    for program in BOTH {
        home.good(program, &["key", "generate", "-o", "x", "-r", "jeff"]);
        home.good(Program::Ours, &["key", "import", "x-key.pem"]);
        let [name] = home.keys().try_into().unwrap();
        let id = name.trim_end_matches(".key");
        assert!(
            home.key(id)
                .starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: jeff\n\n")
        );
        let list = same(&home, &["key", "list"]).out;
        assert!(
            list.contains(&format!("\njeff           {id}    ")),
            "{list}"
        );
        // Go opens it with the passphrase that the file had.
        let out = home.good(Program::Go, &["key", "passwd", id]);
        assert!(out.contains("Successfully updated"), "{out} {DELEGATION}");
        for name in ["x-key.pem", "x.pem", &format!(".notary/private/{name}")] {
            fs::remove_file(home.path(name)).unwrap();
        }
    }
}
