//! A server and a signer on databases, an owner of repositories, and a reader who remembers all that was ever seen.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use signet_testkit::peer::{Make, Signer, SignerOptions, TrustOptions, TrustServer};
use signet_testkit::process::{self, COMMAND_LIMIT, START_LIMIT};
use signet_testkit::program;
use signet_testkit::user::{Tool, User};

use super::repository::Repository;
use super::tables::Tables;
use crate::judge::stranger;

/// Is deleted and published again in turn.
const GONE: &str = "example.com/gone";
/// Has new keys at every step.
const ROTATED: &str = "example.com/rotated";
const FEED: &str = "/v2/_trust/changefeed?records=1000";

pub(crate) struct World {
    pub(crate) server: TrustServer,
    pub(crate) signer: Signer,
    pub(crate) owner: User,
    pub(crate) reader: User,
    pub(crate) repositories: Vec<Repository>,
    makes: (Make, Make),
}

impl World {
    /// Go's programs, and what Go's client does with them.
    pub(crate) fn populated(documents: &impl Tables, keys: &impl Tables) -> Self {
        let signer = Signer::go_with(&SignerOptions::default().database(keys)).unwrap();
        let options = TrustOptions::default().database(documents).signer(&signer);
        let server = TrustServer::go_with(&options).unwrap();
        let (owner, reader) = (stranger(&server), stranger(&server));
        let mut repositories = vec![
            Repository::new("example.com/plain"),
            Repository::new("example.com/Team/App").by_ours(),
            Repository::new("example.com/delegated")
                .signed_by(&["targets/releases", "targets/alice"]),
            Repository::new("example.com/dismissed"),
            Repository::new(ROTATED),
        ];
        let go = |words: &[&str]| owner.expect(Tool::Notary, words).unwrap();
        owner
            .become_signer(Tool::Docker, "alice", "example.com/delegated")
            .unwrap();
        for gun in ["example.com/plain", "example.com/Team/App", ROTATED, GONE] {
            go(&["init", gun, "-p"]);
        }
        for role in ["snapshot", "timestamp"] {
            go(&["key", "rotate", ROTATED, role, "-r"]);
        }
        let (gun, release) = ("example.com/dismissed", "targets/releases");
        go(&["init", gun, "-p"]);
        owner.ec_key("prime256v1", "bob.key").unwrap();
        owner.certificate("bob").unwrap();
        go(&[
            "delegation",
            "add",
            gun,
            release,
            "bob.crt",
            "--all-paths",
            "-p",
        ]);
        go(&["delegation", "remove", gun, release, "--yes", "-p"]);
        go(&["delete", GONE, "--remote"]);
        for repository in &mut repositories {
            for name in ["v1", "v2"] {
                repository.publish(&owner, name);
            }
            repository.is_listed(&reader, repository.gun);
        }
        Self {
            server,
            signer,
            owner,
            reader,
            repositories,
            makes: (Make::Go, Make::Go),
        }
    }

    /// What the server gives out of all repositories: every current file, and the history of changes.
    pub(crate) fn seen(&self) -> BTreeMap<String, String> {
        let client = self.server.client().unwrap();
        let mut paths = vec![FEED.to_owned()];
        for repository in &self.repositories {
            for role in ["root", "targets", "targets/alice", "snapshot", "timestamp"] {
                paths.push(format!("/v2/{}/_trust/tuf/{role}.json", repository.gun));
            }
        }
        let mut seen = BTreeMap::new();
        for path in paths {
            let answer = client.get(&path).unwrap();
            // Of a delegation that is not there, Go's server says that something is wrong.
            if answer.status == 200 {
                let mut text = answer.text().trim_end().to_owned();
                // On PostgreSQL it fills the checksum that a deletion does not have with blanks.
                if self.makes.0 == Make::Go {
                    text = text.replace(&" ".repeat(64), "");
                }
                seen.insert(path, text);
            }
        }
        seen
    }

    /// Replaces the programs that are not of this make, on the same databases and configurations.
    pub(crate) fn change_to(&mut self, server: Make, signer: Make) {
        if server != self.makes.0 {
            self.server.change_to(server).unwrap();
        }
        if signer != self.makes.1 {
            self.signer.change_to(signer).unwrap();
            if server == Make::Go {
                wait_for_go(&self.server);
            }
        }
        self.makes = (server, signer);
    }

