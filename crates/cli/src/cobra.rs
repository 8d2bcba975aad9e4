//! The shape of a Go command line: commands, flags, help pages, usage errors and completion as cobra and pflag make them.
//!
//! Both original programs are cobra programs, and scripts depend on what cobra does: which flag error comes first, what `--pretty=false`
//! means, how help wraps. One table of [`Command`]s drives parsing ([`parse`]), help ([`help`]) and completion ([`complete`]), so the
//! three cannot disagree. A general parser was tried on paper first: every usage error would have had to be recomputed beside it.

pub mod complete;
pub(crate) mod flag;
pub mod help;
pub mod parse;
pub mod plain;

/// One command, or a group of commands.
#[derive(Debug)]
pub struct Command {
    /// The word that selects it.
    pub name: &'static str,
    /// What follows the command's path in its usage line, for example `[OPTIONS] KEYFILE`.
    pub usage: &'static str,
    /// One line on what it does.
    pub short: &'static str,
    /// What it does at length; empty where the line says it all. Docker's pages have none.
    pub about: &'static str,
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
    /// A number.
    Int {
        /// The value when the flag is absent, shown in the help page unless 0.
        default: i64,
    },
    /// Numbers, separated by commas or given again and again.
    Ints,
    /// Text that may be given again and again; commas do not separate.
    List,
    /// Texts, separated by commas or given again and again; double quotes keep a comma in one text.
    Strings,
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
    /// A repository of the trust folder first, then a new name, which nobody can guess; then files.
    RepositoryThenFiles,
    /// A new name first, which nobody can guess; then repositories of the trust folder.
    NameThenRepositories,
    /// A signer of the trust folder first; then the repositories where that one may sign.
    SignerThenRepositories,
    /// IDs of the private keys of the trust folder.
    Keys,
    /// Roles that list targets, of the repository that the line names.
    Roles,
    /// IDs of the keys that some delegation of the repository that the line names has.
    DelegationKeys,
    /// A repository of the trust folder first, then one of these words.
    RepositoryThen(&'static [&'static str]),
    /// A repository of the trust folder first, then roles of it that list targets.
    RepositoryThenRoles,
    /// A repository of the trust folder first, then a delegation of it, then files.
    DelegationThenFiles,
    /// A repository of the trust folder first, then a delegation of it, then IDs of the keys that the delegation has.
    DelegationThenKeys,
}

/// The flags that may stand with a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags {
    /// The command's own.
    pub(crate) own: &'static [Flag],
    /// Those that every command of the program takes.
    pub(crate) global: &'static [Flag],
    /// Whether they end at the first argument.
    pub(crate) wrapped: bool,
}

impl Flags {
    /// The flag of that long name.
    pub(crate) fn long(&self, name: &str) -> Option<&'static Flag> {
        self.all().find(|flag| flag.name == name)
    }

    /// The flag of that one-letter name.
    pub(crate) fn short(&self, letter: char) -> Option<&'static Flag> {
        self.all().find(|flag| flag.shorthand == Some(letter))
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.own.iter().chain(self.global)
    }
}

impl Command {
    /// The flags that may stand with the command, in a program with these `global` ones.
    pub(crate) fn flags(&self, global: &'static [Flag]) -> Flags {
        Flags {
            own: self.flags,
            global,
            wrapped: self.args == Args::Wrapped,
        }
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
