//! The table of `push`.

use super::flag::switch;
use crate::cobra::{Args, Command, Completes};

pub(super) static PUSH: Command = Command {
    name: "push",
    usage: "[OPTIONS] NAME[:TAG]",
    short: "Push an image and sign it",
    about: "",
    examples: "\
# Push the image through the docker daemon and sign what the registry then has
{} push registry.example.com/team/app:1.0

# Every tag that the daemon has of the repository
{} push --all-tags registry.example.com/team/app",
    flags: &[
        switch("all-tags", Some('a'), "Push and sign all tags of an image"),
        switch(
            "quiet",
            Some('q'),
            "Print only the names of what was signed",
        ),
    ],
    args: Args::Exactly(1),
    completes: Completes::Images,
    hidden: false,
    children: &[],
};
