//! `verify IMAGE[:TAG][@DIGEST]…`: the digests that the signers vouch for. Exit code 0 says that every one is signed, and nothing else does.
//!
//! The trust server answers, or what is remembered of it, or an archive. What is asked of the answer is the same.

mod archive;

use archive::Asked;
use serde::Serialize;
use signet_client::policy::{Shortfall, SignerName};
use signet_oci::reference::InvalidReference;
use signet_oci::{Digest, Reference};
use signet_tuf::update::Scope;
use signet_tuf::{RoleName, TrustedRepository};

use super::context::Context;
use super::overview::is_released;
use super::resolve::{Resolved, Subject, Talk, look_up, read, say_until_when, unsigned};
use super::trust::{Image, parse};
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

struct Args<'a> {
    images: &'a [String],
    signers: Vec<SignerName>,
    archive: Option<Asked>,
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
    /// The moment at which that holds, where an archive says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    /// When the archive captured the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    captured: Option<String>,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let signers = matches
        .list("signer")
        .into_iter()
        .map(|name| SignerName::parse(name).map_err(|_| Failure::new(texts::not_a_signer(name))));
    let args = Args {
        images: &matches.args,
        signers: signers.collect::<Result<_, _>>()?,
        archive: Asked::open(matches, context)?,
        offline: matches.is_set("offline"),
        quiet: matches.is_set("quiet"),
        json: match matches.text("format") {
            "" => false,
            "json" => true,
            other => return Err(Failure::new(texts::unknown_format(other))),
        },
    };
    let mut failures = Vec::new();
    if let Some(archive) = &args.archive
        && !args.quiet
    {
        archive.say_whose_word(context);
    }
    for typed in args.images {
        match context.block_on(verify(typed, &args, context)) {
            Ok(verified) => print(&verified, &args, context)?,
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
            crate::texts::json::line(verified).map_err(|error| Failure::new(error.to_string()))?;
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
    let tag = parse(name)?.tag().map(|tag| tag.as_str().to_owned());
    let wanted = Wanted {
        typed,
        name,
        tag: tag.as_deref(),
        digest: reference.digest(),
        signers: &args.signers,
        talk,
    };
    let scope = wanted.scope();
    if let Some(archive) = &args.archive {
        let proven = archive.read(name, scope, talk, context)?;
        let verified = wanted.find(&proven.subject(), &proven.trusted, context)?;
        return Ok(Verified {
            cached: true,
            as_of: Some(proven.at.to_string()),
            captured: Some(proven.captured.to_string()),
            ..verified
        });
    }
    let mut image = Image::find(context, name)?;
    image.offline = args.offline;
    let repository = read(&image, scope, talk, context).await?;
    let trusted = repository
        .trusted()
        .ok_or_else(|| Failure::new(texts::no_trust_data(typed)))?;
    wanted.find(&image.subject(), trusted, context)
}

/// What is to be verified.
struct Wanted<'a> {
    /// As typed.
    typed: &'a str,
    /// The same without the digest.
    name: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a Digest>,
    signers: &'a [SignerName],
    talk: Talk,
}

impl Wanted<'_> {
    /// What must be known for it.
    fn scope(&self) -> Scope {
        match (self.tag, self.digest) {
            (None, Some(_)) => Scope::All,
            (tag, _) => Scope::For(tag.unwrap_or("latest").to_owned()),
        }
    }

    /// Finds it in a repository, whoever gave that.
    fn find(
        &self,
        subject: &Subject<'_>,
        trusted: &TrustedRepository,
        context: &Context,
    ) -> Result<Verified, Failure> {
        let (resolved, tags) = match (self.tag, self.digest) {
            (None, Some(digest)) => {
                let mut found = self.tags_of(digest, subject, trusted, context)?;
                let tags = found.iter().map(|found| found.tag.clone()).collect();
                (found.swap_remove(0), tags)
            }
            (tag, digest) => {
                let tag = tag.unwrap_or("latest");
                let resolved = look_up(subject, trusted, tag, self.talk, context)?;
                if let Some(digest) = digest.filter(|digest| **digest != resolved.digest) {
                    let signed = resolved.digest.to_string();
                    let asked = digest.to_string();
                    return Err(Failure::new(texts::signed_with_another_digest(
                        self.name, &signed, &asked,
                    )));
                }
                (resolved, Vec::new())
            }
        };
        signed_by(&resolved, self.signers)?;
        Ok(Verified {
            name: self.typed.to_owned(),
            reference: resolved.pinned(),
            tag: resolved.tag,
            tags,
            digest: resolved.digest.to_string(),
            size: resolved.size,
            role: resolved.role.to_string(),
            signers: resolved.signers,
            expires: resolved.expires,
            cached: resolved.cached,
            as_of: None,
            captured: None,
        })
    }

    /// The released tags that stand for a digest, at least one, each of which satisfies everything that is demanded of a tag.
    fn tags_of(
        &self,
        digest: &Digest,
        subject: &Subject<'_>,
        trusted: &TrustedRepository,
        context: &Context,
    ) -> Result<Vec<Resolved>, Failure> {
        let mut refused = None;
        let mut found = Vec::new();
        for target in trusted.list(&[RoleName::releases(), RoleName::targets()]) {
            let hex = target.target.hashes.sha256_hex();
            if !is_released(&target.role)
                || hex.is_none_or(|hex| format!("sha256:{hex}") != digest.to_string())
            {
                continue;
            }
            let resolved = look_up(subject, trusted, &target.name, Talk::Nothing, context)
                .and_then(|resolved| signed_by(&resolved, self.signers).map(|()| resolved));
            match resolved {
                Ok(resolved) if resolved.digest == *digest => found.push(resolved),
                Ok(_) => {}
                Err(failure) => refused = Some(failure),
            }
        }
        match (found.first(), refused) {
            (Some(first), _) => {
                if first.cached && self.talk == Talk::Warnings {
                    say_until_when(subject, first, context);
                }
                Ok(found)
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Err(Failure::new(texts::digest_is_not_signed(self.typed))),
        }
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
