//! `sign IMAGE:TAG [--local] [--remote] [--digest D]`: signs a tag with every key at hand that may.
//!
//! A tag that is signed already is signed again as it is, without asking the registry. Otherwise what the registry has under the tag is
//! signed: digest and size come from the manifest's bytes, hashed here.

use signet_client::publish::{PublishOptions, Unchanged};
use signet_client::{Access, Edit, Error, Repository};
use signet_oci::{Digest, Manifest, Tag};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{RoleName, Target, TrustedRepository};

use super::anew::{self, Anew};
use super::context::Context;
use super::name::SignerName;
use super::overview::{is_released, signers_of};
use super::trust::{Image, parse};
use super::{keys, problems, signer_add};
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

struct Args<'a> {
    image: &'a str,
    what: What,
    local: bool,
}

/// What is to be signed.
enum What {
    /// What is signed already; else what the registry has.
    Present,
    /// What the registry has under the tag.
    Remote,
    /// This digest, which is signed already or in the registry.
    Digest(Digest),
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let local = matches.is_set("local");
    let what =
        match matches.text("digest") {
            "" if local || matches.is_set("remote") => What::Remote,
            "" => What::Present,
            _ if local || matches.is_set("remote") => return Err(Failure::new(texts::ONE_SOURCE)),
            digest => What::Digest(digest.parse().map_err(
                |error: signet_oci::digest::InvalidDigest| Failure::new(error.to_string()),
            )?),
        };
    let args = Args {
        image: matches.args.first().map_or("", String::as_str),
        what,
        local,
    };
    context.block_on(sign(&args, context))
}

async fn sign(args: &Args<'_>, context: &Context) -> Result<(), Failure> {
    let reference = parse(args.image)?;
    if reference.digest().is_some() {
        return Err(Failure::new(texts::DIGEST_REFERENCE));
    }
    let Some(tag) = reference.tag().cloned() else {
        return Err(Failure::new(texts::no_tag(args.image)));
    };
    let image = Image::find(context, args.image)?;
    let mut repository = image.open(context, Access::PullPush)?;
    let updated = {
        let _busy = context.printer.busy(&texts::reading(image.gun.as_str()));
        repository.update(Mode::Write, Scope::All).await.map(|_| ())
    };
    problems::log_warnings(repository.take_warnings());

    let edits = match (updated, repository.trusted()) {
        (Ok(()), Some(trusted)) => sign_existing(args, &image, &tag, trusted, context).await?,
        (Ok(()) | Err(Error::NoTrustData { .. }), _) => {
            sign_first(args, &image, &tag, &mut repository, context).await?
        }
        (Err(error), _) => return Err(wrapped(&image, &error)),
    };
    publish(&image, &tag, &mut repository, &edits, context).await
}

/// The edits for a repository that exists.
async fn sign_existing(
    args: &Args<'_>,
    image: &Image,
    tag: &Tag,
    trusted: &TrustedRepository,
    context: &Context,
) -> Result<Vec<Edit>, Failure> {
    let mut present = Present::find(trusted, tag);
    if matches!(args.what, What::Present) && present.releases.is_none() {
        present.releases = anew::released_before(trusted, tag, args.image)?;
    }
    let again = match &args.what {
        What::Remote => None,
        What::Digest(digest) => present.with_digest(digest),
        What::Present => present.the_only_one(args.image)?,
    };
    // Before anything is fetched or asked: who may sign at all?
    let roles = signable_roles(trusted, tag, context).map_err(|failure| {
        failure.prefix(&texts::failed_to_sign(image.gun.as_str(), tag.as_str()))
    })?;
    let target = match again {
        Some(target) => {
            let digest = digest_of(&target)?;
            let mut signers = signers_of(trusted, tag.as_str(), &digest);
            signers.sort_unstable();
            context.printer.out(&texts::signing_again(
                args.image,
                tag.as_str(),
                &digest,
                &signers.join(", "),
            ))?;
            target
        }
        None => {
            let target = from_registry(args, image, tag, context).await?;
            context.printer.out(texts::SIGNING)?;
            target
        }
    };
    Ok(add_target(&roles, tag, &target))
}

