//! What users may do, by the names of repositories. No rule allows nothing.

/// Stands for every user who has logged in.
pub(super) const EVERYBODY: &str = "*";
/// Stands for who has not.
pub(super) const ANONYMOUS: &str = "anonymous";

/// What may be done.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Right {
    /// Read.
    Pull,
    /// Read and publish.
    Push,
    /// Read, publish, rotate the server's keys, delete, import.
    Admin,
}

impl Right {
    /// Reads the word for a right.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "pull" => Some(Self::Pull),
            "push" => Some(Self::Push),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

/// Whom a rule is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// Who has not logged in, and everybody else.
    Anonymous,
    /// Every user.
    Everybody,
    /// One user.
    User(String),
}

impl Who {
    /// Reads the word for whom a rule is for.
    #[must_use]
    pub fn named(word: &str) -> Self {
        match word {
            ANONYMOUS => Self::Anonymous,
            EVERYBODY => Self::Everybody,
            name => Self::User(name.to_owned()),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    who: Who,
    prefix: String,
    right: Right,
}

/// A rule that says nothing sensible.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRule {
    /// Nobody can be called so.
    #[error("{0:?} can be no user")]
    User(String),
    /// No repository has such a name.
    #[error(
        "the prefix {0:?} is not the beginning of a repository's name, part by part: it must be empty, or parts with \"/\" between them"
    )]
    Prefix(String),
    /// Who has not logged in may not write.
    #[error("anonymous may have the right \"pull\" only")]
    Anonymous,
}

impl Rule {
    /// `who` may do this with repositories whose names begin with the parts of `prefix`.
    ///
    /// # Errors
    /// [`InvalidRule`].
    pub fn new(who: Who, prefix: &str, right: Right) -> Result<Self, InvalidRule> {
        match &who {
            Who::User(name) if !super::users::is_name(name) => {
                return Err(InvalidRule::User(name.clone()));
            }
            Who::Anonymous if right > Right::Pull => return Err(InvalidRule::Anonymous),
            Who::Anonymous | Who::Everybody | Who::User(_) => {}
        }
        let path = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_bad = |part: &str| {
            matches!(part, "" | "." | "..")
                || part.contains(|c: char| c.is_control() || "*\\".contains(c))
        };
        if !prefix.is_empty() && path.split('/').any(is_bad) {
            return Err(InvalidRule::Prefix(prefix.to_owned()));
        }
        Ok(Self {
            who,
            prefix: prefix.to_owned(),
            right,
        })
    }

    /// Whether a repository is below the prefix: `team` is for `team` and `team/x`, `team/` for the latter only, neither for `team-x`.
    fn covers(&self, gun: &str) -> bool {
        gun.strip_prefix(&self.prefix).is_some_and(|rest| {
            self.prefix.is_empty()
                || self.prefix.ends_with('/') && !rest.is_empty()
                || !self.prefix.ends_with('/') && (rest.is_empty() || rest.starts_with('/'))
        })
    }

    fn is_for(&self, user: Option<&str>) -> bool {
        match &self.who {
            Who::Anonymous => true,
            Who::Everybody => user.is_some(),
            Who::User(name) => user == Some(name),
        }
    }
}

/// All rules. They add up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules(Vec<Rule>);

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl Rules {
    /// The users that rules name.
    pub(super) fn named(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|rule| match &rule.who {
            Who::User(name) => Some(name.as_str()),
            Who::Anonymous | Who::Everybody => None,
        })
    }

    /// Whether this user, or whoever has not logged in, may do this with a repository.
    pub(crate) fn allow(&self, user: Option<&str>, gun: &str, right: Right) -> bool {
        self.0
            .iter()
            .any(|rule| rule.right >= right && rule.is_for(user) && rule.covers(gun))
    }

    /// The same for all repositories at once.
    pub(crate) fn allow_everywhere(&self, user: Option<&str>, right: Right) -> bool {
        self.0
            .iter()
            .any(|rule| rule.right >= right && rule.is_for(user) && rule.prefix.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(all: &[(&str, &str, Right)]) -> Rules {
        let rule = |(who, prefix, right): &(&str, &str, Right)| {
            Rule::new(Who::named(who), prefix, *right).unwrap()
        };
        all.iter().map(rule).collect()
    }

    #[test]
    fn a_prefix_ends_at_the_end_of_a_part() {
        let rules = rules(&[
            ("alice", "r.example/team/", Right::Push),
            ("bob", "r.example/team", Right::Push),
        ]);
        for (gun, alice, bob) in [
            ("r.example/team/app", true, true),
            ("r.example/team/a/b", true, true),
            ("r.example/team", false, true),
            ("r.example/team/", false, true),
            ("r.example/team-evil/app", false, false),
            ("r.example/team-evil", false, false),
            ("r.example/teams/app", false, false),
            ("r.example/Team/app", false, false),
            ("R.example/team/app", false, false),
            ("x/r.example/team/app", false, false),
            ("r.example", false, false),
            ("", false, false),
        ] {
            assert_eq!(rules.allow(Some("alice"), gun, Right::Pull), alice, "{gun}");
            assert_eq!(rules.allow(Some("bob"), gun, Right::Push), bob, "{gun}");
        }
    }

    #[test]
    fn nothing_is_allowed_that_no_rule_allows() {
        use Right::{Admin, Pull, Push};
        let rules = rules(&[
            ("alice", "a/", Push),
            ("boss", "", Admin),
            ("*", "shared/", Pull),
            ("anonymous", "public/", Pull),
        ]);
        for (user, gun, highest) in [
            (Some("alice"), "a/x", Some(Push)),
            (Some("Alice"), "a/x", None),
            (Some("alice"), "b/x", None),
            (Some("alice"), "shared/x", Some(Pull)),
            (Some("alice"), "public/x", Some(Pull)),
            (Some("boss"), "anything", Some(Admin)),
            (Some("stranger"), "shared/x", Some(Pull)),
            (Some("stranger"), "a/x", None),
            (None, "public/x", Some(Pull)),
            (None, "shared/x", None),
            (None, "a/x", None),
        ] {
            for right in [Pull, Push, Admin] {
                let allowed = highest.is_some_and(|highest| right <= highest);
                assert_eq!(
                    rules.allow(user, gun, right),
                    allowed,
                    "{user:?} {gun} {right:?}"
                );
            }
        }
        assert!(rules.allow_everywhere(Some("boss"), Pull));
        assert!(!rules.allow_everywhere(Some("alice"), Pull));
        assert!(!rules.allow_everywhere(None, Pull));
        assert!(!Rules::default().allow(Some("alice"), "a/x", Pull));
    }

    #[test]
    fn rules_that_mean_something_else_are_refused() {
        for prefix in [
            "/", "/a", "a//", "a//b", "../a", "a/./b", "a*", "a\\", "a\n",
        ] {
            let rule = Rule::new(Who::Everybody, prefix, Right::Pull);
            assert_eq!(
                rule,
                Err(InvalidRule::Prefix(prefix.to_owned())),
                "{prefix}"
            );
        }
        assert_eq!(
            Rule::new(Who::Anonymous, "", Right::Push),
            Err(InvalidRule::Anonymous)
        );
        for name in ["", "a:b", "a\nb"] {
            assert!(
                Rule::new(Who::named(name), "", Right::Pull).is_err(),
                "{name:?}"
            );
        }
    }
}
