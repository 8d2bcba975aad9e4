//! Reading with our `notary` beside Go's: the same repository, the same server, the same words.

use serde_json::Value;
use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::file;
use signet_testkit::peer::{TrustOptions, TrustServer};
use signet_testkit::process::Finished;
use signet_testkit::user::{Tool, User};

const GUN: &str = "example.com/app";
/// SHA-256 of `hello world` and a newline.
const HELLO: &str = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";

/// A Go server behind a proxy, with a repository that Go's notary made.
struct Scene {
    server: TrustServer,
    proxy: Proxy,
    ca_pem: String,
    owner: User,
}

impl Scene {
    fn new() -> Self {
        let server = TrustServer::go_with(&TrustOptions::default().plain()).unwrap();
        let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let owner = User::new(&proxy.url(), &server.ca_pem()).unwrap();
        let ca_pem = server.ca_pem();
        Self {
            server,
            proxy,
            ca_pem,
            owner,
        }
    }

    fn go(&self, words: &[&str]) {
        self.owner.expect(Tool::Notary, words).unwrap();
    }

    /// Somebody with nothing but the address of the server.
    fn reader(&self) -> User {
        User::without_passphrases(&self.proxy.url(), &self.ca_pem).unwrap()
    }

    /// Spoils the answers to requests whose path has `part` in it.
    fn spoil(&self, part: &'static str, fault: &Fault) {
        let fault = fault.clone();
        self.proxy.set(move |_, path| {
            if path.contains(part) {
                fault.clone()
            } else {
                Fault::None
            }
        });
    }
}

/// Two people who know the same, one with Go's program and one with ours.
struct Pair(User, User);

impl Pair {
    fn of(scene: &Scene) -> Self {
        Self(scene.reader(), scene.reader())
    }

    fn both(&self, words: &[&str], input: &str) -> (Finished, Finished) {
        let go = self.0.run_with_input(Tool::Notary, words, input).unwrap();
        let our = self
            .1
            .run_with_input(Tool::OurNotary, words, input)
            .unwrap();
        (go, our)
    }

    /// Both say the same on standard output, exit alike, and log the same as far as texts are fixed. Gives what they said.
    fn agree(&self, words: &[&str]) -> String {
        self.agree_on(words, "")
    }

    fn agree_on(&self, words: &[&str], input: &str) -> String {
        let (go, our) = self.both(words, input);
        assert_eq!(our.stdout, go.stdout, "{go}\n{our}");
        assert_eq!(our.code, go.code, "{go}\n{our}");
        assert_eq!(logged(&our.stderr), logged(&go.stderr), "{go}\n{our}");
        go.stdout
    }
}

/// Level and message of every log line, without the words of the network, which are each program's own.
fn logged(stderr: &str) -> Vec<String> {
    let line = |line: &str| {
        let (_, rest) = line.split_once(" level=").unwrap_or(("", line));
        let rest = rest.split(": Get ").next().unwrap_or(rest);
        rest.split(": tcp ").next().unwrap_or(rest).to_owned()
    };
    stderr.lines().map(line).collect()
}

