//! Beginning, staging and publishing with our `notary` beside Go's: the same words on servers of their own, and one trust folder in turns.

use std::time::Duration;

use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::file;
use signet_testkit::peer::{TrustOptions, TrustServer};
use signet_testkit::process::Finished;
use signet_testkit::terminal::Terminal;
use signet_testkit::user::{Tool, User};

const GUN: &str = "example.com/app";

/// A Go server behind a proxy, and somebody with all passphrases and one of the two programs.
struct Side {
    tool: Tool,
    server: TrustServer,
    proxy: Proxy,
    user: User,
}

impl Side {
    fn new(tool: Tool) -> Self {
        let server = TrustServer::go_with(&TrustOptions::default().plain()).unwrap();
        let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let user = User::new(&proxy.url(), &server.ca_pem()).unwrap();
        Self {
            tool,
            server,
            proxy,
            user,
        }
    }

    fn run(&self, words: &[&str]) -> Finished {
        self.user.run(self.tool, words).unwrap()
    }

    fn expect(&self, words: &[&str]) -> String {
        self.user.expect(self.tool, words).unwrap()
    }

    fn version(&self, role: &str) -> u64 {
        self.server.version(GUN, role).unwrap()
    }

    /// What is said, without what differs from run to run.
    fn said(&self, text: &str) -> String {
        let text = text
            .replace(&self.proxy.url(), "https://SERVER")
            .replace(&self.proxy.host(), "SERVER")
            .replace(&self.user.home().display().to_string(), "~");
        let mut masked = String::new();
        let mut digits = String::new();
        for letter in text.chars().chain(['\n']) {
            if letter.is_ascii_hexdigit() {
                digits.push(letter);
                continue;
            }
            masked.push_str(if digits.len() == 64 { "ID" } else { &digits });
            digits.clear();
            masked.push(letter);
        }
        masked
    }

    /// The requests for documents and keys since the last call.
    fn requests(&self) -> Vec<String> {
        let mut log = self.proxy.take_log();
        log.sort();
        log
    }
}

/// Go's side and ours.
struct Pair(Side, Side);

impl Pair {
    fn new() -> Self {
        Self(Side::new(Tool::Notary), Side::new(Tool::OurNotary))
    }

    fn each(&self, mut act: impl FnMut(&Side)) {
        act(&self.0);
        act(&self.1);
    }

    fn set(&self, rule: impl Fn(&str, &str) -> Fault + Send + Sync + Clone + 'static) {
        self.each(|side| side.proxy.set(rule.clone()));
    }

    /// Both say the same everywhere and exit alike. Gives what they said on standard output, and ours on standard error.
    fn agree(&self, words: &[&str]) -> (String, String) {
        let (go, our) = (self.0.run(words), self.1.run(words));
        let (go_out, our_out) = (self.0.said(&go.stdout), self.1.said(&our.stdout));
        assert_eq!(our_out, go_out, "{words:?}\n{go}\n{our}");
        assert_eq!(our.code, go.code, "{words:?}\n{go}\n{our}");
        let (go_log, our_log) = (
            logged(&self.0.said(&go.stderr)),
            logged(&self.1.said(&our.stderr)),
        );
        assert_eq!(our_log, go_log, "{words:?}\n{go}\n{our}");
        (our_out, our_log.join("\n"))
    }
}

/// Level and message of every log line, without the words of the network, which are each program's own.
fn logged(stderr: &str) -> Vec<String> {
    let line = |line: &str| {
        let (_, rest) = line.split_once(" level=").unwrap_or(("", line));
        let rest = rest.split(": Get ").next().unwrap_or(rest);
        let rest = match rest.split_once("could not reach https://SERVER") {
            Some((level, _)) => level,
            None => rest,
        };
        rest.to_owned()
    };
    stderr
        .lines()
        .filter(|line| !line.is_empty())
        .map(line)
        .collect()
}

/// What a command that failed said on standard output.
fn refused(finished: Finished) -> String {
    assert_eq!(finished.code, Some(1), "{finished}");
    finished.stdout
}

fn digits(count: usize) -> String {
    "0f".repeat(count / 2)
}

fn published() -> String {
    format!("Pushing changes to {GUN}\nSuccessfully published changes for repository {GUN}\n\n")
}

