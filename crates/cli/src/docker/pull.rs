//! `pull NAME[:TAG]`: the daemon gets the digest that was signed, and the tag is set to exactly that.

use signet_oci::daemon::{Progress, Quiet};
use signet_oci::{Daemon, Tag};
use signet_tuf::RoleName;
use signet_tuf::update::Scope;

use super::containers;
use super::context::Context;
use super::fetch;
use super::overview::is_released;
use super::resolve::{Resolved, Talk, look_up, read, resolve};
use super::trust::Image;
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

struct Args<'a> {
    typed: &'a str,
    all: bool,
    quiet: bool,
    platform: Option<&'a str>,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    containers::refuse_to_switch_off(matches, context)?;
    let args = Args {
        typed: matches.args.first().map_or("", String::as_str),
        all: matches.is_set("all-tags"),
        quiet: matches.is_set("quiet"),
        platform: fetch::platform(matches.text("platform"), context),
    };
    let image = Image::find(context, args.typed)?;
    let name = image.reference.gun();
    let named = if let Some(digest) = image.reference.digest() {
        if args.all {
            return Err(Failure::new(texts::TAG_WITH_ALL_TAGS));
        }
        let digest = digest.to_string();
        context.block_on(by_digest(&args, &image, &digest, context))?;
        // compat: docker drops neither the tag nor what it adds to short names here.
        let written = args.typed.split('@').next().unwrap_or_default();
        let tag = written
            .parse()
            .ok()
            .and_then(|written: signet_oci::Reference| {
                Some(format!(":{}", written.tag()?.as_str()))
            });
        format!("{name}{}@{digest}", tag.unwrap_or_default())
    } else if args.all {
        if image.reference.tag().is_some() {
            return Err(Failure::new(texts::TAG_WITH_ALL_TAGS));
        }
        context.block_on(all_tags(&args, &image, context))?;
        name
    } else {
        let tag = match image.reference.tag() {
            Some(tag) => tag.as_str().to_owned(),
            None => {
                if !args.quiet {
                    context.printer.out(texts::DEFAULT_TAG)?;
                }
                "latest".to_owned()
            }
        };
        context.block_on(one_tag(&args, &image, context))?;
        format!("{name}:{tag}")
    };
    Ok(context.printer.out(&format!("{named}\n"))?)
}

async fn one_tag(args: &Args<'_>, image: &Image, context: &Context) -> Result<(), Failure> {
    let resolved = resolve(args.typed, image, Talk::Warnings, context).await?;
    pull_all(args, image, &[resolved], context).await
}

/// Every tag of the two roles that release tags, in the order of their names.
async fn all_tags(args: &Args<'_>, image: &Image, context: &Context) -> Result<(), Failure> {
    let repository = read(image, Scope::All, Talk::Warnings, context).await?;
    let nothing = || Failure::new(texts::no_trusted_tags(image.gun.as_str()));
    let trusted = repository.trusted().ok_or_else(nothing)?;
    let listed = trusted.list(&[RoleName::releases(), RoleName::targets()]);
    let mut names: Vec<String> = listed
        .into_iter()
        .filter(|found| is_released(&found.role))
        .map(|found| found.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut tags = Vec::new();
    for name in names {
        // Other programs may sign more than tags, and with other digests; docker cannot pull these either.
        let is_tag = name.parse::<Tag>().is_ok();
        let has_digest = || {
            let found = trusted.lookup(&name, &[RoleName::releases(), RoleName::targets()]);
            found.is_some_and(|found| found.target.hashes.sha256_hex().is_some())
        };
        if !is_tag || !has_digest() {
            let familiar = image.reference.familiar_name();
            context.printer.err(&texts::skipping_target(&familiar));
            continue;
        }
        // Until when cached data hold is said once.
        let talk = if tags.is_empty() {
            Talk::Warnings
        } else {
            Talk::Nothing
        };
        tags.push(look_up(&image.subject(), trusted, &name, talk, context)?);
    }
    if tags.is_empty() {
        return Err(nothing());
    }
    pull_all(args, image, &tags, context).await
}

async fn pull_all(
    args: &Args<'_>,
    image: &Image,
    tags: &[Resolved],
    context: &Context,
) -> Result<(), Failure> {
    let daemon = context.daemon().await?;
    for (number, tag) in tags.iter().enumerate() {
        if !args.quiet {
            let digest = tag.digest.to_string();
            let line = texts::pull_number(number + 1, tags.len(), &tag.name, &tag.tag, &digest);
            context.printer.out(&line)?;
        }
        let mut progress = progress(args, context);
        fetch::fetch(&daemon, image, tag, args.platform, &mut *progress, context).await?;
    }
    Ok(())
}

/// A digest names one image for ever, and signatures say nothing about it.
async fn by_digest(
    args: &Args<'_>,
    image: &Image,
    digest: &str,
    context: &Context,
) -> Result<(), Failure> {
    containers::say_unchecked(args.typed, Some(image), context)?;
    let daemon: Daemon = context.daemon().await?;
    let mut progress = progress(args, context);
    fetch::pull(
        &daemon,
        image,
        digest,
        args.platform,
        &mut *progress,
        context,
    )
    .await?;
    let pinned = format!("{}@{digest}", image.reference.familiar_name());
    fetch::expect_digest(&daemon, &pinned).await
}

fn progress(args: &Args<'_>, context: &Context) -> Box<dyn Progress> {
    if args.quiet {
        Box::new(Quiet)
    } else {
        Box::new(context.daemon_progress())
    }
}
