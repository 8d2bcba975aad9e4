//! The same command lines with Go's `notary` and ours, on Go's server and ours, each program alone and both in turn on one trust folder.
//!
//! What must be said, with which exit code, and which versions the server must have afterwards, is what Go's program did on Go's server in the
//! same run of the tests.

mod lines;

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use serde_json::Value;
use signet_testkit::file;
use signet_testkit::image::Image;
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::user::{Tool, User};

use crate::judge::inspect;
use lines::{LINES, Line};

const GUN: &str = "example.com/app";
const BOTH: [Tool; 2] = [Tool::Notary, Tool::OurNotary];

#[test]
fn go_on_our_server() {
    compare(our_server(), |_| Tool::Notary);
}

#[test]
fn ours_on_the_go_server() {
    compare(go_server(), |_| Tool::OurNotary);
}

#[test]
fn ours_on_our_server() {
    compare(our_server(), |_| Tool::OurNotary);
}

#[test]
fn go_and_ours_in_turn_on_the_go_server() {
    compare(go_server(), |turn| BOTH[turn % 2]);
}

#[test]
fn ours_and_go_in_turn_on_the_go_server() {
    compare(go_server(), |turn| BOTH[(turn + 1) % 2]);
}

#[test]
fn go_and_ours_in_turn_on_our_server() {
    compare(our_server(), |turn| BOTH[turn % 2]);
}

#[test]
fn ours_and_go_in_turn_on_our_server() {
    compare(our_server(), |turn| BOTH[(turn + 1) % 2]);
}

fn go_server() -> TrustServer {
    TrustServer::go().unwrap()
}

fn our_server() -> TrustServer {
    TrustServer::ours(Storage::Sqlite).unwrap()
}

/// What a command did, without what differs from run to run.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Done {
    stdout: String,
    code: Option<i32>,
    /// Version and keys of every role at the server; nothing when it does not know the repository.
    published: Vec<String>,
    /// Roles that the snapshot names although nobody delegates to them: what was below a role that is gone.
    unreachable: Vec<String>,
}

/// Goes through all lines with `who` in each turn, and compares every one with Go's program on Go's server.
fn compare(server: TrustServer, who: impl Fn(usize) -> Tool) {
    static GO: OnceLock<Vec<Done>> = OnceLock::new();
    let go = GO.get_or_init(|| {
        let world = World::new(go_server());
        LINES
            .iter()
            .map(|line| world.run(line, Tool::Notary))
            .collect()
    });
    let world = World::new(server);
    let is_ours_alone = (0..LINES.len()).all(|turn| who(turn) == Tool::OurNotary);
    for (turn, (line, go)) in LINES.iter().zip(go).enumerate() {
        assert_eq!(go.code, Some(line.code), "{}: {}", line.words, go.stdout);
        let tool = who(turn);
        let done = world.run(line, tool);
        let what = format!("`{}` by {tool:?}, line {turn}", line.words);
        assert_eq!((&done.stdout, done.code), (&go.stdout, go.code), "{what}");
        for (ours, gos) in done.published.iter().zip(&go.published) {
            assert_eq!(ours, gos, "{what}");
        }
        assert_eq!(done.published.len(), go.published.len(), "{what}");
        if is_ours_alone {
            assert_eq!(done.unreachable, [""; 0], "{what}");
        }
    }
}

/// A server and somebody with the keys of two signers, a root key and files to sign.
struct World {
    server: TrustServer,
    owner: User,
}

impl World {
    fn new(server: TrustServer) -> Self {
        let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
        for (name, text) in files() {
            file::write(&owner.path(name), text).unwrap();
        }
        Self { server, owner }
    }