/// The edits for a repository that the server does not know: the user becomes its first signer.
async fn sign_first(
    args: &Args<'_>,
    image: &Image,
    tag: &Tag,
    repository: &mut Repository,
    context: &Context,
) -> Result<Vec<Edit>, Failure> {
    // compat: the image must exist before anything is made for it.
    let manifest = fetch(args, image, tag, context).await?;
    let store = context.keys()?;
    let signer = first_signer(image.user().await.as_deref(), context);
    keys::initialize(repository, &store)
        .await
        .map_err(|error| wrapped(image, &error))?;
    let (mut edits, roles) = match &signer {
        Some(name) => {
            let key = keys::signer_key(&store, &name.to_string())
                .map_err(|error| wrapped(image, &error))?;
            context
                .printer
                .out(&texts::created_signer(&name.to_string()))?;
            (
                signer_add::delegations(name.role(), &[key]),
                vec![name.role().clone(), RoleName::releases()],
            )
        }
        None => (Vec::new(), vec![RoleName::targets()]),
    };
    context
        .printer
        .out(&texts::finished_initializing(args.image))?;
    announce(args, tag, &manifest, context)?;
    context.printer.out(texts::SIGNING)?;
    edits.extend(add_target(&roles, tag, &target_of(&manifest)?));
    Ok(edits)
}

async fn publish(
    image: &Image,
    tag: &Tag,
    repository: &mut Repository,
    edits: &[Edit],
    context: &Context,
) -> Result<(), Failure> {
    let options = PublishOptions {
        unchanged: Unchanged::Resign,
        ..PublishOptions::default()
    };
    let anew = Anew::plan(repository.trusted(), edits);
    anew.log();
    let (edits, options) = anew.apply(edits, options);
    let failed = texts::failed_to_sign(image.gun.as_str(), tag.as_str());
    let published = {
        let _busy = context.printer.busy(&texts::publishing(image.gun.as_str()));
        repository.publish(&edits, options).await.map_err(|error| {
            image.failure(
                format!("{failed}{}", problems::client_problem(&error)),
                &error,
            )
        })?
    };
    problems::log_warnings(repository.take_warnings());
    problems::log_edit_warnings(&published);
    Ok(context
        .printer
        .out(&texts::signed(image.gun.as_str(), tag.as_str()))?)
}

/// What the two roles that release have under a tag.
struct Present {
    releases: Option<Target>,
    targets: Option<Target>,
}

impl Present {
    fn find(trusted: &TrustedRepository, tag: &Tag) -> Self {
        let mut present = Self {
            releases: None,
            targets: None,
        };
        for found in trusted
            .all_occurrences(Some(tag.as_str()))
            .into_iter()
            .filter(|found| is_released(&found.role))
        {
            if found.role == RoleName::releases() {
                present.releases = Some(found.target);
            } else {
                present.targets = Some(found.target);
            }
        }
        present
    }

    fn with_digest(self, digest: &Digest) -> Option<Target> {
        let hex = digest.hex();
        [self.releases, self.targets]
            .into_iter()
            .flatten()
            .find(|target| target.hashes.sha256_hex().as_deref() == Some(&hex))
    }

    /// What is to be signed again when nobody says what. docker takes the digest of `targets`, which may be an old one (Q25).
    fn the_only_one(self, typed: &str) -> Result<Option<Target>, Failure> {
        match (self.releases, self.targets) {
            (Some(releases), Some(targets)) if digest_of(&releases)? != digest_of(&targets)? => {
                let problem =
                    texts::two_digests(typed, &digest_of(&releases)?, &digest_of(&targets)?);
                Err(Failure::new(problem).hint(texts::SAY_WHICH))
            }
            (Some(target), _) | (None, Some(target)) => Ok(Some(target)),
            (None, None) => Ok(None),
        }
    }
}

/// The roles that the user can sign the tag in: `targets` while there are no delegations, else every one right below it whose paths hold the
/// tag and of which a key is at hand. `targets/releases` is one of them.
fn signable_roles(
    trusted: &TrustedRepository,
    tag: &Tag,
    context: &Context,
) -> Result<Vec<RoleName>, Failure> {
    let delegations = trusted.delegations();
    if delegations.is_empty() {
        return Ok(vec![RoleName::targets()]);
    }
    let store = context.keys()?;
    let mut roles = Vec::new();
    for delegation in delegations {
        if delegation.role.parent() != Some(RoleName::targets())
            || !delegation.effective.allow(tag.as_str())
        {
            continue;
        }
        for key in &delegation.keys {
            let held = store
                .info(key.canonical_id())
                .map_err(|error| Failure::new(problems::key_problem(&error)))?;
            if held.is_some() {
                roles.push(delegation.role);
                break;
            }
        }
    }
    if roles.is_empty() {
        Err(Failure::new(texts::NO_SIGNING_KEYS))
    } else {
        Ok(roles)
    }
}

