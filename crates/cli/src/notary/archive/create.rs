//! `notary archive create`: repositories out of a trust server, a client's trust folder or a server's database, into one file.

mod archivist;
mod from_database;
mod from_trust_dir;
mod making;
mod names;
mod options;
mod progress;
mod server;
mod summary;

use std::collections::BTreeSet;

use signet_tuf::Gun;

use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;
use making::Making;
use options::{From, Options};

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let options = Options::read(matches, context)?;
    match options.from {
        From::TrustFolder { folder, list } => {
            from_trust_dir::create(&options, folder, list, context)
        }
        From::Database { file, list } => from_database::create(&options, file, list, context),
        From::Names { .. } | From::Changefeed => server::create(&options, context),
    }
}

/// Makes the file of repositories that did not come from a server, and says what is in it and how much is not.
fn pack(
    making: Making,
    wanted: &BTreeSet<Gun>,
    lacking: usize,
    options: &Options<'_>,
    context: &Context,
) -> Result<(), Failure> {
    if wanted.is_empty() {
        making.leave();
        return Err(Failure::new(texts::ARCHIVE_SOURCE_EMPTY));
    }
    let busy = context.printer.busy(texts::ARCHIVE_PACKS);
    making.pack(wanted)?;
    drop(busy);
    summary::tell(&options.output, options.form, &context.printer)?;
    if lacking == 0 {
        return Ok(());
    }
    let problem = texts::archive_lacks(lacking, "not taken");
    Err(Failure::new(texts::archive_incomplete(&[problem])))
}
