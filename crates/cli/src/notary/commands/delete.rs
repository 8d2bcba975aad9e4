//! The table of `delete`.

use crate::cobra::flag::switch;
use crate::cobra::{Args, Command, Completes};

pub(super) static DELETE: Command = Command {
    name: "delete",
    usage: "[ GUN ]",
    short: "Forget a repository, and delete it on the server with --remote",
    about: "\
Removes what the trust folder remembers of a repository: its documents, its staged changes and the versions that were seen. The next root that
a server shows is trusted as a first one again. Keys stay, and so do repositories whose names begin with this one's. Nothing is sent.

With --remote the server is told to delete the repository first, for everybody and without a question. When it refuses, nothing is removed
here either.",
    examples: "\
# After a repository was begun anew, so that its new root is taken
{} delete example.com/team/app

# For everybody
{} delete --remote -s https://notary.example.com example.com/team/app",
    flags: &[switch("remote", None, "Delete the repository on the server, too")],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
