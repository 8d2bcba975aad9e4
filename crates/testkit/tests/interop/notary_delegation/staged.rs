//! What is staged, without a server: words, answers and files of Go's notary.

use signet_testkit::clock;
use signet_testkit::file;
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::program::OPENSSL;
use signet_testkit::user::{Tool, User};

use super::{GUN, changes, key_id, logged, people, reset};

fn somebody() -> User {
    let user = User::new("https://localhost:1", "").unwrap();
    people(&user);
    user
}

/// What a command of either program said, and what it staged.
struct Done {
    finished: Finished,
    changes: Vec<String>,
}

fn run(user: &User, tool: Tool, words: &[&str], input: &str) -> Done {
    let finished = user.run_with_input(tool, words, input).unwrap();
    let changes = changes(user);
    reset(user);
    Done { finished, changes }
}

/// Both programs say, log and stage the same. Gives what they said and how many changes they staged.
fn agree(user: &User, words: &[&str], input: &str) -> (String, usize) {
    let go = run(user, Tool::Notary, words, input);
    let our = run(user, Tool::OurNotary, words, input);
    let (said, told) = (&go.finished, &our.finished);
    assert_eq!(told.stdout, said.stdout, "{words:?}");
    assert_eq!(told.code, said.code, "{words:?}");
    assert_eq!(logged(told), logged(said), "{words:?}");
    assert_eq!(our.changes, go.changes, "{words:?}");
    (told.stdout.clone(), our.changes.len())
}

/// Cases 62 and 64 of the specification, the change files of its section 4.2, and the lists of its section 1.4.
#[test]
fn delegations_are_staged_as_go_stages_them() {
    let user = somebody();
    let agree = |words: &[&str]| agree(&user, &[&["delegation"], words].concat(), "");
    let jeff = key_id(&user, "jeff.crt");
    let (said, count) = agree(&["add", GUN, "targets/releases", "jeff.crt", "--all-paths"]);
    assert_eq!(
        said,
        format!(
            "\nAddition of delegation role targets/releases with keys [{jeff}], with paths [\"\" <all paths>], to repository \"{GUN}\" staged for next publish.\n\n"
        )
    );
    assert_eq!(count, 2);
    for (words, count) in [
        (&["jeff.pub", "ben.crt", "jeff.crt"][..], 1),
        (&["ben.pub", "--paths", "b/,a/", "--paths", "c"], 2),
        (&["--paths", "b,b,a"], 1),
        (
            &["--paths", "\"a,b\",c", "--paths=d\"\"", "--paths", "x"],
            0,
        ),
        (&["--paths", "\"a,b\",c", "--paths", "\"d\"\"\""], 1),
        (&["--paths", ""], 0),
        (&["--paths", "", "--paths", "b"], 1),
        (&["--paths", ","], 1),
        (&["--paths", "a,"], 1),
        (&["--paths", "\"a\","], 1),
        (&["--paths", "a b,ü<>&", "jeff.crt"], 2),
        (&["--paths", "a", "--all-paths"], 1),
        (&["--all-paths=false", "jeff.crt"], 1),
        (&["--all-paths=x", "jeff.crt"], 0),
        (&["--paths", "\"a"], 0),
        (&["--paths", "ü,x\"y"], 0),
        (&["--paths", "x,\"üa\"b"], 0),
        (&["jeff.crt", "--bogus"], 0),
    ] {
        let staged = agree(&[&["add", GUN, "targets/a/b-c_0"], words].concat()).1;
        assert_eq!(staged, count, "{words:?}");
    }
    for role in ["jeff", "targets", "root", "targets/", "targets/A", ""] {
        let (said, count) = agree(&["add", GUN, role, "jeff.crt"]);
        assert_eq!(
            said,
            format!(
                "\n* fatal: failed to create delegation: tuf: invalid role {role}. invalid delegation role name\n"
            )
        );
        assert_eq!(count, 0);
    }
    // compat: Go does not look at a name for which it stages nothing.
    let words = ["delegation", "add", GUN, "jeff", "--paths", ""];
    let go = run(&user, Tool::Notary, &words, "");
    let our = run(&user, Tool::OurNotary, &words, "");
    assert_eq!((go.finished.code, our.finished.code), (Some(0), Some(1)));
    assert!(go.changes.is_empty() && our.changes.is_empty());
}

