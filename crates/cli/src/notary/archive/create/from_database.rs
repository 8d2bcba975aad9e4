//! Repositories of a trust server's database, or of a dump of it.

use std::collections::BTreeSet;
use std::path::Path;

use signet_archive::bounds::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS, MAX_REPOSITORY_BYTES};
use signet_archive::{ArchivedRepository, Change, Currency, Held, Moment, Source, assemble};
use signet_storage::{DatabaseReader, ReadError};
use signet_tuf::Gun;

use super::making::Making;
use super::names::Names;
use super::options::Options;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::{Failure, with_sources};

/// Names that are fetched at once.
const PAGE: u32 = 1000;
/// Most changes of a repository.
const MAX_CHANGES: u32 = 100_000;

/// Makes an archive of a database: of everything in it, or of what is named, always with the whole history.
///
/// # Errors
/// When not everything that was asked for is in the archive, or there is none.
pub(super) fn create(
    options: &Options<'_>,
    file: &str,
    list: Option<&str>,
    context: &Context,
) -> Result<(), Failure> {
    let mut names = Names::read(options.args, list, &context.printer)?;
    let takes_all = names.guns.is_empty();
    let description = format!(
        "the database {file}{}, {}",
        state_of(Path::new(file)),
        names.description()
    );
    let scratch = options
        .output
        .parent()
        .filter(|path| !path.as_os_str().is_empty());
    let scratch = scratch.unwrap_or_else(|| Path::new("."));
    let (making, packed, lacking) = context.block_on(async {
        let opened = DatabaseReader::open(Path::new(file), scratch).await;
        let mut reader = opened.map_err(|error| failure(&error))?;
        if takes_all {
            all_names(&mut reader, &mut names, context).await?;
        }
        let mut making = Making::begin(options, &description, context)?;
        let mut lacking = usize::try_from(names.invalid).unwrap_or(usize::MAX);
        let mut packed = BTreeSet::new();
        for gun in &names.guns {
            if !making.has(gun) {
                let captured = Moment::of(options.moments.now());
                let taken = take(&mut reader, gun, captured).await;
                let told = match taken.map_err(|error| failure(&error))? {
                    Ok(repository) => making.finish(&repository).map_err(|e| e.text().to_owned()),
                    Err(reason) => Err(reason.to_owned()),
                };
                if let Err(reason) = told {
                    context
                        .printer
                        .err(&texts::archive_problem(gun.as_str(), &reason));
                    lacking += 1;
                    continue;
                }
            }
            packed.insert(gun.clone());
        }
        reader.finish().await.map_err(|error| failure(&error))?;
        Ok((making, packed, lacking))
    })?;
    super::pack(making, &packed, lacking, options, context)
}

/// Which state of the file is meant: parts of two states are not one archive.
fn state_of(file: &Path) -> String {
    let state = std::fs::metadata(file).and_then(|file| Ok((file.len(), file.modified()?)));
    // A file that is not there is an error of whoever opens it.
    state.map_or_else(
        |_| String::new(),
        |(length, changed)| {
            let changed = Moment::of(changed.into());
            format!(" of {length} bytes as of {changed}")
        },
    )
}

async fn all_names(
    reader: &mut DatabaseReader,
    names: &mut Names,
    context: &Context,
) -> Result<(), Failure> {
    let nameless = reader.nameless().await.map_err(|error| failure(&error))?;
    if nameless > 0 {
        context.printer.err(&texts::documents_nameless(nameless));
        names.invalid = names.invalid.saturating_add(nameless);
    }
    let mut after = Vec::new();
    loop {
        let page = reader.guns(&after, PAGE).await;
        let page = page.map_err(|error| failure(&error))?;
        let Some(last) = page.last().filter(|last| **last > after) else {
            return Ok(());
        };
        after.clone_from(last);
        for name in &page {
            match std::str::from_utf8(name) {
                Ok(name) => names.add(name, None, &context.printer)?,
                Err(_) => {
                    names.is_no_text(&String::from_utf8_lossy(name), &context.printer);
                }
            }
        }
    }
}

/// Everything that the database has of a repository, or why it is not taken.
async fn take(
    reader: &mut DatabaseReader,
    gun: &Gun,
    captured: Moment,
) -> Result<Result<ArchivedRepository, &'static str>, ReadError> {
    let rows = reader
        .documents(
            gun.as_str(),
            MAX_DOCUMENT_BYTES,
            MAX_DOCUMENTS,
            MAX_REPOSITORY_BYTES,
        )
        .await?;
    let Some(rows) = rows else {
        return Ok(Err("it has more documents than an archive takes"));
    };
    if rows.is_empty() {
        return Ok(Err("the database does not have it"));
    }
    let mut held = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(bytes) = row.data else {
            return Ok(Err(
                "it has a document that is larger than a document may be",
            ));
        };
        // What no role can be called, no client asks for.
        let Ok(role) = row.role.parse() else { continue };
        held.push(Held {
            role,
            bytes,
            published: row.stored_at.map(Moment::of),
        });
    }
    let changes = reader.changes(gun.as_str(), MAX_CHANGES).await?;
    let changes = changes.into_iter().map(|change| Change {
        id: change.id,
        at: Moment::of(change.created_at),
        category: change.category,
        version: change.version,
        sha256: change.sha256.parse().ok(),
    });
    let source = Source::Database {
        engine: reader.engine().as_str().to_owned(),
    };
    let currency = Currency::Newest;
    Ok(Ok(assemble(
        gun,
        source,
        captured,
        held,
        currency,
        changes.collect(),
    )))
}

fn failure(error: &ReadError) -> Failure {
    Failure::new(with_sources(error))
}
