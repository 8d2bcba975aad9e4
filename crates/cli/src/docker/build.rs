//! `build PATH`: docker's build from signed images only.
//!
//! The Dockerfile is read, every image that it names is looked up, and docker builds a copy with the digests in it. Images in flags are looked up
//! as well. What cannot be looked at is refused: a context from elsewhere, a scanner, a policy that swaps images.

mod flags;
mod inputs;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use signet_oci::dockerfile::Dockerfile;
use signet_oci::document::{ImageUse, replace};
use tempfile::TempDir;

use super::client::DockerClient;
use super::context::Context;
use super::lock::{build_args, refused_dockerfile};
use super::pin::{Pinned, pin};
use crate::cobra::parse::Matches;
use crate::texts::{docker as texts, os_error, visible};
use crate::ui::report::Failure;
pub(super) use flags::context_key;
use flags::{Named, Part};
use inputs::Input;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let path = matches.args.first().map_or("", String::as_str);
    inputs::check_context(path)?;
    inputs::check_environment(context)?;
    let parts = flags::read(matches.all())?;
    let client = DockerClient::find(context)?;
    let input = Input::read(Path::new(path), matches.list("file").last().copied())?;
    let arguments = build_args(&matches.list("build-arg"));
    let file = Dockerfile::read(&input.text, &arguments)
        .map_err(|refused| refused_dockerfile(&input.shown, &refused))?;

    // A named context stands for the image of its name: that image is not used.
    let contexts: Vec<String> = parts.iter().filter_map(Part::context_key).collect();
    let (replaced, used): (Vec<_>, Vec<_>) = file
        .images
        .iter()
        .partition(|image| contexts.contains(&context_key(&image.name)));
    for image in &replaced {
        tracing::debug!("{} is replaced by a build context", image.name);
    }
    let named: Vec<&Named> = parts.iter().filter_map(Part::image).collect();
    let names: Vec<&str> = (used.iter().map(|image| image.name.as_str()))
        .chain(named.iter().map(|named| named.name.as_str()))
        .collect();
    let answers = context.block_on(async { Ok(pin(names, context).await) })?;
    let pins = accepted(&input, &used, &named, answers, context)?;

    let mut edits: Vec<_> = used
        .iter()
        .filter_map(|image| Some((image.span.clone(), pins.get(&image.name)?.resolved.pinned())))
        .collect();
    let is_complete = edits.len() == used.len();
    // What variables were understood as, no builder understands differently.
    edits.extend(file.decided.iter().cloned());
    edits.extend((replaced.iter()).map(|image| (image.span.clone(), image.name.clone())));
    let text = replace(&input.text, &edits)
        .filter(|_| is_complete)
        .ok_or_else(|| Failure::new(texts::NOT_IN_PLACE))?;
    let folder = private_copy(&input, &text)?;
    let words = words(&parts, &pins, &folder.path().join(&input.name), path);
    let built = client.run_and_return(words, context);
    if let Err(error) = folder.close() {
        tracing::debug!("the copy of the Dockerfile stays: {error}");
    }
    built?;
    context.block_on(async {
        tag(&used, &pins, context).await;
        Ok(())
    })
}

/// The answers, if all of them are digests.
fn accepted(
    input: &Input,
    used: &[&ImageUse],
    named: &[&Named],
    mut answers: BTreeMap<String, Result<Pinned, Failure>>,
    context: &Context,
) -> Result<BTreeMap<String, Pinned>, Failure> {
    let mut pins = BTreeMap::new();
    let mut failed = 0_usize;
    // In the order of the file and then of the flags, as they are read.
    let names = (used.iter().map(|image| &image.name)).chain(named.iter().map(|named| &named.name));
    for name in names {
        let Some(answer) = answers.remove(name) else {
            continue;
        };
        let answer = answer.and_then(|pinned| match pinned.written {
            Some(written) if !pinned.is_current() => {
                let before = name.split('@').next().unwrap_or_default();
                let signed = pinned.resolved.digest.to_string();
                let text = texts::signed_with_another_digest(before, &signed, &written.to_string());
                Err(Failure::new(text).hint(texts::lock_again(&context.program.path)))
            }
            _ => Ok(pinned),
        });
        match answer {
            Ok(pinned) => {
                pins.insert(name.clone(), pinned);
            }
            Err(failure) => {
                failed += 1;
                let places = used.iter().filter(|image| image.name == *name);
                let places = places.map(|image| format!("{}:{}", input.shown, image.place));
                let flags = named.iter().filter(|named| named.name == *name);
                let places = places.chain(flags.map(|named| format!("--{}", named.flag)));
                let places: Vec<String> = places.collect();
                let place = format!("{}: {}: ", places.join(", "), visible(name));
                failure.prefix(&place).print(&context.printer);
            }
        }
    }
    if failed == 0 {
        Ok(pins)
    } else {
        Err(Failure::new(texts::NOTHING_BUILT))
    }
}

/// The Dockerfile with its digests in a folder of its own, under its own name, with the list of ignored files that belongs to that name.
fn private_copy(input: &Input, text: &str) -> Result<TempDir, Failure> {
    let failed = |error: std::io::Error| Failure::new(texts::no_copy(&os_error(&error)));
    let folder = tempfile::Builder::new()
        .prefix("docker-trust-build-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir()
        .map_err(failed)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the folder is new, and nobody else can enter it"
    )]
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes);
    write(&input.name, text.as_bytes()).map_err(failed)?;
    if let Some(ignored) = &input.ignored {
        write(&format!("{}.dockerignore", input.name), ignored).map_err(failed)?;
    }
    Ok(folder)
}

/// The command line for docker.
fn words(parts: &[Part], pins: &BTreeMap<String, Pinned>, file: &Path, path: &str) -> Vec<String> {
    let mut words = vec!["build".to_owned(), format!("--file={}", file.display())];
    words.extend(parts.iter().map(|part| part.word(pins)));
    words.push("--".to_owned());
    words.push(path.to_owned());
    words
}

/// Gives the base images that the daemon has now the names that the Dockerfile calls them by, as docker's own enforcement did.
async fn tag(used: &[&ImageUse], pins: &BTreeMap<String, Pinned>, context: &Context) {
    let mut pinned: Vec<&Pinned> = used
        .iter()
        .filter_map(|image| pins.get(&image.name))
        .filter(|pinned| pinned.written.is_none())
        .collect();
    pinned.sort_by_key(|pinned| (&pinned.resolved.name, &pinned.resolved.tag));
    pinned.dedup_by_key(|pinned| (&pinned.resolved.name, &pinned.resolved.tag));
    if pinned.is_empty() {
        return;
    }
    // BuildKit keeps the images of its builds to itself, perhaps on another machine; then there is nothing to name.
    let Ok(daemon) = context.daemon().await else {
        return;
    };
    for pinned in pinned {
        let resolved = &pinned.resolved;
        let by_digest = resolved.pinned();
        if daemon.image(&by_digest).await.is_err() {
            continue;
        }
        let name = format!("{}:{}", resolved.name, resolved.tag);
        context
            .printer
            .err(&texts::tagging(&by_digest, &resolved.name, &resolved.tag));
        if let Err(error) = daemon.tag(&by_digest, &resolved.name, &resolved.tag).await {
            tracing::warn!("{name} is not tagged: {error}");
        }
    }
}
