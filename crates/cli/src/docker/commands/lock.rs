//! The table of `lock`.

use super::switch;
use crate::cobra::{Args, Command, Completes, Flag, FlagKind};

pub(super) static LOCK: Command = Command {
    name: "lock",
    usage: "[OPTIONS] FILE [FILE...]",
    short: "Write the signed digests of images into Dockerfiles and Compose files",
    examples: "\
# FROM alpine:3.20 becomes FROM alpine:3.20@sha256:…; run it again to take newer signed digests
{} lock Dockerfile compose.yaml

# In CI: fail when an image has no digest, or another one than is signed for its tag
{} lock --check Dockerfile compose.yaml",
    flags: &[
        Flag {
            name: "build-arg",
            shorthand: None,
            kind: FlagKind::List,
            usage: "Value of a variable in the images of a Dockerfile",
            completes: Completes::Nothing,
            hidden: false,
        },
        switch(
            "check",
            None,
            "Write nothing, and fail unless every image has the digest that is signed",
        ),
        switch("dry-run", None, "Write nothing, only say what would change"),
        Flag {
            name: "format",
            shorthand: None,
            kind: FlagKind::Text { default: "" },
            usage: "Print a line of 'json' for each image",
            completes: Completes::OneOf(&["json"]),
            hidden: false,
        },
        Flag {
            name: "type",
            shorthand: None,
            kind: FlagKind::Text { default: "" },
            usage: "What the files are, whatever their names: 'compose' or 'dockerfile'",
            completes: Completes::OneOf(&["compose", "dockerfile"]),
            hidden: false,
        },
    ],
    args: Args::AtLeast(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};