/// Cases 7 to 11, 24, 25, 35 and 42, and Q29.
#[test]
fn a_repository_is_begun_and_published_as_go_does() {
    let mut pair = Pair::new();
    pair.each(|side| file::write(&side.user.path("f"), "hello world\n").unwrap());
    let init = |side: &Side| side.requests();
    pair.agree(&["init", GUN]);
    let requests = [
        "GET /v2/".to_owned(),
        format!("GET /v2/{GUN}/_trust/tuf/timestamp.key"),
    ];
    assert_eq!(init(&pair.0), requests);
    assert_eq!(init(&pair.1), requests);
    begun(&pair.1.user);
    assert_eq!(
        pair.agree(&["status", GUN]).0,
        format!("No unpublished changes for {GUN}\n\n")
    );
    assert_eq!(pair.agree(&["publish", GUN]).0, published());
    pair.each(|side| {
        let posts = side
            .requests()
            .iter()
            .filter(|line| line.starts_with("POST "))
            .count();
        assert_eq!(posts, 1, "{:?}", side.tool);
    });
    pair.each(|side| {
        let versions = ["root", "targets", "snapshot", "timestamp"].map(|role| side.version(role));
        assert_eq!(versions, [1, 2, 2, 1], "{:?}", side.tool);
    });
    pair.agree(&["list", GUN]);
    assert_eq!(
        pair.agree(&["init", "example.com/other"]).0,
        "Root key found, using: ID\n\n"
    );

    // Without changes the snapshot is signed again.
    assert_eq!(pair.agree(&["publish", GUN]).0, published());
    pair.agree(&["add", GUN, "v1", "f", "-p"]);
    pair.each(|side| {
        let versions = ["targets", "snapshot"].map(|role| side.version(role));
        assert_eq!(versions, [3, 4], "{:?}", side.tool);
    });
    // What is listed already needs no key of its role.
    for side in [&mut pair.0, &mut pair.1] {
        side.user.unset("NOTARY_TARGETS_PASSPHRASE");
    }
    pair.agree(&["add", GUN, "v1", "f"]);
    assert_eq!(pair.agree(&["publish", GUN]).0, published());
    pair.each(|side| assert_eq!([side.version("targets"), side.version("snapshot")], [3, 5]));

    // A role that is not there: nothing is sent, everything stays staged.
    pair.each(|side| drop(side.requests()));
    pair.agree(&[
        "addhash",
        GUN,
        "v2",
        "7",
        "--sha256",
        &digits(64),
        "-r",
        "targets/releases",
    ]);
    let (_, log) = pair.agree(&["publish", GUN]);
    assert!(
        log.contains("couldn't add target to targets/releases: tuf: invalid role targets/releases. delegation does not exist"),
        "{log}"
    );
    pair.agree(&["remove", GUN, "v2", "-r", "targets/releases"]);
    pair.agree(&["reset", GUN, "-n", "0"]);
    let (_, log) = pair.agree(&["publish", GUN]);
    assert!(
        log.contains("couldn't remove target from targets/releases: "),
        "{log}"
    );
    pair.each(|side| assert!(!side.requests().iter().any(|line| line.starts_with("POST"))));
    pair.agree(&["status", GUN]);
    pair.agree(&["reset", GUN, "--all"]);

    // No answer, and refusals.
    pair.set(|_, _| Fault::Cut);
    let (said, log) = pair.agree(&["publish", GUN]);
    assert!(
        said.starts_with(&format!("Pushing changes to {GUN}\n")),
        "{said}"
    );
    assert!(
        log.contains("we could not update: client is offline"),
        "{log}"
    );
    pair.set(|method, _| match method {
        "POST" => Fault::Refused(500),
        _ => Fault::None,
    });
    pair.agree(&["publish", GUN]);
    pair.agree(&["remove", GUN, "v9"]);
    let conflict = br#"{"errors":[{"code":"VERSION","message":"m","detail":{}}]}"#;
    pair.set(move |method, _| match method {
        "POST" => Fault::RefusedWith(400, conflict.to_vec()),
        _ => Fault::None,
    });
    let (said, _) = pair.agree(&["publish", GUN]);
    assert!(
        said.ends_with("\n* fatal: trust server rejected operation.\n\n"),
        "{said}"
    );
    let (status, _) = pair.agree(&["status", GUN]);
    assert!(status.contains("    v9\n"), "{status}");
}

