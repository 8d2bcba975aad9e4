//! Names for completion: repositories, tags and signers that the trust folder has seen.
//!
//! Nothing here is trusted or asks a server: the cached documents are read for their names, without looking at a signature, and what is
//! offered is looked up properly once the command runs. Anything that cannot be read is as if it were not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use signet_oci::{Reference, Tag};

use crate::cobra::complete::Known;
use crate::known::{Folders, MOST_NAMES, is_plain};

/// How large a document may be.
const MOST_BYTES: u64 = 8 << 20;
/// The delegation whose entries are released.
const RELEASES: &str = "targets/releases";

/// The repositories of one trust folder.
pub(super) struct TrustFolder(Folders);

impl TrustFolder {
    /// The repositories of the trust folder `trust_dir`, if there is one. Touches no disk.
    pub(super) fn new(trust_dir: Option<&Path>) -> Self {
        Self(Folders::below(trust_dir.map(|folder| folder.join("tuf"))))
    }

    /// Every repository, with its folder.
    fn all(&self) -> Vec<(Reference, PathBuf)> {
        let found = self.0.repositories().into_iter();
        found
            .filter_map(|(name, folder)| Some((repository(&name)?, folder)))
            .collect()
    }

    /// The repositories that begin like this, as the person began to write them.
    fn beginning(&self, prefix: &str) -> Vec<(String, PathBuf)> {
        let mut found: Vec<_> = self
            .all()
            .into_iter()
            .filter_map(|(repository, folder)| {
                [repository.familiar_name(), repository.gun()]
                    .into_iter()
                    .find(|name| name.starts_with(prefix))
                    .map(|name| (name, folder))
            })
            .collect();
        found.sort();
        found.truncate(MOST_NAMES);
        found
    }

    fn document(&self, folder: &Path, role: &str) -> Option<Signed> {
        if self.0.is_late() {
            return None;
        }
        let path = folder.join("metadata").join(format!("{role}.json"));
        // Opening a pipe would wait for somebody to write into it.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        File::open(path)
            .ok()?
            .take(MOST_BYTES)
            .read_to_end(&mut text)
            .ok()?;
        serde_json::from_slice::<Document>(&text)
            .ok()
            .map(|document| document.signed)
    }

    fn signers_of(&self, folder: &Path) -> Vec<String> {
        let roles = self
            .document(folder, "targets")
            .map(|signed| signed.delegations.roles);
        roles
            .unwrap_or_default()
            .into_iter()
            .filter(|role| role.name != RELEASES)
            .filter_map(|role| role.name.strip_prefix("targets/").map(str::to_owned))
            .filter(|name| is_plain(name))
            .collect()
    }
}

impl Known for TrustFolder {
    fn repositories(&self, prefix: &str) -> Vec<String> {
        self.beginning(prefix)
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    fn repositories_of(&self, signer: &str, prefix: &str) -> Vec<String> {
        self.beginning(prefix)
            .into_iter()
            .filter(|(_, folder)| self.signers_of(folder).iter().any(|name| name == signer))
            .map(|(name, _)| name)
            .collect()
    }

    fn images(&self, prefix: &str) -> Vec<String> {
        let colon = prefix
            .rfind(':')
            .filter(|colon| prefix.rfind('/').is_none_or(|slash| slash < *colon));
        let repositories = match colon.and_then(|colon| prefix.get(..colon)) {
            Some(name) => self
                .beginning(name)
                .into_iter()
                .filter(|(known, _)| known == name)
                .collect(),
            None => self.beginning(prefix),
        };
        let mut images = Vec::new();
        for (name, folder) in repositories {
            let tags: BTreeSet<String> = [RELEASES, "targets"]
                .iter()
                .filter_map(|role| self.document(&folder, role))
                .flat_map(|signed| signed.targets.into_keys())
                .filter(|tag| tag.parse::<Tag>().is_ok())
                .collect();
            let fitting = tags.into_iter().map(|tag| format!("{name}:{tag}"));
            images.extend(fitting.filter(|image| image.starts_with(prefix)));
        }
        images.truncate(MOST_NAMES);
        images
    }

    fn signers(&self, prefix: &str) -> Vec<String> {
        let signers: BTreeSet<String> = self
            .all()
            .into_iter()
            .flat_map(|(_, folder)| self.signers_of(&folder))
            .filter(|name| name.starts_with(prefix))
            .collect();
        signers.into_iter().take(MOST_NAMES).collect()
    }
}

/// The repository of that name, if docker calls one so.
fn repository(name: &str) -> Option<Reference> {
    let reference: Reference = name.parse().ok()?;
    (reference.gun() == name).then_some(reference)
}

#[derive(Deserialize)]
struct Document {
    signed: Signed,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(default)]
    targets: BTreeMap<String, IgnoredAny>,
    #[serde(default)]
    delegations: Delegations,
}

#[derive(Default, Deserialize)]
struct Delegations {
    #[serde(default)]
    roles: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join("tuf").join(path);
            signet_testkit::file::write(&path, text).unwrap();
        }
        folder
    }

    const TARGETS: &str = r#"{"signed":{"targets":{"old":{}},"delegations":{"keys":{},"roles":[
        {"name":"targets/ann"},{"name":"targets/releases"},{"name":"targets/$(id)"}]}}}"#;

    #[test]
    fn names_come_from_the_cached_documents() {
        let folder = folder(&[
            ("localhost:5000/team/app/metadata/root.json", "{}"),
            ("localhost:5000/team/app/metadata/targets.json", TARGETS),
            (
                "localhost:5000/team/app/metadata/targets/releases.json",
                r#"{"signed":{"targets":{"1.0":{},"1.1":{},"$(reboot)":{},"a b":{}}}}"#,
            ),
            ("docker.io/library/alpine/metadata/root.json", "{}"),
            ("docker.io/library/alpine/metadata/targets.json", "junk"),
            ("localhost:5000/never/metadata/targets.json", TARGETS),
            ("localhost:5000/UP per/metadata/root.json", "{}"),
        ]);
        let known = TrustFolder::new(Some(folder.path()));
        assert_eq!(
            known.repositories(""),
            ["alpine", "localhost:5000/team/app"]
        );
        assert_eq!(
            known.repositories("docker.io/l"),
            ["docker.io/library/alpine"]
        );
        assert_eq!(known.repositories("x").len(), 0);
        let app = "localhost:5000/team/app";
        let tags = ["1.0", "1.1", "old"].map(|tag| format!("{app}:{tag}"));
        assert_eq!(known.images("localhost"), tags);
        assert_eq!(known.images(&format!("{app}:")), tags);
        assert_eq!(known.images(&format!("{app}:1.")), tags[..2]);
        assert_eq!(known.images("localhost:").len(), 0);
        assert_eq!(known.signers(""), ["ann"]);
        assert_eq!(known.repositories_of("ann", ""), [app]);
        assert_eq!(known.repositories_of("ben", "").len(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_as_if_it_were_not_there() {
        assert!(TrustFolder::new(None).repositories("").is_empty());
        let folder = folder(&[("localhost:5000/app/metadata/root.json", "{}")]);
        let metadata = folder.path().join("tuf/localhost:5000/app/metadata");
        // A pipe that nobody writes into, and a folder that leads back to its parent.
        let made = std::process::Command::new("mkfifo")
            .arg(metadata.join("targets.json"))
            .status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink(folder.path().join("tuf"), metadata.join("up")).unwrap();
        let known = TrustFolder::new(Some(folder.path()));
        assert_eq!(known.images("").len(), 0);
        assert_eq!(known.repositories(""), ["localhost:5000/app"]);
    }
}
