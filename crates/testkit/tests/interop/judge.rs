//! What a repository holds, as each client says it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

/// `inspect`'s JSON for one repository, without what may come in any order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Inspected {
    /// Released tags: digest and signers.
    pub(crate) tags: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Signers and their canonical key IDs.
    pub(crate) signers: BTreeMap<String, BTreeSet<String>>,
    /// `Root` and `Repository` with their key IDs.
    pub(crate) administrators: BTreeMap<String, BTreeSet<String>>,
}

/// One line of `notary list`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    pub(crate) role: String,
}

/// One row of `notary delegation list`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Delegated {
    pub(crate) role: String,
    pub(crate) keys: BTreeSet<String>,
    pub(crate) threshold: u64,
}

/// Somebody who has never seen the repository before.
pub(crate) fn stranger(server: &TrustServer) -> User {
    User::new(&server.url(), &server.ca_pem()).unwrap()
}

/// What `docker trust inspect` (or ours) says about `image`.
pub(crate) fn inspect(user: &User, tool: Tool, image: &str) -> Inspected {
    let json: Value =
        serde_json::from_str(&user.expect(tool, &["inspect", image]).unwrap()).unwrap();
    let repository = &json[0];
    assert_eq!(repository["Name"], image);
    let keys = |value: &Value| -> BTreeSet<String> {
        list(&value["Keys"])
            .iter()
            .map(|key| text(&key["ID"]))
            .collect()
    };
    Inspected {
        tags: list(&repository["SignedTags"])
            .iter()
            .map(|tag| {
                (
                    text(&tag["SignedTag"]),
                    (
                        text(&tag["Digest"]),
                        list(&tag["Signers"]).iter().map(text).collect(),
                    ),
                )
            })
            .collect(),
        signers: list(&repository["Signers"])
            .iter()
            .map(|signer| (text(&signer["Name"]), keys(signer)))
            .collect(),
        administrators: list(&repository["AdministrativeKeys"])
            .iter()
            .map(|role| (text(&role["Name"]), keys(role)))
            .collect(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What `notary list` says, optionally of some roles only.
pub(crate) fn list_targets(user: &User, gun: &str, roles: &[&str]) -> Vec<Listed> {
    let mut arguments = vec!["list", gun];
    for role in roles {
        arguments.extend(["-r", role]);
    }
    let output = user.expect(Tool::Notary, &arguments).unwrap();
    let mut lines: Vec<Listed> = output.lines().filter_map(parse_listed).collect();
    lines.sort();
    lines
}

fn parse_listed(line: &str) -> Option<Listed> {
    // Names may hold blanks, so the columns are taken from the right.
    let words: Vec<&str> = line.split_whitespace().collect();
    let [.., digest, size, role] = words.as_slice() else {
        return None;
    };
    let size = size.parse().ok()?;
    let name = line.split(digest).next()?.trim_end().to_owned();
    Some(Listed {
        name,
        digest: (*digest).to_owned(),
        size,
        role: (*role).to_owned(),
    })
}

/// What `notary delegation list` says.
pub(crate) fn list_delegations(user: &User, gun: &str) -> Vec<Delegated> {
    let output = user
        .expect(Tool::Notary, &["delegation", "list", gun])
        .unwrap();
    let mut rows: Vec<Delegated> = Vec::new();
    for line in output.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [role, .., key, threshold] if role.starts_with("targets/") => rows.push(Delegated {
                role: (*role).to_owned(),
                keys: BTreeSet::from([(*key).to_owned()]),
                threshold: threshold.parse().unwrap(),
            }),
            // Further keys of the role above stand alone on a line.
            [key] if key.len() == 64 => {
                rows.last_mut().unwrap().keys.insert((*key).to_owned());
            }
            _ => {}
        }
    }
    rows.sort();
    rows
}

impl Listed {
    /// What is expected for a signed image.
    pub(crate) fn new(tag: &str, image: &signet_testkit::image::Image, role: &str) -> Self {
        Self {
            name: tag.to_owned(),
            digest: image.digest_hex(),
            size: image.size().try_into().unwrap(),
            role: role.to_owned(),
        }
    }
}

/// The IDs of a user's private keys with this role, from the key files themselves.
pub(crate) fn key_ids(user: &User, role: &str) -> BTreeSet<String> {
    let Ok(files) = std::fs::read_dir(user.trust_dir().join("private")) else {
        return BTreeSet::new();
    };
    files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            std::fs::read_to_string(path)
                .unwrap()
                .lines()
                .any(|line| line == format!("role: {role}"))
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}
