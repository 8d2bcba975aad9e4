//! `docker-trust man`: the manual pages of this program.

use super::context::Context;
use super::{GLOBAL_FLAGS, ROOT};
use crate::cobra::parse::Matches;
use crate::manual::{Manual, surroundings};
use crate::ui::report::Failure;

/// What the pages are made of.
pub static MANUAL: Manual = Manual {
    program: "docker-trust",
    root: &ROOT,
    global_flags: &GLOBAL_FLAGS,
    adds_flags: false,
    variables: surroundings::of_docker_trust,
    places: surroundings::DOCKER_TRUST_PLACES,
    exit: &[
        ("0", "The command has done what it was asked for"),
        ("1", "It has not; standard error says why"),
        (
            "125",
            "A flag is wrong, or run has failed before there was a container",
        ),
        ("130", "The command was interrupted"),
        (
            "others",
            "run, create and build end as docker ends, run with the exit status of the container",
        ),
    ],
};

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    MANUAL.run(matches, &context.env, &context.printer, context.clock)
}
