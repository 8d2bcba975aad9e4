//! The globally unique name of a trust repository.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Globally unique name of a trust repository, for example `docker.io/library/alpine`.
///
/// A GUN is used verbatim (case kept) in URLs, in the cache path and as the common name of root certificates. It is
/// therefore never empty, at most [`Gun::MAX_LEN`] bytes long, and holds nothing that would leave its folder or its
/// URL: no `*`, no backslash, no control character, and no empty, `.` or `..` segment (security class A5).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Gun(Arc<str>);

/// A text that is not a [`Gun`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid repository name {name:?}: {reason}")]
pub struct InvalidGun {
    /// The text as given, cut to 300 bytes.
    pub name: String,
    /// Which rule it breaks.
    pub reason: &'static str,
}

impl Gun {
    /// Longest GUN in bytes: the width of the column in every server's database.
    pub const MAX_LEN: usize = 255;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Gun {
    type Err = InvalidGun;

    fn from_str(name: &str) -> Result<Self, InvalidGun> {
        let reason = if name.is_empty() {
            "it is empty"
        } else if name.len() > Self::MAX_LEN {
            "it is longer than 255 bytes"
        } else if name.chars().any(|c| c.is_control()) {
            "it contains a control character"
        } else if name.contains(['*', '\\']) {
            "it contains '*' or '\\'"
        } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            "it has an empty, '.' or '..' part"
        } else {
            return Ok(Self(name.into()));
        };
        Err(InvalidGun {
            name: name.chars().take(300).collect(),
            reason,
        })
    }
}

impl fmt::Display for Gun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Gun {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_docker_derives() {
        for name in [
            "docker.io/library/alpine",
            "localhost:5000/x",
            "[::1]:5000/a/b",
            "LOCALHOST:5000/x",
            "a",
        ] {
            assert_eq!(name.parse::<Gun>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_names_that_climb_or_hide() {
        for name in [
            "", "..", "a/../b", "/a", "a/", "a//b", "./a", "a\\b", "a\0b", "a*b", "a\nb",
        ] {
            assert!(name.parse::<Gun>().is_err(), "{name:?}");
        }
        assert!("x".repeat(255).parse::<Gun>().is_ok());
        assert!("x".repeat(256).parse::<Gun>().is_err());
    }
}
