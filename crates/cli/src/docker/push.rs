//! `push NAME[:TAG] [-a] [-q]`: the docker daemon pushes, and what the registry then has is signed, as `sign` signs it.

use signet_oci::{Reference, Tag};

use super::context::Context;
use super::daemon::daemon_failure;
use super::sign::{Job, Talk, What};
use super::trust::{Image, parse};
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// What docker takes for a name without a tag.
const DEFAULT_TAG: &str = "latest";

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let typed = matches.args.first().map_or("", String::as_str);
    let quiet = matches.is_set("quiet");
    let all = matches.is_set("all-tags");
    let reference = parse(typed)?;
    if reference.digest().is_some() {
        return Err(Failure::new(texts::PUSH_OF_A_DIGEST));
    }
    let talk = if quiet { Talk::Quiet } else { Talk::Push };
    if all {
        if reference.tag().is_some() {
            return Err(Failure::new(texts::TAG_WITH_ALL_TAGS));
        }
        let image = Image::find(context, typed)?;
        return context.block_on(push_all(typed, image, talk, context));
    }
    let tag = match reference.tag() {
        Some(tag) => tag.clone(),
        None => {
            if !quiet {
                context
                    .printer
                    .out(&texts::using_default_tag(DEFAULT_TAG))?;
            }
            DEFAULT_TAG
                .parse()
                .map_err(|error: signet_oci::reference::InvalidTag| {
                    Failure::new(error.to_string())
                })?
        }
    };
    let image = Image::find(context, typed)?;
    let typed = format!("{}:{tag}", reference.familiar_name());
    let job = Job {
        typed: &typed,
        image,
        tags: vec![tag],
        what: What::Local,
        talk,
    };
    context.block_on(job.run(context))
}

/// docker pushes all tags and signs none of them.
async fn push_all(typed: &str, image: Image, talk: Talk, context: &Context) -> Result<(), Failure> {
    let daemon = context.daemon().await?;
    let repository = image.reference.familiar_name();
    let mut tags: Vec<Tag> = daemon
        .names(&repository)
        .await
        .map_err(|error| daemon_failure(&error))?
        .iter()
        .filter_map(|name| name.parse::<Reference>().ok())
        .filter(|name| name.gun() == image.gun.as_str())
        .filter_map(|name| name.tag().cloned())
        .collect();
    tags.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    tags.dedup();
    if tags.is_empty() {
        return Err(Failure::new(texts::nothing_to_push(&repository)));
    }
    let job = Job {
        typed,
        image,
        tags,
        what: What::All(Box::new(daemon)),
        talk,
    };
    job.run(context).await
}