/// Cases 6, 10, 26 to 33, and 9 of the specification's tables.
#[test]
fn listings_are_gos_to_the_byte() {
    let scene = Scene::new();
    let owner = &scene.owner;
    let hello = "hello world\n";
    file::write(&owner.path("hello"), hello).unwrap();
    let addhash = |name: &str, roles: &str, algorithm: &str, digits: usize| {
        let digest = "0f".repeat(digits / 2);
        scene.go(&["addhash", GUN, name, "7", algorithm, &digest, "-r", roles]);
    };
    scene.go(&["init", GUN, "-p"]);
    let pair = Pair::of(&scene);
    assert_eq!(
        pair.agree(&["list", GUN]),
        "\nNo targets present in this repository.\n\n"
    );
    assert_eq!(
        pair.agree(&["delegation", "list", GUN]),
        "\n\nNo delegations present in this repository.\n\n\n"
    );

    for name in ["jeff", "ben"] {
        owner.ec_key("prime256v1", &format!("{name}.key")).unwrap();
        owner.certificate(name).unwrap();
        owner
            .expect(
                Tool::Notary,
                &["key", "import", &format!("{name}.key"), "--role", name],
            )
            .unwrap();
    }
    scene.go(&[
        "delegation",
        "add",
        GUN,
        "targets/jeff",
        "jeff.crt",
        "--all-paths",
    ]);
    scene.go(&[
        "delegation",
        "add",
        GUN,
        "targets/ben",
        "ben.crt",
        "--paths",
        "c,b/,a/",
    ]);
    scene.go(&["delegation", "add", GUN, "targets/x", "ben.crt", "jeff.crt"]);
    for name in ["b", "a", "Z", "10", "9", "überlänge", "日本語"] {
        addhash(name, "targets", "--sha256", 64);
    }
    scene.go(&["add", GUN, "v1", "hello", "-r", "targets"]);
    addhash("v1", "targets/jeff", "--sha256", 64);
    addhash("rel1", "targets/jeff", "--sha256", 64);
    addhash("only512", "targets", "--sha512", 128);
    addhash("b/1", "targets/ben", "--sha256", 64);
    scene.go(&["publish", GUN]);

    let table = pair.agree(&["list", GUN]);
    let names: Vec<&str> = table
        .lines()
        .skip(2)
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "10",
            "9",
            "Z",
            "a",
            "b",
            "b/1",
            "only512",
            "rel1",
            "v1",
            "überlänge",
            "日本語"
        ]
    );
    for roles in [
        &["-r", "targets/jeff,targets"][..],
        &["--roles", "targets/jeff", "--roles=targets"],
        &["-r", "targets/jeff"],
        &["-r", "targets/unknown"],
        &["-r", "snapshot"],
        &["-r", "targets/ben,targets/jeff", "extra"],
        &["--roles", ""],
    ] {
        pair.agree(&[&["list", GUN][..], roles].concat());
    }
    assert!(
        pair.agree(&["list", "-r", "targets/jeff,targets", GUN])
            .lines()
            .any(|line| line.starts_with("v1 ") && line.ends_with("    targets/jeff"))
    );
    assert_eq!(
        pair.agree(&["lookup", GUN, "v1"]),
        format!("v1 sha256:{HELLO} 12\n")
    );
    assert_eq!(
        pair.agree(&["lookup", GUN, "only512"]),
        "only512 sha256: 7\n"
    );
    let delegations = pair.agree(&["delegation", "list", GUN]);
    assert!(
        delegations.contains("\ntargets/jeff    \"\" <all paths>    "),
        "{delegations}"
    );
    assert_eq!(delegations.lines().count(), 10, "{delegations}");

    for words in [
        &["lookup", GUN, "nope"][..],
        &["list", "no/such"],
        &["lookup", "no/such", "v1"],
        &["delegation", "list", "no/such"],
        &["verify", "no/such", "v1"],
        &["verify", GUN, "nope"],
        &["verify", "-i", "nofile", GUN, "v1"],
    ] {
        assert!(pair.agree(words).starts_with("\n* fatal: "), "{words:?}");
    }
    use std::os::unix::fs::PermissionsExt as _;
    for folder in ["metadata", "changelist"] {
        let path = pair.1.trust_dir().join("tuf/no/such").join(folder);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", path.display());
    }

    verifies(&pair, hello);
    json(&pair.1);
    names_stay_inside(&pair.1);
}