    /// Gives a repository new keys: of the server, and of the owner.
    pub(crate) fn rotate(&mut self, step: usize) {
        let words: &[&str] = match step % 3 {
            0 => &["key", "rotate", ROTATED, "timestamp", "-r"],
            1 => &["key", "rotate", ROTATED, "snapshot", "-r"],
            _ => &["key", "rotate", ROTATED, "targets"],
        };
        self.owner.expect(Tool::Notary, words).unwrap();
        for repository in self.repositories.iter_mut().filter(|r| r.gun == ROTATED) {
            repository.publish(&self.owner, &format!("rotated{step}"));
            repository.is_listed(&self.reader, ROTATED);
        }
    }

    /// Publishes the repository that is gone, or deletes it again.
    pub(crate) fn delete_or_publish_again(&mut self, step: usize) {
        let reader = stranger(&self.server);
        let absent = || {
            let listed = reader.run(Tool::Notary, &["list", GONE]).unwrap();
            assert_eq!(listed.code, Some(1), "{listed}");
            assert!(
                listed.to_string().contains("does not have trust data"),
                "{listed}"
            );
        };
        let mut gone = Repository::new(GONE);
        if step.is_multiple_of(2) {
            absent();
            self.owner
                .expect(Tool::Notary, &["init", GONE, "-p"])
                .unwrap();
            gone.publish(&self.owner, "again");
            gone.is_listed(&reader, GONE);
        } else {
            let words = ["delete", GONE, "--remote"];
            self.owner.expect(Tool::Notary, &words).unwrap();
            absent();
        }
    }

    /// Has our program check every signature and hash in the database, beside the running server.
    pub(crate) fn check(&self) {
        let mut command = Command::new(program::ours("notary-server").unwrap());
        command
            .args(["check", "-config"])
            .arg(self.server.folder().join("server.json"));
        let finished = process::run(&mut command, "", COMMAND_LIMIT).unwrap();
        finished.success().unwrap();
    }
}

/// Go's server refuses everything for a while after its connection to the signer was lost.
pub(crate) fn wait_for_go(server: &TrustServer) {
    let client = server.client().unwrap();
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let path = "/v2/example.com/unused/_trust/tuf/timestamp.key";
        let answer = client.get(path).unwrap();
        if answer.status == 200 {
            return;
        }
        assert!(Instant::now() < deadline, "{}", answer.text());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Every version of every role is there once, and no change is missing or told twice.
pub(crate) fn assert_history(documents: &impl Tables) {
    let mut versions = BTreeMap::<String, Vec<u64>>::new();
    let rows = documents.ask(
        "SELECT CONCAT(gun, ' ', role, ' ', version) FROM tuf_files ORDER BY gun, role, version",
    );
    for row in &rows {
        let (role, version) = row.rsplit_once(' ').unwrap();
        let version = version.parse().unwrap();
        versions.entry(role.to_owned()).or_default().push(version);
    }
    for (role, versions) in &versions {
        // Go's client begins its targets and snapshots with 2.
        let first = versions[0];
        let expected: Vec<u64> = (first..first + versions.len() as u64).collect();
        assert!(first <= 2, "{role} begins with {first}");
        assert_eq!(*versions, expected, "{role}");
    }
    let mut last = BTreeMap::<String, u64>::new();
    for row in
        documents.ask("SELECT CONCAT(gun, ' ', category, ' ', version) FROM changefeed ORDER BY id")
    {
        let words: Vec<&str> = row.split(' ').collect();
        let [gun, category, version] = words[..] else {
            panic!("{row}");
        };
        let version: u64 = version.parse().unwrap();
        match category {
            "deletion" => drop(last.remove(gun)),
            _ => assert_eq!(
                last.insert(gun.to_owned(), version).unwrap_or(0) + 1,
                version,
                "{row}"
            ),
        }
    }
    for (gun, version) in &last {
        let stored = &versions[&format!("{gun} timestamp")];
        assert_eq!(stored.len() as u64, *version, "{gun}");
        assert_eq!(stored[0], 1, "{gun}");
    }
}