/// Case 63 and Q5.
#[test]
fn keys_that_cannot_sign_are_refused_before_anything_is_staged() {
    let user = somebody();
    let openssl = |words: &str| {
        user.openssl(&words.split(' ').collect::<Vec<_>>()).unwrap();
    };
    let at = |moment: &str, words: &str| {
        let mut command = std::process::Command::new(OPENSSL.find().unwrap());
        command.args(words.split(' '));
        user.dress(&mut command);
        clock::at(&mut command, &format!("@{moment} 00:00:00")).unwrap();
        process::run(&mut command, "", COMMAND_LIMIT)
            .unwrap()
            .success()
            .unwrap();
    };
    let made = |key: &str, name: &str, more: &str| {
        format!("req -new -x509 -key {key}.key -subj /CN={name} -out {name}.crt {more}")
    };
    at("2020-01-01", &made("jeff", "expired", "-days 30"));
    at("2090-01-01", &made("jeff", "early", "-days 30"));
    openssl(&made("jeff", "soon", "-days 30"));
    openssl(&made("jeff", "sha1", "-sha1 -days 3650"));
    openssl("genrsa -out weak.key 1024");
    openssl(&made("weak", "weak", "-days 3650"));
    openssl("genpkey -algorithm ed25519 -out ed.key");
    openssl("pkey -in ed.key -pubout -out ed.pub");
    openssl(&made("ed", "ed", "-days 3650"));
    user.ec_key("secp224r1", "p224.key").unwrap();
    openssl(&made("p224", "p224", "-days 3650"));
    openssl("ec -in p224.key -pubout -out p224.pub");
    openssl("rsa -in weak.key -pubout -out weak.pub");
    openssl("genrsa -out rsa.key 2048");
    openssl("rsa -in rsa.key -pubout -out rsa.pub");
    openssl(&made("rsa", "rsa", "-days 3650"));
    for (name, text) in [
        ("junk.pem", "junk\n"),
        ("empty.pem", ""),
        (
            "broken.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
    ] {
        file::write(&user.path(name), text).unwrap();
    }
    let read = |name: &str| std::fs::read_to_string(user.path(name)).unwrap();
    file::write(
        &user.path("after.crt"),
        format!("# jeff\n{}", read("jeff.crt")),
    )
    .unwrap();
    file::write(
        &user.path("two.crt"),
        format!("{}{}", read("ben.crt"), read("ed.crt")),
    )
    .unwrap();

    let line = |file: &'static str| {
        [
            "delegation",
            "add",
            GUN,
            "targets/a",
            "ben.crt",
            file,
            "--all-paths",
        ]
    };
    for (file, reason) in [
        (
            "expired.crt",
            "invalid certificate: certificate with CN expired is expired",
        ),
        (
            "early.crt",
            "invalid certificate: certificate with CN early is expired",
        ),
        (
            "sha1.crt",
            "invalid certificate: certificate with CN sha1 uses invalid SHA1 signature algorithm",
        ),
        (
            "weak.crt",
            "invalid certificate: RSA bit length is too short",
        ),
        ("ed.pub", "unknown public key format"),
        ("junk.pem", "no valid public key found"),
        ("empty.pem", "no valid public key found"),
        (
            "broken.crt",
            "could not parse provided certificate: x509: malformed certificate",
        ),
        (
            "jeff.key",
            "unsupported PEM block type \"EC PRIVATE KEY\", expected CERTIFICATE or PUBLIC KEY",
        ),
    ] {
        let (said, count) = agree(&user, &line(file), "");
        assert_eq!(
            said,
            format!(
                "\n* fatal: unable to parse valid public key certificate from PEM file {file}: {reason}\n"
            )
        );
        assert_eq!(count, 0, "{file}");
    }
    let (said, count) = agree(&user, &line("nofile.crt"), "");
    assert_eq!(
        said,
        "\n* fatal: file for public key does not exist: nofile.crt\n"
    );
    assert_eq!(count, 0);
    let our = run(&user, Tool::OurNotary, &line("."), "");
    let go = run(&user, Tool::Notary, &line("."), "");
    assert_eq!(our.finished.stdout, go.finished.stdout);
    assert_eq!(
        our.finished.stdout,
        "\n* fatal: unable to read public key from file: .\n"
    );
    assert!(our.changes.is_empty());
    std::fs::File::create(user.path("huge.pem"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let our = run(&user, Tool::OurNotary, &line("huge.pem"), "");
    assert!(
        our.finished
            .stdout
            .contains("huge.pem: file is larger than"),
        "{}",
        our.finished
    );

    // What Go stages and nobody could ever sign with: a null key (Q5), and keys that no verifier of ours takes.
    for (file, go_code, staged) in [
        ("ed.crt", 1, 2),
        ("p224.crt", 0, 2),
        ("p224.pub", 0, 2),
        ("weak.pub", 0, 2),
    ] {
        let words = ["delegation", "add", GUN, "targets/a", file, "--all-paths"];
        let go = run(&user, Tool::Notary, &words, "");
        assert_eq!(
            (go.finished.code, go.changes.len()),
            (Some(go_code), staged),
            "{file}"
        );
        let our = run(&user, Tool::OurNotary, &words, "");
        assert_eq!(
            (our.finished.code, our.changes.len()),
            (Some(1), 0),
            "{file}"
        );
        let said = format!(
            "\n* fatal: unable to parse valid public key certificate from PEM file {file}: "
        );
        assert!(our.finished.stdout.starts_with(&said), "{}", our.finished);
    }
    let told = run(
        &user,
        Tool::OurNotary,
        &[
            "delegation",
            "add",
            GUN,
            "targets/a",
            "--paths",
            "ok,a\u{7}b",
        ],
        "",
    );
    assert_eq!((told.finished.code, told.changes.len()), (Some(1), 0));

    for file in ["soon.crt", "rsa.pub", "rsa.crt", "after.crt", "two.crt"] {
        let (_, count) = agree(&user, &line(file), "");
        assert_eq!(count, 2, "{file}");
    }
    let soon = run(&user, Tool::OurNotary, &line("soon.crt"), "");
    assert_eq!(
        logged(&soon.finished),
        ["level=warning msg=\"certificate with CN soon is near expiry\""]
    );
}

/// Cases 67, 68 and 72.
#[test]
fn removals_are_staged_as_go_stages_them() {
    let user = somebody();
    let question = "\nAre you sure you want to remove all data for this delegation? (yes/no)\n";
    let removal = format!(
        "\nForced removal (including all keys and paths) of delegation role targets/x to repository \"{GUN}\" staged for next publish.\n\n"
    );
    let whole = ["delegation", "remove", GUN, "targets/x"];
    for answer in ["yes\n", "Y\n", "YES\n", "  YeS  \n", "y", "y\nn\n"] {
        let (said, count) = agree(&user, &whole, answer);
        assert_eq!(said, format!("{question}{removal}"), "{answer:?}");
        assert_eq!(count, 1);
    }
    for answer in ["n\n", "\n", "", "yep\n", "yes please\n", "\u{ff}\n"] {
        let (said, count) = agree(&user, &whole, answer);
        assert_eq!(
            said,
            format!("{question}* fatal: Aborting action.\n"),
            "{answer:?}"
        );
        assert_eq!(count, 0);
        let told = run(&user, Tool::OurNotary, &whole, answer);
        assert_eq!(told.finished.code, Some(1));
    }
    let (said, _) = agree(&user, &[&whole[..], &["-y"]].concat(), "");
    assert_eq!(
        said,
        format!("{question}Confirmed `yes` from flag\n{removal}")
    );
    let id = "7c9b4949ff646c58ed159995060b70c80b2f93f4e138f7cb54554503e8017fac";
    for (words, count) in [
        (&[id][..], 1),
        (&[id, "abc", ""], 1),
        (&["", "-y"], 1),
        (&["--paths", "zz,a/", id], 2),
        (&["--paths", ""], 0),
        (&["--all-paths"], 1),
        (&["--all-paths", "--paths", "x", id], 2),
        (&["--all-paths=false", "-y"], 1),
    ] {
        let staged = agree(&user, &[&whole[..], words].concat(), "").1;
        assert_eq!(staged, count, "{words:?}");
    }
    for role in ["targets", "jeff", "", "targets/*"] {
        let (said, _) = agree(&user, &["delegation", "remove", GUN, role, "-y"], "");
        assert_eq!(said, format!("\n* fatal: invalid delegation name {role}\n"));
    }
    let purge = ["delegation", "purge", GUN];
    let (said, count) = agree(
        &user,
        &[&purge[..], &["--key", id, "--key", "b,a"]].concat(),
        "",
    );
    assert_eq!(
        said,
        format!(
            "Removal of the following keys from all delegations in {GUN} staged for next publish:\n\t- {id}\n\t- b\n\t- a\n"
        )
    );
    assert_eq!(count, 1);
    agree(&user, &[&purge[..], &["--key", ",a"]].concat(), "");
}

/// Cases 71 and 72: Q19 is what is refused here and staged by Go.
#[test]
fn roles_are_marked_for_witnessing_as_go_marks_them() {
    let user = somebody();
    let (said, count) = agree(
        &user,
        &["witness", GUN, "targets/jeff", "targets", "targets/jeff"],
        "",
    );
    assert_eq!(
        said,
        "The following roles were successfully marked for witnessing on the next publish:\n\t- targets/jeff\n\t- targets\n\t- targets/jeff\n"
    );
    assert_eq!(count, 3);
    for (role, reason) in [
        ("snapshot", "scope not supported: snapshot"),
        ("timestamp", "scope not supported: timestamp"),
        ("root", "type of root change not yet supported: witness"),
        ("bogus", "scope not supported: bogus"),
        ("targets/A", "scope not supported: targets/A"),
        (
            "targets/*",
            "tuf: invalid role targets/*. this role is not known",
        ),
        ("root/*", "scope not supported: root/*"),
        ("", "scope not supported: "),
    ] {
        let words = ["witness", GUN, "targets/jeff", role];
        let go = run(&user, Tool::Notary, &words, "");
        assert_eq!((go.finished.code, go.changes.len()), (Some(0), 2));
        let our = run(&user, Tool::OurNotary, &words, "");
        assert_eq!((our.finished.code, our.changes.len()), (Some(1), 0));
        assert_eq!(our.finished.stdout, format!("\n* fatal: {reason}\n"));
    }
}

/// Case 72, and the same for the other commands: the usage goes before the error. Help and words of flags are each program's own.
#[test]
fn without_enough_arguments_there_is_the_usage() {
    let user = somebody();
    for words in [
        &["witness"][..],
        &["witness", GUN],
        &["delegation", "add"],
        &["delegation", "add", GUN],
        &["delegation", "add", GUN, "targets/a"],
        &["delegation", "add", GUN, "targets/a", "--all-paths=false"],
        &["delegation", "remove"],
        &["delegation", "remove", GUN, "-y"],
        &["delegation", "purge"],
        &["delegation", "purge", GUN, "b", "--key", "x"],
        &["delegation", "purge", GUN],
        &["delegation", "purge", GUN, "--key", ""],
    ] {
        let go = run(&user, Tool::Notary, words, "").finished;
        let our = run(&user, Tool::OurNotary, words, "").finished;
        assert_eq!((go.code, our.code), (Some(1), Some(1)), "{words:?}");
        let ends = |finished: &Finished| {
            let lines: Vec<_> = finished.stdout.lines().map(str::to_owned).collect();
            let usage = lines[..2].to_vec();
            let fatal = lines[lines.len() - 2..].to_vec();
            (usage, fatal)
        };
        assert_eq!(ends(&our), ends(&go), "{words:?}");
        let flags = |finished: &Finished| -> Vec<String> {
            let words = finished.stdout.split_whitespace();
            let flags = words.filter(|word| word.starts_with("--"));
            flags.map(str::to_owned).collect()
        };
        let (ours, gos) = (flags(&our), flags(&go));
        assert!(
            gos.iter().all(|flag| ours.contains(flag)),
            "{words:?}: {gos:?} {ours:?}"
        );
    }
}
