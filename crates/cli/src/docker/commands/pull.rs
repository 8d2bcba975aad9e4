//! `pull`: docker's command with a tag that is looked up first.

use super::flag::{switch, text};
use crate::cobra::{Args, Command, Completes};

pub(super) static PULL: Command = Command {
    name: "pull",
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    short: "Download a signed image from a registry",
    about: "",
    examples: "\
{} pull registry.example.com/team/app:1.0
{} pull --all-tags registry.example.com/team/app",
    flags: &[
        switch(
            "all-tags",
            Some('a'),
            "Download all signed tags in the repository",
        ),
        switch(
            "disable-content-trust",
            None,
            "Refused: here the image is always checked",
        )
        .hidden(),
        text(
            "platform",
            None,
            "Set platform if server is multi-platform capable",
        )
        .completing(Completes::Nothing),
        switch("quiet", Some('q'), "Suppress verbose output"),
    ],
    args: Args::Exactly(1),
    completes: Completes::Images,
    hidden: false,
    children: &[],
};