/// Cases 28 and 29.
fn verifies(pair: &Pair, hello: &str) {
    assert_eq!(pair.agree_on(&["verify", GUN, "v1"], hello), hello);
    assert_eq!(pair.agree_on(&["verify", "-q", GUN, "v1"], hello), "");
    for user in [&pair.0, &pair.1] {
        file::write(&user.path("hello"), hello).unwrap();
    }
    assert_eq!(pair.agree(&["verify", GUN, "v1", "-i", "hello"]), hello);
    assert_eq!(
        pair.agree(&["verify", GUN, "v1", "-i", "hello", "-q", "-o", "not"]),
        ""
    );
    assert_eq!(
        pair.agree(&["verify", GUN, "v1", "-i", "hello", "-o", "out"]),
        ""
    );
    use std::os::unix::fs::PermissionsExt as _;
    for user in [&pair.0, &pair.1] {
        assert!(!user.path("not").exists());
        assert_eq!(std::fs::read_to_string(user.path("out")).unwrap(), hello);
        let mode = std::fs::metadata(user.path("out"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // Go names whichever digest it came to first, ours always SHA-256.
    let (go, our) = pair.both(&["verify", GUN, "v1", "-o", "bad"], "bad\n");
    assert!(go.stdout.contains("checksum for v1 did not match"), "{go}");
    assert_eq!(
        (our.code, &our.stderr),
        (go.code, &go.stderr),
        "{go}\n{our}"
    );
    assert_eq!(
        our.stdout,
        format!(
            "\n* fatal: data not present in the trusted collection, sha256 checksum for v1 did not match: expected {HELLO}\n"
        )
    );
    assert!(!pair.1.path("bad").exists());
    let longer = pair.agree_on(&["verify", GUN, "only512"], hello);
    assert!(
        longer.contains("sha512 checksum for only512 did not match"),
        "{longer}"
    );
}

/// For programs: what the tables show, a line of JSON for each thing.
fn json(user: &User) {
    let lines = |words: &[&str]| -> Vec<Value> {
        let out = user.expect(Tool::OurNotary, words).unwrap();
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let targets = lines(&["list", GUN, "--format", "json"]);
    assert_eq!(targets.len(), 11);
    let v1 = targets.iter().find(|row| row["name"] == "v1").unwrap();
    assert_eq!(v1["hashes"]["sha256"], HELLO);
    assert_eq!(
        (v1["length"].as_i64(), &v1["role"]),
        (Some(12), &"targets".into())
    );
    assert_eq!(
        lines(&["lookup", GUN, "v1", "--format", "json"]),
        std::slice::from_ref(v1)
    );
    let roles = lines(&["delegation", "list", GUN, "--format=json"]);
    assert_eq!(roles.len(), 3);
    assert_eq!(roles[0]["role"], "targets/ben");
    assert_eq!(roles[0]["paths"], serde_json::json!(["a/", "b/", "c"]));
    assert_eq!(roles[2]["keys"].as_array().unwrap().len(), 2);
    let none = user
        .run(Tool::OurNotary, &["list", GUN, "--format", "yaml"])
        .unwrap();
    assert_eq!(none.code, Some(1));
    assert!(
        none.stdout.contains("there is no format \"yaml\""),
        "{none}"
    );
}

/// Case 88, as far as reading goes: Go makes folders outside the trust directory (Q2).
fn names_stay_inside(user: &User) {
    let before = tree(user.home());
    for name in ["../../x", "", "/abs", "a/../b", "a//b", ".", "a/."] {
        for words in [
            &["list", name][..],
            &["lookup", name, "v1"],
            &["verify", name, "v1"],
            &["delegation", "list", name],
        ] {
            let refused = user.run(Tool::OurNotary, words).unwrap();
            assert_eq!(refused.code, Some(1), "{refused}");
            assert!(
                refused
                    .stdout
                    .starts_with("\n* fatal: invalid repository name "),
                "{refused}"
            );
        }
    }
    assert_eq!(tree(user.home()), before);
}

/// Every file and folder below this one.
pub(crate) fn tree(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Q14: Go asks for `//v2/` then, which servers redirect.
#[test]
fn a_slash_at_the_end_of_an_address_is_no_part_of_it() {
    let scene = Scene::new();
    scene.go(&["init", GUN, "-p"]);
    let pair = Pair::of(&scene);
    let address = format!("{}/", scene.proxy.url());
    let _ = scene.proxy.take_log();
    let (go, our) = pair.both(&["-s", &address, "list", GUN], "");
    assert_eq!(go.code, Some(1), "{go}");
    assert_eq!(
        (our.code, our.stdout.as_str(), our.stderr.as_str()),
        (Some(0), "\nNo targets present in this repository.\n\n", ""),
        "{our}"
    );
    // What stands before `/v2/` is a prefix of every request.
    let prefixed = format!("{}/behind/", scene.proxy.url());
    let _ = scene.proxy.take_log();
    pair.1
        .run(Tool::OurNotary, &["-s", &prefixed, "list", GUN])
        .unwrap();
    assert_eq!(
        scene.proxy.take_log().first().map(String::as_str),
        Some("GET /behind/v2/")
    );
}

/// Cases 34, 36, 39 and 40, and what goes with them in sections 5.2 and 7.2.
#[test]
fn what_is_remembered_stands_in_for_a_server_that_is_away_and_for_no_other() {
    let scene = Scene::new();
    scene.go(&["init", GUN, "-p"]);
    scene.go(&["addhash", GUN, "v1", "7", "--sha256", HELLO, "-p"]);
    let pair = Pair::of(&scene);
    let table = pair.agree(&["list", GUN]);
    assert!(table.contains("\nv1      "), "{table}");

    // An answer that is an error, with something remembered and without.
    for status in [500, 503, 404, 302, 429] {
        scene.spoil("timestamp.json", &Fault::Status(status));
        assert_eq!(pair.agree(&["list", GUN]), table, "{status}");
    }
    // A lost right does not look like an outage.
    for status in [401, 403] {
        scene.spoil("timestamp.json", &Fault::Status(status));
        let (go, our) = pair.both(&["list", GUN], "");
        assert_eq!((&go.stdout, &our.stdout), (&table, &table), "{go}\n{our}");
        let refused =
            |line: &str| line.contains(" level=error ") && line.contains(&status.to_string());
        assert!(our.stderr.lines().any(refused), "{our}");
        assert!(!go.stderr.lines().any(refused), "{go}");
    }
    for status in [500, 401, 404] {
        scene.spoil("root.json", &Fault::Status(status));
        let fresh = Pair::of(&scene);
        let told = fresh.agree(&["list", GUN]);
        assert!(told.starts_with("\n* fatal: "), "{status}: {told}");
    }
    scene.spoil("timestamp.json", &Fault::Status(400));
    assert_eq!(
        pair.agree(&["list", GUN]),
        "\n* fatal: trust server rejected operation.\n"
    );

    // A probe that is neither yes nor 401, and none at all.
    scene.spoil("/v2/", &Fault::Status(404));
    assert_eq!(pair.agree(&["list", GUN]), table);
    let fresh = Pair::of(&scene);
    assert_eq!(
        fresh.agree(&["list", GUN]),
        "\n* fatal: client is offline\n"
    );
    assert_eq!(
        fresh.agree(&["-v", "delegation", "list", GUN]),
        format!(
            "\n* fatal: Error retrieving delegation roles for repository {GUN}: client is offline\n"
        )
    );
    scene.proxy.heal();
    let gone = format!(
        "https://localhost:{}",
        signet_testkit::port::free().unwrap().port()
    );
    let away = ["-s", &gone, "list", GUN];
    assert_eq!(pair.agree(&away), table);
    let told = pair.1.run(Tool::OurNotary, &away).unwrap();
    assert!(
        told.stderr
            .contains(&format!("level=error msg=\"could not reach {gone}: ")),
        "{told}"
    );
    assert_eq!(
        Pair::of(&scene).agree(&away),
        "\n* fatal: client is offline\n"
    );

    // Somebody else answers, or one whose certificate is no longer good: Go takes that for an outage, too.
    let authority = signet_testkit::certificate::Authority::new("other").unwrap();
    for user in [&pair.0, &pair.1] {
        file::write(&user.path("other.crt"), authority.pem()).unwrap();
    }
    let long_ago = time::OffsetDateTime::UNIX_EPOCH;
    let expired = authority.issue_for(&["localhost"], long_ago, 1, 2).unwrap();
    let expired = Proxy::start(scene.server.address(), &expired).unwrap();
    for (server, fault) in [
        (scene.proxy.url(), "UnknownIssuer"),
        (expired.url(), "expired"),
    ] {
        let words = ["-s", &server, "--tlscacert", "other.crt", "list", GUN];
        let (go, our) = pair.both(&words, "");
        assert_eq!((go.code, &go.stdout), (Some(0), &table), "{go}");
        assert_eq!(our.code, Some(1), "{our}");
        assert!(
            our.stdout
                .starts_with("\n* fatal: the trust server could not be verified: ")
                && our.stdout.contains(fault),
            "{our}"
        );
        let words = ["-s", &server, "--tlscacert", "other.crt", "publish", GUN];
        let our = pair.1.run(Tool::OurNotary, &words).unwrap();
        assert_eq!(our.code, Some(1), "{our}");
        assert!(
            our.stdout
                .contains("\n* fatal: the trust server could not be verified: ")
                && our.stdout.contains(fault),
            "{our}"
        );
    }
}
