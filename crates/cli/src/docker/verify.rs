//! `verify IMAGE[:TAG][@DIGEST]…`: the digests that the signers vouch for. Exit code 0 says that every one is signed, and nothing else does.

use serde::Serialize;
use signet_client::policy::{Shortfall, SignerName};
use signet_oci::reference::InvalidReference;
use signet_oci::{Digest, Reference};
use signet_tuf::RoleName;
use signet_tuf::update::Scope;

use super::context::Context;
use super::overview::is_released;
use super::resolve::{Resolved, Talk, look_up, read, resolve, say_until_when, unsigned};
use super::trust::Image;
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

struct Args<'a> {
    images: &'a [String],
    signers: Vec<SignerName>,
    offline: bool,
    quiet: bool,
    json: bool,
}

/// What `--format json` prints, a line for each image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Verified {
    /// The image as typed.
    name: String,
    /// The image by its digest, to be pulled or run.
    reference: String,
    /// The tag that was looked up; of several with the digest that was asked for, the first.
    tag: String,
    /// All tags that were found with the digest that was asked for without a tag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
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
    /// Whether the server was not asked, so that what is known may not be the newest.
    cached: bool,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let signers = matches
        .list("signer")
        .into_iter()
        .map(|name| SignerName::parse(name).map_err(|_| Failure::new(texts::not_a_signer(name))));
    let args = Args {
        images: &matches.args,
        signers: signers.collect::<Result<_, _>>()?,
        offline: matches.is_set("offline"),
        quiet: matches.is_set("quiet"),
        json: match matches.text("format") {
            "" => false,
            "json" => true,
            other => return Err(Failure::new(texts::unknown_format(other))),
        },
    };
    let mut failures = Vec::new();
    for typed in args.images {
        match context.block_on(verify(typed, &args, context)) {
            Ok(verified) => print(&verified, &args, context)?,
            Err(failure) if args.quiet => {
                tracing::debug!("{}", failure.text());
                failures.push(Failure::silent());
            }
            Err(failure) => failures.push(failure),
        }
    }
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        failure.print(&context.printer);
    }
    Err(last)
}

fn print(verified: &Verified, args: &Args<'_>, context: &Context) -> Result<(), Failure> {
    if args.quiet {
        return Ok(());
    }
    if args.json {
        let text =
            serde_json::to_string(verified).map_err(|error| Failure::new(error.to_string()))?;
        return Ok(context.printer.out(&format!("{text}\n"))?);
    }
    if !verified.tags.is_empty() {
        let said = texts::digest_is_signed_as(&verified.name, &verified.tags.join(", "));
        context.printer.err(&said);
    }
    Ok(context.printer.out(&format!("{}\n", verified.reference))?)
}

async fn verify(typed: &str, args: &Args<'_>, context: &Context) -> Result<Verified, Failure> {
    let talk = if args.quiet {
        Talk::Nothing
    } else {
        Talk::Warnings
    };
    let reference: Reference = typed
        .parse()
        .map_err(|error: InvalidReference| Failure::new(error.to_string()))?;
    // What is looked up is the tag, or all tags; the digest is compared with what comes of it.
    let name = typed.split('@').next().unwrap_or_default();
    let mut image = Image::find(context, name)?;
    image.offline = args.offline;
    let (resolved, tags) = match reference.digest() {
        Some(digest) if image.reference.tag().is_none() => {
            let mut found = tags_of(typed, &image, digest, talk, args, context).await?;
            let tags = found.iter().map(|found| found.tag.clone()).collect();
            (found.swap_remove(0), tags)
        }
        digest => {
            let resolved = resolve(name, &image, talk, context).await?;
            if let Some(digest) = digest.filter(|digest| **digest != resolved.digest) {
                let signed = resolved.digest.to_string();
                let asked = digest.to_string();
                return Err(Failure::new(texts::signed_with_another_digest(
                    name, &signed, &asked,
                )));
            }
            (resolved, Vec::new())
        }
    };
    signed_by(&resolved, &args.signers)?;
    Ok(Verified {
        name: typed.to_owned(),
        reference: resolved.pinned(),
        tag: resolved.tag,
        tags,
        digest: resolved.digest.to_string(),
        size: resolved.size,
        role: resolved.role.to_string(),
        signers: resolved.signers,
        expires: resolved.expires,
        cached: resolved.cached,
    })
}

/// The released tags that stand for a digest, at least one, each of which satisfies everything that is demanded of a tag.
async fn tags_of(
    typed: &str,
    image: &Image,
    digest: &Digest,
    talk: Talk,
    args: &Args<'_>,
    context: &Context,
) -> Result<Vec<Resolved>, Failure> {
    let repository = read(image, Scope::All, talk, context).await?;
    let nothing = || Failure::new(texts::digest_is_not_signed(typed));
    let trusted = repository.trusted().ok_or_else(nothing)?;
    let mut refused = None;
    let mut found = Vec::new();
    for target in trusted.list(&[RoleName::releases(), RoleName::targets()]) {
        let hex = target.target.hashes.sha256_hex();
        if !is_released(&target.role)
            || hex.is_none_or(|hex| format!("sha256:{hex}") != digest.to_string())
        {
            continue;
        }
        let resolved = look_up(image, trusted, &target.name, Talk::Nothing, context)
            .and_then(|resolved| signed_by(&resolved, &args.signers).map(|()| resolved));
        match resolved {
            Ok(resolved) if resolved.digest == *digest => found.push(resolved),
            Ok(_) => {}
            Err(failure) => refused = Some(failure),
        }
    }
    match (found.first(), refused) {
        (Some(first), _) => {
            if first.cached && talk == Talk::Warnings {
                say_until_when(image, first, context);
            }
            Ok(found)
        }
        (None, Some(failure)) => Err(failure),
        (None, None) => Err(nothing()),
    }
}

/// What the command line asks for on top of the policy.
fn signed_by(resolved: &Resolved, signers: &[SignerName]) -> Result<(), Failure> {
    let signed = |name: &SignerName| resolved.signers.iter().any(|by| by == name.as_str());
    let missing: Vec<SignerName> = signers
        .iter()
        .filter(|name| !signed(name))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let shortfall = Shortfall {
        missing,
        too_few: None,
        signed: resolved
            .signers
            .iter()
            .filter_map(|name| SignerName::parse(name).ok())
            .collect(),
    };
    let name = format!("{}:{}", resolved.name, resolved.tag);
    Err(unsigned(&name, &shortfall, texts::SIGNER_FLAG))
}
