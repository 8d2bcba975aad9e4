//! A population, somebody who archives it, and what `tar` finds in the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use signet_testkit::file;
use signet_testkit::fleet::{Fleet, Member, Standing};
use signet_testkit::process::{self, COMMAND_LIMIT, Finished};
use signet_testkit::user::{Tool, User};

/// A population and an archivist with a list of it.
pub(crate) struct Archived {
    pub(crate) fleet: Fleet,
    pub(crate) user: User,
}

impl Archived {
    /// Every moment that the archivist writes down is the one of now: two archives of the same content are the same bytes only then.
    pub(crate) fn new(fleet: Fleet) -> Self {
        let mut user = fleet.stranger().unwrap();
        let now = fleet.ready().unix_timestamp();
        user.set("SOURCE_DATE_EPOCH", &now.to_string());
        file::write(&user.path("list"), fleet.list()).unwrap();
        Self { fleet, user }
    }

    /// `archive create` of all of it.
    pub(crate) fn create(&self, output: &str, more: &[&str]) -> Command {
        let words = ["archive", "create", "--from-file", "list", "-o", output];
        self.user
            .command(Tool::OurNotary, &[&words[..], more].concat())
            .unwrap()
    }

    /// The same, to its end.
    pub(crate) fn created(&self, output: &str, more: &[&str]) -> PathBuf {
        run(&mut self.create(output, more)).success().unwrap();
        self.user.path(output)
    }

    /// `archive verify` on a machine without any network.
    pub(crate) fn verified(&self, file: &str) -> Finished {
        let inner = self
            .user
            .command(Tool::OurNotary, &["archive", "verify", file])
            .unwrap();
        let mut command = Command::new("unshare");
        command.arg("-n").arg(inner.get_program());
        command.args(inner.get_args());
        self.user.dress(&mut command);
        run(&mut command)
    }

    /// Index lines and records as `tar` unpacks them, by repository.
    pub(crate) fn unpacked(&self, file: &str) -> BTreeMap<String, (Value, Value)> {
        let folder = format!("{file}.unpacked");
        std::fs::create_dir(self.user.path(&folder)).unwrap();
        let mut command = Command::new("tar");
        command.args(["-xzf", file, "-C", &folder]);
        self.user.dress(&mut command);
        let finished = run(&mut command);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
        let read = |path: String| std::fs::read_to_string(self.user.path(&path)).unwrap();
        read(format!("{folder}/index.jsonl"))
            .lines()
            .map(|line| {
                let entry: Value = serde_json::from_str(line).unwrap();
                let gun = entry["gun"].as_str().unwrap().to_owned();
                let name = signet_testkit::image::digest(gun.as_bytes());
                let name = name.trim_start_matches("sha256:");
                let record = read(format!("{folder}/guns/{name}/record.json"));
                (gun, (entry, serde_json::from_str(&record).unwrap()))
            })
            .collect()
    }
}

pub(crate) fn run(command: &mut Command) -> Finished {
    process::run(command, "", COMMAND_LIMIT).unwrap()
}

/// Checks a verdict against how the repository was made.
pub(crate) fn check_verdict(member: &Member, record: &Value) {
    let verdict = &record["verdict"];
    let gun = &member.gun;
    let state = match &member.standing {
        Standing::Sound => "trusted",
        Standing::Expired { .. } => "expired",
        Standing::Broken { .. } => "degraded",
    };
    assert_eq!(verdict["state"], state, "{gun}: {verdict}");
    let unusable: Vec<&str> = verdict["unusable"]
        .as_array()
        .map(|list| list.iter().filter_map(|one| one["role"].as_str()).collect())
        .unwrap_or_default();
    match &member.standing {
        Standing::Sound => assert_eq!(unusable, [""; 0], "{gun}"),
        Standing::Broken { role } => assert_eq!(unusable, [role.as_str()], "{gun}"),
        Standing::Expired { role, at } => {
            assert_eq!(verdict["role"], role.as_str(), "{gun}: {verdict}");
            // To the second, in which the record counts.
            let until = verdict["valid_until"].as_str().unwrap();
            assert_eq!(until.get(..19), at.get(..19), "{gun}");
        }
    }
    if member.standing == Standing::Sound || unusable.len() == 1 {
        assert_eq!(verdict["tags"], member.listed().len(), "{gun}");
    }
    let roots = &verdict["roots"];
    assert_eq!(roots["first"], 1, "{gun}: {verdict}");
    assert_eq!(roots["last"], member.versions["root"], "{gun}: {verdict}");
    // Every root of the chain, and the current document of each role.
    let documents = record["documents"].as_array().unwrap();
    let versions = |role: &str| -> Vec<u64> {
        let same = documents.iter().filter(|one| one["role"] == role);
        same.filter_map(|one| one["version"].as_u64()).collect()
    };
    let chain: Vec<u64> = (1..=member.versions["root"]).collect();
    assert_eq!(versions("root"), chain, "{gun}");
    for (role, version) in &member.versions {
        assert!(versions(role).contains(version), "{gun} {role}");
    }
    assert!(versions("timestamp").contains(&member.uploads), "{gun}");
}
