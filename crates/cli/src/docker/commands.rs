//! The command tree of `docker trust`, with the texts of its help pages.

mod build;
mod doctor;
mod lock;
mod man;
mod pull;
mod push;
mod revoke;
mod run;
mod signer_remove;
mod verify;

use flag::{list, switch, text};
pub use man::GLOBAL_FLAGS;

use crate::cobra::flag;
use crate::cobra::{Args, Command, Completes, Flag, FlagKind};

/// `docker trust`.
pub static ROOT: Command = Command {
    name: "trust",
    usage: "",
    short: "Manage trust on Docker images",
    about: "",
    examples: "",
    flags: &[],
    args: Args::Group,
    completes: Completes::Files,
    hidden: false,
    children: &[
        &build::BUILD,
        &COMPLETION,
        &run::CREATE,
        &doctor::DOCTOR,
        &INSPECT,
        &KEY,
        &lock::LOCK,
        &man::MAN,
        &pull::PULL,
        &push::PUSH,
        &revoke::REVOKE,
        &run::RUN,
        &SIGN,
        &SIGNER,
        &verify::VERIFY,
    ],
};

static COMPLETION: Command = Command {
    name: "completion",
    usage: "bash|zsh|fish|powershell",
    short: "Print a script that makes a shell complete commands, flags and names",
    about: "",
    examples: "{} completion bash > ~/.local/share/bash-completion/completions/docker-trust\n\
               {} completion zsh > /usr/local/share/zsh/site-functions/_docker-trust\n\
               {} completion fish > ~/.config/fish/completions/docker-trust.fish\n\
               {} completion powershell >> $PROFILE",
    flags: &[],
    args: Args::Exactly(1),
    completes: Completes::OneOf(&["bash", "fish", "powershell", "zsh"]),
    hidden: true,
    children: &[],
};

static INSPECT: Command = Command {
    name: "inspect",
    usage: "IMAGE[:TAG] [IMAGE[:TAG]...]",
    short: "Return low-level information about keys and signatures",
    about: "",
    examples: "",
    flags: &[switch(
        "pretty",
        None,
        "Print the information in a human friendly format",
    )],
    args: Args::AtLeast(1),
    completes: Completes::Images,
    hidden: false,
    children: &[],
};

static KEY: Command = Command {
    name: "key",
    usage: "",
    short: "Manage keys for signing Docker images",
    about: "",
    examples: "",
    flags: &[],
    args: Args::Group,
    completes: Completes::Files,
    hidden: false,
    children: &[&KEY_GENERATE, &KEY_LOAD],
};

static KEY_GENERATE: Command = Command {
    name: "generate",
    usage: "NAME",
    short: "Generate and load a signing key-pair",
    about: "",
    examples: "",
    flags: &[text(
        "dir",
        None,
        "Directory to generate key in, defaults to current directory",
    )
    .completing(Completes::Folders)],
    args: Args::Exactly(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

static KEY_LOAD: Command = Command {
    name: "load",
    usage: "[OPTIONS] KEYFILE",
    short: "Load a private key file for signing",
    about: "",
    examples: "",
    flags: &[Flag {
        name: "name",
        shorthand: None,
        kind: FlagKind::Text { default: "signer" },
        usage: "Name for the loaded key",
        completes: Completes::Files,
        hidden: false,
    }],
    args: Args::Exactly(1),
    completes: Completes::Files,
    hidden: false,
    children: &[],
};

static SIGN: Command = Command {
    name: "sign",
    usage: "IMAGE:TAG",
    short: "Sign an image",
    about: "",
    examples: "",
    flags: &[
        text(
            "digest",
            None,
            "Sign this digest, which the registry must have",
        )
        .completing(Completes::Nothing),
        switch("local", None, "Sign a locally tagged image"),
        switch("remote", None, "Sign what the registry has under the tag"),
    ],
    args: Args::Exactly(1),
    completes: Completes::Images,
    hidden: false,
    children: &[],
};

static SIGNER: Command = Command {
    name: "signer",
    usage: "",
    short: "Manage entities who can sign Docker images",
    about: "",
    examples: "",
    flags: &[],
    args: Args::Group,
    completes: Completes::Files,
    hidden: false,
    children: &[&SIGNER_ADD, &signer_remove::SIGNER_REMOVE],
};

static SIGNER_ADD: Command = Command {
    name: "add",
    // compat: the usage line of docker's `signer add` ends in a space.
    usage: "OPTIONS NAME REPOSITORY [REPOSITORY...] ",
    short: "Add a signer",
    about: "",
    examples: "",
    flags: &[list("key", None, "Path to the signer's public key file")],
    args: Args::AtLeast(2),
    completes: Completes::NameThenRepositories,
    hidden: false,
    children: &[],
};
