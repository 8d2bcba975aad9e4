//! The members of an inventory. Every name in it is as the documents have it: whoever shows it must escape it.

use serde::{Deserialize, Serialize};
use signet_archive::{Moment, State};
use signet_tuf::Version;

use super::finding::{Finding, Severity};

/// One repository as of one moment.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Inventory {
    /// Its name.
    pub gun: String,
    /// Where it was read: the address of a server, the path of a folder or of an archive.
    pub source: String,
    /// The moment as of which everything below is said.
    pub at: Moment,
    /// The state at that moment.
    pub state: State,
    /// Why it is no other, in a sentence.
    pub reason: Option<String>,
    /// What held when an archive was made.
    pub captured: Option<Captured>,
    /// Why its root is believed; absent where no root was found to be good.
    pub trust: Option<RootTrust>,
    /// The version of the root: how many roots the repository has had.
    pub root_version: Option<Version>,
    /// Until when everything holds: the first end of validity among its documents.
    pub valid_until: Option<Moment>,
    /// The base roles in the order root, targets, snapshot, timestamp, then the delegations in the order of a lookup.
    pub roles: Vec<Role>,
    /// Every key that some role lists, by its ID; none twice.
    pub keys: Vec<Key>,
    /// What is signed: one entry for each digest of each name.
    pub tags: Vec<Tag>,
    /// What should be known or done, the worst first.
    pub findings: Vec<Finding>,
}

impl Inventory {
    /// The delegations that are signers: all but `targets/releases`.
    pub fn signers(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| role.is_signer())
    }

    /// How many names are signed, however many digests each has.
    #[must_use]
    pub fn tag_names(&self) -> usize {
        let mut names: Vec<&str> = self.tags.iter().map(|tag| tag.name.as_str()).collect();
        names.dedup();
        names.len()
    }

    /// The worst of the findings.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// What held at the moment of capture.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Captured {
    /// The moment.
    pub at: Moment,
    /// The state then, judged anew from the documents.
    pub state: State,
    /// Why it was no other.
    pub reason: Option<String>,
}

/// Why a root is believed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootTrust {
    /// The policy or the configuration pins its certificates or their CA.
    Pinned,
    /// Nothing pins it: whoever answers first decides.
    FirstUse,
    /// Nothing pins it, and the policy refuses trust on first use.
    FirstUseDenied,
}

impl RootTrust {
    /// The word in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::FirstUse => "first-use",
            Self::FirstUseDenied => "first-use-denied",
        }
    }
}

/// Who signs a document anew before its validity ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renewer {
    /// Somebody with the role's key.
    Person,
    /// The trust server, by itself.
    Server,
}

impl Renewer {
    /// The word in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Server => "server",
        }
    }
}

/// One role: who may sign what, and until when its document holds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// The version of its document; absent where the role has signed none, or none that could be read.
    pub version: Option<Version>,
    /// How many distinct keys must sign.
    pub threshold: i64,
    /// Canonical IDs of its keys.
    pub keys: Vec<String>,
    /// For a delegation: prefixes of the names that it may sign, as listed. The empty prefix is every name.
    pub paths: Vec<String>,
    /// When the validity of its document ends.
    pub expires: Option<Moment>,
    /// Whole days until then, below zero when it is over.
    pub days_left: Option<i64>,
    /// Who renews it.
    pub renewed_by: Renewer,
    /// Whether its document holds at the moment. True for a role that has signed nothing yet.
    pub usable: bool,
    /// Why it does not.
    pub problem: Option<String>,
    /// How many names its document lists and may list.
    pub tags: u64,
}

impl Role {
    /// Whether it is a delegation.
    #[must_use]
    pub fn is_delegation(&self) -> bool {
        self.name.contains('/')
    }

    /// Whether it is a signer: a delegation other than `targets/releases`.
    #[must_use]
    pub fn is_signer(&self) -> bool {
        self.is_delegation() && self.name != "targets/releases"
    }

    /// `jeff` for `targets/jeff`.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.strip_prefix("targets/").unwrap_or(&self.name)
    }
}

/// Where a private key is, as far as this machine can know.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// In this machine's key folder, encrypted with a passphrase.
    HereEncrypted,
    /// In this machine's key folder, open to whoever reads the file.
    HereOpen,
    /// At the trust server.
    Server,
    /// Not known: with somebody else, on a token, in a safe, or lost.
    Elsewhere,
}

impl Holder {
    /// The word in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HereEncrypted => "here-encrypted",
            Self::HereOpen => "here-open",
            Self::Server => "server",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// One key.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Key {
    /// Its canonical ID: what key files are named after.
    pub id: String,
    /// Its kind as people say it: `ECDSA P-256`, `RSA 4096`, `Ed25519`; the type as written when it is none of these.
    pub kind: String,
    /// Roles that list it.
    pub roles: Vec<String>,
    /// Where the private key is.
    pub holder: Holder,
    /// The certificates that carry it.
    pub certificates: Vec<Certificate>,
}

/// What a certificate says.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Certificate {
    /// The subject's common name.
    pub common_name: String,
    /// When its validity begins.
    pub not_before: Moment,
    /// When its validity ends.
    pub not_after: Moment,
}

/// One digest of one name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Tag {
    /// The name; for Docker the tag.
    pub name: String,
    /// SHA-256 in hex; empty for a target that has none.
    pub digest: String,
    /// The roles that list it, in the order of a lookup.
    pub roles: Vec<String>,
    /// Whether docker finds it: `targets` or `targets/releases` lists it.
    pub released: bool,
}
