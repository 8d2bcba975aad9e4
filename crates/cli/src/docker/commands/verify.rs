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
{} verify --signer alice --signer bob registry.example.com/team/app:1.0

# What did the tag stand for when the trust server was archived? No network is needed
{} verify --archive trust.tar.gz --archivist archivist.pub registry.example.com/team/app:1.0

# Would the same documents still hold a year later?
{} verify --archive trust.tar.gz --at 2027-12-08 registry.example.com/team/app:1.0",
    flags: &[
        text(
            "archive",
            None,
            "Ask this trust archive, and nobody else",
        )
        .completing(Completes::Files),
        text(
            "archivist",
            None,
            "Public key that must have signed the archive",
        )
        .completing(Completes::Files),
        text(
            "at",
            None,
            "Moment that the archive is asked about (RFC 3339, or a date in UTC), not that of its capture",
        )
        .completing(Completes::Nothing),
        text("format", None, "Print a line of 'json' for each image")
            .completing(Completes::OneOf(&["json"])),
        switch(
            "offline",
            None,
            "Ask no server, only what is remembered here and still valid",
        ),
        switch("quiet", Some('q'), "Print nothing but why an image is refused"),
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
