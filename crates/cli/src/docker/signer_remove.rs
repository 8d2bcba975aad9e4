//! `signer remove [-f] NAME REPOSITORY…`: who may sign no longer.
//!
//! docker 26 to 29 remove a signer only when they are the last one and the question is answered with yes, and refuse where nothing is signed
//! (Q10, Q11). Here the signer is removed, or the command fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use signet_client::publish::PublishOptions;
use signet_client::{Access, Edit, Error, Repository};
use signet_keys::KeyStore;
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{
    KeyId, PublicKey, Received, RoleKeys, RoleName, Targets, TrustedRepository, UnusableReason,
};

use super::anew::Halves;
use super::context::Context;
use super::problems;
use super::trust::{Image, parse};
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

struct Args<'a> {
    name: &'a str,
    repositories: &'a [String],
    force: bool,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some((name, repositories)) = matches.args.split_first() else {
        return Err(Failure::silent());
    };
    let args = Args {
        name,
        repositories,
        force: matches.is_set("force"),
    };
    let mut failed: Vec<&str> = Vec::new();
    for typed in args.repositories {
        context
            .printer
            .out(&texts::removing_signer(args.name, typed))?;
        match context.block_on(remove(typed, &args, context)) {
            Ok(Done::Removed) => context
                .printer
                .out(&texts::removed_signer(args.name, typed))?,
            // compat: a question answered with no is no failure (Q6).
            Ok(Done::Declined) => {}
            Err(failure) => {
                failure.print(&context.printer);
                context.printer.err("\n");
                failed.push(typed);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(texts::signer_not_removed(&failed.join(", "))))
    }
}

enum Done {
    Removed,
    Declined,
}

async fn remove(typed: &str, args: &Args<'_>, context: &Context) -> Result<Done, Failure> {
    let reference = parse(typed)?;
    if args.name == "releases" {
        return Err(Failure::new(texts::RESERVED_REMOVED));
    }
    let image = Image::find(context, typed)?;
    if reference.tag().is_some() || reference.digest().is_some() {
        tracing::warn!(
            "{}",
            texts::signers_are_for_repositories(typed, &reference.familiar_name())
        );
    }
    let mut repository = image.open(context, Access::PullPush)?;
    let updated = {
        let _busy = context.printer.busy(&texts::reading(image.gun.as_str()));
        repository.update(Mode::Write, Scope::All).await.map(|_| ())
    };
    problems::log_warnings(repository.take_warnings());
    updated.map_err(|error| {
        let text = texts::signers_unknown(typed, &problems::client_problem(&error));
        image.failure(text, &error)
    })?;

    let leaving = repository
        .trusted()
        .and_then(|trusted| Leaving::find(trusted, args.name));
    let (Some(leaving), Some(trusted)) = (leaving, repository.trusted()) else {
        return Err(Failure::new(texts::no_such_signer(args.name, typed)));
    };
    for (key, signers) in &leaving.shared {
        tracing::warn!("{}", texts::shared_key(key.short(), &signers.join(", ")));
    }
    let last = leaving.is_last_to_release(trusted);
    if last
        && !args.force
        && !context
            .terminal
            .confirm(&texts::last_signer(args.name, typed))
            .map_err(|error| Failure::new(problems::with_sources(&error)))?
    {
        return Ok(Done::Declined);
    }
    // A removal must not depend on more keys than it needs, so this is for people only.
    let person = !args.force && io::stdin().is_terminal() && context.printer.talks_to_terminal();
    let witnessed = if last && person {
        offer_witness(trusted, &leaving, args.name, context)?
    } else {
        None
    };
    let orphaned = last && witnessed.is_none() && !leaving.remaining.is_empty();

    let edits = leaving.edits(witnessed.is_some());
    let options = witnessed.unwrap_or_default();
    publish(&edits, options, &mut repository, &image, context).await?;
    if orphaned {
        tracing::warn!("{}", texts::nobody_vouches(image.gun.as_str()));
    }
    Ok(Done::Removed)
}

