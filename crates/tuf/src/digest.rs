//! Digests and lengths by which one document or target is named in another.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
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
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hashes(BTreeMap<String, Vec<u8>>);

impl Hashes {
    /// SHA-256 and SHA-512 of `bytes`, as snapshot and timestamp list them.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        tally::hashed();
        tally::hashed();
        let mut map = BTreeMap::new();
        map.insert("sha256".to_owned(), crypto::sha256(bytes).to_vec());
        map.insert("sha512".to_owned(), crypto::sha512(bytes).to_vec());
        Self(map)
    }

    /// Only a SHA-256 digest, as docker lists targets.
    #[must_use]
    pub fn sha256_only(digest: [u8; 32]) -> Self {
        Self(BTreeMap::from([("sha256".to_owned(), digest.to_vec())]))
    }

    /// The digest listed for `algorithm`, whatever its length.
    #[must_use]
    pub fn digest(&self, algorithm: HashAlgorithm) -> Option<&[u8]> {
        self.0.get(algorithm.as_str()).map(Vec::as_slice)
    }

    /// The SHA-256 digest in lower-case hex, when one of the right length is listed.
    #[must_use]
    pub fn sha256_hex(&self) -> Option<String> {
        let digest = self.digest(HashAlgorithm::Sha256)?;
        (digest.len() == 32).then(|| HEXLOWER.encode(digest))
    }

    /// Adds or replaces a digest.
    pub fn insert(&mut self, algorithm: HashAlgorithm, digest: Vec<u8>) {
        self.0.insert(algorithm.as_str().to_owned(), digest);
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
        Self(iter.into_iter().collect())
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
        let map = Option::<BTreeMap<String, Option<Base64>>>::deserialize(deserializer)?
            .unwrap_or_default();
        Ok(Self(
            map.into_iter()
                .map(|(name, digest)| (name, digest.unwrap_or_default().0))
                .collect(),
        ))
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
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(Self).map_err(|e| {
            serde::de::Error::custom(format!("illegal base64 data at input byte {}", e.position))
        })
    }
}

/// Go leaves the zero value where JSON says `null`.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
