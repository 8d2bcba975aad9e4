//! The table of `report`.

use crate::cobra::flag::{list, text};
use crate::cobra::{Args, Command, Completes};

pub(super) static REPORT: Command = Command {
    name: "report",
    usage: "[ GUN ... ]",
    short: "Take stock: repositories, tags, signers, keys and expiries",
    about: "\
Takes stock of a trust folder, of a server or of archives for people who decide: repositories, tags, signers, keys and where they are,
thresholds, expiries, trust on first use, weak keys, and what should be done about them. It only looks: nothing is asked of the person,
and nothing is remembered.

Without a source it describes the trust folder (-d), with names or -s the repositories of these names on the trust server.",
    examples: "\
# What this machine has signed and trusted
{} report -d ~/.docker/trust

# A page for the browser about everything in two archives
{} report --archive hub.tar.gz --archive acr.tar.gz --format html -o report.html

# Two repositories as they are on the server now; the exit code is 1 when something does not work
{} report -s https://notary.example.com --fail-on error registry.example.com/team/app registry.example.com/team/tool

# A table of all keys for a spreadsheet
{} report --archive hub.tar.gz --format csv --rows keys -o keys.csv",
    flags: &[
        list("archive", None, "Take stock of this archive"),
        text(
            "fail-on",
            None,
            "Fail when there are findings of this severity: 'warning' or 'error'",
        )
        .completing(Completes::OneOf(&["error", "warning"])),
        text("format", None, "Print 'text', 'json', 'csv' or 'html'")
            .completing(Completes::OneOf(&["csv", "html", "json", "text"])),
        text("output", Some('o'), "File to write instead of standard output"),
        text(
            "rows",
            None,
            "Rows of the CSV form: 'repositories', 'roles', 'tags', 'keys' or 'findings'",
        )
        .completing(Completes::OneOf(&[
            "findings",
            "keys",
            "repositories",
            "roles",
            "tags",
        ])),
        text("trust-dir", None, "Take stock of this trust folder").completing(Completes::Folders),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
