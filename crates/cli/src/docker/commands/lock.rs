//! The table of `lock`.

use super::flag::{list, switch, text};
use crate::cobra::{Args, Command, Completes};

pub(super) static LOCK: Command = Command {
    name: "lock",
    usage: "[OPTIONS] FILE [FILE...]",
    short: "Write the signed digests of images into Dockerfiles and Compose files",
    about: "",
    examples: "\
# FROM alpine:3.20 becomes FROM alpine:3.20@sha256:…; run it again to take newer signed digests
{} lock Dockerfile compose.yaml

# In CI: fail when an image has no digest, or another one than is signed for its tag
{} lock --check Dockerfile compose.yaml",
    flags: &[
        list(
            "build-arg",
            None,
            "Value of a variable in the images of a Dockerfile",
        )
        .completing(Completes::Nothing),
        switch(
            "check",
            None,
            "Write nothing, and fail unless every image has the digest that is signed",
        ),
        switch("dry-run", None, "Write nothing, only say what would change"),
        text("format", None, "Print a line of 'json' for each image")
            .completing(Completes::OneOf(&["json"])),
        text(
            "type",
            None,
            "What the files are, whatever their names: 'compose' or 'dockerfile'",
        )
        .completing(Completes::OneOf(&["compose", "dockerfile"])),
    ],
    args: Args::AtLeast(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};
