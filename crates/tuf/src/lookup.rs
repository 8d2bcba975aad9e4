//! Looking up targets: the walk over the delegation tree with its path rules (specification, `tuf.md` section 13).
//!
//! Files are downloaded depth first, but names are looked up breadth first from `targets`. A role speaks only for names
//! that start with one of its *effective* paths: those of its paths that its parent's effective paths cover. A name
//! outside is never reported, also by [`TrustedRepository::all_occurrences`] and for the empty name, where Go reports it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::update::TrustedRepository;
use crate::{Expiry, PublicKey, RoleName, Target, Targets};

/// Plain prefixes of target names. `""` covers everything, no prefixes cover nothing, `*` is literal.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Paths {
    /// Sorted, and none a prefix of another, so that one binary search answers.
    prefixes: Vec<String>,
}

impl Paths {
    /// What the role `targets` may sign.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            prefixes: vec![String::new()],
        }
    }

    /// Whether `name` starts with one of the prefixes.
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        // The only candidate is the greatest prefix not above the name: whatever lies between a prefix of the name and
        // the name starts with that prefix, and no member does.
        let after = self
            .prefixes
            .partition_point(|prefix| prefix.as_str() <= name);
        after
            .checked_sub(1)
            .and_then(|i| self.prefixes.get(i))
            .is_some_and(|prefix| name.starts_with(prefix.as_str()))
    }

    /// The effective paths of a role that lists `listed` below a role with these paths.
    #[must_use]
    pub fn restrict(&self, listed: &[String]) -> Self {
        let mut covered: Vec<&String> = listed.iter().filter(|path| self.allow(path)).collect();
        covered.sort_unstable();
        let mut prefixes: Vec<String> = Vec::with_capacity(covered.len());
        for path in covered {
            if !prefixes
                .last()
                .is_some_and(|last| path.starts_with(last.as_str()))
            {
                prefixes.push(path.clone());
            }
        }
        Self { prefixes }
    }

    /// Whether nothing is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }
}

/// A target, and who says so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundTarget {
    /// The role whose document lists it.
    pub role: RoleName,
    /// Its name; for Docker the tag.
    pub name: String,
    /// Length, digests and custom data.
    pub target: Target,
    /// The earliest end of validity among the base roles' documents and those from `targets` down to `role`: until then
    /// the answer holds.
    pub valid_until: Expiry,
}

/// A target, and who says so, as they stand in the loaded documents.
#[derive(Clone, Copy, Debug)]
pub struct ListedTarget<'a> {
    /// The role whose document lists it.
    pub role: &'a RoleName,
    /// Its name; for Docker the tag.
    pub name: &'a str,
    /// Length, digests and custom data.
    pub target: &'a Target,
}

impl<'a> From<&'a FoundTarget> for ListedTarget<'a> {
    fn from(found: &'a FoundTarget) -> Self {
        Self {
            role: &found.role,
            name: &found.name,
            target: &found.target,
        }
    }
}

/// A delegation, as its parent's document lists it.
#[derive(Clone, Debug)]
pub struct FoundDelegation {
    /// Its name.
    pub role: RoleName,
    /// Its keys in listed order. Key lists show their canonical IDs.
    pub keys: Vec<PublicKey>,
    /// How many distinct keys must sign.
    pub threshold: i64,
    /// Its paths as written.
    pub paths: Vec<String>,
    /// The names that it may sign.
    pub effective: Paths,
}

/// One role that a walk reached.
#[derive(Clone, Debug)]
pub struct Visit<'a> {
    /// The role.
    pub role: RoleName,
    /// Its document.
    pub document: &'a Targets,
    /// The names that it may sign.
    pub paths: Paths,
}

impl Visit<'_> {
    fn found(&self, name: &str, target: &Target, valid_until: &Expiry) -> FoundTarget {
        FoundTarget {
            role: self.role.clone(),
            name: name.to_owned(),
            target: target.clone(),
            valid_until: valid_until.clone(),
        }
    }
}

/// Where a walk goes. The default goes everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Route<'r> {
    /// Only roles that may sign this target.
    pub target: Option<&'r str>,
    /// Only this role and those below it.
    pub start: Option<&'r RoleName>,
    /// Not these roles, nor what is below them.
    pub skip: &'r [RoleName],
}

