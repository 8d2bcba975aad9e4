//! The command tree of `notary`, with the texts of its help pages.

mod add;
mod addhash;
mod archive;
mod delegation;
mod delete;
mod doctor;
mod init;
mod key;
mod list;
mod lookup;
mod man;
mod publish;
mod reading;
mod remove;
mod renew;
mod report;
mod reset;
mod staging;
mod status;
mod takeover;
mod verify;
mod witness;

use crate::cobra::flag::{switch, text};
use crate::cobra::{Args, Command, Completes, Flag};

/// `notary`.
pub static ROOT: Command = Command {
    name: "notary",
    usage: "",
    short: "Collections of signed targets, their keys, and archives of them",
    about: "\
Begins repositories of signed targets, stages and publishes what is in them, says who else may sign, and looks after the keys. Also takes
whole trust servers into archives with all their proofs, reads those without a network, and brings them to another server.",
    examples: "",
    flags: &[switch("version", None, "Print the version of notary")],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[
        &add::ADD,
        &addhash::ADDHASH,
        &archive::ARCHIVE,
        &COMPLETION,
        &delegation::DELEGATION,
        &delete::DELETE,
        &doctor::DOCTOR,
        &HELP,
        &init::INIT,
        &key::KEY,
        &list::LIST,
        &lookup::LOOKUP,
        &man::MAN,
        &publish::PUBLISH,
        &remove::REMOVE,
        &renew::RENEW,
        &report::REPORT,
        &reset::RESET,
        &status::STATUS,
        &takeover::TAKEOVER,
        &verify::VERIFY,
        &VERSION,
        &witness::WITNESS,
    ],
};

/// What every command takes.
pub static GLOBAL_FLAGS: [Flag; 8] = [
    text(
        "configFile",
        Some('c'),
        "Configuration file, instead of ~/.notary/config.json",
    ),
    switch(
        "debug",
        Some('D'),
        "Say on standard error what happens inside",
    ),
    text("server", Some('s'), "Address of the trust server").completing(Completes::Nothing),
    text(
        "tlscacert",
        None,
        "Certificates of the only authorities that the server's certificate may come from",
    ),
    text("tlscert", None, "Certificate that is shown to the server"),
    text("tlskey", None, "Private key of that certificate"),
    text(
        "trustDir",
        Some('d'),
        "Folder with keys and trust data, instead of ~/.notary",
    )
    .completing(Completes::Folders),
    switch("verbose", Some('v'), "Say on standard error what happens"),
];

static COMPLETION: Command = Command {
    name: "completion",
    usage: "",
    short: "Print a script that makes a shell complete commands, flags and names",
    about: "",
    examples: "{} completion bash > ~/.local/share/bash-completion/completions/notary\n\
               {} completion zsh > /usr/local/share/zsh/site-functions/_notary\n\
               {} completion fish > ~/.config/fish/completions/notary.fish\n\
               {} completion powershell >> $PROFILE",
    flags: &[],
    args: Args::Group,
    completes: Completes::Nothing,
    hidden: false,
    children: &[
        &shell("bash", "Print the script for bash"),
        &shell("fish", "Print the script for fish"),
        &shell("powershell", "Print the script for PowerShell"),
        &shell("zsh", "Print the script for zsh"),
    ],
};

const fn shell(name: &'static str, short: &'static str) -> Command {
    Command {
        name,
        usage: "",
        short,
        about: "",
        examples: "",
        flags: &[NO_DESCRIPTIONS],
        args: Args::Exactly(0),
        completes: Completes::Nothing,
        hidden: false,
        children: &[],
    }
}

const NO_DESCRIPTIONS: Flag = switch(
    "no-descriptions",
    None,
    "Offer commands and flags without saying what they do",
);

static HELP: Command = Command {
    name: "help",
    usage: "[command]",
    short: "Help about any command",
    about: "",
    examples: "",
    flags: &[],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[],
};

static VERSION: Command = Command {
    name: "version",
    usage: "",
    short: "Print the version of notary",
    about: "",
    examples: "",
    flags: &[],
    args: Args::Any,
    completes: Completes::Nothing,
    hidden: false,
    children: &[],
};
