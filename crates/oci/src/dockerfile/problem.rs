//! Why a Dockerfile is refused.

pub use super::variables::VariableProblem;

/// What stands in a Dockerfile that could hide an image, or that no builder takes.
///
/// `Display` says what it is; [`advice`](Problem::advice) what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// `COPY --from` or a mount names a stage that begins later, or its own.
    #[error("{name:?} names this stage or a later one")]
    LaterStage {
        /// The name.
        name: String,
    },
    /// An image's name goes over several lines.
    #[error("the image's name is broken over several lines")]
    Broken,
    /// A line behind one that ends in a character that continues lines for some builders.
    #[error(
        "the line before, or this one, ends in \\ or `, and builders differ in whether it goes on"
    )]
    Continuation,
    /// A parser directive that not every builder sees as one.
    #[error("not every builder reads the directive {name:?} here")]
    Directive {
        /// The directive.
        name: String,
    },
    /// `# escape=` with something else than a backslash or a backtick.
    #[error("the escape character must be \\ or `")]
    Escape,
    /// A flag of an instruction.
    #[error("the flag {flag:?} of {instruction} is not known")]
    Flag {
        /// The flag's name.
        flag: String,
        /// The instruction.
        instruction: String,
    },
    /// The flags of an instruction can be read in more than one way, or lack a value.
    #[error("the flags of {instruction} are not clear")]
    Flags {
        /// The instruction.
        instruction: String,
    },
    /// `FROM` with something else than an image and `AS name` behind it.
    #[error("FROM takes an image and, if wanted, AS and a name")]
    From,
    /// A here-document that can be read in more than one way.
    #[error("where the here-document ends is not clear")]
    Heredoc,
    /// A line that is no instruction for this reader, and may be one for others.
    #[error(
        "this line is no instruction here, but one that names an image for builders that see no here-document or no continuation"
    )]
    Hidden,
    /// The first word of a line.
    #[error("{word:?} is no instruction that is known")]
    Instruction {
        /// The word.
        word: String,
    },
    /// `# syntax=` names a program for another language.
    #[error("{frontend:?} reads another language than that of Dockerfiles")]
    Language {
        /// The image of that program.
        frontend: String,
    },
    /// Something that exists in a stage only stands before the first one.
    #[error("{instruction} stands before the first FROM")]
    NoStage {
        /// The instruction.
        instruction: String,
    },
    /// The file has no `FROM`.
    #[error("there is no FROM")]
    NoStages,
    /// An `ONBUILD` trigger that names an image or a stage.
    #[error("{name:?} is looked up in the builds of others, where it may be a stage or an image")]
    OnBuild {
        /// What it names.
        name: String,
    },
    /// A number where a stage is named.
    #[error("there is no earlier stage {name}")]
    StageNumber {
        /// The number.
        name: String,
    },
    /// A stage's name, or one that another stage has.
    #[error("{name:?} cannot be the name of this stage")]
    StageName {
        /// The name.
        name: String,
    },
    /// The file is larger than is read.
    #[error("the file is too large: {what}")]
    TooLarge {
        /// What there is too much of, with the limit.
        what: &'static str,
    },
    /// A here-document without its last line.
    #[error("the here-document does not end")]
    Unterminated,
    /// Variables where builders do not replace them.
    #[error("{name:?} has a variable where builders know none")]
    Variable {
        /// The text.
        name: String,
    },
    /// The image's name has variables whose values are not known.
    #[error("the image's name cannot be told: {0}")]
    Variables(#[from] VariableProblem),
}

impl Problem {
    /// What to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::LaterStage { .. } => {
                "copy from a stage that begins earlier, or give this stage another name"
            }
            Self::Broken => "write the name on one line",
            Self::Continuation => {
                "end that line with something else than \\ and `, or put another instruction in between"
            }
            Self::Directive { .. } => {
                "write each directive once, as # name=value in ASCII letters, at the very beginning of the file, escape before the others"
            }
            Self::Hidden => {
                "write the line so that it does not begin with FROM, COPY, ADD, RUN or ARG, or put the text into a file of its own"
            }
            Self::Escape => "write # escape=\\ or # escape=`",
            Self::Flag { .. } => "leave the flag out, or build without docker trust",
            Self::Flags { .. } => {
                "write flags as --name=value, without quotes, backslashes and letters beyond ASCII"
            }
            Self::From => {
                "write FROM [--platform=PLATFORM] IMAGE [AS NAME], without a comment behind it"
            }
            Self::Heredoc => {
                "begin the here-document with <<NAME or <<\"NAME\", NAME of letters and digits and no instruction, on a line without odd quotes and lists"
            }
            Self::Instruction { .. } => {
                "check the line, and the continuation of the line before it"
            }
            Self::Language { .. } => {
                "use docker/dockerfile, or leave the line out so that the builder's own reader is used"
            }
            Self::NoStage { .. } | Self::NoStages => {
                "begin the file with FROM; only ARG may stand before it"
            }
            Self::OnBuild { .. } => "name the image with its digest: NAME:TAG@sha256:…",
            Self::StageNumber { .. } => "give the stage a name with AS, and use the name",
            Self::StageName { .. } => {
                "use a name that no other stage has: lower-case letters, digits, dot, dash and underscore, a letter first, not scratch"
            }
            Self::TooLarge { .. } => "split the file",
            Self::Unterminated => "end it with its name alone on a line",
            Self::Variable { .. } => {
                "name a stage here: FROM IMAGE AS NAME, where IMAGE may have variables"
            }
            Self::Variables(VariableProblem::Form { .. }) => {
                "use $NAME, ${NAME}, ${NAME:-value} or ${NAME:+value}"
            }
            Self::Variables(_) => {
                "give the variable a value: --build-arg NAME=VALUE, or ARG NAME=VALUE before the first FROM"
            }
        }
    }
}
