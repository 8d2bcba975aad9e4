//! `notary archive create`: repositories out of a trust server, a client's trust folder or a server's database, into one file.

mod archivist;
mod making;
mod names;
mod options;
mod progress;
mod server;
mod summary;

use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::ui::report::Failure;
use options::Options;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let options = Options::read(matches, context)?;
    server::create(&options, context)
}
