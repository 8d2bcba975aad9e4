//! The table of `man`, and the flags of docker that every command takes.

use super::flag::{list, switch, text};
use crate::cobra::{Args, Command, Completes, Flag};

pub(super) static MAN: Command = Command {
    name: "man",
    usage: "[OPTIONS] [COMMAND...]",
    short: "Print a manual page, or write all of them into a folder",
    about: "",
    examples: "\
# Read a page that is not installed
{} man verify | man -l -

# Install all of them
{} man -C /usr/local/share/man/man1",
    flags: &[
        text("directory", Some('C'), "Folder to write all pages into")
            .completing(Completes::Folders),
    ],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: true,
    children: &[],
};

/// docker's flags, which stand before the command. They are parsed as docker parses them, not from this table; the pages show it.
pub static GLOBAL_FLAGS: [Flag; 11] = [
    text(
        "config",
        None,
        "docker's configuration folder, instead of ~/.docker",
    ),
    text("context", Some('c'), "The context whose daemon is meant"),
    switch(
        "debug",
        Some('D'),
        "Say on standard error what happens inside",
    ),
    list("host", Some('H'), "The socket of the daemon"),
    text(
        "log-level",
        Some('l'),
        "How much is said on standard error: debug, info, warn, error or fatal",
    ),
    switch("tls", None, "Speak TLS with the daemon"),
    text(
        "tlscacert",
        None,
        "Certificates of the only authorities that the daemon's certificate may come from",
    ),
    text("tlscert", None, "Certificate that is shown to the daemon"),
    text("tlskey", None, "Private key of that certificate"),
    switch(
        "tlsverify",
        None,
        "Speak TLS with the daemon and verify its certificate",
    ),
    switch(
        "version",
        Some('v'),
        "Print the version of docker-trust (not as a plugin)",
    ),
];
