//! The file of users: `name:hash` on each line, as `htpasswd -B` of Apache writes it.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use signet_service::files::reason;

/// Largest file, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// Most users.
const MAX_USERS: usize = 20_000;
/// Longest name, in bytes.
const MAX_NAME: usize = 255;
/// What a hash must cost to find at least, as a power of two.
pub const MIN_COST: u32 = 4;
/// What a hash may cost to check at most, as a power of two: about a second.
pub const MAX_COST: u32 = 14;
/// Length of a hash, in bytes.
const HASH_BYTES: usize = 60;

/// Why the file cannot be used. Hashes are never shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUsers {
    /// It cannot be read.
    #[error("{}", reason(.0))]
    Unreadable(#[source] io::Error),
    /// It is too large.
    #[error("it has more than 4 MiB or more than {MAX_USERS} users")]
    Large,
    /// It is no text.
    #[error("it is not UTF-8")]
    Text,
    /// A line is not `name:hash`.
    #[error("line {0}: it is not a name, a colon and a hash")]
    Line(usize),
    /// A name appears twice.
    #[error("line {0}: the user is on an earlier line already")]
    Twice(usize),
    /// A hash is of another kind.
    #[error(
        "line {0}: the hash is not one of bcrypt ($2a$, $2b$ or $2y$); `htpasswd -B` and `notary-server hash-password` make such"
    )]
    Kind(usize),
    /// A hash would take too long to check, or none at all.
    #[error(
        "line {line}: the hash has the cost {cost}; it must be between {MIN_COST} and {MAX_COST}"
    )]
    Cost {
        /// Its line.
        line: usize,
        /// Its cost.
        cost: u32,
    },
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&std::fs::metadata(path)?))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// The users and the hashes of their passwords.
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    stamp: Option<Stamp>,
}

impl Users {
    pub(super) fn read(path: &Path) -> Result<Self, InvalidUsers> {
        let file = File::open(path).map_err(InvalidUsers::Unreadable)?;
        let stamp = file.metadata().map_err(InvalidUsers::Unreadable)?;
        let mut content = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut content)
            .map_err(InvalidUsers::Unreadable)?;
        if content.len() as u64 > MAX_FILE_BYTES {
            return Err(InvalidUsers::Large);
        }
        let text = String::from_utf8(content).map_err(|_| InvalidUsers::Text)?;
        Ok(Self {
            stamp: Some(Stamp::from(&stamp)),
            ..Self::parse(&text)?
        })
    }

    pub(super) fn parse(text: &str) -> Result<Self, InvalidUsers> {
        let mut hashes = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, hash) = line.split_once(':').ok_or(InvalidUsers::Line(number))?;
            if !is_name(name) {
                return Err(InvalidUsers::Line(number));
            }
            check(hash, number)?;
            if hashes.insert(name.to_owned(), hash.to_owned()).is_some() {
                return Err(InvalidUsers::Twice(number));
            }
            if hashes.len() > MAX_USERS {
                return Err(InvalidUsers::Large);
            }
        }
        Ok(Self {
            hashes,
            stamp: None,
        })
    }

    pub(super) const fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.hashes.contains_key(name)
    }

    pub(super) fn hash(&self, name: &str) -> Option<&str> {
        self.hashes.get(name).map(String::as_str)
    }

    /// The hash of some user, always the same by `chance`: checking it takes as long as checking that of a user.
    pub(super) fn stand_in(&self, chance: [u8; 32]) -> &str {
        let number = chance
            .iter()
            .take(6)
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let place = number.checked_rem(self.hashes.len()).unwrap_or(0);
        self.hashes
            .values()
            .nth(place)
            .map_or(NOBODY, String::as_str)
    }
}

/// A hash that is checked where there are no users: of no password that anybody knows.
const NOBODY: &str = "$2y$12$HzxhmIdlOsDPURDTAa5QpejrOu1OVSfVO6Ni6A97Tc6XldZrQ9Ae6";

/// Whether a text can be a user's name.
pub(super) fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && !name.contains(|c: char| c == ':' || c.is_control())
}

fn check(hash: &str, line: usize) -> Result<(), InvalidUsers> {
    let kind = InvalidUsers::Kind(line);
    let known = ["$2a$", "$2b$", "$2y$"];
    if hash.len() != HASH_BYTES || !known.iter().any(|prefix| hash.starts_with(prefix)) {
        return Err(kind);
    }
    let Ok(parts) = hash.parse::<bcrypt::HashParts>() else {
        return Err(kind);
    };
    let cost = parts.get_cost();
    if (MIN_COST..=MAX_COST).contains(&cost) {
        Ok(())
    } else {
        Err(InvalidUsers::Cost { line, cost })
    }
}
