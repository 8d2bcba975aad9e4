//! Rotating, deleting and renewing with our `notary` beside Go's, on Go's server.

use std::collections::BTreeSet;

use serde_json::Value;
use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::file;
use signet_testkit::peer::{TrustOptions, TrustServer};
use signet_testkit::process::Finished;
use signet_testkit::user::{Tool, User};

use crate::judge::{key_ids, list_targets};

pub(crate) const GUN: &str = "example.com/app";
/// SHA-256 of `hello world` and a newline.
pub(crate) const HELLO: &str = "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447";
pub(crate) const BOTH: [Tool; 2] = [Tool::Notary, Tool::OurNotary];
const QUESTION: &str = "Warning: you are about to rotate your root key.\n\nYou must use your old key to sign this root rotation.\nAre you sure you want to proceed?  (yes/no)  ";

/// A Go server behind a proxy, and an owner with a published repository of one target.
pub(crate) struct Scene {
    pub(crate) server: TrustServer,
    pub(crate) proxy: Proxy,
    pub(crate) owner: User,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self::empty();
        scene.go(&["init", GUN]);
        scene.go(&["addhash", GUN, "v1", "12", "--sha256", HELLO, "-p"]);
        scene
    }

    pub(crate) fn empty() -> Self {
        let server = TrustServer::go_with(&TrustOptions::default().plain()).unwrap();
        let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
        let owner = User::new(&proxy.url(), &server.ca_pem()).unwrap();
        Self {
            server,
            proxy,
            owner,
        }
    }

    pub(crate) fn go(&self, words: &[&str]) -> String {
        self.owner.expect(Tool::Notary, words).unwrap()
    }

    fn ours(&self, words: &[&str]) -> String {
        self.owner.expect(Tool::OurNotary, words).unwrap()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Finished {
        self.owner.run(Tool::OurNotary, words).unwrap()
    }

    pub(crate) fn reader(&self) -> User {
        User::without_passphrases(&self.proxy.url(), &self.server.ca_pem()).unwrap()
    }

    pub(crate) fn root(&self) -> Value {
        let bytes = self.server.metadata(GUN, "root.json").unwrap();
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    }

    /// The versions of root, targets, snapshot and timestamp.
    fn versions(&self) -> [u64; 4] {
        ["root", "targets", "snapshot", "timestamp"]
            .map(|role| self.server.version(GUN, role).unwrap())
    }

    /// What the repository lists, for somebody who has never seen it.
    fn names(&self) -> Vec<String> {
        let listed = list_targets(&self.reader(), GUN, &[]);
        listed.into_iter().map(|target| target.name).collect()
    }

    /// Keys of the owner for a role.
    fn keys(&self, role: &str) -> BTreeSet<String> {
        key_ids(&self.owner, role)
    }

    /// What happens to uploads, and to nothing else.
    fn spoil_uploads(&self, fault: &Fault) {
        let fault = fault.clone();
        self.proxy.set(move |method, path| {
            if method == "POST" && path.ends_with("/_trust/tuf/") {
                fault.clone()
            } else {
                Fault::None
            }
        });
    }
}

