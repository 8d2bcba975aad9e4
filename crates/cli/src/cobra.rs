//! The shape of a Go command line: commands, flags, help pages, usage errors and completion as cobra and pflag make them.
//!
//! Both original programs are cobra programs, and scripts depend on what cobra does: which flag error comes first, what `--pretty=false`
//! means, how help wraps. One table of [`Command`]s drives parsing ([`parse`]), help ([`help`]) and completion ([`complete`]), so the
//! three cannot disagree. A general parser was tried on paper first: every usage error would have had to be recomputed beside it.

pub mod complete;
pub mod help;
pub mod parse;

/// One command, or a group of commands.
#[derive(Debug)]
pub struct Command {
    /// The word that selects it.
    pub name: &'static str,
    /// What follows the command's path in its usage line, for example `[OPTIONS] KEYFILE`.
    pub usage: &'static str,
    /// One line on what it does.
    pub short: &'static str,
    /// Command lines to begin with, one a line; `{}` stands for how the program is called. Empty for docker's own commands, whose pages are
    /// docker's.
    pub examples: &'static str,
    /// Its flags, in the order of their names.
    pub flags: &'static [Flag],
    /// How many arguments it takes.
    pub args: Args,
    /// What completion offers for its arguments.
    pub completes: Completes,
    /// Whether help and completion leave it out.
    pub hidden: bool,
    /// The commands of a group, in the order of their names; empty for a command.
    pub children: &'static [&'static Self],
}

/// One flag of a command.
#[derive(Debug)]
pub struct Flag {
    /// The long name, without dashes.
    pub name: &'static str,
    /// The one-letter name.
    pub shorthand: Option<char>,
    /// What value it takes.
    pub kind: FlagKind,
    /// Its line in the help page.
    pub usage: &'static str,
    /// What completion offers for its value.
    pub completes: Completes,
    /// Whether help leaves it out.
    pub hidden: bool,
}

/// What value a flag takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FlagKind {
    /// None, or `=true` and `=false` in Go's spellings.
    Bool,
    /// Text that may be given again and again; commas do not separate.
    List,
    /// Text; the last one counts.
    Text {
        /// The value when the flag is absent, shown in the help page unless empty.
        default: &'static str,
    },
}

/// How many arguments a command takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Args {
    /// Any number.
    Any,
    /// At least so many.
    AtLeast(usize),
    /// At most so many.
    AtMost(usize),
    /// Exactly so many.
    Exactly(usize),
    /// None: the command is a group, and the first argument is a command that it does not have.
    Group,
    /// At least one, and flags end there: what follows the first argument is the command line of another program.
    Wrapped,
}

/// What completion offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completes {
    /// Folder names.
    Folders,
    /// File names.
    Files,
    /// Nothing.
    Nothing,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Repositories of the trust folder, and their signed tags.
    Images,
    /// An image first; what follows is not ours to complete.
    ImageThenFiles,
    /// Repositories of the trust folder.
    Repositories,
    /// A new name first, which nobody can guess; then repositories of the trust folder.
    NameThenRepositories,
    /// A signer of the trust folder first; then the repositories where that one may sign.
    SignerThenRepositories,
}

impl Command {
    /// The command's flag of that long name.
    pub(crate) fn flag(&self, name: &str) -> Option<&'static Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// The command's flag of that one-letter name.
    pub(crate) fn shorthand(&self, letter: char) -> Option<&'static Flag> {
        self.flags
            .iter()
            .find(|flag| flag.shorthand == Some(letter))
    }

    /// The child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&'static Self> {
        self.children
            .iter()
            .copied()
            .find(|child| child.name == name)
    }
}

/// How the user calls the program: `docker trust` and `docker` as a plugin, `docker-trust` twice when started directly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Program {
    /// What stands before the first command of a command line.
    pub path: String,
    /// What stands before the colon of a usage error.
    pub name: String,
}
