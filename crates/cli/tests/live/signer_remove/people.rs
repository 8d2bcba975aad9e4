//! Signers of a scene, and what Go's clients say of them.

use std::collections::BTreeSet;
use std::fs;

use signet_testkit::process::Finished;
use signet_testkit::user::{Tool, User};

use crate::scene::{Scene, keys_of};

impl Scene {
    /// With these signers, whose keys the user has.
    pub(super) fn with_signers(names: &[&str]) -> Self {
        Self::new().and_signers(names)
    }

    pub(super) fn and_signers(self, names: &[&str]) -> Self {
        for name in names {
            self.generate(name);
            self.add(name, &self.gun).success().unwrap();
        }
        self
    }

    /// Signs a tag with the keys of these signers only, as the person does who has no others.
    pub(super) fn sign_as(&self, names: &[&str], tag: &str) -> Finished {
        let person = self.person(names);
        person
            .run(Tool::DockerTrust, &["sign", "--remote", &self.tagged(tag)])
            .unwrap()
    }

    /// Somebody who has the keys of these signers.
    pub(super) fn person(&self, names: &[&str]) -> User {
        let person = self.stranger();
        let private = person.trust_dir().join("private");
        fs::create_dir_all(&private).unwrap();
        for name in names {
            for key in keys_of(&self.user, name) {
                fs::copy(&key, private.join(key.file_name().unwrap())).unwrap();
            }
        }
        person
    }

    /// The same person as the user, but without the keys of these signers.
    pub(super) fn forget(&self, names: &[&str]) {
        for name in names {
            for key in keys_of(&self.user, name) {
                fs::remove_file(key).unwrap();
            }
        }
    }

    pub(super) fn remove(&self, words: &[&str], input: &str) -> Finished {
        let words: Vec<&str> = ["signer", "remove"].iter().chain(words).copied().collect();
        self.user
            .run_with_input(Tool::DockerTrust, &words, input)
            .unwrap()
    }

    /// The signers that docker shows.
    pub(super) fn signers(&self) -> BTreeSet<String> {
        let text = self
            .stranger()
            .expect(Tool::Docker, &["inspect", &self.gun])
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let signers = json[0]["Signers"].as_array().unwrap();
        signers
            .iter()
            .map(|signer| signer["Name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The tags that docker shows as released, with their digests.
    pub(super) fn released(&self) -> BTreeSet<String> {
        let text = self
            .stranger()
            .expect(Tool::Docker, &["inspect", &self.gun])
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let tags = json[0]["SignedTags"].as_array().unwrap();
        tags.iter()
            .map(|row| {
                format!(
                    "{} {}",
                    row["SignedTag"].as_str().unwrap(),
                    row["Digest"].as_str().unwrap()
                )
            })
            .collect()
    }

    /// How many keys Go's client lists for `targets/releases`.
    pub(super) fn releasers(&self) -> usize {
        let text = self
            .stranger()
            .expect(Tool::Notary, &["delegation", "list", &self.gun])
            .unwrap();
        let ids = |line: &str| {
            line.split_whitespace()
                .filter(|word| word.len() == 64)
                .count()
        };
        // The further keys of a role stand in lines of their own.
        let mut count = 0;
        let mut within = false;
        for line in text.lines() {
            match line.split_whitespace().next() {
                Some(word) if word.starts_with("targets/") => within = word == "targets/releases",
                _ => {}
            }
            if within {
                count += ids(line);
            }
        }
        count
    }
}

pub(super) fn set(rows: &[String]) -> BTreeSet<String> {
    rows.iter().cloned().collect()
}
