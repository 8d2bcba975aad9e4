//! `notary man`: the manual pages of this program.

use super::{Context, GLOBAL_FLAGS, ROOT};
use crate::cobra::parse::Matches;
use crate::manual::{Manual, surroundings};
use crate::ui::report::Failure;

/// What the pages are made of.
pub static MANUAL: Manual = Manual {
    program: "notary",
    root: &ROOT,
    global_flags: &GLOBAL_FLAGS,
    adds_flags: true,
    variables: surroundings::of_notary,
    places: surroundings::NOTARY_PLACES,
    exit: &[
        ("0", "The command has done what it was asked for"),
        (
            "1",
            "It has not; the last line of standard output says why. archive diff: something has changed",
        ),
        (
            "2",
            "archive diff: it cannot be told whether something has changed",
        ),
    ],
};

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    MANUAL.run(matches, &context.env, &context.printer, context.clock)
}