fn listed(root: &Value, role: &str) -> Vec<String> {
    let ids = root["signed"]["roles"][role]["keyids"].as_array().unwrap();
    ids.iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

fn signers(document: &Value) -> BTreeSet<String> {
    let all = document["signatures"].as_array().unwrap();
    all.iter()
        .map(|signature| signature["keyid"].as_str().unwrap().to_owned())
        .collect()
}

/// Table 10.14 and cases 82 and 84: both programs, each in a repository of its own, say and upload the same.
#[test]
fn every_rotation_uploads_what_gos_does() {
    let mut said: Vec<Vec<String>> = Vec::new();
    for tool in BOTH {
        let scene = Scene::new();
        let owner = &scene.owner;
        let reader = scene.reader();
        assert_eq!(list_targets(&reader, GUN, &[]).len(), 1);
        scene.go(&["addhash", GUN, "v2", "12", "--sha256", HELLO]);
        let mut transcript = Vec::new();
        for (words, input) in [
            (&["targets"][..], ""),
            (&["snapshot"], ""),
            (&["timestamp", "-r"], ""),
            (&["root"], "n\n"),
            (&["root"], "yes\n"),
            (&["snapshot", "--server-managed"], ""),
        ] {
            let before = (scene.root(), scene.versions(), scene.keys(words[0]));
            let _ = scene.proxy.take_log();
            let line = [&["key", "rotate", GUN][..], words].concat();
            let done = owner.run_with_input(tool, &line, input).unwrap();
            assert_eq!(done.code, Some(0), "{done}");
            let after = scene.versions();
            let grown: Vec<u64> = after
                .iter()
                .zip(before.1)
                .map(|(now, then)| now - then)
                .collect();
            let posts: Vec<String> = scene
                .proxy
                .take_log()
                .into_iter()
                .filter(|line| line.starts_with("POST"))
                .collect();
            transcript.push(format!("{words:?} {grown:?} {posts:?} {}", done.stdout));
            if input == "n\n" {
                assert_eq!(scene.root(), before.0);
                continue;
            }
            // The old key is not listed any more, and gone; that of root stays.
            let (role, root) = (words[0], scene.root());
            let (then, now) = (listed(&before.0, role), listed(&root, role));
            assert_eq!(now.len(), 1);
            assert_ne!(then, now, "{role}");
            let keys = scene.keys(role);
            match (role, words.len()) {
                ("root", _) => {
                    assert_eq!(keys.len(), 2);
                    let both = BTreeSet::from([then[0].clone(), now[0].clone()]);
                    assert_eq!(signers(&root), both);
                    assert!(root["signed"]["keys"].get(&then[0]).is_some());
                }
                (_, 1) => assert_eq!(keys, BTreeSet::from([now[0].clone()])),
                _ => assert_eq!(keys, BTreeSet::new()),
            }
        }
        // Who knew the repository follows; what was staged is still staged, and is published with the new keys.
        assert_eq!(list_targets(&reader, GUN, &[]).len(), 1);
        let status = owner.expect(Tool::Notary, &["status", GUN]).unwrap();
        assert!(status.contains("v2"), "{status}");
        owner.expect(Tool::Notary, &["publish", GUN]).unwrap();
        assert_eq!(list_targets(&reader, GUN, &[]).len(), 2);
        said.push(transcript);
    }
    assert_eq!(said[0], said[1]);
    assert!(
        said[1][3].ends_with(&format!("{QUESTION}\nAborting action.\n")),
        "{}",
        said[1][3]
    );
}

/// Case 86 and the errors of section 10.14.
#[test]
fn what_cannot_be_rotated_is_refused_in_gos_words() {
    let scene = Scene::new();
    let before = scene.versions();
    scene.owner.ec_key("prime256v1", "open.key").unwrap();
    file::write(&scene.owner.path("text"), "no key").unwrap();
    for (words, input) in [
        (&["timestamp"][..], ""),
        (&["targets", "-r"], ""),
        (&["root", "-r"], "y\n"),
        (&["targets/x"], ""),
        (&["bogus"], ""),
        (&["targets", "--key", "nofile"], ""),
        (&["root", "--key", "nofile"], "yes\n"),
        (&["root", "--key", "open.key"], "yes\n"),
        (&["root", "--key", "text"], "yes\n"),
    ] {
        let line = [&["key", "rotate", GUN][..], words].concat();
        let [go, our] = BOTH.map(|tool| scene.owner.run_with_input(tool, &line, input).unwrap());
        assert_eq!(our.stdout, go.stdout, "{go}\n{our}");
        assert_eq!((our.code, go.code), (Some(1), Some(1)), "{go}\n{our}");
    }
    let too_few = scene.run(&["key", "rotate", GUN]);
    assert!(
        too_few
            .stdout
            .ends_with("\n* fatal: Must specify a GUN and a key role to rotate\n"),
        "{too_few}"
    );
    let negative = scene.run(&["key", "rotate", GUN, "targets", "--legacy", "-2"]);
    assert!(negative.stdout.contains("-1 for all"), "{negative}");
    assert_eq!(scene.versions(), before);
    assert_eq!(scene.keys("targets").len(), 1);

    // A server that makes no key, one that is away, and a repository that it does not know.
    for status in [429, 404] {
        scene.proxy.set(move |method, path| match method {
            "POST" if path.ends_with("snapshot.key") => Fault::Status(status),
            _ => Fault::None,
        });
        let line = ["key", "rotate", GUN, "snapshot", "-r"];
        let [go, our] = BOTH.map(|tool| scene.owner.run(tool, &line).unwrap());
        assert!(
            our.stdout.contains("unable to rotate remote key: "),
            "{our}"
        );
        assert_eq!((our.stdout, our.code), (go.stdout, go.code));
    }
    scene.proxy.heal();
    let away = format!(
        "https://localhost:{}",
        signet_testkit::port::free().unwrap().port()
    );
    let line = ["-s", &away, "key", "rotate", GUN, "snapshot", "-r"];
    let [go, our] = BOTH.map(|tool| scene.owner.run(tool, &line).unwrap());
    assert_eq!(
        our.stdout,
        "\n* fatal: unable to rotate remote key: client is offline\n"
    );
    assert_eq!((our.stdout, our.code), (go.stdout, go.code));
    assert_eq!(scene.versions(), before);
}

/// Case 83 (Q3): Go has deleted the only key that can sign the published targets.
#[test]
fn a_rotation_that_fails_costs_no_key() {
    for fault in [Fault::Refused(500), Fault::Refused(400), Fault::Lost] {
        let scene = Scene::new();
        let old = scene.keys("targets");
        scene.spoil_uploads(&fault);
        let line = ["key", "rotate", GUN, "targets"];
        let failed = scene.run(&line);
        assert_eq!(failed.code, Some(1), "{failed}");
        let words = match &fault {
            Fault::Refused(500) => "\n* fatal: unable to reach trust server at this time: 500.\n",
            Fault::Refused(_) => "\n* fatal: trust server rejected operation.\n",
            _ => "\n* fatal: ",
        };
        assert!(failed.stdout.starts_with(words), "{failed}");
        let keys = scene.keys("targets");
        assert!(keys.is_superset(&old), "{fault:?}");
        // Whatever the server answers, it may have the new root: the new key is needed, too.
        assert_eq!(keys.len(), 2, "{fault:?}");

        // The repository can be used by both programs, and the next try leaves one key.
        scene.proxy.heal();
        scene.go(&["addhash", GUN, "v2", "12", "--sha256", HELLO, "-p"]);
        assert_eq!(scene.ours(&line), rotated("targets"));
        let now = scene.keys("targets");
        assert_eq!(now.len(), 1, "{fault:?}");
        assert!(now.is_disjoint(&old), "{fault:?}");
        assert!(keys.is_superset(&now), "{fault:?}");
        scene.go(&["addhash", GUN, "v3", "12", "--sha256", HELLO, "-p"]);
        assert_eq!(scene.names(), ["v1", "v2", "v3"]);
    }

    // Go, for comparison: nobody can change the targets any more.
    let scene = Scene::new();
    scene.spoil_uploads(&Fault::Refused(500));
    let failed = scene
        .owner
        .run(Tool::Notary, &["key", "rotate", GUN, "targets"])
        .unwrap();
    assert_eq!(failed.code, Some(1), "{failed}");
    scene.proxy.heal();
    let add = ["addhash", GUN, "v2", "12", "--sha256", HELLO, "-p"];
    let stuck = scene.owner.run(Tool::Notary, &add).unwrap();
    assert_eq!(stuck.code, Some(1), "{stuck}");
}

fn rotated(role: &str) -> String {
    format!("Successfully rotated {role} key for repository {GUN}\n")
}

/// The answer is lost, and the upload has arrived: the command finds out, or the next one does.
#[test]
fn a_rotation_whose_answer_is_lost_is_brought_to_its_end() {
    let scene = Scene::new();
    let old = scene.keys("targets");
    scene.spoil_uploads(&Fault::Cut);
    let line = ["key", "rotate", GUN, "targets"];
    assert_eq!(scene.ours(&line), rotated("targets"));
    assert!(scene.keys("targets").is_disjoint(&old));
    assert_eq!(scene.versions(), [2, 3, 3, 2]);

    // The server takes it, and the program is dead before it hears of that.
    let old = scene.keys("snapshot");
    scene.spoil_uploads(&Fault::Slow(std::time::Duration::from_secs(20)));
    let mut command = scene
        .owner
        .command(Tool::OurNotary, &["key", "rotate", GUN, "snapshot"])
        .unwrap();
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while scene.server.version(GUN, "root").unwrap() < 3 {
        assert!(std::time::Instant::now() < deadline, "not uploaded");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    scene.proxy.heal();
    let keys = scene.keys("snapshot");
    assert_eq!(keys.len(), 2);
    assert!(keys.is_superset(&old));
    // Everything works with the new key; the next rotation removes both that are not needed then.
    scene.go(&["addhash", GUN, "v2", "12", "--sha256", HELLO, "-p"]);
    assert_eq!(
        scene.ours(&["key", "rotate", GUN, "snapshot"]),
        rotated("snapshot")
    );
    let now = scene.keys("snapshot");
    assert_eq!(now.len(), 1);
    assert!(now.is_disjoint(&keys));
    assert_eq!(scene.names(), ["v1", "v2"]);
}

/// `--key`: other people's files replace all keys of the role, and nothing is stored when the question is answered with no.
#[test]
fn keys_from_files_take_the_place_of_the_old_ones() {
    let scene = Scene::new();
    let owner = &scene.owner;
    for name in ["one", "two"] {
        owner.ec_key("prime256v1", &format!("{name}.key")).unwrap();
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let password = format!("pass:{}", User::ROOT_PASSPHRASE);
        owner
            .openssl(&[
                "pkcs8",
                "-topk8",
                "-in",
                &key,
                "-out",
                &pem,
                "-passout",
                &password,
                "-v2",
                "aes-256-cbc",
                "-v2prf",
                "hmacWithSHA1",
            ])
            .unwrap();
    }
    // An encrypted file opens with the root passphrase, whatever the role.
    let line = ["key", "rotate", GUN, "targets", "--key", "one.pem,two.key"];
    assert_eq!(scene.ours(&line), rotated("targets"));
    let targets = scene.keys("targets");
    assert_eq!(targets.len(), 2);
    assert_eq!(
        listed(&scene.root(), "targets")
            .into_iter()
            .collect::<BTreeSet<_>>(),
        targets
    );
    // Rotating to the keys that are there removes none of them.
    assert_eq!(scene.ours(&line), rotated("targets"));
    assert_eq!(scene.keys("targets"), targets);
    scene.go(&["addhash", GUN, "v2", "12", "--sha256", HELLO, "-p"]);

    // The same key cannot be root's, too.
    let other = ["key", "rotate", GUN, "root", "--key", "one.pem"];
    let [go, our] = BOTH.map(|tool| owner.run_with_input(tool, &other, "yes\n").unwrap());
    assert_eq!(our.stdout, go.stdout, "{go}\n{our}");
    assert!(
        our.stdout
            .contains("Error importing key: key with same ID already exists for role: targets"),
        "{our}"
    );

    owner.ec_key("prime256v1", "root.key").unwrap();
    let password = format!("pass:{}", User::ROOT_PASSPHRASE);
    owner
        .openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            "root.key",
            "-out",
            "root.pem",
            "-passout",
            &password,
            "-v2",
            "aes-256-cbc",
            "-v2prf",
            "hmacWithSHA1",
        ])
        .unwrap();
    let line = ["key", "rotate", GUN, "root", "--key", "root.pem"];
    let declined = owner
        .run_with_input(Tool::OurNotary, &line, "no\n")
        .unwrap();
    assert_eq!(
        (declined.code, declined.stdout),
        (Some(0), format!("{QUESTION}\nAborting action.\n"))
    );
    assert_eq!(scene.keys("root").len(), 1);
    let done = owner
        .run_with_input(Tool::OurNotary, &line, "Yes\n")
        .unwrap();
    assert_eq!(
        (done.code, done.stdout),
        (Some(0), format!("{QUESTION}{}", rotated("root")))
    );
    assert_eq!(scene.keys("root").len(), 2);
    assert_eq!(scene.names(), ["v1", "v2"]);

    // Where the server makes the key, Go opens and stores files all the same, and lists none of their keys.
    owner.ec_key("prime256v1", "three.key").unwrap();
    let line = |file| ["key", "rotate", GUN, "snapshot", "-r", "--key", file];
    assert_eq!(scene.go(&line("three.key")), rotated("snapshot"));
    assert_eq!(scene.ours(&line("nofile")), rotated("snapshot"));
}

