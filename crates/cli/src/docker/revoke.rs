//! `revoke [-y] IMAGE[:TAG]`: the tag is released by nobody afterwards, or the command fails and nothing has changed.
//!
//! docker leaves the role `targets` alone where there are signers, so that an older digest of the tag becomes the trusted one (Q14).

use std::collections::BTreeSet;

use signet_client::publish::PublishOptions;
use signet_client::{Access, Edit, Error};
use signet_tuf::lookup::Paths;
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{KeyId, PublicKey, RoleName, Targets, TrustedRepository};

use super::anew::{self, Anew, Basis};
use super::context::Context;
use super::overview::is_released;
use super::problems;
use super::trust::{Image, parse};
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let typed = matches.args.first().map_or("", String::as_str);
    let reference = parse(typed)?;
    if reference.digest().is_some() {
        return Err(Failure::new(texts::DIGEST_REFERENCE));
    }
    if reference.tag().is_none()
        && !matches.is_set("yes")
        && !context
            .terminal
            .confirm(&texts::confirm_revoke(typed))
            .map_err(|error| Failure::new(problems::with_sources(&error)))?
    {
        // compat: a question answered with no is no failure (Q6).
        return Ok(());
    }
    let image = Image::find(context, typed)?;
    context
        .block_on(revoke(&image, context))
        .map_err(|failure| failure.prefix(&texts::not_revoked(typed)))?;
    Ok(context.printer.out(&texts::revoked(typed))?)
}

async fn revoke(image: &Image, context: &Context) -> Result<(), Failure> {
    let failed = |error: Error| image.failure(problems::client_problem(&error), &error);
    let mut repository = image.open(context, Access::PullPush)?;
    let updated = {
        let _busy = context.printer.busy(&texts::reading(image.gun.as_str()));
        repository.update(Mode::Write, Scope::All).await.map(|_| ())
    };
    problems::log_warnings(repository.take_warnings());
    updated.map_err(failed)?;

    let edits = match repository.trusted() {
        Some(trusted) => {
            let roles = roles(trusted, context)?;
            match image.reference.tag() {
                Some(tag) => one(trusted, &roles, tag.as_str())?,
                None => all(trusted, &roles)?,
            }
        }
        None => return Err(Failure::new(texts::NO_SIGNED_TAGS)),
    };
    let (edits, anew) = without_bringing_back(Basis::of(&repository), edits)?;
    anew.log();
    let (edits, options) = anew.apply(&edits, PublishOptions::default());
    let published = {
        let _busy = context.printer.busy(&texts::publishing(image.gun.as_str()));
        repository.publish(&edits, options).await.map_err(failed)?
    };
    problems::log_warnings(repository.take_warnings());
    problems::log_edit_warnings(&published);
    Ok(())
}

/// Plans which roles begin anew. `targets/releases` stays unreadable, as it is, where other tags would fall back to older digests in `targets`.
fn without_bringing_back(
    basis: Option<Basis<'_>>,
    mut edits: Vec<Edit>,
) -> Result<(Vec<Edit>, Anew), Failure> {
    let anew = Anew::plan(basis, &edits);
    if !anew.brings_back() {
        return Ok((edits, anew));
    }
    let releases = RoleName::releases();
    let mut left = Vec::new();
    edits.retain(|edit| match edit {
        Edit::RemoveTarget { role, name } if *role == releases => {
            left.push(texts::listed_without_signature(role.as_str(), name));
            false
        }
        _ => true,
    });
    if edits.is_empty() {
        anew.refuse_older_digests()?;
    }
    for note in left {
        tracing::warn!("{note}");
    }
    let anew = Anew::plan(basis, &edits);
    Ok((edits, anew))
}

/// A role that could list the tag: `targets`, or one right below it.
struct Role<'t> {
    name: RoleName,
    keys: Vec<PublicKey>,
    paths: Paths,
    /// What it lists, whether that is trusted or not.
    document: Option<&'t Targets>,
    /// Whether too few of its keys have signed that.
    unsigned: bool,
    /// Whether one of its keys is at hand.
    held: bool,
}

impl Role<'_> {
    fn lists(&self, tag: &str) -> bool {
        self.paths.allow(tag)
            && self
                .document
                .is_some_and(|document| document.targets.contains_key(tag))
    }

    fn releases(&self) -> bool {
        is_released(&self.name)
    }

    fn key_ids(&self) -> Vec<KeyId> {
        self.keys
            .iter()
            .map(|key| key.canonical_id().clone())
            .collect()
    }
}

