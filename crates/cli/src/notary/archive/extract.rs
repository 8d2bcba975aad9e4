//! `notary archive extract`.

use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(in crate::notary) fn run(_matches: &Matches, _context: &Context) -> Result<(), Failure> {
    Err(Failure::new(texts::not_there("archive extract")))
}
