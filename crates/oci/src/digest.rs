//! The digest by which a registry names content.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// A SHA-256 digest, written `sha256:` and 64 lower-case hex digits.
///
/// No other spelling and no other algorithm makes a value of this type (security class A23), so that two equal digests
/// have one text and no digest can carry a path.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; Self::LEN]);

/// A text that is not a [`Digest`]. The texts are those of docker.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDigest {
    /// The algorithm is not SHA-256.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// There is no algorithm, or what follows it is not lower-case hex.
    #[error("invalid checksum digest format")]
    Format,
    /// There are not exactly 64 hex digits.
    #[error("invalid checksum digest length")]
    Length,
}

impl Digest {
    /// Bytes in a digest.
    pub const LEN: usize = 32;

    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The 64 hex digits, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

impl From<[u8; Self::LEN]> for Digest {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let (algorithm, hex) = text.split_once(':').ok_or(InvalidDigest::Format)?;
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+._-".contains(&b))
        };
        if !plain(algorithm) {
            return Err(InvalidDigest::Format);
        }
        if algorithm != "sha256" {
            return Err(InvalidDigest::Algorithm);
        }
        if hex.len() != 2 * Self::LEN {
            return Err(InvalidDigest::Length);
        }
        let bytes = HEXLOWER
            .decode(hex.as_bytes())
            .map_err(|_| InvalidDigest::Format)?;
        bytes
            .try_into()
            .map(Self)
            .map_err(|_: Vec<u8>| InvalidDigest::Length)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_sha256_of_the_content() {
        // FIPS 180-2, example B.1
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        assert_eq!(abc.parse(), Ok(Digest::of(b"abc")));
    }

    #[test]
    fn a23_refuses_every_other_spelling() {
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (text, expected) in [
            (String::new(), InvalidDigest::Format),
            (hex.to_owned(), InvalidDigest::Format),
            (format!("SHA256:{hex}"), InvalidDigest::Format),
            (format!(" sha256:{hex}"), InvalidDigest::Format),
            (
                format!("sha256:{}", hex.to_uppercase()),
                InvalidDigest::Format,
            ),
            (format!("sha256:{}g", &hex[..63]), InvalidDigest::Format),
            (format!("sha256:../{}", &hex[..61]), InvalidDigest::Format),
            (
                format!("sha256:{}/../../x", &hex[..56]),
                InvalidDigest::Format,
            ),
            (format!("sha256:{}\n", &hex[..63]), InvalidDigest::Format),
            ("sha256:".to_owned(), InvalidDigest::Length),
            (format!("sha256:{}", &hex[..63]), InvalidDigest::Length),
            (format!("sha256:{hex}a"), InvalidDigest::Length),
            (format!("sha256:{hex}\n"), InvalidDigest::Length),
            (format!("sha256:../{hex}"), InvalidDigest::Length),
            (format!("sha512:{hex}{hex}"), InvalidDigest::Algorithm),
            (format!("md5:{}", &hex[..32]), InvalidDigest::Algorithm),
            (format!("sha256+b64:{hex}"), InvalidDigest::Algorithm),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(expected), "{text:?}");
        }
    }
}
