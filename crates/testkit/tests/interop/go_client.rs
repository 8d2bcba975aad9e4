//! Go's `notary` command on our server: it must not be able to tell it from Go's server.

use signet_testkit::chaos::Proxy;
use signet_testkit::image::digest;
use signet_testkit::peer::{Storage, TrustServer};
use signet_testkit::user::{Tool, User};

const GUN: &str = "localhost:5000/team/app";

/// What one command did: its line, exit code, both outputs, and the requests it made.
#[derive(Debug, Eq, PartialEq)]
struct Act {
    command: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
    requests: Vec<String>,
}

#[test]
fn init_leaves_root_1_targets_2_snapshot_2_timestamp_1() {
    for server in [
        TrustServer::go().unwrap(),
        TrustServer::ours(Storage::Sqlite).unwrap(),
    ] {
        let user = crate::judge::stranger(&server);
        user.expect(Tool::Notary, &["init", "-p", GUN]).unwrap();
        let versions = ["root", "targets", "snapshot", "timestamp"]
            .map(|role| server.version(GUN, role).unwrap());
        assert_eq!(versions, [1, 2, 2, 1]);
    }
}

#[test]
fn a_life_cycle_is_the_same_on_both_servers() {
    let go = life(&TrustServer::go_plain().unwrap());
    for storage in [Storage::Memory, Storage::Sqlite] {
        let ours = life(&TrustServer::ours_plain(storage).unwrap());
        for (go, ours) in go.iter().zip(&ours) {
            assert_eq!(go, ours);
        }
        assert_eq!(go.len(), ours.len());
    }
    let failed: Vec<_> = go
        .iter()
        .filter(|act| act.code != Some(0))
        .map(|act| act.command.as_str())
        .collect();
    assert_eq!(
        failed,
        [format!("list {GUN}")],
        "only the look at the deleted repository fails"
    );
}

fn life(server: &TrustServer) -> Vec<Act> {
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let user = User::new(&proxy.url(), &server.ca_pem()).unwrap();
    user.ec_key("prime256v1", "releases.key").unwrap();
    user.certificate("releases").unwrap();
    user.openssl(&["genrsa", "-out", "alice.key", "2048"])
        .unwrap();
    user.openssl(&["rsa", "-in", "alice.key", "-pubout", "-out", "alice.pub"])
        .unwrap();
    let hash = &digest(b"hello")["sha256:".len()..];

    let mut acts = Vec::new();
    let masked = |text: &str| {
        mask(
            &text.replace(proxy.url().trim_start_matches("https://"), "SERVER"),
            &user,
        )
    };
    let mut act = |arguments: &[&str], input: &str| {
        let finished = user.run_with_input(Tool::Notary, arguments, input).unwrap();
        acts.push(Act {
            command: arguments.join(" "),
            code: finished.code,
            stdout: masked(&finished.stdout),
            stderr: masked(&finished.stderr),
            requests: proxy.take_log().iter().map(|line| masked(line)).collect(),
        });
    };
    act(&["init", "-p", GUN], "");
    act(&["addhash", GUN, "v1", "5", "--sha256", hash], "");
    act(&["addhash", GUN, "v2", "5", "--sha256", hash], "");
    act(&["status", GUN], "");
    act(&["publish", GUN], "");
    act(&["list", GUN], "");
    act(&["key", "rotate", GUN, "snapshot", "-r"], "");
    act(&["key", "rotate", GUN, "timestamp", "-r"], "");
    act(
        &[
            "delegation",
            "add",
            GUN,
            "targets/releases",
            "releases.crt",
            "--all-paths",
            "-p",
        ],
        "",
    );
    act(
        &[
            "delegation",
            "add",
            GUN,
            "targets/alice",
            "alice.pub",
            "--paths",
            "alice/,shared/",
            "-p",
        ],
        "",
    );
    act(&["key", "import", "releases.key", "--role", "releases"], "");
    act(&["key", "import", "alice.key", "--role", "alice"], "");
    act(
        &[
            "addhash",
            GUN,
            "1.0",
            "5",
            "--sha256",
            hash,
            "-r",
            "targets/releases",
            "-p",
        ],
        "",
    );
    act(
        &[
            "addhash",
            GUN,
            "alice/tool",
            "5",
            "--sha256",
            hash,
            "-r",
            "targets/alice",
            "-p",
        ],
        "",
    );
    act(&["list", GUN], "");
    act(&["lookup", GUN, "1.0"], "");
    act(&["delegation", "list", GUN], "");
    act(&["witness", GUN, "targets/releases", "-p"], "");
    act(&["remove", GUN, "v2", "-p"], "");
    act(&["key", "rotate", GUN, "targets"], "");
    act(&["key", "rotate", GUN, "root"], "y\n");
    act(
        &["delegation", "remove", GUN, "targets/alice", "-y", "-p"],
        "",
    );
    act(&["publish", GUN], "");
    act(&["list", GUN], "");
    act(&["delete", GUN, "--remote"], "");
    act(&["list", GUN], "");
    act(&["init", "-p", GUN], "");
    acts
}

/// Without what differs between two runs: key IDs and hashes, the home, times.
pub(crate) fn mask(text: &str, user: &User) -> String {
    let text = text.replace(&user.home().display().to_string(), "~");
    let mut masked = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, masked: &mut String| {
        let hexadecimal = word.len() >= 7
            && word
                .chars()
                .all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase());
        masked.push_str(if hexadecimal { "#" } else { word });
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut masked);
            masked.push(c);
        }
    }
    flush(&mut word, &mut masked);
    // Log lines carry the seconds since the start; key lists are sorted by ID, which differs.
    let mut lines: Vec<String> = masked
        .lines()
        .map(|line| {
            line.split_once("time=\"").map_or_else(
                || line.to_owned(),
                |(before, after)| {
                    format!(
                        "{before}{}",
                        after.split_once('"').map_or("", |(_, rest)| rest)
                    )
                },
            )
        })
        .collect();
    if text.contains("THRESHOLD") {
        lines.sort();
    }
    lines.join("\n")
}