async fn publish(
    edits: &[Edit],
    options: PublishOptions,
    repository: &mut Repository,
    image: &Image,
    context: &Context,
) -> Result<(), Failure> {
    let asked = !options.as_shown.is_empty();
    let published = {
        let _busy = context.printer.busy(&texts::publishing(image.gun.as_str()));
        repository.publish(edits, options).await
    };
    let published = published.map_err(|error| match error {
        Error::Changed { .. } | Error::Conflict { .. } if asked => {
            Failure::new(texts::published_meanwhile(image.gun.as_str()))
        }
        error => image.failure(problems::client_problem(&error), &error),
    })?;
    problems::log_warnings(repository.take_warnings());
    problems::log_edit_warnings(&published);
    Ok(())
}

/// The signer who leaves, and what that means for `targets/releases`. Keys are told apart by their canonical IDs, so one that was added with a
/// certificate counts as well (Q12).
struct Leaving {
    role: RoleName,
    /// Keys that leave `targets/releases`.
    removed: Vec<KeyId>,
    /// Keys that stay there because other signers have them, too, with those signers' names.
    shared: BTreeMap<KeyId, Vec<String>>,
    /// What is left of `targets/releases`: keys under the IDs by which the role lists them.
    remaining: Vec<(KeyId, PublicKey)>,
    threshold: i64,
}

impl Leaving {
    fn find(trusted: &TrustedRepository, name: &str) -> Option<Self> {
        let role: RoleName = format!("targets/{name}").parse().ok()?;
        let own = keys_of(trusted, &role)?;
        let own: BTreeSet<KeyId> = own
            .iter()
            .map(|(_, key)| key.canonical_id().clone())
            .collect();
        let mut shared: BTreeMap<KeyId, Vec<String>> = BTreeMap::new();
        for other in trusted.delegations() {
            if other.role == role
                || other.role == RoleName::releases()
                || other.role.is_below(&role)
            {
                continue;
            }
            let name = other.role.as_str().strip_prefix("targets/");
            for key in other
                .keys
                .iter()
                .filter(|key| own.contains(key.canonical_id()))
            {
                let signers = shared.entry(key.canonical_id().clone()).or_default();
                signers.extend(name.map(str::to_owned));
                signers.dedup();
            }
        }
        let mut removed: Vec<KeyId> = Vec::new();
        let mut remaining = Vec::new();
        for (id, key) in keys_of(trusted, &RoleName::releases()).unwrap_or_default() {
            let canonical = key.canonical_id();
            if !own.contains(canonical) || shared.contains_key(canonical) {
                remaining.push((id, key));
            } else if !removed.contains(canonical) {
                removed.push(canonical.clone());
            }
        }
        shared.retain(|id, _| remaining.iter().any(|(_, key)| key.canonical_id() == id));
        let threshold = trusted
            .role_keys(&RoleName::releases())
            .map_or(1, |keys| keys.threshold());
        Some(Self {
            role,
            removed,
            shared,
            remaining,
            threshold,
        })
    }

    /// Whether what is released now is signed by too few of those who remain. Where nothing is released, nobody is the last one.
    fn is_last_to_release(&self, trusted: &TrustedRepository) -> bool {
        let remaining = RoleKeys::new(
            RoleName::releases(),
            self.remaining.iter().cloned(),
            self.threshold,
        );
        released(trusted).is_some_and(|document| document.check_signatures(&remaining).is_err())
    }

    fn edits(&self, witness: bool) -> Vec<Edit> {
        let mut edits = Vec::new();
        if !self.removed.is_empty() {
            edits.push(Edit::ChangeDelegation {
                role: RoleName::releases(),
                threshold: 0,
                add_keys: Vec::new(),
                remove_keys: self.removed.clone(),
                add_paths: Vec::new(),
                remove_paths: Vec::new(),
                clear_paths: false,
            });
        }
        edits.push(Edit::RemoveDelegation {
            role: self.role.clone(),
        });
        if witness {
            edits.push(Edit::Witness {
                role: RoleName::releases(),
            });
        }
        edits
    }
}

