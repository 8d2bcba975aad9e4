//! From a tag to the digest that its signers vouch for: the question behind `verify`, `pull`, `run` and the rest of enforcement.
//!
//! A tag is looked up in `targets/releases`, then in `targets`, as docker's enforcement does; one that only a signer's own role lists is not
//! released and is refused. Then the policy is asked: which signers must vouch for that very digest, and whether the server must have been asked.

use signet_client::policy::{Demands, Shortfall, SignerName, Stated};
use signet_client::{Access, Repository};
use signet_oci::{Digest, Reference};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{RoleName, TrustedRepository};
use time::format_description::well_known::Rfc3339;

use super::context::Context;
use super::overview::{is_released, signers_of};
use super::problems;
use super::trust::Image;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// A tag with the digest that was verified. Whoever uses the image uses this digest and asks nobody again.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// The image's name without tag and digest, as docker shows it.
    pub(super) name: String,
    /// The tag that was looked up.
    pub(super) tag: String,
    /// The digest of the manifest.
    pub(super) digest: Digest,
    /// Size of the manifest in bytes.
    pub(super) size: i64,
    /// The role that released the tag.
    pub(super) role: RoleName,
    /// The signers whose own roles list the same digest, in the order of the delegations.
    pub(super) signers: Vec<String>,
    /// Until when the signatures hold, if nothing is signed again, in the form of RFC 3339.
    pub(super) expires: String,
    /// Whether the server could not be asked, so that what is known may not be the newest.
    pub(super) cached: bool,
}

impl Resolved {
    /// The image by its digest, to be pulled or run: `name@sha256:…`.
    pub(super) fn pinned(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }
}

/// What is asked about, whoever answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// The image as the user named it.
    pub(super) reference: &'a Reference,
    /// What the policy demands of it.
    pub(super) demands: &'a Demands,
    /// Whether only what is remembered of the trust repository may be used.
    pub(super) offline: bool,
}

/// What is said on the way, besides the failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Talk {
    /// Warnings, and until when cached trust data hold.
    Warnings,
    /// Nothing.
    Nothing,
}

/// Finds the digest that is signed for an image's tag (`latest` without one).
///
/// # Errors
/// The failure as the person is told. A reference with a digest is refused: there is nothing to look up.
pub(super) async fn resolve(
    typed: &str,
    image: &Image,
    talk: Talk,
    context: &Context,
) -> Result<Resolved, Failure> {
    if image.reference.digest().is_some() {
        return Err(Failure::new(texts::digest_is_not_verified(typed)));
    }
    let tag = image.reference.tag().map_or("latest", |tag| tag.as_str());
    let repository = read(image, Scope::For(tag.to_owned()), talk, context).await?;
    let trusted = repository
        .trusted()
        .ok_or_else(|| Failure::new(texts::no_valid_trust_data(tag)))?;
    look_up(&image.subject(), trusted, tag, talk, context)
}

/// Reads an image's trust repository, for looking tags up in it.
pub(super) async fn read(
    image: &Image,
    scope: Scope,
    talk: Talk,
    context: &Context,
) -> Result<Repository, Failure> {
    let mut repository = image.open(context, Access::Pull)?;
    let updated = {
        let _busy = context.printer.busy(&texts::reading(image.gun.as_str()));
        repository.update(Mode::Read, scope).await.map(|_| ())
    };
    let warnings = repository.take_warnings();
    if talk == Talk::Warnings {
        problems::log_warnings(warnings);
    }
    updated.map_err(|error| {
        let text = problems::notary_error(image.gun.as_str(), &error);
        let failure = image.failure(text, &error);
        match image.demands.first_use_denied(&image.gun) {
            Some(stated) if problems::is_refused_by_policy(&error) => {
                failure.hint(texts::policy_says(&rule(stated)))
            }
            _ => failure,
        }
    })?;
    Ok(repository)
}

