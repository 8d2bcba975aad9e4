//! Why a Compose file is refused.

use crate::dockerfile;

/// What stands in a Compose file that could hide an image, or that Compose does not take.
///
/// `Display` says what it is; [`advice`](Problem::advice) what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Something whose images nobody looks up.
    #[error("{what} brings in images that cannot be looked up")]
    BringsImages {
        /// What does.
        what: &'static str,
    },
    /// A mapping has a key twice.
    #[error("the key {name:?} is there twice")]
    Duplicate {
        /// The key.
        name: String,
    },
    /// A Dockerfile inside the file is refused.
    #[error("line {line} of the Dockerfile here: {problem}")]
    Inline {
        /// The line, counted in the Dockerfile.
        line: usize,
        /// Why.
        #[source]
        problem: dockerfile::Problem,
    },
    /// Variables in a name.
    #[error("{name:?} has a variable, and what it stands for is not in the file")]
    Interpolated {
        /// The text.
        name: String,
    },
    /// The file has neither services nor includes.
    #[error("this is no Compose file: it has no services")]
    NoServices,
    /// An image's name is written with escapes or over several lines.
    #[error("{name:?} is written in a way that cannot be changed in place")]
    Notation {
        /// The name.
        name: String,
    },
    /// Something else than Compose expects there.
    #[error("this is not what Compose files have here")]
    NotUnderstood,
    /// A service that is built, under a name that Compose looks for in the registry before it builds.
    #[error("{name:?} is taken by Compose from the registry before it builds it")]
    PulledFirst {
        /// The name.
        name: String,
    },
    /// A character at which some readers of YAML end a line or a comment, and others do not.
    #[error("the character U+{code:04X} ends a line for some readers of YAML and not for others")]
    LineBreak {
        /// Its number.
        code: u32,
    },
    /// A member that Compose has not had until now, and that may name an image.
    #[error("{name:?} is not known here, and may bring in images")]
    Member {
        /// The member.
        name: String,
    },
    /// A file from elsewhere.
    #[error("{path:?} is not a file of this machine")]
    Remote {
        /// What is written.
        path: String,
    },
    /// The file is larger than is read.
    #[error("the file is too large: {what}")]
    TooLarge {
        /// What there is too much of, with the limit.
        what: &'static str,
    },
    /// It is not YAML.
    #[error("this is not YAML: {problem}")]
    Yaml {
        /// The parser's reason.
        problem: String,
    },
}

impl Problem {
    /// What to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::BringsImages { .. } => "leave it out",
            Self::Duplicate { .. } => "leave one of them out",
            Self::Inline { problem, .. } => problem.advice(),
            Self::Interpolated { .. } => "write the name out; the digest goes with one image only",
            Self::LineBreak { .. } => "leave it out, or write it as an escape in double quotes",
            Self::Member { .. } => "leave it out; what Compose ignores begins with x-",
            Self::NoServices => "name Compose files, or Dockerfiles with --type dockerfile",
            Self::Notation { .. } => "write the name on one line, without escapes",
            Self::NotUnderstood | Self::Yaml { .. } => "check the file with docker compose config",
            Self::PulledFirst { .. } => "give the service pull_policy: build",
            Self::Remote { .. } => "copy the file here, and name the copy",
            Self::TooLarge { .. } => "split the file",
        }
    }
}
