//! `lock FILE…`: writes the signed digests of images into Dockerfiles and Compose files, or checks those that are there.
//!
//! Nothing is written unless every image of every file has its digest. Everything but the digests stays as it is, byte for byte.

mod sources;
mod write;

use std::collections::BTreeMap;

use serde::Serialize;
use signet_oci::document::{ImageUse, replace};

use super::context::Context;
use super::pin::{Pinned, pin};
use crate::cobra::parse::Matches;
use crate::env;
use crate::texts::{docker as texts, visible};
use crate::ui::report::Failure;
pub(super) use sources::refused_dockerfile;
use sources::{Kind, Source};

struct Args<'a> {
    files: &'a [String],
    kind: Option<Kind>,
    build_args: BTreeMap<String, String>,
    mode: Mode,
    json: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Mode {
    /// `--check`: says whether what is written is what is signed.
    Check,
    /// `--dry-run`: says what would be written.
    DryRun,
    Write,
}

/// What `--format json` prints, a line for each image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    file: String,
    line: usize,
    column: usize,
    /// The image as it is written, variables replaced.
    name: String,
    status: Status,
    /// The image as it should be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<String>,
    /// The digest that is signed for the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signers: Vec<String>,
    /// Until when the signatures hold, if nothing is signed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Why the image is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// It has the digest that is signed.
    Locked,
    /// It has another digest.
    Outdated,
    /// What is signed cannot be told, or nothing is.
    Refused,
    /// It has no digest.
    Unlocked,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let mode = match (matches.is_set("check"), matches.is_set("dry-run")) {
        (true, true) => return Err(Failure::new(texts::CHECK_AND_DRY_RUN)),
        (true, false) => Mode::Check,
        (false, true) => Mode::DryRun,
        (false, false) => Mode::Write,
    };
    let args = Args {
        files: &matches.args,
        kind: match matches.text("type") {
            "" => None,
            "compose" => Some(Kind::Compose),
            "dockerfile" => Some(Kind::Dockerfile),
            other => return Err(Failure::new(texts::unknown_file_type(other))),
        },
        build_args: build_args(&matches.list("build-arg")),
        mode,
        json: match matches.text("format") {
            "" => false,
            "json" => true,
            other => return Err(Failure::new(texts::unknown_format(other))),
        },
    };
    let sources = sources::read(
        args.files,
        args.kind,
        &args.build_args,
        mode == Mode::Check,
        context,
    )?;
    let names = sources.iter().flat_map(|source| &source.images);
    let names: Vec<&str> = names.map(|image| image.name.as_str()).collect();
    let answers = context.block_on(async { Ok(pin(names, context).await) })?;
    lock(&sources, &answers, &args, context)
}

/// `NAME=VALUE`, or `NAME` with its value in the environment. Without one there the argument does not count, as in docker.
pub(super) fn build_args(given: &[&str]) -> BTreeMap<String, String> {
    let pair = |given: &&str| match given.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some(((*given).to_owned(), env::build_argument(given)?)),
    };
    given.iter().filter_map(pair).collect()
}