fn roles<'t>(trusted: &'t TrustedRepository, context: &Context) -> Result<Vec<Role<'t>>, Failure> {
    let store = context.keys()?;
    let document = |role: &RoleName| {
        trusted
            .targets(role)
            .map(|verified| verified.body())
            .or_else(|| Some(trusted.unusable().get(role)?.received().unverified()))
    };
    let targets_keys = trusted
        .role_keys(&RoleName::targets())
        .map(|keys| keys.keys().cloned().collect())
        .unwrap_or_default();
    let mut found = vec![(RoleName::targets(), targets_keys, Paths::everything())];
    found.extend(
        trusted
            .delegations()
            .into_iter()
            .filter(|delegation| delegation.role.parent() == Some(RoleName::targets()))
            .map(|delegation| (delegation.role, delegation.keys, delegation.effective)),
    );
    let mut roles = Vec::new();
    for (name, keys, paths) in found {
        let mut held = false;
        for key in &keys {
            let info = store
                .info(key.canonical_id())
                .map_err(|error| Failure::new(problems::key_problem(&error)))?;
            held |= info.is_some();
        }
        roles.push(Role {
            document: document(&name),
            unsigned: anew::unsigned(trusted, &name).is_some(),
            name,
            keys,
            paths,
            held,
        });
    }
    Ok(roles)
}

/// The edits that revoke one tag.
fn one(trusted: &TrustedRepository, roles: &[Role<'_>], tag: &str) -> Result<Vec<Edit>, Failure> {
    let found = trusted.lookup(tag, &[RoleName::releases(), RoleName::targets()]);
    let listed = found.is_some()
        || roles
            .iter()
            .any(|role| role.releases() && role.lists(tag) && (!role.unsigned || role.held));
    if !listed {
        return Err(Failure::new(texts::no_valid_trust_data(tag)));
    }
    let edits = removal(roles, tag)?;
    if edits.is_empty() {
        let others = found.map_or_else(String::new, |found| found.role.to_string());
        return Err(match nobodys_keys(roles) {
            Some(failure) => failure,
            None => Failure::new(texts::only_others_list(tag, &others)),
        });
    }
    Ok(edits)
}

/// The edits that revoke every tag.
fn all(trusted: &TrustedRepository, roles: &[Role<'_>]) -> Result<Vec<Edit>, Failure> {
    let listed = trusted.list(&[RoleName::releases(), RoleName::targets()]);
    let mut tags: BTreeSet<&str> = listed.iter().map(|found| found.name.as_str()).collect();
    for role in roles.iter().filter(|role| role.held || !role.unsigned) {
        let names = role
            .document
            .iter()
            .flat_map(|document| document.targets.keys());
        tags.extend(names.map(String::as_str));
    }
    let mut edits = Vec::new();
    for tag in &tags {
        edits.extend(removal(roles, tag)?);
    }
    if edits.is_empty() {
        let released = tags
            .iter()
            .any(|tag| roles.iter().any(|role| role.releases() && role.lists(tag)));
        return Err(nobodys_keys(roles)
            .filter(|_| released)
            .unwrap_or_else(|| Failure::new(texts::NO_SIGNED_TAGS)));
    }
    Ok(edits)
}

/// Takes a tag out of every role that lists it and that can be signed here. The two that release it must be among them.
fn removal(roles: &[Role<'_>], tag: &str) -> Result<Vec<Edit>, Failure> {
    let mut edits = Vec::new();
    for role in roles.iter().filter(|role| role.lists(tag)) {
        if role.held {
            edits.push(Edit::RemoveTarget {
                role: role.name.clone(),
                name: tag.to_owned(),
            });
        } else if role.releases() && role.unsigned {
            // It releases nothing as it is, and nobody here can change it.
            tracing::warn!(
                "{}",
                texts::listed_without_signature(role.name.as_str(), tag)
            );
        } else if role.releases() {
            return Err(nobodys_keys(roles).unwrap_or_else(|| {
                let ids: Vec<String> = role.key_ids().iter().map(KeyId::to_string).collect();
                Failure::new(texts::still_released(
                    tag,
                    role.name.as_str(),
                    &ids.join(", "),
                ))
                .hint(texts::KEYS_HINT)
            }));
        }
    }
    Ok(edits)
}

/// docker's words for somebody who has none of the keys.
fn nobodys_keys(roles: &[Role<'_>]) -> Option<Failure> {
    if roles.iter().any(|role| role.held) {
        return None;
    }
    let failure = match roles {
        [targets] => {
            let error = Error::NoSigningKeys {
                role: targets.name.clone(),
                keys: targets.key_ids(),
                edit: None,
            };
            Failure::new(problems::client_problem(&error))
        }
        _ => Failure::new(texts::NO_SIGNING_KEYS),
    };
    Some(failure.hint(texts::KEYS_HINT))
}
