//! Staging with our `notary` beside Go's: no server, the same words, the same files.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use signet_testkit::file;
use signet_testkit::user::{Tool, User};

const GUN: &str = "g/a";

/// Two people without a server, one with Go's program and one with ours.
struct Pair(User, User);

impl Pair {
    fn new() -> Self {
        // Nothing listens there, and nothing may be sent.
        let user = || User::without_passphrases("https://localhost:1", "").unwrap();
        let pair = Self(user(), user());
        for user in [&pair.0, &pair.1] {
            file::write(&user.path("f"), "hello world\n").unwrap();
            file::write(
                &user.path("c.json"),
                " { \"b\" : [1, 2, \"x  \\u003c y<\" ],\n \"a\":1000 }\n",
            )
            .unwrap();
        }
        pair
    }

    /// Both say the same and exit alike. Gives what they said on standard output. Usage pages differ in their words, so what is wrong counts.
    fn agree(&self, words: &[&str]) -> String {
        let go = self.0.run(Tool::Notary, words).unwrap();
        let our = self.1.run(Tool::OurNotary, words).unwrap();
        let end = |text: &str| match text.split_once("Usage:\n") {
            Some((_, page)) => format!("(usage){}", page.split_once("\n\n* fatal").unwrap().1),
            None => text.to_owned(),
        };
        assert_eq!(end(&our.stdout), end(&go.stdout), "{go}\n{our}");
        assert_eq!(our.code, go.code, "{go}\n{our}");
        assert_eq!(our.stderr, go.stderr, "{go}\n{our}");
        our.stdout
    }

    fn refused(&self, words: &[&str]) {
        let said = self.agree(words);
        assert!(said.contains("\n* fatal: "), "{words:?}: {said}");
    }
}

/// The changes in their order, without the numbers in the files' names.
fn changes(user: &User) -> Vec<String> {
    let folder = user.trust_dir().join(format!("tuf/{GUN}/changelist"));
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (number, id) = name.split_once('_').unwrap();
        assert!(
            number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit()),
            "{name}"
        );
        assert!(id.len() == 43 && id.ends_with(".change"), "{name}");
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

/// Cases 4, 5, 14 and 16 to 23, and the table of section 10.2.
#[test]
fn staging_is_gos_to_the_byte() {
    let pair = Pair::new();
    let (sha256, sha512) = ("0f".repeat(32), "F0".repeat(64));
    let bad = format!("{}zz", "0f".repeat(31));
    let hash = |name: &'static str, size: &'static str| {
        ["addhash", GUN, name, size, "--sha256"].map(str::to_owned)
    };
    let addhash = |name, size, digest: &str| {
        let words = hash(name, size);
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.push(digest);
        pair.agree(&words)
    };
    pair.agree(&["status", GUN]);
    pair.agree(&["add", GUN, "v1", "f"]);
    pair.agree(&["add", GUN, "", "f", "extra"]);
    pair.agree(&["add", GUN, "a b/ü", "f", "--custom", "c.json"]);
    pair.agree(&["add", GUN, "v2", "f", "-r", "targets/a,targets/b"]);
    pair.agree(&[
        "add",
        GUN,
        "v3",
        "f",
        "--roles",
        "targets",
        "-r",
        "targets/releases",
    ]);
    pair.agree(&["add", GUN, "v4", "f", "-r", ""]);
    for size in ["12", "0x0c", "0777", "0b11", "1_000", "0"] {
        addhash("v5", size, &sha256);
    }
    pair.agree(&[
        "addhash",
        GUN,
        "v6",
        "12",
        "--sha512",
        &sha512,
        "-r",
        "targets/a",
    ]);
    pair.agree(&[
        "addhash", GUN, "v7", "12", "--sha256", &sha256, "--custom", "c.json",
    ]);
    pair.agree(&["remove", GUN, "v8"]);
    pair.agree(&["remove", GUN, "v8", "-r", "targets/a,targets"]);
    let both = [
        "addhash", GUN, "v9", "12", "--sha256", &sha256, "--sha512", &sha512,
    ];
    // Go names them in any order (Q21).
    pair.0.expect(Tool::Notary, &both).unwrap();
    assert_eq!(
        pair.1.expect(Tool::OurNotary, &both).unwrap(),
        "Addition of target \"v9\" by sha256, sha512 hash to repository \"g/a\" staged for next publish.\n"
    );
    let (go, our) = (changes(&pair.0), changes(&pair.1));
    assert_eq!(our, go);
    assert!(
        our[0].starts_with(
            r#"{"action":"create","role":"targets","type":"target","path":"v1","data":""#
        ),
        "{}",
        our[0]
    );
    let table = pair.agree(&["status", GUN]);
    assert_eq!(table.lines().count(), our.len() + 4, "{table}");

    for words in [
        &["status"][..],
        &["reset"],
        &["reset", GUN],
        &["add", GUN, "v"],
        &["addhash", GUN, "v", "12"],
        &["addhash", GUN, "v"],
        &["remove", GUN],
        &["remove"],
        &["publish"],
        &["init"],
        &["publish", "-p", GUN],
        &["add", GUN, "v", "nofile"],
        &["add", GUN, "v", ".docker"],
        &["add", GUN, "v", "f", "--custom", "nofile.json"],
        &["add", GUN, "v", "nofile", "--custom", "other"],
        &["add", GUN, "v", "f", "-r", "snapshot"],
        &["add", GUN, "v", "f", "-r", "targets,jeff"],
        &["add", GUN, "v", "f", "-r", "targets/A"],
        &["remove", GUN, "v", "-r", "root"],
        &["reset", GUN, "-n", "x"],
        &["reset", GUN, "-n", "1,,2"],
        &["reset", GUN, "-n", "99999999999999999999"],
        &["addhash", GUN, "v", "12", "--sha512", "abc"],
        &["addhash", GUN, "v", "twelve", "--sha256", "abc"],
        &["addhash", GUN, "v", "12", "--sha256", &bad],
    ] {
        pair.refused(words);
    }
    for size in [
        "twelve",
        "08",
        "0x",
        "1__0",
        "_1",
        " 1",
        "",
        "9223372036854775808",
    ] {
        assert!(
            addhash("v", size, &sha256).contains("\n* fatal: strconv.ParseInt: "),
            "{size}"
        );
    }
    assert_eq!(changes(&pair.1), our);

    pair.agree(&["reset", GUN, "-n", "3,4", "-n", "7"]);
    assert_eq!(changes(&pair.1), changes(&pair.0));
    assert_eq!(changes(&pair.1).len(), our.len() - 3);
    pair.agree(&["reset", GUN, "-n=-1"]);
    pair.agree(&["reset", GUN, "-n", "99"]);
    pair.agree(&["status", GUN]);
    pair.agree(&["reset", GUN, "--all", "-n", "1"]);
    assert_eq!(
        pair.agree(&["status", GUN]),
        "No unpublished changes for g/a\n"
    );
}

