//! `verify IMAGE[:TAG]`: the digest that the signers vouch for. Exit code 0 says that the tag is signed, and nothing else does.
//!
//! A tag is looked up in `targets/releases`, then in `targets`, as docker's enforcement does; one that only a signer's own role lists is not
//! released and is refused.

use serde::Serialize;
use signet_client::Access;
use signet_tuf::RoleName;
use signet_tuf::update::{Mode, Scope};
use time::format_description::well_known::Rfc3339;

use super::context::Context;
use super::overview::{is_released, signers_of};
use super::problems;
use super::trust::Image;
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

struct Args<'a> {
    image: &'a str,
    quiet: bool,
    json: bool,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Verified {
    /// The image as typed.
    name: String,
    /// The image by its digest, to be pulled or run.
    reference: String,
    tag: String,
    /// With `sha256:` in front.
    digest: String,
    /// Size of the manifest in bytes.
    size: i64,
    /// The role that released the tag.
    role: String,
    /// The signers whose own roles list the same digest.
    signers: Vec<String>,
    /// Until when the signatures hold, if nothing is signed again.
    expires: String,
    /// Whether the server could not be asked, so that what is known may not be the newest.
    cached: bool,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let args = Args {
        image: matches.args.first().map_or("", String::as_str),
        quiet: matches.is_set("quiet"),
        json: match matches.text("format") {
            "" => false,
            "json" => true,
            other => return Err(Failure::new(texts::unknown_format(other))),
        },
    };
    let result = context.block_on(verify(&args, context));
    match result {
        Ok(_) if args.quiet => Ok(()),
        Ok(verified) if args.json => {
            let text = serde_json::to_string(&verified)
                .map_err(|error| Failure::new(error.to_string()))?;
            Ok(context.printer.out(&format!("{text}\n"))?)
        }
        Ok(verified) => Ok(context.printer.out(&format!("{}\n", verified.reference))?),
        Err(failure) if args.quiet => {
            tracing::debug!("{}", failure.text());
            Err(Failure::silent())
        }
        Err(failure) => Err(failure),
    }
}

async fn verify(args: &Args<'_>, context: &Context) -> Result<Verified, Failure> {
    let typed = args.image;
    let image = Image::find(context, typed)?;
    if image.reference.digest().is_some() {
        return Err(Failure::new(texts::digest_is_not_verified(typed)));
    }
    let tag = image.reference.tag().map_or("latest", |tag| tag.as_str());
    let mut repository = image.open(context, Access::Pull)?;
    let _busy = context.printer.busy(&texts::reading(image.gun.as_str()));
    let updated = repository
        .update(Mode::Read, Scope::For(tag.to_owned()))
        .await
        .map(|_| ());
    if !args.quiet {
        problems::log_warnings(repository.take_warnings());
    }
    updated.map_err(|error| {
        problems::client_failure(problems::notary_error(image.gun.as_str(), &error), &error)
    })?;
    let trusted = repository
        .trusted()
        .ok_or_else(|| Failure::new(texts::no_valid_trust_data(tag)))?;

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
    let digest = format!("sha256:{hex}");
    let expires = found
        .valid_until
        .moment()
        .format(&Rfc3339)
        .unwrap_or_default();
    if trusted.is_from_cache() && !args.quiet {
        context.printer.err(&texts::valid_until(&expires));
    }
    Ok(Verified {
        name: typed.to_owned(),
        reference: format!("{}@{digest}", image.reference.familiar_name()),
        tag: tag.to_owned(),
        digest,
        size: found.target.length,
        role: found.role.to_string(),
        signers: signers_of(trusted, tag, &hex),
        expires,
        cached: trusted.is_from_cache(),
    })
}