/// Cases 47 and 85: a client that is three roots behind, and one that cannot walk.
#[test]
fn earlier_root_keys_sign_too_when_they_are_asked_for() {
    let scene = Scene::new();
    let readers = [scene.reader(), scene.reader()];
    let line = ["key", "rotate", GUN, "root"];
    for (reader, tool) in readers.iter().zip(BOTH) {
        reader.expect(tool, &["list", GUN]).unwrap();
    }
    for tool in [Tool::OurNotary, Tool::Notary, Tool::OurNotary] {
        let done = scene.owner.run_with_input(tool, &line, "yes\n").unwrap();
        assert_eq!(done.code, Some(0), "{done}");
        assert_eq!(signers(&scene.root()).len(), 2);
    }
    for (reader, tool) in readers.iter().zip(BOTH) {
        let _ = scene.proxy.take_log();
        let table = reader.expect(tool, &["list", GUN]).unwrap();
        assert!(table.contains("v1"), "{table}");
        let log = scene.proxy.take_log();
        for version in [2, 3] {
            let file = format!("/{version}.root.json");
            assert!(log.iter().any(|line| line.ends_with(&file)), "{log:?}");
        }
    }

    let _ = scene.proxy.take_log();
    let all = [&line[..], &["--legacy", "100"]].concat();
    let done = scene
        .owner
        .run_with_input(Tool::OurNotary, &all, "yes\n")
        .unwrap();
    assert_eq!(done.code, Some(0), "{done}");
    let log = scene.proxy.take_log();
    for version in [3, 2, 1] {
        let file = format!("/{version}.root.json");
        assert!(log.iter().any(|line| line.ends_with(&file)), "{log:?}");
    }
    assert!(!log.iter().any(|line| line.ends_with("/0.root.json")));
    assert_eq!(signers(&scene.root()).len(), 5);
    // Two versions back from 5: those of 5, 4 and 3, and the new one.
    let two = [&line[..], &["-l", "2"]].concat();
    let done = scene
        .owner
        .run_with_input(Tool::OurNotary, &two, "yes\n")
        .unwrap();
    assert_eq!(done.code, Some(0), "{done}");
    assert_eq!(signers(&scene.root()).len(), 4);
    let everything = [&line[..], &["--legacy=-1"]].concat();
    let done = scene
        .owner
        .run_with_input(Tool::OurNotary, &everything, "yes\n")
        .unwrap();
    assert_eq!(done.code, Some(0), "{done}");
    assert_eq!(signers(&scene.root()).len(), 7);
    assert_eq!(scene.names(), ["v1"]);
}

