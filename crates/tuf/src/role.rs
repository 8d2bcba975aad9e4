//! Role names: the four base roles and delegations (specification, `tuf.md` section 7).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// One of the four roles that every repository has.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BaseRole {
    /// Names the keys of all base roles.
    Root,
    /// Lists targets and delegates to other roles.
    Targets,
    /// Names the current version of root and of every targets file.
    Snapshot,
    /// Names the current snapshot.
    Timestamp,
}

impl BaseRole {
    /// All of them, in the order in which Go checks them.
    pub const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    /// The name as written in metadata.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }
}

impl fmt::Display for BaseRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a base role or of a delegation (`targets/…`).
///
/// A delegation's name has only `[-a-z0-9_/]`, at most [`RoleName::MAX_LEN`] bytes and no empty, `.` or `..` segment,
/// so it is safe as a relative path.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RoleName(Arc<str>);

/// A text that names no role.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("tuf: invalid role {0}.")]
pub struct InvalidRole(pub String);

impl RoleName {
    /// Longest role name in bytes.
    pub const MAX_LEN: usize = 255;

    /// The role `root`.
    #[must_use]
    pub fn root() -> Self {
        BaseRole::Root.into()
    }

    /// The role `targets`.
    #[must_use]
    pub fn targets() -> Self {
        BaseRole::Targets.into()
    }

    /// The role `snapshot`.
    #[must_use]
    pub fn snapshot() -> Self {
        BaseRole::Snapshot.into()
    }

    /// The role `timestamp`.
    #[must_use]
    pub fn timestamp() -> Self {
        BaseRole::Timestamp.into()
    }

    /// The delegation `targets/releases`, which Docker's consumers trust first.
    #[must_use]
    pub fn releases() -> Self {
        Self("targets/releases".into())
    }

    /// The delegation `targets/<name>`.
    ///
    /// # Errors
    /// [`InvalidRole`] when the result is not a delegation's name.
    pub fn delegation(name: &str) -> Result<Self, InvalidRole> {
        let full = format!("targets/{name}");
        if is_delegation(&full) {
            Ok(Self(full.into()))
        } else {
            Err(InvalidRole(full))
        }
    }

    /// The name as written in metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which base role this is; `None` for a delegation.
    #[must_use]
    pub fn base(&self) -> Option<BaseRole> {
        BaseRole::ALL
            .into_iter()
            .find(|base| base.as_str() == &*self.0)
    }

    /// Whether this is a delegation.
    #[must_use]
    pub fn is_delegation(&self) -> bool {
        self.base().is_none()
    }

    /// Whether files of this role list targets: `targets` or a delegation.
    #[must_use]
    pub fn lists_targets(&self) -> bool {
        matches!(self.base(), None | Some(BaseRole::Targets))
    }

    /// The role that delegates to this one; `None` for base roles.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if !self.is_delegation() {
            return None;
        }
        self.0
            .rsplit_once('/')
            .map(|(parent, _)| Self(parent.into()))
    }

    /// Whether `self` lies strictly below `ancestor` (`targets/a/b` below `targets/a` and `targets`).
    #[must_use]
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self.0
            .strip_prefix(&*ancestor.0)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// Number of `/`-separated segments: 1 for base roles.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.split('/').count()
    }
}

fn is_delegation(name: &str) -> bool {
    name.len() <= RoleName::MAX_LEN
        && name.starts_with("targets/")
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'/'))
        && name.split('/').all(|segment| !segment.is_empty())
}

impl From<BaseRole> for RoleName {
    fn from(base: BaseRole) -> Self {
        Self(base.as_str().into())
    }
}

impl FromStr for RoleName {
    type Err = InvalidRole;

    fn from_str(name: &str) -> Result<Self, InvalidRole> {
        if is_delegation(name) || BaseRole::ALL.iter().any(|base| base.as_str() == name) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidRole(name.chars().take(300).collect()))
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RoleName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RoleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_delegations_from_other_names() {
        for name in [
            "targets/a",
            "targets/a/b",
            "targets/a_b-c0",
            "targets/-",
            "targets/root",
        ] {
            assert!(name.parse::<RoleName>().unwrap().is_delegation(), "{name}");
        }
        let long = format!("targets/{}", "a".repeat(248));
        for name in [
            "targets/",
            "targets/a/",
            "targets//a",
            "targets/./a",
            "targets/A",
            "targets/a.b",
            "targets/a b",
            "targets/é",
            "Targets/a",
            "targetsx/a",
            "",
            "Root",
            "targets/../a",
            &long,
        ] {
            assert!(name.parse::<RoleName>().is_err(), "{name}");
        }
        assert!(
            format!("targets/{}", "a".repeat(247))
                .parse::<RoleName>()
                .is_ok()
        );
    }

    #[test]
    fn the_parent_is_the_prefix() {
        let role: RoleName = "targets/a/b".parse().unwrap();
        let parent = role.parent().unwrap();
        assert_eq!(parent.as_str(), "targets/a");
        assert_eq!(parent.parent().unwrap(), RoleName::targets());
        assert_eq!(RoleName::targets().parent(), None);
        assert!(
            role.is_below(&parent)
                && role.is_below(&RoleName::targets())
                && !parent.is_below(&parent)
        );
    }
}
