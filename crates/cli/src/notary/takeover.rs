//! `notary takeover`.

use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(_matches: &Matches, _context: &Context) -> Result<(), Failure> {
    Err(Failure::new(texts::not_there("takeover")))
}
