//! A repository, and what must be listed of it.

use std::collections::BTreeSet;

use signet_testkit::user::{Tool, User};

use crate::judge::list_targets;
use crate::notary_rotate::HELLO;

/// A repository that is published to.
pub(crate) struct Repository {
    /// Its name.
    pub(crate) gun: &'static str,
    /// Who publishes.
    tool: Tool,
    /// The delegations that sign, where it is not the owner.
    roles: &'static [&'static str],
    /// The names of what was published.
    published: BTreeSet<String>,
}

impl Repository {
    pub(crate) fn new(gun: &'static str) -> Self {
        Self {
            gun,
            tool: Tool::Notary,
            roles: &[],
            published: BTreeSet::new(),
        }
    }

    /// The same, published to by our client.
    pub(crate) fn by_ours(mut self) -> Self {
        self.tool = Tool::OurNotary;
        self
    }

    /// The same, signed by these delegations.
    pub(crate) fn signed_by(mut self, roles: &'static [&'static str]) -> Self {
        self.roles = roles;
        self
    }

    /// Publishes one more target.
    pub(crate) fn publish(&mut self, owner: &User, name: &str) {
        let mut words = vec!["addhash", self.gun, name, "12", "--sha256", HELLO, "-p"];
        for role in self.roles {
            words.extend(["-r", role]);
        }
        owner.expect(self.tool, &words).unwrap();
        self.published.insert(name.to_owned());
    }

    /// Whether a reader sees what was published, with Go's client and, where ours publishes, with ours.
    pub(crate) fn is_listed(&self, reader: &User, what: &str) {
        let role = self.roles.first().unwrap_or(&"targets");
        let listed = list_targets(reader, self.gun, &[role]);
        let names: BTreeSet<String> = listed.iter().map(|target| target.name.clone()).collect();
        assert_eq!(names, self.published, "{what}");
        for target in listed {
            assert_eq!((&*target.digest, target.size), (HELLO, 12), "{what}");
            assert_eq!(target.role, *role, "{what}");
        }
        if self.tool == Tool::OurNotary {
            let words = ["list", self.gun];
            let [ours, go] =
                [Tool::OurNotary, Tool::Notary].map(|tool| reader.expect(tool, &words).unwrap());
            assert_eq!(ours, go, "{what}");
        }
    }
}
