//! What an image reference names.
//!
//! The grammar, the normalisation (`alpine` is `docker.io/library/alpine`) and the error texts are docker's, except
//! that `:latest` is never added, that digests are SHA-256 only, and that a name without a registry host such as
//! `a.b_c/d`, which docker lets through and then cannot connect to, is refused.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::digest::{Digest, InvalidDigest};

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const OFFICIAL_CREDENTIALS_KEY: &str = "https://index.docker.io/v1/";
const OFFICIAL_REGISTRY: &str = "registry-1.docker.io";
const MAX_PATH_BYTES: usize = 255;
const MAX_TAG_BYTES: usize = 128;
/// Digits below which docker does not even recognise the text after `@` as a digest.
const MIN_DIGEST_DIGITS: usize = 32;

/// An image as the user named it, and what that name means.
///
/// `Display` gives the text as typed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Reference {
    typed: String,
    domain: String,
    path: String,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// A tag: 1 to 128 characters of `A-Z a-z 0-9 _ . -`, the first neither `.` nor `-`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag(String);

/// A text that names no image. The texts are docker's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReference {
    /// It has the form of a digest, but is none that is supported.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// It does not follow the grammar.
    #[error("invalid reference format")]
    Format,
    /// It is 64 hex digits, which docker takes for an image ID.
    #[error("invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")]
    ImageId {
        /// The text.
        name: String,
    },
    /// The path is longer than 255 bytes, the registry host not counted.
    #[error("repository name must not be more than 255 characters")]
    TooLong,
    /// The path has an upper-case letter.
    #[error("invalid reference format: repository name ({path}) must be lowercase")]
    UppercasePath {
        /// The path with `library/` added where docker adds it.
        path: String,
    },
    /// The registry host would be part of a path if it were lower case, and is neither as it stands.
    #[error("repository name must be lowercase")]
    UppercaseName,
}

/// A text that is not a [`Tag`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid tag {text:?}")]
pub struct InvalidTag {
    /// The text, cut to 200 characters.
    pub text: String,
}

impl Reference {
    /// The text as typed.
    #[must_use]
    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// The name in its shortest form, without tag and digest: `alpine` for `docker.io/library/alpine:3.20`.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if !self.is_official() {
            return self.gun();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(name) if !name.contains('/') => name.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// Host and optional port of the registry, in the case in which it was typed. Also the name of docker's "index".
    ///
    /// `docker.io` stands for Docker Hub; see [`registry_authority`](Self::registry_authority) for where to connect.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Path of the repository inside its registry, `library/` included.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The globally unique name of the image's trust repository: domain and path.
    ///
    /// It can be longer than a trust repository's name may be; whoever makes one from it must check.
    #[must_use]
    pub fn gun(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The tag. `None` also when the reference has a digest, whatever stands before the `@`: docker ignores that tag.
    #[must_use]
    pub const fn tag(&self) -> Option<&Tag> {
        match self.digest {
            Some(_) => None,
            None => self.tag.as_ref(),
        }
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether the image is on Docker Hub.
    #[must_use]
    pub fn is_official(&self) -> bool {
        self.domain == DEFAULT_DOMAIN
    }

    /// The key under which docker keeps the registry's credentials.
    #[must_use]
    pub fn credentials_key(&self) -> &str {
        if self.is_official() {
            OFFICIAL_CREDENTIALS_KEY
        } else {
            &self.domain
        }
    }

    /// Host and optional port to connect to for the image.
    #[must_use]
    pub fn registry_authority(&self) -> &str {
        if self.is_official() {
            OFFICIAL_REGISTRY
        } else {
            &self.domain
        }
    }

    /// Whether the registry's host is written as this machine: see [`is_loopback`].
    #[must_use]
    pub fn is_on_loopback(&self) -> bool {
        is_loopback(&self.domain)
    }
}

/// Whether a host with optional port is this machine by its spelling: `localhost` in any case, 127.0.0.0/8, or `::1`
/// in brackets or not.
///
/// Names are not resolved: who answers for a name in the DNS must not decide whether TLS is needed.
#[must_use]
pub fn is_loopback(authority: &str) -> bool {
    if let Ok(address) = authority.parse::<Ipv6Addr>() {
        return address.is_loopback();
    }
    if let Some(rest) = authority.strip_prefix('[') {
        return rest
            .split_once(']')
            .and_then(|(host, _)| host.parse::<Ipv6Addr>().ok())
            .is_some_and(|address| address.is_loopback());
    }
    let host = authority
        .split_once(':')
        .map_or(authority, |(host, _)| host);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(typed: &str) -> Result<Self, InvalidReference> {
        if typed.len() == 64 && typed.bytes().all(is_lower_hex) {
            return Err(InvalidReference::ImageId {
                name: typed.to_owned(),
            });
        }
        let (domain, remainder) = split_domain(typed);
        let before_colon = remainder
            .split_once(':')
            .map_or(&*remainder, |(name, _)| name);
        if before_colon.to_lowercase() != before_colon {
            return Err(InvalidReference::UppercasePath {
                path: before_colon.to_owned(),
            });
        }

        let (name_and_tag, digest) = match remainder.split_once('@') {
            Some((before, digest)) => (before, Some(digest)),
            None => (&*remainder, None),
        };
        let (path, tag) = match name_and_tag.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (name_and_tag, None),
        };
        let tag = tag
            .map(str::parse::<Tag>)
            .transpose()
            .map_err(|_| InvalidReference::Format)?;
        if !is_path(path) || !digest.is_none_or(looks_like_digest) {
            return Err(InvalidReference::Format);
        }
        if !is_domain(domain) {
            let lower = domain.to_lowercase();
            return Err(if lower != domain && is_path(&lower) {
                InvalidReference::UppercaseName
            } else {
                InvalidReference::Format
            });
        }
        if path.len() > MAX_PATH_BYTES {
            return Err(InvalidReference::TooLong);
        }
        Ok(Self {
            digest: digest.map(str::parse).transpose()?,
            typed: typed.to_owned(),
            domain: domain.to_owned(),
            path: path.to_owned(),
            tag,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

impl Tag {
    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let valid = text.len() <= MAX_TAG_BYTES
            && text.bytes().next().is_some_and(is_word)
            && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTag {
                text: text.chars().take(200).collect(),
            })
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Tag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The domain, given or implied, and the rest of `name` with `library/` added where it is implied.
fn split_domain(name: &str) -> (&str, std::borrow::Cow<'_, str>) {
    let (domain, rest) = match name.split_once('/') {
        Some((LEGACY_DEFAULT_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.to_lowercase() != first =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, name),
    };
    if domain == DEFAULT_DOMAIN && !rest.contains('/') {
        (domain, format!("{OFFICIAL_PREFIX}{rest}").into())
    } else {
        (domain, rest.into())
    }
}

/// `host[:port]`; the host is dotted labels or an address in brackets.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(']') {
        Some((address, port)) => {
            let Some(address) = address.strip_prefix('[') else {
                return false;
            };
            let valid =
                !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            (valid, port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            let (host, port) = text.split_at(end);
            (host.split('.').all(is_label), port)
        }
    };
    host && (port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())))
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_path_part)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_part(part: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(is_alphanumeric)
        && part.ends_with(is_alphanumeric)
        && part.split(is_alphanumeric).all(|separator| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-')
        })
}

/// `algorithm:hex`, the algorithm in docker's loose form; whether it is supported is [`Digest`]'s to say.
fn looks_like_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    hex.len() >= MIN_DIGEST_DIGITS
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
        && algorithm.split(['-', '_', '+', '.']).all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

const fn is_lower_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests;
