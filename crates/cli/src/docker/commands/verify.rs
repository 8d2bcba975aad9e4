//! The table of `verify`.

use super::flag::{list, switch, text};
use crate::cobra::{Args, Command, Completes};

pub(super) static VERIFY: Command = Command {
    name: "verify",
    usage: "[OPTIONS] IMAGE[:TAG][@DIGEST] [IMAGE...]",
    short: "Check that a tag is signed and print its digest",
    about: "",
    examples: "\
# Deploy what was signed, not what the registry says now
docker run \"$({} verify registry.example.com/team/app:1.0)\"

# Is what was deployed still what the tag is signed with?
{} verify registry.example.com/team/app:1.0@sha256:0d1f…

# Two people must have signed, whatever else the policy demands
{} verify --signer alice --signer bob registry.example.com/team/app:1.0",
    flags: &[
        text("format", None, "Print a line of 'json' for each image")
            .completing(Completes::OneOf(&["json"])),
        switch(
            "offline",
            None,
            "Ask no server, only what is remembered here and still valid",
        ),
        switch("quiet", Some('q'), "Print nothing, only set the exit code"),
        list(
            "signer",
            None,
            "Signer who must have signed, besides those of the policy",
        )
        .completing(Completes::Nothing),
    ],
    args: Args::AtLeast(1),
    completes: Completes::Images,
    hidden: false,
    children: &[],
};
