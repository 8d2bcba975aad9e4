//! Digests and lengths by which one document or target is named in another.

use std::borrow::Cow;
use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::object::{only_objects, written_as_derived};
use crate::{crypto, tally};

/// A hash algorithm that verification knows.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum HashAlgorithm {
    /// SHA-256, required everywhere.
    Sha256,
    /// SHA-512, checked where present.
    Sha512,
}

impl HashAlgorithm {
    /// The name as written in metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes in a digest.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// Why bytes are not what a parent document names.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DigestMismatch {
    /// A digest differs.
    #[error("{} checksum for {name} did not match: expected {expected}", algorithm.as_str())]
    Differs {
        /// Which digest.
        algorithm: HashAlgorithm,
        /// Role or target.
        name: String,
        /// The listed digest in hex.
        expected: String,
    },
    /// Neither SHA-256 nor SHA-512 is listed.
    #[error("no checksums for supported algorithms were provided for {name}")]
    NoneKnown {
        /// Role or target.
        name: String,
    },
}

/// Digests by algorithm name. Unknown algorithms and wrong lengths are kept as read.
///
/// Every target has one, so it is a short list sorted by name, not a tree.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hashes(Vec<(AlgorithmName, Vec<u8>)>);

/// An algorithm's name; those that verification knows take no memory.
type AlgorithmName = Cow<'static, str>;

fn algorithm_name(name: &str) -> AlgorithmName {
    [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
        .into_iter()
        .map(HashAlgorithm::as_str)
        .find(|known| *known == name)
        .map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

impl Hashes {
    /// SHA-256 and SHA-512 of `bytes`, as snapshot and timestamp list them.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        tally::hashed();
        tally::hashed();
        Self(vec![
            (
                Cow::Borrowed(HashAlgorithm::Sha256.as_str()),
                crypto::sha256(bytes).to_vec(),
            ),
            (
                Cow::Borrowed(HashAlgorithm::Sha512.as_str()),
                crypto::sha512(bytes).to_vec(),
            ),
        ])
    }

    /// Only a SHA-256 digest, as docker lists targets.
    #[must_use]
    pub fn sha256_only(digest: [u8; 32]) -> Self {
        Self(vec![(
            Cow::Borrowed(HashAlgorithm::Sha256.as_str()),
            digest.to_vec(),
        )])
    }

    /// The digest listed for `algorithm`, whatever its length.
    #[must_use]
    pub fn digest(&self, algorithm: HashAlgorithm) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(name, _)| name == algorithm.as_str())
            .map(|(_, digest)| digest.as_slice())
    }

    /// The SHA-256 digest in lower-case hex, when one of the right length is listed.
    #[must_use]
    pub fn sha256_hex(&self) -> Option<String> {
        let digest = self.digest(HashAlgorithm::Sha256)?;
        (digest.len() == 32).then(|| HEXLOWER.encode(digest))
    }

    /// Adds or replaces a digest.
    pub fn insert(&mut self, algorithm: HashAlgorithm, digest: Vec<u8>) {
        self.put(Cow::Borrowed(algorithm.as_str()), digest);
    }

    fn put(&mut self, name: AlgorithmName, digest: Vec<u8>) {
        match self.0.binary_search_by(|(other, _)| other.cmp(&name)) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = digest;
                }
            }
            Err(at) => self.0.insert(at, (name, digest)),
        }
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks `bytes` against every known digest listed, SHA-256 first.
    ///
    /// # Errors
    /// [`DigestMismatch`] when one differs or none is known.
    pub fn check(&self, name: &str, bytes: &[u8]) -> Result<(), DigestMismatch> {
        self.check_with(name, |algorithm, expected| {
            tally::hashed();
            match algorithm {
                HashAlgorithm::Sha256 => crypto::sha256(bytes)[..] == *expected,
                HashAlgorithm::Sha512 => crypto::sha512(bytes)[..] == *expected,
            }
        })
    }

    /// Checks digests that were computed before, as by [`Hashes::of`], against every known digest listed.
    ///
    /// # Errors
    /// [`DigestMismatch`] when one differs or none is known.
    pub fn check_digests(&self, name: &str, computed: &Self) -> Result<(), DigestMismatch> {
        self.check_with(name, |algorithm, expected| {
            computed.digest(algorithm) == Some(expected)
        })
    }

    fn check_with(
        &self,
        name: &str,
        is_equal: impl Fn(HashAlgorithm, &[u8]) -> bool,
    ) -> Result<(), DigestMismatch> {
        let mut known = false;
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha512] {
            let Some(expected) = self.digest(algorithm) else {
                continue;
            };
            known = true;
            if !is_equal(algorithm, expected) {
                return Err(DigestMismatch::Differs {
                    algorithm,
                    name: name.to_owned(),
                    expected: HEXLOWER.encode(expected),
                });
            }
        }
        if known {
            Ok(())
        } else {
            Err(DigestMismatch::NoneKnown {
                name: name.to_owned(),
            })
        }
    }
}

impl FromIterator<(String, Vec<u8>)> for Hashes {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(iter: I) -> Self {
        let mut hashes = Self::default();
        for (name, digest) in iter {
            hashes.put(algorithm_name(&name), digest);
        }
        hashes
    }
}

impl Serialize for Hashes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|(name, digest)| (name, BASE64.encode(digest))),
        )
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Hashes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of digests")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Hashes, A::Error> {
                let mut hashes = Hashes(Vec::with_capacity(1));
                while let Some(name) = members.next_key::<Name>()? {
                    let digest = members.next_value::<Option<Base64>>()?.unwrap_or_default();
                    hashes.put(name.0, digest.0);
                }
                Ok(hashes)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Hashes, E> {
                Ok(Hashes::default())
            }
        }

        deserializer.deserialize_any(Members)
    }
}

/// An algorithm's name as a member's name.
struct Name(AlgorithmName);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an algorithm")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(algorithm_name(text)))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Length and digests of a document or target.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(remote = "Self")]
pub struct FileMeta {
    /// Digests of the complete bytes.
    #[serde(default)]
    pub hashes: Hashes,
    /// Length in bytes. Not validated on reading; may be negative.
    #[serde(default, deserialize_with = "null_is_default")]
    pub length: i64,
}

only_objects!(FileMeta);
written_as_derived!(FileMeta);

impl FileMeta {
    /// Length and digests of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            hashes: Hashes::of(bytes),
            length: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        }
    }
}

/// Bytes that travel as standard, padded base64. Line breaks inside are refused.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Base64(pub(crate) Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64, E> {
                BASE64.decode(text.as_bytes()).map(Base64).map_err(|e| {
                    E::custom(format!("illegal base64 data at input byte {}", e.position))
                })
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Go leaves the zero value where JSON says `null`.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
