//! `verify IMAGE[:TAG]`: the digest that the signers vouch for. Exit code 0 says that the tag is signed, and nothing else does.

use serde::Serialize;

use super::context::Context;
use super::resolve::{Talk, resolve};
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
    let talk = if args.quiet {
        Talk::Nothing
    } else {
        Talk::Warnings
    };
    let image = Image::find(context, args.image)?;
    let resolved = resolve(args.image, &image, talk, context).await?;
    Ok(Verified {
        name: args.image.to_owned(),
        reference: resolved.pinned(),
        tag: resolved.tag,
        digest: resolved.digest.to_string(),
        size: resolved.size,
        role: resolved.role.to_string(),
        signers: resolved.signers,
        expires: resolved.expires,
        cached: resolved.cached,
    })
}