/// Targets that no publish would take are not staged, and names neither reach a terminal raw nor leave the trust folder.
#[test]
fn what_could_not_be_published_is_not_staged() {
    let pair = Pair::new();
    let user = &pair.1;
    file::write(&user.path("float.json"), "{\"a\":2.5}").unwrap();
    file::write(&user.path("not.json"), "{").unwrap();
    let sha256 = "0f".repeat(32);
    let hash = |size: &str| {
        let words = ["addhash", "--sha256", &sha256, GUN, "v", "--", size];
        user.run(Tool::OurNotary, &words).unwrap()
    };
    for (said, words) in [
        (hash("-5"), "cannot be negative"),
        (hash("9223372036854775807"), "cannot have the length"),
        (
            user.run(Tool::OurNotary, &["add", GUN, "a\u{1b}[2J", "f"])
                .unwrap(),
            "holds a control character",
        ),
        (
            user.run(
                Tool::OurNotary,
                &["add", GUN, "v", "f", "--custom", "float.json"],
            )
            .unwrap(),
            "invalid custom data",
        ),
        (
            user.run(
                Tool::OurNotary,
                &["add", GUN, "v", "f", "--custom", "not.json"],
            )
            .unwrap(),
            "json: error calling MarshalJSON for type *json.RawMessage: ",
        ),
        (
            user.run(Tool::OurNotary, &["status", "../../x"]).unwrap(),
            "../../x",
        ),
        (user.run(Tool::OurNotary, &["status", ""]).unwrap(), ""),
        (
            user.run(Tool::OurNotary, &["reset", "/abs", "--all"])
                .unwrap(),
            "/abs",
        ),
    ] {
        assert_eq!(said.code, Some(1), "{said}");
        assert!(
            said.stdout.contains(words) && !said.stdout.contains('\u{1b}'),
            "{said}"
        );
    }
    assert!(changes(user).is_empty());
    assert!(!user.path("x").exists() && !user.trust_dir().join("abs").exists());
}

/// A file that is no change keeps its number in the list and can be taken back by it.
#[test]
fn malformed_changes_share_the_numbering() {
    let pair = Pair::new();
    for (user, tool) in [(&pair.0, Tool::Notary), (&pair.1, Tool::OurNotary)] {
        for name in ["v1", "v2"] {
            user.expect(tool, &["remove", GUN, name]).unwrap();
        }
        let folder = user.trust_dir().join(format!("tuf/{GUN}/changelist"));
        file::write(
            &folder.join("00000000000000000000_x.change"),
            "junk\u{1b}[2J",
        )
        .unwrap();
    }
    let status = pair.1.run(Tool::OurNotary, &["status", GUN]).unwrap();
    assert!(
        status.stdout.ends_with(
            "\n1    delete    targets    target    v1\n2    delete    targets    target    v2\n"
        ),
        "{status}"
    );
    assert!(
        status
            .stderr
            .contains("staged change 0 (00000000000000000000_x.change) cannot be read"),
        "{status}"
    );
    let lines = pair
        .1
        .expect(Tool::OurNotary, &["status", "--format", "json", GUN])
        .unwrap();
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[0]["number"], 0);
    assert!(rows[0]["error"].is_string());
    assert_eq!(
        rows[1],
        serde_json::json!({"number": 1, "action": "delete", "scope": "targets", "type": "target", "path": "v1"})
    );
    pair.agree(&["reset", GUN, "-n", "0"]);
    // Go lists what it keeps as 0 and 1, and so does ours now.
    let table = pair.agree(&["status", GUN]);
    assert!(
        table.contains("\n0    delete    targets    target    v1\n"),
        "{table}"
    );
}