/// The keys that a delegation lists, also those of one whose list is not complete; `None` when there is no such delegation.
fn keys_of(trusted: &TrustedRepository, role: &RoleName) -> Option<Vec<(KeyId, PublicKey)>> {
    let delegations = &trusted.targets(&role.parent()?)?.body().delegations;
    let entry = delegations.find(role)?;
    let ids = entry.keyids.iter().flatten();
    Some(
        ids.filter_map(|id| Some((id.clone(), delegations.keys.get(id)?.clone())))
            .collect(),
    )
}

/// The document of `targets/releases`, where its keys have signed it.
fn released(trusted: &TrustedRepository) -> Option<&Received<Targets>> {
    let role = RoleName::releases();
    if let Some(document) = trusted.targets(&role) {
        return Some(document.received());
    }
    let unusable = trusted.unusable().get(&role)?;
    matches!(unusable.reason(), UnusableReason::Expired(_)).then(|| unusable.received())
}

/// Asks whether somebody who stays, and whose key is at hand, takes over what is released. Shows what nobody else vouches for. The answer is how
/// to publish: what anybody publishes after the question, the leaving signer above all, nobody has agreed to.
fn offer_witness(
    trusted: &TrustedRepository,
    leaving: &Leaving,
    name: &str,
    context: &Context,
) -> Result<Option<PublishOptions>, Failure> {
    let Some(document) = released(trusted) else {
        return Ok(None);
    };
    let held = held(&leaving.remaining, &context.keys()?)?;
    if i64::try_from(held.len()).is_ok_and(|held| held < leaving.threshold.max(1)) {
        return Ok(None);
    }
    let releasers: BTreeSet<KeyId> = leaving
        .remaining
        .iter()
        .map(|(_, key)| key.canonical_id().clone())
        .collect();
    let halves = Halves::of(
        trusted,
        document.unverified(),
        &releasers,
        Some(&leaving.role),
    );
    let signers = names(trusted, leaving, &held).join(", ");
    let mut text = if halves.alone.is_empty() && halves.disputed.is_empty() {
        texts::can_be_signed_again_whole(&signers)
    } else {
        texts::can_be_signed_again(&signers)
    };
    for (head, tags) in [
        (texts::alone(name, halves.alone.len()), &halves.alone),
        (
            texts::listed_otherwise(halves.disputed.len()),
            &halves.disputed,
        ),
    ] {
        if !tags.is_empty() {
            text += &head;
        }
        for (tag, digest) in tags {
            text += &texts::tag_and_digest(tag, digest);
        }
    }
    context.printer.out(&text)?;
    let agreed = context
        .terminal
        .confirm(texts::SIGN_IT_AGAIN)
        .map_err(|error| Failure::new(problems::with_sources(&error)))?;
    Ok(agreed.then(|| PublishOptions {
        as_shown: [(RoleName::releases(), document.raw().clone())].into(),
        attempts: 1,
        ..PublishOptions::default()
    }))
}

/// Canonical IDs of those keys that are in the user's store.
fn held(
    keys: &[(KeyId, PublicKey)],
    store: &Arc<dyn KeyStore>,
) -> Result<BTreeSet<KeyId>, Failure> {
    let mut held = BTreeSet::new();
    for (_, key) in keys {
        let info = store
            .info(key.canonical_id())
            .map_err(|error| Failure::new(problems::key_problem(&error)))?;
        if info.is_some() {
            held.insert(key.canonical_id().clone());
        }
    }
    Ok(held)
}

/// The remaining signers who have one of those keys.
fn names(trusted: &TrustedRepository, leaving: &Leaving, held: &BTreeSet<KeyId>) -> Vec<String> {
    let others = trusted.delegations().into_iter().filter(|other| {
        other.role != leaving.role
            && other.role != RoleName::releases()
            && other
                .keys
                .iter()
                .any(|key| held.contains(key.canonical_id()))
    });
    let names: Vec<String> = others
        .filter_map(|other| Some(other.role.as_str().strip_prefix("targets/")?.to_owned()))
        .collect();
    if names.is_empty() {
        held.iter().map(|key| key.short().to_owned()).collect()
    } else {
        names
    }
}