/// A repository that nobody knows begins with the rotated key; without a root key nothing is made.
#[test]
fn rotations_of_the_unknown_and_by_strangers() {
    for tool in BOTH {
        let scene = Scene::empty();
        let told = scene
            .owner
            .expect(tool, &["key", "rotate", GUN, "targets"])
            .unwrap();
        assert_eq!(told, rotated("targets"));
        assert_eq!(scene.names(), [""; 0]);
        let [targets, snapshot, root] =
            ["targets", "snapshot", "root"].map(|role| scene.keys(role));
        assert_eq!((targets.len(), snapshot.len(), root.len()), (1, 1, 1));
        scene.go(&["addhash", GUN, "v1", "12", "--sha256", HELLO, "-p"]);
        assert_eq!(scene.names(), ["v1"]);
    }
    let scene = Scene::new();
    let stranger = User::new(&scene.proxy.url(), &scene.server.ca_pem()).unwrap();
    for role in ["targets", "snapshot"] {
        let refused = stranger
            .run(Tool::OurNotary, &["key", "rotate", GUN, role])
            .unwrap();
        assert_eq!(refused.code, Some(1), "{refused}");
        let words = "\n* fatal: signing keys not available: need 1 keys from 1 possible keys (";
        assert!(refused.stdout.starts_with(words), "{refused}");
        assert_eq!(key_ids(&stranger, role), BTreeSet::new());
    }
}