fn add_target(roles: &[RoleName], tag: &Tag, target: &Target) -> Vec<Edit> {
    let edit = |role: &RoleName| Edit::AddTarget {
        role: role.clone(),
        name: tag.to_string(),
        target: target.clone(),
    };
    roles.iter().map(edit).collect()
}

async fn from_registry(
    args: &Args<'_>,
    image: &Image,
    tag: &Tag,
    context: &Context,
) -> Result<Target, Failure> {
    let manifest = fetch(args, image, tag, context).await?;
    announce(args, tag, &manifest, context)?;
    target_of(&manifest)
}

async fn fetch(
    args: &Args<'_>,
    image: &Image,
    tag: &Tag,
    context: &Context,
) -> Result<Manifest, Failure> {
    let _busy = context.printer.busy(&texts::asking_registry(args.image));
    let registry = image.registry(context).await?;
    let manifest = match &args.what {
        What::Digest(digest) => registry.fetch_digest(digest).await,
        What::Present | What::Remote => registry.fetch_tag(tag).await,
    };
    manifest.map_err(|error| image.registry_failure(&error))
}

/// Says what is about to be signed, in the place where docker shows its push.
fn announce(
    args: &Args<'_>,
    tag: &Tag,
    manifest: &Manifest,
    context: &Context,
) -> Result<(), Failure> {
    if args.local {
        context.printer.err(&texts::no_local_image(args.image));
    }
    context.printer.err(&texts::signing_remote(args.image));
    Ok(context.printer.out(&texts::pushed(
        tag.as_str(),
        &manifest.digest().to_string(),
        manifest.size(),
    ))?)
}

fn digest_of(target: &Target) -> Result<String, Failure> {
    target
        .hashes
        .sha256_hex()
        .ok_or_else(|| Failure::new(texts::NO_SHA256))
}

fn target_of(manifest: &Manifest) -> Result<Target, Failure> {
    let size = i64::try_from(manifest.size()).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Target::new(*manifest.digest().as_bytes(), size))
}

/// The first signer of a repository is named after the registry's user. A user without a name that signers can have gets one made of it; one
/// who is not logged in signs with the repository key, as docker's trusted push does.
fn first_signer(user: Option<&str>, context: &Context) -> Option<SignerName> {
    let user = user.filter(|user| !user.is_empty());
    let Some(user) = user else {
        context.printer.err(texts::NO_USER);
        return None;
    };
    if let Ok(name) = SignerName::parse(user) {
        return Some(name);
    }
    match SignerName::parse(&fitting_name(user)) {
        Ok(name) => {
            context
                .printer
                .err(&texts::user_renamed(user, &name.to_string()));
            Some(name)
        }
        Err(_) => {
            context.printer.err(&texts::user_is_no_name(user));
            None
        }
    }
}

/// A name that signers can have, from one that they cannot.
fn fitting_name(user: &str) -> String {
    let letters = user
        .chars()
        .map(|letter| match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_' => {
                letter
            }
            _ => '-',
        });
    let name: String = letters.collect();
    name.trim_start_matches(['-', '_'])
        .chars()
        .take(64)
        .collect()
}

fn wrapped(image: &Image, error: &Error) -> Failure {
    image.failure(problems::notary_error(image.gun.as_str(), error), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_get_a_name_that_signers_can_have() {
        for (user, name) in [
            ("Alice", "alice"),
            ("bob.x", "bob-x"),
            ("a@b.c", "a-b-c"),
            ("a/b", "a-b"),
            ("_x", "x"),
            ("é", ""),
            ("<token>", "token-"),
        ] {
            assert_eq!(fitting_name(user), name);
        }
        assert!(SignerName::parse(&fitting_name("Releases")).is_err());
    }
}