/// Case 7: the key files and the first documents.
fn begun(user: &User) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut roles = Vec::new();
    for entry in std::fs::read_dir(user.trust_dir().join("private")).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        let text = std::fs::read_to_string(&path).unwrap();
        let role = text
            .lines()
            .find(|line| line.starts_with("role: "))
            .unwrap();
        let gun = text.lines().any(|line| line == format!("gun: {GUN}"));
        assert_eq!(gun, role != "role: root", "{text}");
        roles.push(role.to_owned());
    }
    roles.sort();
    assert_eq!(roles, ["role: root", "role: snapshot", "role: targets"]);
    for role in ["root", "targets", "snapshot"] {
        let path = user
            .trust_dir()
            .join(format!("tuf/{GUN}/metadata/{role}.json"));
        let text = std::fs::read_to_string(path).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["signed"]["version"], 1, "{role}");
        let expires = document["signed"]["expires"].as_str().unwrap();
        assert!(expires.ends_with('Z'), "{expires}");
    }
}

/// Case 41: a percent sign in a server's words stands as it is (Q1).
#[test]
fn a_refusal_is_said_in_the_words_of_the_server() {
    let side = Side::new(Tool::OurNotary);
    side.expect(&["init", GUN, "-p"]);
    let body = br#"{"errors":[{"code":"INVALID_UPLOAD","message":"m","detail":{"Name":"ErrBadTargets","Error":{"Msg":"m 100% x"}}}]}"#;
    side.proxy.set(|method, _| match method {
        "POST" => Fault::RefusedWith(400, body.to_vec()),
        _ => Fault::None,
    });
    side.expect(&["remove", GUN, "v1"]);
    let said = refused(side.run(&["publish", GUN]));
    assert!(
        said.contains("\n* fatal: The targets metadata is invalid: m 100% x\n"),
        "{said}"
    );
    assert!(side.expect(&["status", GUN]).contains("    v1\n"));
}

