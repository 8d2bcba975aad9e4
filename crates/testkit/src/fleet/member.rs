//! What is known of one repository of a population.

use std::collections::{BTreeMap, BTreeSet};

/// In which way a repository differs from the others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Names in `targets`, the snapshot signed by the server, as docker begins a repository.
    Plain,
    /// Names in `targets`, the snapshot signed by the owner, as notary begins a repository.
    OwnSnapshot,
    /// `targets/releases` and signers, one of whom has an RSA key and one of whom never signed.
    Signers,
    /// Delegations of delegations, three deep, with paths.
    Nested,
    /// Two to four versions of root, each with another root key.
    RotatedRoot,
    /// Root names the second keys of the server for timestamp and snapshot.
    RotatedServerKeys,
    /// A signer was removed after having signed.
    RemovedSigner,
    /// `targets/releases` and a signer, with many names.
    ManyTags,
    /// A name of a repository that needs care.
    OddName,
    /// The validity of `targets` is over. Once in a population.
    Expired,
    /// A signer's key was replaced, and what the signer had published was not signed anew. Once in a population.
    Broken,
}

/// What a reader may expect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Every rule holds.
    Sound,
    /// The validity of this base role is over.
    Expired {
        /// The role.
        role: String,
        /// The end of its validity, RFC 3339.
        at: String,
    },
    /// This delegation is not signed by its keys; everything else holds.
    Broken {
        /// The role.
        role: String,
    },
}

/// What a name means.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Signed {
    /// SHA-256 of the content, hex.
    pub sha256: String,
    /// Its length in bytes.
    pub length: u64,
}

/// A repository of a population.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub gun: String,
    /// In which way it differs.
    pub kind: Kind,
    /// What a reader may expect.
    pub standing: Standing,
    /// What each readable role signs, in the order in which clients look: `targets`, then delegations, parents first. A delegation that
    /// never signed, was removed or is broken is not here.
    pub roles: Vec<(String, BTreeMap<String, Signed>)>,
    /// IDs of the keys of every delegation of now, whether it has signed or not.
    pub delegations: BTreeMap<String, BTreeSet<String>>,
    /// Versions of root, `targets` and the delegations of now that have a document, also a broken one.
    pub versions: BTreeMap<String, u64>,
    /// How often something was published; as many timestamps are there.
    pub uploads: u64,
    /// ID of the private root key of now.
    pub root_key: String,
    /// IDs of the root certificates, the first one first.
    pub root_certificates: Vec<String>,
    /// ID of the key of `targets`.
    pub targets_key: String,
}

impl Member {
    /// What `notary list` gives: each name once, with the first role that signs it.
    #[must_use]
    pub fn listed(&self) -> BTreeMap<String, (String, Signed)> {
        let mut listed = BTreeMap::new();
        for (role, names) in &self.roles {
            for (name, signed) in names {
                listed
                    .entry(name.clone())
                    .or_insert_with(|| (role.clone(), signed.clone()));
            }
        }
        listed
    }

    /// What `docker trust inspect` gives as signed: names in `targets/releases` or `targets`, with their digest and those who signed the
    /// same. Docker calls the owner `Repo Admin`, and does so only where nobody released the name.
    #[must_use]
    pub fn released(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let mut released: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
        for first in ["targets/releases", "targets"] {
            for (name, signed) in self.of(first) {
                released
                    .entry(name.clone())
                    .or_insert_with(|| (signed.sha256.clone(), self.signers(name, signed)));
            }
        }
        released
    }

    fn of(&self, role: &str) -> impl Iterator<Item = (&String, &Signed)> {
        self.roles
            .iter()
            .filter(move |(other, _)| other == role)
            .flat_map(|(_, names)| names)
    }

    fn signers(&self, name: &str, signed: &Signed) -> BTreeSet<String> {
        self.roles
            .iter()
            .filter(|(_, names)| names.get(name) == Some(signed))
            .filter_map(|(role, _)| match role.as_str() {
                "targets/releases" => None,
                "targets" => Some("Repo Admin".to_owned()),
                _ => role.strip_prefix("targets/").map(str::to_owned),
            })
            .collect()
    }

    /// Whether docker takes the name as that of an image.
    #[must_use]
    pub fn is_image(&self) -> bool {
        let path = self.gun.split_once('/').map_or("", |(_, path)| path);
        !path.contains(|c: char| c.is_ascii_uppercase()) && self.gun.len() < 200
    }
}