/// The breadth-first walk from `targets` over loaded documents.
///
/// Each role is visited once, under the first entry that names it: a parent that lists a child twice cannot multiply
/// the work below it (security class A13).
pub struct Walk<'a, 'r, L> {
    load: L,
    route: Route<'r>,
    queue: VecDeque<(RoleName, Paths)>,
    seen: BTreeSet<RoleName>,
    documents: std::marker::PhantomData<&'a Targets>,
}

impl<L> std::fmt::Debug for Walk<'_, '_, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("route", &self.route)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// A walk along `route`; `load` gives the documents that are loaded.
pub fn walk<'a, 'r, L: Fn(&RoleName) -> Option<&'a Targets>>(
    load: L,
    route: Route<'r>,
) -> Walk<'a, 'r, L> {
    Walk {
        load,
        route,
        queue: VecDeque::from([(RoleName::targets(), Paths::everything())]),
        seen: BTreeSet::new(),
        documents: std::marker::PhantomData,
    }
}

impl<'a, L: Fn(&RoleName) -> Option<&'a Targets>> Iterator for Walk<'a, '_, L> {
    type Item = Visit<'a>;

    fn next(&mut self) -> Option<Visit<'a>> {
        while let Some((role, paths)) = self.queue.pop_front() {
            let Some(document) = (self.load)(&role) else {
                continue;
            };
            let above_start = self.route.start.is_some_and(|start| start.is_below(&role));
            let within = self
                .route
                .start
                .is_none_or(|start| role == *start || role.is_below(start));
            let allowed = self.route.target.is_none_or(|target| paths.allow(target));
            let visited = within && allowed && !self.route.skip.contains(&role);
            if !above_start && !visited {
                continue;
            }
            for (child, entry) in children(&role, document) {
                if self.seen.insert(child.clone()) {
                    self.queue.push_back((child, paths.restrict(&entry.paths)));
                }
            }
            if visited {
                return Some(Visit {
                    role,
                    document,
                    paths,
                });
            }
        }
        None
    }
}

/// The delegations in the document of `role` that count, in order: direct children whose keys are all there.
pub fn children<'a>(
    role: &'a RoleName,
    document: &'a Targets,
) -> impl Iterator<Item = (RoleName, &'a crate::Delegation)> {
    document.delegations.iter().filter_map(move |entry| {
        let child = entry.role().ok()?;
        let complete = entry
            .keyids
            .iter()
            .flatten()
            .all(|id| document.delegations.keys.contains_key(id));
        (child.parent().as_ref() == Some(role) && complete).then_some((child, entry))
    })
}

