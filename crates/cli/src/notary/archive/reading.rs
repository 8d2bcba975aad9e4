//! What the commands that look at archives have in common.

use std::path::Path;

use serde::Serialize;
use signet_archive::{Archive, ArchivedRepository, Judgement, judge};
use signet_tuf::{Gun, TrustPinning};

use crate::archives;
use crate::notary::Context;
use crate::texts::{archive, notary as texts};
use crate::ui::report::Failure;

/// Prints something as a line of JSON.
pub(super) fn line(value: &impl Serialize, context: &Context) -> Result<(), Failure> {
    let text = crate::texts::json::line(value).map_err(|error| Failure::new(error.to_string()))?;
    Ok(context.printer.out(&format!("{text}\n"))?)
}

/// The name of a repository on the command line.
pub(super) fn gun(name: &str) -> Result<Gun, Failure> {
    name.parse().map_err(|error: signet_tuf::InvalidGun| {
        Failure::new(archive::not_a_repository(&error.to_string()))
    })
}

/// Judges a repository for the moment of its capture, as a client that trusts the first root it sees.
pub(super) fn judged(repository: &ArchivedRepository) -> Judgement {
    let captured = repository.record.captured.time();
    judge(repository, captured, &TrustPinning::default())
}

/// Calls `each` with every repository, in the order of their names. Only one is in memory at a time.
pub(super) fn every(
    path: &Path,
    archive: &Archive,
    context: &Context,
    mut each: impl FnMut(ArchivedRepository) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let file = path.display().to_string();
    let total = archive.header().repositories;
    let busy = context
        .printer
        .busy(&texts::archive_checking(&file, 0, total));
    for (done, entry) in (1..).zip(archive.entries()) {
        let repository = archive
            .read(entry)
            .map_err(|error| archives::unusable(path, &error))?;
        each(repository)?;
        busy.say(&texts::archive_checking(&file, done, total));
    }
    Ok(())
}