    fn run(&self, line: &Line, tool: Tool) -> Done {
        let words: Vec<String> = line
            .words
            .split(' ')
            .map(|word| match word.strip_prefix("KEY:") {
                Some(role) => key_id(&self.owner, role),
                None if word == "G" => GUN.to_owned(),
                None => word.to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let done = self.owner.run_with_input(tool, &words, line.input).unwrap();
        let (published, unreachable) = self.published();
        Done {
            stdout: self.steady(&done.stdout),
            code: done.code,
            published,
            unreachable,
        }
    }

    /// Without the server's port, the home folder and the digits of key IDs that are made anew in every run.
    fn steady(&self, said: &str) -> String {
        let home = self.owner.home().file_name().unwrap().to_str().unwrap();
        let port = format!("localhost:{}", self.server.address().port());
        let mut text = said.replace(home, "HOME").replace(&port, "SERVER");
        for (id, name) in keys(&self.owner) {
            text = text.replace(&id, &format!("<{name}>"));
        }
        text
    }

    fn published(&self) -> (Vec<String>, Vec<String>) {
        let signed = |role: &str| -> Option<Value> {
            let bytes = self
                .server
                .metadata(GUN, &format!("{role}.json"))
                .unwrap()?;
            let mut document: Value = serde_json::from_slice(&bytes).unwrap();
            Some(document["signed"].take())
        };
        let Some(root) = signed("root") else {
            return <(Vec<String>, Vec<String>)>::default();
        };
        let mut roles: Vec<String> = root["roles"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(role, of)| format!("{role}: {} keys", of["keyids"].as_array().unwrap().len()))
            .collect();
        let snapshot = signed("snapshot").unwrap();
        let named = snapshot["meta"].as_object().unwrap();
        let is_reachable = |role: &str| match role.rsplit_once('/') {
            Some((above, _)) => named.contains_key(above),
            None => true,
        };
        let (named, unreachable): (Vec<&str>, Vec<&str>) = named
            .keys()
            .map(String::as_str)
            .partition(|role| is_reachable(role));
        for role in named.into_iter().chain(["snapshot", "timestamp"]) {
            let signed = signed(role).unwrap();
            let mut listed = signed["targets"].clone();
            if let Some(delegations) = signed.get("delegations") {
                listed = serde_json::json!([listed, delegations]);
            }
            roles.push(format!("{role}: {} {listed}", signed["version"]));
        }
        (roles, unreachable.into_iter().map(str::to_owned).collect())
    }
}

/// The IDs of the keys in the user's trust folder that were made there, and what they are for.
fn keys(user: &User) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(user.trust_dir().join("private"))
        .into_iter()
        .flatten()
    {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let role = text.lines().find_map(|line| line.strip_prefix("role: "));
        let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
        found.insert(id, role.unwrap_or_default().to_owned());
    }
    found
}

/// The ID of the only key of a role.
fn key_id(user: &User, role: &str) -> String {
    let all = keys(user);
    let mut of_role = all.iter().filter(|(_, of)| *of == role);
    let id = of_role.next().unwrap().0.clone();
    assert!(of_role.next().is_none(), "{role}");
    id
}

/// Files that are the same for everybody: keys of signers and their certificates, keys to rotate to, and content.
fn files() -> &'static [(&'static str, String)] {
    static FILES: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let maker = User::new("https://localhost:1", "").unwrap();
        for name in ["jeff", "ben", "next", "root"] {
            maker.ec_key("prime256v1", &format!("{name}.key")).unwrap();
        }
        maker.certificate("jeff").unwrap();
        maker
            .openssl(&["ec", "-in", "ben.key", "-pubout", "-out", "ben.pub"])
            .unwrap();
        let password = format!("pass:{}", User::ROOT_PASSPHRASE);
        let encrypt = "pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA1 -in root.key -out root.pem";
        let encrypt: Vec<&str> = encrypt.split(' ').chain(["-passout", &password]).collect();
        maker.openssl(&encrypt).unwrap();
        let names = [
            "jeff.key", "ben.key", "next.key", "root.pem", "jeff.crt", "ben.pub",
        ];
        let read = |name| (name, fs::read_to_string(maker.path(name)).unwrap());
        let mut files: Vec<(&str, String)> = names.into_iter().map(read).collect();
        files.push(("f", "hello world\n".to_owned()));
        files.push(("other", "bye\n".to_owned()));
        files.push(("custom.json", "{\"a\": [1, null]}\n".to_owned()));
        files
    })
}

/// Case 90: Go's `notary` and the docker client go on with a trust folder that ours made, on either server.
#[test]
fn a_folder_of_ours_is_used_by_go_and_docker() {
    for server in [go_server(), our_server()] {
        let gun = "localhost:5000/team/app";
        let world = World::new(server);
        let owner = &world.owner;
        let line = |tool, words: &str, input: &str| {
            let words = words.replace('G', gun);
            let words: Vec<&str> = words.split(' ').collect();
            let done = owner.run_with_input(tool, &words, input).unwrap();
            done.success().unwrap()
        };
        let (go, our, docker) = (Tool::Notary, Tool::OurNotary, Tool::Docker);
        // Made by ours, to the last file.
        line(our, "init G -p", "");
        line(our, "key import jeff.key --role jeff", "");
        line(our, "key import ben.key --role ben", "");
        for role in ["releases", "jeff"] {
            let add = format!("delegation add G targets/{role} jeff.crt --all-paths");
            line(our, &add, "");
        }
        line(our, "publish G", "");
        line(our, "add G first f -r targets/releases -p", "");
        line(our, "add G staged f -r targets/releases", "");
        assert_eq!(line(go, "key list", ""), line(our, "key list", ""));

        // Go: list, publish, rotate.
        assert!(line(go, "list G", "").contains("\nfirst    "));
        line(go, "publish G", "");
        assert!(line(go, "list G", "").contains("\nstaged    "));
        for role in ["targets", "snapshot", "root"] {
            line(go, &format!("key rotate G {role}"), "yes\n");
        }
        line(our, "remove G staged -r targets/releases -p", "");

        // docker: inspect, a signer more, a signature, and its way of taking the snapshot key to the server.
        let image = Image::single("content");
        let (size, digest) = (image.size(), image.digest_hex());
        let add = format!("addhash G v1 {size} --sha256 {digest} -r targets/releases -p");
        line(our, &add, "");
        let seen = inspect(owner, docker, gun);
        assert!(seen.tags.contains_key("first") && !seen.tags.contains_key("staged"));
        assert!(seen.signers.contains_key("jeff"));
        line(docker, "signer add --key ben.pub ben G", "");
        line(docker, "sign G:v1", "");
        let signers = &inspect(owner, docker, gun).tags["v1"].1;
        assert_eq!(signers.len(), 2, "{signers:?}");
        line(docker, "signer remove --force ben G", "");
        line(docker, "revoke G:first", "");

        // And ours goes on.
        line(our, "key rotate G snapshot -r", "");
        line(docker, "revoke G:v1", "");
        let listed = line(our, "list G", "");
        assert_eq!(listed, "\nNo targets present in this repository.\n\n");
    }
}