fn lock(
    sources: &[Source],
    answers: &BTreeMap<String, Result<Pinned, Failure>>,
    args: &Args<'_>,
    context: &Context,
) -> Result<(), Failure> {
    let mut edits = Vec::new();
    let mut lines = Vec::new();
    let mut wrong = 0_usize;
    for source in sources {
        let mut of_file = Vec::new();
        for image in &source.images {
            let mut line = line(source, image, answers);
            let must_change = matches!(line.status, Status::Outdated | Status::Unlocked);
            if must_change && args.mode != Mode::Check {
                match line.locked.clone().filter(|_| image.literal) {
                    Some(new) => of_file.push((image.span.clone(), new)),
                    None => {
                        line.status = Status::Refused;
                        line.error = Some(texts::NOT_IN_PLACE.to_owned());
                    }
                }
            }
            let is_wrong = match args.mode {
                Mode::Check => line.status != Status::Locked,
                Mode::DryRun | Mode::Write => line.status == Status::Refused,
            };
            wrong += usize::from(is_wrong);
            lines.push(line);
        }
        edits.push((source, of_file));
    }
    let mut told = Vec::new();
    for (source, edits) in edits {
        if !edits.is_empty() {
            let new = replace(&source.text, &edits).ok_or_else(|| {
                Failure::new(texts::NOT_IN_PLACE).prefix(&texts::in_file(&source.name))
            })?;
            told.push((source, new));
        }
    }
    if args.mode == Mode::Write && wrong == 0 {
        write::all(&told)?;
    }
    print(&lines, args, answers, context)?;
    if wrong == 0 {
        return Ok(());
    }
    let summary = match args.mode {
        Mode::Check => texts::not_locked(wrong, lines.len()),
        Mode::DryRun | Mode::Write => texts::nothing_locked(wrong, lines.len()),
    };
    let failure = Failure::new(summary);
    Err(match args.mode {
        Mode::Check => failure.hint(texts::lock_again(&context.program.path)),
        Mode::DryRun | Mode::Write => failure,
    })
}

fn line(
    source: &Source,
    image: &ImageUse,
    answers: &BTreeMap<String, Result<Pinned, Failure>>,
) -> Line {
    let mut line = Line {
        file: source.name.clone(),
        line: image.place.line,
        column: image.place.column,
        name: image.name.clone(),
        status: Status::Refused,
        locked: None,
        digest: None,
        signers: Vec::new(),
        expires: None,
        error: None,
    };
    match answers.get(&image.name) {
        Some(Ok(pinned)) => {
            line.status = if pinned.is_current() {
                Status::Locked
            } else if pinned.written.is_some() {
                Status::Outdated
            } else {
                Status::Unlocked
            };
            line.locked = Some(pinned.locked());
            line.digest = Some(pinned.resolved.digest.to_string());
            line.signers.clone_from(&pinned.resolved.signers);
            line.expires = Some(pinned.resolved.expires.clone());
        }
        Some(Err(failure)) => line.error = Some(failure.text().to_owned()),
        None => line.error = Some(texts::no_valid_trust_data(&image.name)),
    }
    line
}

fn print(
    lines: &[Line],
    args: &Args<'_>,
    answers: &BTreeMap<String, Result<Pinned, Failure>>,
    context: &Context,
) -> Result<(), Failure> {
    for line in lines {
        if args.json {
            let text =
                crate::texts::json::line(line).map_err(|error| Failure::new(error.to_string()))?;
            context.printer.out(&format!("{text}\n"))?;
            continue;
        }
        let place = format!("{}:{}:{}", visible(&line.file), line.line, line.column);
        let name = visible(&line.name);
        let locked = line.locked.as_deref().map(visible).unwrap_or_default();
        match line.status {
            Status::Refused => {
                let problem = line.error.clone().unwrap_or_default();
                context.printer.err(&format!("{place}: {name}: "));
                Failure::new(problem).print(&context.printer);
            }
            Status::Locked => context.printer.out(&texts::is_locked(&place, &name))?,
            Status::Outdated if args.mode == Mode::Check => {
                let digest = line.digest.as_deref().unwrap_or_default();
                context
                    .printer
                    .out(&texts::is_outdated(&place, &name, digest))?;
            }
            Status::Unlocked if args.mode == Mode::Check => {
                context.printer.out(&texts::is_unlocked(&place, &name))?;
            }
            Status::Outdated | Status::Unlocked => {
                context
                    .printer
                    .out(&texts::is_changed(&place, &name, &locked))?;
            }
        }
    }
    // What to do is said once, below.
    for failure in answers.values().filter_map(|answer| answer.as_ref().err()) {
        failure.print_hints(&context.printer);
    }
    Ok(())
}
