//! `notary verify GUN TARGET`: hands on data that are what was signed under that name, and nothing else.

use std::fs;
use std::io::{self, Read, Write as _};
use std::path::Path;

use super::Context;
use super::{input, lookup, repository};
use crate::cobra::parse::Matches;
use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// Most bytes that are taken: they are held in memory until they are known to be good.
const MAX_BYTES: u64 = 2 << 30;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [name, target, ..] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::GUN_AND_TARGET_ARGUMENTS);
    };
    let gun = repository::gun(name)?;
    let payload = payload(matches.text("input"))?;
    let found = lookup::find(context, &gun, target)
        .map_err(|failure| failure.prefix(&texts::target_not_retrieved(target)))?;
    found
        .target
        .hashes
        .check(target, &payload)
        .map_err(|error| Failure::new(texts::not_in_collection(&error.to_string())))?;
    if matches.is_set("quiet") {
        return Ok(());
    }
    match matches.text("output") {
        "" => {
            let mut out = io::stdout().lock();
            out.write_all(&payload)?;
            Ok(out.flush()?)
        }
        path => write(Path::new(path), &payload)
            .map_err(|error| Failure::new(format!("open {path}: {}", os_error(&error)))),
    }
}

/// The whole input. It is read before anything is asked, so that a pipe is not left waiting.
fn payload(path: &str) -> Result<Vec<u8>, Failure> {
    let (name, result) = if path.is_empty() {
        ("/dev/stdin", read(io::stdin().lock()))
    } else {
        (path, fs::File::open(path).and_then(read))
    };
    let bytes = result.map_err(|error| input::failed(name, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(Failure::new(texts::payload_too_large(MAX_BYTES >> 30)));
    }
    Ok(bytes)
}

fn read(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The file appears as a whole, readable by the user alone. What is no regular file is written to as it is.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(bytes);
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
