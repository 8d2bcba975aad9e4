//! `inspect IMAGE[:TAG]… [--pretty]`: who signed what, and with which keys. Reads only; changes staged by others stay staged.

use serde::Serialize as _;
use signet_client::{Access, Error, ErrorKind};
use signet_tuf::update::{Mode, Scope};

use super::context::Context;
use super::overview::Overview;
use super::problems;
use super::trust::Image;
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

struct Args<'a> {
    images: &'a [String],
    pretty: bool,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let args = Args {
        images: &matches.args,
        pretty: matches.is_set("pretty"),
    };
    context.block_on(async {
        if args.pretty {
            pretty(&args, context).await
        } else {
            json(&args, context).await
        }
    })
}

/// One object for every image that has trust data; the images that have none are named on standard error.
async fn json(args: &Args<'_>, context: &Context) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut failures = Vec::new();
    for image in args.images {
        match overview(image, context).await {
            Ok(overview) => found.push(overview),
            Err(failure) => failures.push(failure),
        }
    }
    let mut text = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut text, super::go_json::GoFormatter::default());
    found
        .serialize(&mut serializer)
        .map_err(|error| Failure::new(error.to_string()))?;
    context
        .printer
        .out(&format!("{}\n", String::from_utf8_lossy(&text)))?;
    let Some(last) = failures.pop() else {
        return Ok(());
    };
    for failure in failures {
        failure.print(&context.printer);
    }
    Err(last)
}

/// Stops at the first image without trust data.
async fn pretty(args: &Args<'_>, context: &Context) -> Result<(), Failure> {
    let mut images = args.images.iter().peekable();
    while let Some(image) = images.next() {
        let overview = overview(image, context).await?;
        // compat: the gap comes even when the next image has nothing to show.
        let gap = if images.peek().is_some() { "\n\n" } else { "" };
        context
            .printer
            .out(&format!("{}{gap}", overview.pretty()))?;
    }
    Ok(())
}

async fn overview(typed: &str, context: &Context) -> Result<Overview, Failure> {
    let image = Image::find(context, typed)?;
    let mut repository = image.open(context, Access::Pull)?;
    let _busy = context.printer.busy(&texts::reading(image.gun.as_str()));
    let updated = repository.update(Mode::Read, Scope::All).await.map(|_| ());
    problems::log_warnings(repository.take_warnings());
    match (updated, repository.trusted()) {
        (Ok(()), Some(trusted)) => Ok(Overview::new(
            typed,
            trusted,
            image.reference.tag().map(|tag| tag.as_str()),
        )),
        (Ok(()), None) => Err(Failure::new(texts::no_signatures(typed))),
        (Err(error), _) => Err(no_signatures(typed, &image, &error)),
    }
}

/// Docker gives no reason. Here it follows docker's line, except where that line is the whole truth: there are no trust data.
fn no_signatures(typed: &str, image: &Image, error: &Error) -> Failure {
    let text = texts::no_signatures(typed);
    let reason = problems::notary_error(image.gun.as_str(), error);
    tracing::debug!("{reason}");
    if error.kind() == ErrorKind::NoTrustData {
        image.failure(text, error).hint(reason)
    } else {
        image.failure(format!("{text}\n{reason}"), error)
    }
}
