//! What is published: the same commands against two servers, one with Go's program, one with ours.

use serde_json::Value;
use signet_testkit::file;
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use super::{GUN, changes, logged, people, reset};
use crate::go_client::mask;

/// A server with a repository that Go's notary made, its owner with the keys of two people, and the program that is looked at.
struct World {
    server: TrustServer,
    owner: User,
    tool: Tool,
}

impl World {
    fn new(server: TrustServer, tool: Tool) -> Self {
        let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
        people(&owner);
        let world = Self {
            server,
            owner,
            tool,
        };
        world.go(&["init", GUN, "-p"]);
        for name in ["jeff", "ben"] {
            let key = format!("{name}.key");
            world.go(&["key", "import", &key, "--role", name]);
        }
        world
    }

    fn go(&self, words: &[&str]) -> String {
        self.owner.expect(Tool::Notary, words).unwrap()
    }

    fn key(&self, name: &str) -> String {
        let ids = crate::judge::key_ids(&self.owner, name);
        ids.into_iter().next().unwrap()
    }

    /// Words with `KEY:name` for the ID of a key. What is said and logged, without what differs between runs, and the exit code.
    fn run(&self, words: &[&str]) -> (String, Vec<String>, Option<i32>) {
        let words: Vec<String> = words
            .iter()
            .map(|word| match word.strip_prefix("KEY:") {
                Some(name) => self.key(name),
                None => (*word).to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let finished = self.owner.run(self.tool, &words).unwrap();
        // Go says nothing of documents that a purge cannot look into.
        let lines = logged(&finished).into_iter();
        let lines = lines.filter(|line| !line.contains("could not be looked into"));
        (
            // The mask takes the last newline.
            format!("{}\n", mask(&finished.stdout, &self.owner)),
            lines.map(|line| mask(line, &self.owner)).collect(),
            finished.code,
        )
    }

    fn signed(&self, role: &str) -> Value {
        let bytes = self.server.metadata(GUN, &format!("{role}.json")).unwrap();
        let document: Value = serde_json::from_slice(&bytes.unwrap()).unwrap();
        document["signed"].clone()
    }

    /// The versions of the roles at the server.
    fn versions(&self, roles: &[&str]) -> Vec<u64> {
        let version = |role: &&str| self.server.version(GUN, role).unwrap();
        roles.iter().map(version).collect()
    }
}

/// Two worlds in which the same is done.
struct Worlds([World; 2]);

impl Worlds {
    fn new() -> Self {
        let world = |tool| World::new(TrustServer::go().unwrap(), tool);
        Self([world(Tool::Notary), world(Tool::OurNotary)])
    }

    fn go(&self, words: &[&str]) {
        for world in &self.0 {
            world.go(words);
        }
    }

    /// Both programs say, log and exit the same. Gives that; repeated log lines of Go's are told once (Q32).
    fn agree(&self, words: &[&str]) -> (String, Vec<String>, Option<i32>) {
        let [mut go, mut our] = self.0.each_ref().map(|world| world.run(words));
        go.1.dedup();
        our.1.dedup();
        assert_eq!(our, go, "{words:?}");
        our
    }

    /// The same for what must succeed without a word on standard error.
    fn quietly(&self, words: &[&str]) -> String {
        let (said, logged, code) = self.agree(words);
        assert_eq!((logged.as_slice(), code), (&[][..], Some(0)), "{said}");
        said
    }

    fn versions(&self, roles: &[&str]) -> Vec<u64> {
        let [go, our] = self.0.each_ref().map(|world| world.versions(roles));
        assert_eq!(our, go);
        our
    }

    fn reset(&self) {
        for world in &self.0 {
            reset(&world.owner);
        }
    }
}

fn published() -> String {
    format!(
        "Auto-publishing changes to {GUN}\nSuccessfully published changes for repository {GUN}\n"
    )
}

/// Cases 62, 65, 66, 69, 70 and 71.
#[test]
fn a_delegation_lives_as_with_go() {
    let worlds = Worlds::new();
    let base = ["targets", "snapshot"];
    assert_eq!(worlds.versions(&base), [2, 2]);
    let said = worlds.quietly(&[
        "delegation",
        "add",
        GUN,
        "targets/releases",
        "jeff.crt",
        "--all-paths",
        "-p",
    ]);
    assert!(said.ends_with(&format!("\n\n{}", published())), "{said}");
    assert_eq!(worlds.versions(&base), [3, 3]);

    // Nested, with paths that the parent does not have, and a target outside.
    let add = |role: &str, file: &str, paths: &str| {
        worlds.agree(&["delegation", "add", GUN, role, file, "--paths", paths, "-p"])
    };
    assert_eq!(add("targets/a", "jeff.pub", "a/").2, Some(0));
    let (said, _, code) = add("targets/a/c", "ben.pub", "b/");
    assert!(
        said.ends_with("\n* fatal: tuf: invalid role targets/a/c. invalid paths to add to role\n"),
        "{said}"
    );
    assert_eq!(code, Some(1));
    for world in &worlds.0 {
        assert_eq!(changes(&world.owner).len(), 2, "everything is still staged");
    }
    worlds.reset();
    assert_eq!(add("targets/a/c", "ben.pub", "a/c").2, Some(0));
    let (said, _, _) = add("targets/no/c", "ben.pub", "a/c");
    assert!(
        said.ends_with("\n* fatal: tuf: invalid role targets/no. delegation does not exist\n"),
        "{said}"
    );
    worlds.reset();
    let (said, _, _) =
        worlds.agree(&["delegation", "add", GUN, "targets/new", "--all-paths", "-p"]);
    assert!(
        said.ends_with("\n* fatal: tuf: invalid role targets/new.\n"),
        "{said}"
    );
    worlds.reset();
    let digest = "0f".repeat(32);
    let target = |name: &str, role: &str| {
        worlds.go(&["addhash", GUN, name, "7", "--sha256", &digest, "-r", role]);
    };
    target("b", "targets/a");
    let (said, logged, code) = worlds.agree(&["publish", GUN]);
    assert!(
        said.ends_with("\n* fatal: Could not add all targets\n"),
        "{said}"
    );
    assert_eq!(
        logged,
        ["level=error msg=\"couldn't add target to targets/a: Could not add all targets\""]
    );
    assert_eq!(code, Some(1));
    worlds.reset();

    // The only key leaves.
    target("v1", "targets/releases");
    worlds.quietly(&["publish", GUN]);
    let remove = ["delegation", "remove", GUN, "targets/releases", "KEY:jeff"];
    let (said, logged, code) = worlds.agree(&[&remove[..], &["-p"]].concat());
    assert!(said.ends_with(&published()), "{said}");
    assert_eq!(
        logged,
        [
            "level=warning msg=\"role targets/releases has fewer keys than its threshold of 1; it will not be usable until keys are added to it\""
        ]
    );
    assert_eq!(code, Some(0));
    for world in &worlds.0 {
        let roles = world.signed("targets")["delegations"]["roles"].clone();
        let releases = roles
            .as_array()
            .unwrap()
            .iter()
            .find(|role| role["name"] == "targets/releases");
        assert!(releases.unwrap()["keyids"].is_null());
    }
    let unsigned = "level=warning msg=\"Error getting targets/releases: valid signatures did not meet threshold for targets/releases\"";
    let (said, logged, _) = worlds.agree(&["delegation", "list", GUN]);
    assert!(
        said.contains("\ntargets/releases    \"\" <all paths>        "),
        "{said}"
    );
    assert_eq!(logged, [unsigned]);

    // Nobody can sign it again before there is a key.
    let witness = ["witness", GUN, "targets/releases", "-p"];
    let (said, _, code) = worlds.agree(&witness);
    assert!(
        said.ends_with(
            "\n* fatal: tuf: invalid role targets/releases. role does not specify enough valid signing keys to meet its required threshold\n"
        ),
        "{said}"
    );
    assert_eq!(code, Some(1));
    worlds.reset();
    let add = [
        "delegation",
        "add",
        GUN,
        "targets/releases",
        "ben.crt",
        "-p",
    ];
    assert_eq!(worlds.agree(&add).2, Some(0));
    let (said, logged, code) = worlds.agree(&witness);
    assert!(said.ends_with(&published()), "{said}");
    assert_eq!(
        (logged.as_slice(), code),
        (&[unsigned.to_owned()][..], Some(0))
    );
    let said = worlds.quietly(&["list", GUN]);
    assert!(
        said.contains("\nv1 ") && said.contains("    targets/releases\n"),
        "{said}"
    );
    assert_eq!(worlds.versions(&["targets/releases"]), [2]);

    // Nobody here has the key that remains.
    worlds.go(&[
        "delegation",
        "add",
        GUN,
        "targets/releases",
        "jeff.crt",
        "-p",
    ]);
    for world in &worlds.0 {
        let key = format!("private/{}.key", world.key("ben"));
        std::fs::remove_file(world.owner.trust_dir().join(key)).unwrap();
    }
    worlds.go(&[
        "delegation",
        "remove",
        GUN,
        "targets/releases",
        "--paths",
        "x",
        "-p",
    ]);
    impossible_roles(&worlds);
}

/// Case 71, in the world of a published repository.
fn impossible_roles(worlds: &Worlds) {
    for (role, reason) in [
        ("snapshot", "scope not supported: snapshot"),
        ("root", "type of root change not yet supported: witness"),
        ("bogus", "scope not supported: bogus"),
        (
            "targets/unknown",
            "tuf: invalid role targets/unknown. this role is not known",
        ),
        (
            "targets/*",
            "tuf: invalid role targets/*. this role is not known",
        ),
        ("root/*", "scope not supported: root/*"),
    ] {
        let fatal = format!("\n* fatal: {reason}\n");
        for world in &worlds.0 {
            let (said, _, code) = world.run(&["witness", GUN, role, "-p"]);
            assert!(said.ends_with(&fatal), "{said}");
            assert_eq!(code, Some(1));
        }
        // What Go has staged, ours refuses to publish in the same words.
        let [_, our] = &worlds.0;
        reset(&our.owner);
        our.go(&["witness", GUN, role]);
        let (said, _, code) = our.run(&["publish", GUN]);
        assert!(said.ends_with(&fatal), "{said}");
        assert_eq!((code, changes(&our.owner).len()), (Some(1), 1));
        worlds.reset();
    }
}

/// Without the key of a role nobody can witness it. The change stays.
#[test]
fn nobody_witnesses_without_a_key() {
    let worlds = Worlds::new();
    let all = |role: &str, file: &str| {
        worlds.go(&["delegation", "add", GUN, role, file, "--all-paths", "-p"]);
    };
    all("targets/jeff", "jeff.crt");
    let digest = "0f".repeat(32);
    worlds.go(&[
        "addhash",
        GUN,
        "v1",
        "7",
        "--sha256",
        &digest,
        "-r",
        "targets/jeff",
        "-p",
    ]);
    for world in &worlds.0 {
        let key = format!("private/{}.key", world.key("jeff"));
        std::fs::remove_file(world.owner.trust_dir().join(key)).unwrap();
    }
    let (said, _, code) = worlds.agree(&["witness", GUN, "targets/jeff", "-p"]);
    assert!(
        said.ends_with(
            "\n* fatal: signing keys not available: need 1 keys from 1 possible keys (#)\n"
        ),
        "{said}"
    );
    assert_eq!(code, Some(1));
    for world in &worlds.0 {
        assert_eq!(changes(&world.owner).len(), 1);
    }
}

/// Section 10.17, with the effect of its order: whoever loses the last key of a role cannot sign for those below.
#[test]
fn keys_are_purged_as_go_purges_them() {
    let worlds = Worlds::new();
    for (role, file) in [
        ("targets/a", "jeff.crt"),
        ("targets/b", "jeff.pub"),
        ("targets/b", "ben.pub"),
        ("targets/a/c", "jeff.crt"),
        ("targets/a/c", "ben.crt"),
    ] {
        worlds.go(&["delegation", "add", GUN, role, file, "--all-paths", "-p"]);
    }
    let (said, logged, code) =
        worlds.agree(&["delegation", "purge", GUN, "--key", "KEY:jeff", "-p"]);
    assert!(said.ends_with(&published()), "{said}");
    assert_eq!(code, Some(0));
    assert_eq!(
        logged,
        [
            "level=warning msg=\"role targets/a has fewer keys than its threshold of 1; it will not be usable until keys are added to it\"",
            "level=warning msg=\"role targets/a contains keys being purged but you do not have the necessary keys present to sign it; keys will not be purged from targets/a or its immediate children\""
        ]
    );
    for world in &worlds.0 {
        let delegations = world.signed("targets")["delegations"].clone();
        let ids = |role: usize| delegations["roles"][role]["keyids"].clone();
        assert!(ids(0).is_null());
        assert_eq!(ids(1).as_array().unwrap().len(), 1);
        assert_eq!(delegations["keys"].as_object().unwrap().len(), 1);
    }
    worlds.agree(&["delegation", "purge", GUN, "--key", "KEY:ben", "-p"]);
}

/// Case 15: what either stages the other publishes, against either server, on one trust folder.
#[test]
fn either_publishes_what_the_other_staged() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let world = World::new(server, Tool::OurNotary);
        file::write(&world.owner.path("f"), "f").unwrap();
        let our = |words: &[&str]| world.owner.expect(Tool::OurNotary, words).unwrap();
        let go = |words: &[&str]| world.go(words);
        let jeff = world.key("jeff");
        our(&[
            "delegation",
            "add",
            GUN,
            "targets/releases",
            "jeff.crt",
            "ben.crt",
            "--all-paths",
        ]);
        our(&[
            "delegation",
            "add",
            GUN,
            "targets/jeff",
            "jeff.pub",
            "--paths",
            "a/,b/",
        ]);
        go(&["publish", GUN]);
        go(&["add", GUN, "v1", "f", "-r", "targets/releases"]);
        our(&["publish", GUN]);
        our(&["witness", GUN, "targets/releases", "targets"]);
        go(&["publish", GUN]);
        go(&["witness", GUN, "targets/releases"]);
        go(&[
            "delegation",
            "remove",
            GUN,
            "targets/jeff",
            "--paths",
            "b/,zz",
        ]);
        go(&[
            "delegation",
            "remove",
            GUN,
            "targets/releases",
            &jeff,
            "abc",
        ]);
        our(&["publish", GUN]);
        assert!(changes(&world.owner).is_empty());
        assert_eq!(world.versions(&["targets/releases"]), [3]);
        let roles = world.signed("targets")["delegations"]["roles"].clone();
        assert_eq!(roles[1]["paths"], serde_json::json!(["a/"]));
        assert_eq!(roles[0]["keyids"].as_array().unwrap().len(), 1);
        our(&[
            "delegation",
            "remove",
            GUN,
            "targets/releases",
            "abc",
            &jeff,
        ]);
        our(&["delegation", "remove", GUN, "targets/jeff", "--all-paths"]);
        our(&["delegation", "purge", GUN, "--key", &jeff]);
        go(&["publish", GUN]);
        let roles = world.signed("targets")["delegations"]["roles"].clone();
        assert!(
            roles[1]["keyids"].is_null() && roles[1]["paths"].as_array().is_none_or(Vec::is_empty)
        );
        go(&["delegation", "remove", GUN, "targets/jeff", "-y"]);
        go(&["delegation", "purge", GUN, "--key", "abc"]);
        our(&["publish", GUN]);
        let roles = world.signed("targets")["delegations"]["roles"].clone();
        assert_eq!(roles.as_array().unwrap().len(), 1);
        our(&["delegation", "remove", GUN, "targets/releases", "-y"]);
        go(&["publish", GUN]);
        assert!(go(&["delegation", "list", GUN]).contains("No delegations present"));
    }
}