/// Looks one tag up in what was read.
pub(super) fn look_up(
    subject: &Subject<'_>,
    trusted: &TrustedRepository,
    tag: &str,
    talk: Talk,
    context: &Context,
) -> Result<Resolved, Failure> {
    let order = [RoleName::releases(), RoleName::targets()];
    // An older entry of `targets` is no answer while what the releases role says cannot be read.
    if let Some((role, unusable)) = trusted.first_unusable(&order) {
        let problem = texts::unusable_role(role.as_str(), &unusable.reason().to_string());
        return Err(Failure::new(problem).hint(texts::SIGN_ROLE_AGAIN));
    }
    let found = trusted
        .lookup(tag, &order)
        .ok_or_else(|| Failure::new(texts::no_valid_trust_data(tag)))?;
    if !is_released(&found.role) {
        return Err(Failure::new(texts::no_trust_data(tag))
            .hint(texts::signed_but_not_released(tag, found.role.as_str())));
    }
    let hex = found
        .target
        .hashes
        .sha256_hex()
        .ok_or_else(|| Failure::new(texts::NO_SHA256))?;
    obey(subject, trusted, tag, &hex)?;
    let digest = format!("sha256:{hex}")
        .parse()
        .map_err(|error: signet_oci::digest::InvalidDigest| Failure::new(error.to_string()))?;
    let expires = found
        .valid_until
        .moment()
        .format(&Rfc3339)
        .unwrap_or_default();
    let resolved = Resolved {
        name: subject.reference.familiar_name(),
        tag: tag.to_owned(),
        digest,
        size: found.target.length,
        role: found.role,
        signers: signers_of(trusted, tag, &hex),
        expires,
        cached: trusted.is_from_cache(),
    };
    if resolved.cached && talk == Talk::Warnings {
        say_until_when(subject, &resolved, context);
    }
    Ok(resolved)
}

/// Whoever uses what is remembered is told how long that is good.
pub(super) fn say_until_when(subject: &Subject<'_>, resolved: &Resolved, context: &Context) {
    let said = if subject.offline {
        texts::offline_until(&resolved.expires)
    } else {
        texts::valid_until(&resolved.expires)
    };
    context.printer.err(&said);
}

/// Holds the answer to the policy.
fn obey(
    subject: &Subject<'_>,
    trusted: &TrustedRepository,
    tag: &str,
    sha256: &str,
) -> Result<(), Failure> {
    let name = format!("{}:{tag}", subject.reference.familiar_name());
    if let Some(stated) = &subject.demands.fresh
        && trusted.is_from_cache()
    {
        return Err(Failure::new(texts::cached_data_refused(
            &name,
            &rule(stated),
        )));
    }
    for stated in &subject.demands.signers {
        if let Err(shortfall) = stated.value.check(trusted, tag, sha256) {
            let unusable: Vec<String> = shortfall
                .asked()
                .filter_map(|signer| Some((signer.role(), trusted.unusable().get(signer.role())?)))
                .map(|(role, unusable)| {
                    texts::unusable_signer(role.as_str(), &unusable.reason().to_string())
                })
                .collect();
            let failure = unsigned(&name, &shortfall, &rule(stated));
            return Err(unusable.into_iter().fold(failure, Failure::hint));
        }
    }
    Ok(())
}

/// Who is missing, who asks for them, and who has signed.
pub(super) fn unsigned(name: &str, shortfall: &Shortfall, rule: &str) -> Failure {
    let mut missing: Vec<String> = shortfall.missing.iter().map(ToString::to_string).collect();
    if let Some((choice, count)) = &shortfall.too_few {
        missing.push(texts::too_few_signers(
            choice.at_least,
            &list(&choice.of),
            *count,
        ));
    }
    let text = texts::not_signed_by(name, &missing.join(", "), rule);
    let signed = texts::signed_only_by(&list(&shortfall.signed));
    Failure::new(format!("{text}\n{signed}"))
}

fn list(signers: &[SignerName]) -> String {
    let names: Vec<&str> = signers.iter().map(SignerName::as_str).collect();
    names.join(", ")
}

pub(super) fn rule<T>(stated: &Stated<T>) -> String {
    texts::policy_rule(&stated.file, &stated.scope)
}