/// Cases 12, 13, 60 and 61, Q13 and Q17: who has no passphrase, or a wrong one, or no server.
#[test]
fn without_passphrases_or_a_server_nothing_is_made_and_go_says_the_same() {
    let mut pair = Pair::new();
    pair.set(|_, _| Fault::Cut);
    let (said, log) = pair.agree(&["init", GUN]);
    assert_eq!(said, "\n* fatal: client is offline\n\n");
    assert!(log.starts_with("error "), "{log}");
    let keys = |side: &Side| match std::fs::read_dir(side.user.trust_dir().join("private")) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    };
    // Go has made three by then.
    assert_eq!([keys(&pair.0), keys(&pair.1)], [3, 0]);
    pair.each(|side| side.proxy.heal());
    pair.0.expect(&["key", "list"]);
    std::fs::remove_dir_all(pair.0.user.trust_dir()).unwrap();
    for role in ["ROOT", "TARGETS", "SNAPSHOT"] {
        let name = format!("NOTARY_{role}_PASSPHRASE");
        for side in [&mut pair.0, &mut pair.1] {
            side.user.unset(&name);
        }
    }
    let (said, _) = pair.agree(&["init", GUN]);
    assert!(
        said.ends_with("* fatal: maximum number of passphrase attempts exceeded\n\n"),
        "{said}"
    );
    for side in [&mut pair.0, &mut pair.1] {
        side.user
            .set("NOTARY_ROOT_PASSPHRASE", User::ROOT_PASSPHRASE);
        side.user
            .set("NOTARY_TARGETS_PASSPHRASE", User::REPOSITORY_PASSPHRASE);
    }
    // The snapshot key is the one that fails: what was made for it before goes again.
    refused(pair.1.run(&["init", GUN]));
    assert_eq!(keys(&pair.1), 0);
    for side in [&mut pair.0, &mut pair.1] {
        side.user
            .set("NOTARY_SNAPSHOT_PASSPHRASE", User::REPOSITORY_PASSPHRASE);
    }
    std::fs::remove_dir_all(pair.0.user.trust_dir()).unwrap();
    pair.agree(&["init", GUN, "-p"]);

    for side in [&mut pair.0, &mut pair.1] {
        side.user
            .set("NOTARY_SNAPSHOT_PASSPHRASE", "something-else");
    }
    let (said, _) = pair.agree(&["publish", GUN]);
    assert!(
        said.ends_with("\n* fatal: password invalid, operation has failed.\n\n"),
        "{said}"
    );
    for side in [&mut pair.0, &mut pair.1] {
        side.user.unset("NOTARY_SNAPSHOT_PASSPHRASE");
    }
    pair.agree(&["publish", GUN]);
    let screens = [&pair.0, &pair.1].map(|side| {
        let command = side.user.command(side.tool, &["publish", GUN]).unwrap();
        let mut terminal = Terminal::spawn(&command).unwrap();
        for _ in 0..4 {
            terminal
                .expect("Enter passphrase for snapshot key with ID ")
                .unwrap();
            terminal.enter_secret("something-else").unwrap();
        }
        let (status, screen) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(1), "{screen}");
        let masked = screen
            .lines()
            .map(|line| match line.split_once(" with ID ") {
                Some((before, _)) => before.to_owned(),
                None => line.to_owned(),
            });
        masked
            .filter(|line| !line.contains("hint:"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    assert_eq!(screens[1], screens[0]);
    assert_eq!(
        screens[1]
            .matches("Passphrase incorrect. Please retry.")
            .count(),
        3
    );

    // Go calls the targets key missing, whose passphrase is wrong (Q13).
    for side in [&mut pair.0, &mut pair.1] {
        side.user.set("NOTARY_TARGETS_PASSPHRASE", "something-else");
    }
    let change = ["addhash", GUN, "v1", "7", "--sha256", &digits(64), "-p"];
    let go = refused(pair.0.run(&change));
    assert!(go.contains("could not find necessary signing keys"), "{go}");
    let our = refused(pair.1.run(&change));
    assert!(
        our.ends_with("\n* fatal: password invalid, operation has failed.\n"),
        "{our}"
    );
}

/// Case 15: what one program begins and stages the other publishes.
#[test]
fn what_either_begins_and_stages_is_published_by_the_other() {
    let side = Side::new(Tool::OurNotary);
    let user = &side.user;
    file::write(&user.path("f"), "hello world\n").unwrap();
    file::write(
        &user.path("c.json"),
        " { \"a\" : [ 1, 2 ], \"b\": \"x  y\" }\n",
    )
    .unwrap();
    // With its members in another order Go signs custom data so that no server takes them.
    let (go, our) = (Tool::Notary, Tool::OurNotary);
    let run = |tool: Tool, words: &[&str]| user.expect(tool, words).unwrap();
    for (gun, first, second) in [("g/a", our, go), ("g/b", go, our)] {
        run(first, &["init", gun]);
        for name in ["v1", "v2", "v3"] {
            run(first, &["add", gun, name, "f"]);
        }
        let staged = run(first, &["status", gun]);
        assert_eq!(run(second, &["status", gun]), staged);
        run(second, &["publish", gun]);
        assert_eq!(side.server.version(gun, "root").unwrap(), 1);
        assert_eq!(side.server.version(gun, "targets").unwrap(), 2);

        let (sha256, sha512) = (digits(64), digits(128));
        run(
            second,
            &[
                "addhash", gun, "v4", "0x0c", "--sha256", &sha256, "--sha512", &sha512,
            ],
        );
        run(second, &["add", gun, "v5", "f", "--custom", "c.json"]);
        run(second, &["remove", gun, "v1"]);
        run(first, &["publish", gun]);
        assert_eq!(
            run(first, &["status", gun]),
            format!("No unpublished changes for {gun}\n")
        );
        let listed = run(second, &["list", gun]);
        assert_eq!(run(first, &["list", gun]), listed);
        let names: Vec<&str> = listed
            .lines()
            .skip(2)
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(names, ["v2", "v3", "v4", "v5"]);
        let row = run(our, &["lookup", "--format", "json", gun, "v5"]);
        assert!(row.contains(r#""custom":{"a":[1,2],"b":"x  y"}"#), "{row}");
    }
    // A repository that nobody knows is begun on the way.
    for (gun, first, second) in [("g/c", our, go), ("g/d", go, our)] {
        run(first, &["add", gun, "v1", "f"]);
        assert_eq!(
            run(second, &["publish", gun]),
            format!(
                "Pushing changes to {gun}\nSuccessfully published changes for repository {gun}\n"
            )
        );
        assert!(run(first, &["list", gun]).contains("\nv1 "));
    }
}

/// Q10, Q15: which root key begins a repository, and which repository is not begun.
#[test]
fn the_same_root_key_is_chosen_each_time_and_no_trusted_root_is_replaced() {
    let side = Side::new(Tool::OurNotary);
    let key = || {
        let said = side.expect(&["key", "generate"]);
        said.trim().rsplit(' ').next().unwrap().to_owned()
    };
    let mut keys = [key(), key(), key()];
    keys.sort();
    let begin = |gun: &str| side.run(&["init", gun]);
    let used = begin(GUN);
    assert_eq!(
        used.stdout,
        format!("Root key found, using: {}\n", keys[0]),
        "{used}"
    );
    assert!(used.stderr.contains("its ID is the lowest"), "{used}");
    // The first is gone for good: another one signs, and goes on doing it.
    let file = side
        .user
        .trust_dir()
        .join(format!("private/{}.key", keys[0]));
    let away = side.user.path("away");
    std::fs::rename(&file, &away).unwrap();
    let other = begin("example.com/other");
    assert_eq!(
        other.stdout,
        format!("Root key found, using: {}\n", keys[1]),
        "{other}"
    );
    std::fs::remove_dir_all(side.user.trust_dir().join("tuf/example.com/app")).unwrap();
    std::fs::rename(&away, &file).unwrap();
    let again = begin(GUN);
    assert_eq!(
        again.stdout,
        format!("Root key found, using: {}\n", keys[1]),
        "{again}"
    );
    assert!(
        again.stderr.contains("a repository here is signed with it"),
        "{again}"
    );

    // Begun and never published, it is begun again with the same keys.
    let count = || {
        std::fs::read_dir(side.user.trust_dir().join("private"))
            .unwrap()
            .count()
    };
    let before = count();
    assert_eq!(begin(GUN).code, Some(0));
    assert_eq!(count(), before);
    side.expect(&["publish", GUN]);
    side.user.expect(Tool::Notary, &["list", GUN]).unwrap();
    let root = side
        .user
        .trust_dir()
        .join(format!("tuf/{GUN}/metadata/root.json"));
    let document = std::fs::read(&root).unwrap();
    let said = refused(begin(GUN));
    assert!(said.contains("has a trusted root here already"), "{said}");
    assert_eq!(std::fs::read(&root).unwrap(), document);
    assert_eq!(count(), before);
    // A reader who got no further than the root has a trusted one as well.
    std::fs::remove_file(root.with_file_name("timestamp.json")).unwrap();
    let said = refused(begin(GUN));
    assert!(said.contains("has a trusted root here already"), "{said}");
}

/// The table of section 10.1: keys and certificates that were brought along.
#[test]
fn root_keys_and_certificates_from_elsewhere() {
    let pair = Pair::new();
    pair.each(|side| {
        let user = &side.user;
        user.ec_key("prime256v1", "plain.pem").unwrap();
        user.ec_key("prime256v1", "other.pem").unwrap();
        let pass = format!("pass:{}", User::ROOT_PASSPHRASE);
        for (file, plain, prf) in [
            ("key.pem", "plain.pem", "hmacWithSHA1"),
            ("sha256.pem", "other.pem", "hmacWithSHA256"),
        ] {
            user.openssl(&[
                "pkcs8",
                "-topk8",
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                prf,
                "-in",
                plain,
                "-out",
                file,
                "-passout",
                &pass,
            ])
            .unwrap();
        }
        let subject = |name: &str, out: &str, key: &str| {
            user.openssl(&[
                "req",
                "-new",
                "-x509",
                "-key",
                key,
                "-sha256",
                "-days",
                "3650",
                "-subj",
                &format!("/CN={}", name.replace('/', "\\/")),
                "-out",
                out,
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .unwrap();
        };
        subject(GUN, "good.crt", "plain.pem");
        subject("somebody.else", "cn.crt", "plain.pem");
        subject(GUN, "other.crt", "other.pem");
        file::write(&user.path("junk"), "junk").unwrap();
    });
    for words in [
        &["--rootkey", "nofile"][..],
        &["--rootkey", "junk"],
        &["--rootkey", "plain.pem"],
        &["--rootcert", "nofile"],
        &["--rootcert", "junk"],
        &["--rootcert", "other.crt"],
    ] {
        let (said, _) = pair.agree(&[&["init", GUN][..], words].concat());
        assert!(said.contains("* fatal: "), "{said}");
    }
    // Go stores the key before it looks at the certificate; ours leaves nothing.
    let said = refused(pair.1.run(&[
        "init",
        GUN,
        "--rootkey",
        "key.pem",
        "--rootcert",
        "other.crt",
    ]));
    let mismatch = "private key is nil or does not match public key";
    assert!(
        said.ends_with(&format!(
            "* fatal: could not obtain public key from IDs: {mismatch}\n"
        )),
        "{said}"
    );
    assert!(!pair.1.user.trust_dir().join("private").exists());
    // Go begins it, and nobody can ever publish it.
    let words = ["init", GUN, "--rootkey", "key.pem", "--rootcert", "cn.crt"];
    let said = refused(pair.1.run(&words));
    assert!(
        said.ends_with("unable to retrieve valid leaf certificates\n"),
        "{said}"
    );

    let words = [
        "init",
        GUN,
        "--rootkey",
        "key.pem",
        "--rootcert",
        "good.crt",
        "-p",
    ];
    let (said, _) = pair.agree(&words);
    assert!(
        said.starts_with("Root key found, using: ID\nAuto-publishing"),
        "{said}"
    );
    pair.each(|side| {
        let root = side.server.metadata(GUN, "root.json").unwrap().unwrap();
        let certificate = std::fs::read_to_string(side.user.path("good.crt")).unwrap();
        let listed = data_encoding::BASE64.encode(certificate.as_bytes());
        assert!(
            String::from_utf8(root).unwrap().contains(&listed),
            "{:?}",
            side.tool
        );
    });
    // Go cannot read what OpenSSL writes today.
    refused(pair.0.run(&["init", "g/b", "--rootkey", "sha256.pem"]));
    pair.1
        .expect(&["init", "g/b", "--rootkey", "sha256.pem", "-p"]);
    pair.1.user.expect(Tool::Notary, &["list", "g/b"]).unwrap();
}

/// Case 45: what Go begins with a certificate that nobody accepts is not published.
#[test]
fn a_root_that_nobody_would_follow_is_not_published() {
    let side = Side::new(Tool::OurNotary);
    let user = &side.user;
    user.ec_key("prime256v1", "plain.pem").unwrap();
    user.openssl(&[
        "req",
        "-new",
        "-x509",
        "-key",
        "plain.pem",
        "-days",
        "3650",
        "-subj",
        "/CN=other",
        "-out",
        "cn.crt",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ])
    .unwrap();
    user.expect(
        Tool::Notary,
        &["key", "import", "plain.pem", "--role", "root"],
    )
    .unwrap();
    user.expect(Tool::Notary, &["init", GUN, "--rootcert", "cn.crt"])
        .unwrap();
    let text = "\n* fatal: could not validate the path to a trusted root: unable to retrieve valid leaf certificates\n";
    for tool in [Tool::Notary, Tool::OurNotary] {
        let said = refused(user.run(tool, &["publish", GUN]).unwrap());
        assert!(said.ends_with(text), "{tool:?}: {said}");
    }
}

/// A command that is killed leaves a folder that either program goes on with.
#[test]
fn a_killed_init_leaves_a_folder_that_works() {
    let side = Side::new(Tool::OurNotary);
    side.expect(&["key", "generate"]);
    for step in 0..10_u64 {
        let gun = format!("g/{step}");
        let mut command = side.user.command(Tool::OurNotary, &["init", &gun]).unwrap();
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(step * 8));
        child.kill().unwrap();
        child.wait().unwrap();
        let tool = if step % 2 == 0 {
            Tool::Notary
        } else {
            Tool::OurNotary
        };
        side.user
            .expect(tool, &["addhash", &gun, "v1", "7", "--sha256", &digits(64)])
            .unwrap();
        side.user.expect(tool, &["publish", &gun]).unwrap();
        assert!(
            side.user
                .expect(Tool::Notary, &["list", &gun])
                .unwrap()
                .contains("\nv1 ")
        );
    }
}

/// Case 91: an end of validity with an offset and nine digits, as Go writes it east of Greenwich.
#[test]
fn what_go_signed_in_another_zone_is_published_to() {
    let mut side = Side::new(Tool::OurNotary);
    side.user.set("TZ", "America/New_York");
    side.user
        .expect(Tool::Notary, &["init", GUN, "-p"])
        .unwrap();
    let targets = side.server.metadata(GUN, "targets.json").unwrap().unwrap();
    let targets: serde_json::Value = serde_json::from_slice(&targets).unwrap();
    let expires = targets["signed"]["expires"].as_str().unwrap();
    assert!(
        expires.ends_with("-05:00") && expires.contains('.'),
        "{expires}"
    );
    side.expect(&["remove", GUN, "v1", "-p"]);
    side.user.expect(Tool::Notary, &["list", GUN]).unwrap();
}
