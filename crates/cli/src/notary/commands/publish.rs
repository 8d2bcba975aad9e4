//! The table of `publish`, and the flag by which other commands publish.

use crate::cobra::flag::switch;
use crate::cobra::{Args, Command, Completes, Flag};

/// Publishes what a command stages, with all that was staged before it.
pub(super) const PUBLISH_FLAG: Flag = switch(
    "publish",
    Some('p'),
    "Publish it right away, with all that was staged before",
);

pub(super) static PUBLISH: Command = Command {
    name: "publish",
    usage: "[ GUN ]",
    short: "Sign the staged changes of a repository and upload them",
    about: "\
Applies the staged changes to what the server has now, signs the documents that change with the keys at hand, uploads them in one step and
removes the staged changes. When it fails the server has nothing new and all changes stay staged; when somebody else published first, the
changes are applied to the new state and signed again. A repository that nobody knows is begun on the way, as init does it. Without staged
changes the snapshot is signed again, where its key is at hand.",
    examples: "\
{} publish -s https://notary.example.com example.com/team/app

# Without a terminal
NOTARY_TARGETS_PASSPHRASE=... NOTARY_SNAPSHOT_PASSPHRASE=... NOTARY_AUTH=$(printf user:password | base64) {} publish example.com/team/app",
    flags: &[],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
