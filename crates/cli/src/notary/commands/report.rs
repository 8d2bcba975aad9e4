//! The table of `report`.

use crate::cobra::flag::text;
use crate::cobra::{Args, Command, Completes};

pub(super) static REPORT: Command = Command {
    name: "report",
    usage: "[ GUN ... ]",
    short: "Take stock: repositories, tags, signers, keys and expiries",
    about: "\
Takes stock of a trust folder, of a server or of an archive for people who decide: repositories, tags, signers, keys and where they are,
thresholds, expiries, trust on first use, weak keys.",
    examples: "\
# What this machine has signed and trusted
{} report -d ~/.docker/trust

# A page for the browser about everything in an archive
{} report --archive trust.tar.gz --format html -o report.html",
    flags: &[
        text("archive", None, "Take stock of this archive"),
        text("format", None, "Print 'text', 'json', 'csv' or 'html'")
            .completing(Completes::OneOf(&["csv", "html", "json", "text"])),
        text("output", Some('o'), "File to write instead of standard output"),
    ],
    args: Args::Any,
    completes: Completes::Repositories,
    hidden: false,
    children: &[],
};