impl TrustedRepository {
    fn walk<'a, 'r>(
        &'a self,
        route: Route<'r>,
    ) -> Walk<'a, 'r, impl Fn(&RoleName) -> Option<&'a Targets>> {
        walk(|role| Some(self.targets(role)?.body()), route)
    }

    /// The target `name`, looked up from each of `roles` in order (from `targets` when there are none): the first role
    /// reached that may sign the name and lists it wins.
    #[must_use]
    pub fn lookup(&self, name: &str, roles: &[RoleName]) -> Option<FoundTarget> {
        let default = [RoleName::targets()];
        let roles = if roles.is_empty() { &default } else { roles };
        if !self.covers(name) {
            return None;
        }
        roles.iter().enumerate().find_map(|(i, start)| {
            self.walk(Route {
                target: Some(name),
                start: Some(start),
                skip: &others(roles, i),
            })
            .find_map(|visit| {
                let target = visit.document.targets.get(name)?;
                Some(visit.found(name, target, &self.valid_until(&visit.role)))
            })
        })
    }

    /// All targets that [`TrustedRepository::lookup`] finds with the same roles, by name.
    #[must_use]
    pub fn list(&self, roles: &[RoleName]) -> Vec<FoundTarget> {
        let mut ends: BTreeMap<&RoleName, Expiry> = BTreeMap::new();
        self.listed(roles)
            .into_iter()
            .map(|listed| {
                let end = ends.entry(listed.role);
                let end = end.or_insert_with(|| self.valid_until(listed.role));
                FoundTarget {
                    role: listed.role.clone(),
                    name: listed.name.to_owned(),
                    target: listed.target.clone(),
                    valid_until: end.clone(),
                }
            })
            .collect()
    }

    /// As [`TrustedRepository::list`] without copies, which a large repository has many of.
    #[must_use]
    pub fn listed(&self, roles: &[RoleName]) -> Vec<ListedTarget<'_>> {
        let default = [RoleName::targets()];
        let roles = if roles.is_empty() { &default } else { roles };
        let mut found = Vec::new();
        for (i, start) in roles.iter().enumerate() {
            let route = Route {
                target: None,
                start: Some(start),
                skip: &others(roles, i),
            };
            for visit in self.walk(route) {
                let Some((role, _)) = self.all_targets().get_key_value(&visit.role) else {
                    continue;
                };
                let targets = visit.document.targets.iter();
                found.extend(
                    targets
                        .filter(|(name, _)| visit.paths.allow(name) && self.covers(name))
                        .map(|(name, target)| ListedTarget { role, name, target }),
                );
            }
        }
        // Of equal names the first one found stays first. Each document is in order already, which such a sort makes use of.
        found.sort_by_key(|listed| listed.name);
        found.dedup_by_key(|listed| listed.name);
        found
    }

    /// Every role's entry for `name`, or for every name, in the order of the walk. Who signed what, in other words.
    #[must_use]
    pub fn all_occurrences(&self, name: Option<&str>) -> Vec<FoundTarget> {
        let route = Route {
            target: name,
            ..Route::default()
        };
        let mut found = Vec::new();
        for visit in self.walk(route) {
            let targets = &visit.document.targets;
            let valid_until = self.valid_until(&visit.role);
            if let Some(name) = name {
                if let Some(target) = targets.get(name).filter(|_| self.covers(name)) {
                    found.push(visit.found(name, target, &valid_until));
                }
            } else {
                for (name, target) in targets
                    .iter()
                    .filter(|(name, _)| visit.paths.allow(name) && self.covers(name))
                {
                    found.push(visit.found(name, target, &valid_until));
                }
            }
        }
        found
    }

    /// Every delegation that a loaded document lists, in the order of the walk.
    #[must_use]
    pub fn delegations(&self) -> Vec<FoundDelegation> {
        let mut found = Vec::new();
        for visit in self.walk(Route::default()) {
            for (role, entry) in children(&visit.role, visit.document) {
                let keys = entry.keyids.iter().flatten();
                found.push(FoundDelegation {
                    role,
                    keys: keys
                        .filter_map(|id| visit.document.delegations.keys.get(id).cloned())
                        .collect(),
                    threshold: entry.threshold,
                    paths: entry.paths.clone(),
                    effective: visit.paths.restrict(&entry.paths),
                });
            }
        }
        found
    }
}

/// The other roles of a query: a walk from one does not enter them.
fn others(roles: &[RoleName], current: usize) -> Vec<RoleName> {
    let own = roles.get(current);
    roles
        .iter()
        .filter(|role| Some(*role) != own)
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(listed: &[&str]) -> Paths {
        let listed: Vec<String> = listed.iter().map(|&p| p.to_owned()).collect();
        Paths::everything().restrict(&listed)
    }

    #[test]
    fn prefixes_are_plain_strings() {
        let some = paths(&["lat", "a/", "a", "b/c/", "*"]);
        for name in ["latest", "lat", "a", "a/x", "ab", "b/c/d", "*x"] {
            assert!(some.allow(name), "{name}");
        }
        for name in ["", "la", "b/c", "b", "x", "é"] {
            assert!(!some.allow(name), "{name}");
        }
        assert!(paths(&[""]).allow("") && paths(&[""]).allow("x"));
        assert!(paths(&[]).is_empty() && !paths(&[]).allow(""));
    }

    #[test]
    fn only_what_the_parent_covers_is_effective() {
        let parent = paths(&["a/", "b"]);
        let listed = ["", "a", "a/", "a/x", "bc", "c"].map(str::to_owned);
        let child = parent.restrict(&listed);
        assert_eq!(child, paths(&["a/", "bc"]));
        assert!(child.restrict(&["a".to_owned()]).is_empty());
    }

    #[test]
    fn many_paths_take_one_search_each() {
        // Quadratic matching would take minutes here (security class A20).
        let listed: Vec<String> = (0..100_000).map(|i| format!("{i:06}/")).collect();
        let all = Paths::everything().restrict(&listed);
        assert_eq!(all.restrict(&listed), all);
        assert!(all.allow("099999/x") && !all.allow("100000/x"));
    }
}
