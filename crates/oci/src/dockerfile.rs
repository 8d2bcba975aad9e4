//! The images that a Dockerfile names, with their places in the text.
//!
//! This reader answers one question: which images does a build of this file use? It follows BuildKit's parser where that decides what is an
//! instruction - continuations, comments, here-documents, parser directives - and it refuses what it does not know, or what builders of
//! different age read in different ways: an image that is passed over would be used unchecked.
//!
//! Images stand in `FROM`, in `COPY --from`, in `RUN --mount=…,from=` and in `# syntax=`. Names of earlier stages and `scratch` are no images.

mod directives;
mod heredoc;
mod instructions;
mod lines;
mod problem;
mod readings;
#[cfg(test)]
mod tests;
mod variables;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub use directives::is_frontend;
pub use problem::{Problem, VariableProblem};

use crate::document::{ImageUse, Place, Purpose};
use lines::{Joined, Line, Lines};
use variables::Variables;

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Longest line, in bytes: BuildKit's.
const MAX_LINE: usize = 64 * 1024 - 1;
/// Most stages in a file.
const MAX_STAGES: usize = 1000;
/// Most images in a file.
const MAX_IMAGES: usize = 2000;

/// What a Dockerfile names.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Dockerfile {
    /// The images, in the order of the text.
    pub images: Vec<ImageUse>,
    /// Stages and `scratch` that variables name: where, and what they were understood as.
    pub decided: Vec<(Range<usize>, String)>,
}

/// A Dockerfile that is refused, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Refused {
    /// Where.
    pub place: Place,
    /// Why.
    #[source]
    pub problem: Problem,
}

impl Dockerfile {
    /// Reads a Dockerfile. `arguments` are the build arguments that go before the defaults of `ARG`.
    ///
    /// # Errors
    /// [`Refused`] when something is not understood for certain.
    pub fn read(text: &str, arguments: &BTreeMap<String, String>) -> Result<Self, Refused> {
        Self::read_with(text, arguments, &BTreeSet::new())
    }

    /// Reads a Dockerfile. The build arguments in `unclear` are given with values that are not known.
    ///
    /// # Errors
    /// [`Refused`] when something is not understood for certain.
    pub fn read_with(
        text: &str,
        arguments: &BTreeMap<String, String>,
        unclear: &BTreeSet<String>,
    ) -> Result<Self, Refused> {
        let mut reader = Reader {
            text,
            escape: '\\',
            variables: Variables::new(arguments, unclear),
            stages: Vec::new(),
            later: Vec::new(),
            images: Vec::new(),
            decided: Vec::new(),
            found: readings::Found::default(),
        };
        reader.read().map_err(|stop| Refused {
            place: Place::of(text, stop.at),
            problem: stop.problem,
        })?;
        Ok(Self {
            images: reader.images,
            decided: reader.decided,
        })
    }
}

/// A problem and the offset of its place.
struct Stop {
    at: usize,
    problem: Problem,
}

struct Reader<'a> {
    text: &'a str,
    escape: char,
    variables: Variables<'a>,
    /// The stages so far: their names in lower case.
    stages: Vec<Option<String>>,
    /// Names that are no stages yet, and where they are used.
    later: Vec<(String, usize)>,
    images: Vec<ImageUse>,
    decided: Vec<(Range<usize>, String)>,
    found: readings::Found,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Stop> {
        let too_large = |at, what| Stop {
            at,
            problem: Problem::TooLarge { what },
        };
        if self.text.len() > MAX_BYTES {
            return Err(too_large(0, "more than 1 MiB"));
        }
        let mut lines = Lines::new(self.text);
        let mut directives = Some(Vec::new());
        while let Some(line) = lines.next() {
            if line.text.len() > MAX_LINE {
                return Err(too_large(line.at, "a line of more than 65535 bytes"));
            }
            self.directive(line, &mut directives)?;
            if lines::is_silent(line.text) {
                continue;
            }
            let first = line;
            let begin = line.text.trim_start();
            let mut joined = Joined::default();
            let mut more = joined.push(begin, line.at + line.text.len() - begin.len(), self.escape);
            let mut last = line;
            while more && let Some(line) = lines.next() {
                if line.text.len() > MAX_LINE {
                    return Err(too_large(line.at, "a line of more than 65535 bytes"));
                }
                if !lines::is_silent(line.text) {
                    more = joined.push(line.text, line.at, self.escape);
                    last = line;
                }
            }
            self.begin(first, &joined)?;
            self.found.line(last.text);
            let documents = self.instruction(&joined, 0..joined.text.len(), None)?;
            if documents.is_empty() {
                self.found.announced(&joined.text);
            }
            for document in documents {
                self.document(&document, &mut lines, joined.offset(0))?;
            }
            if self.stages.len() > MAX_STAGES {
                return Err(too_large(joined.offset(0), "more than 1000 stages"));
            }
            if self.images.len() > MAX_IMAGES {
                return Err(too_large(joined.offset(0), "more than 2000 images"));
            }
        }
        if self.stages.is_empty() {
            return Err(Stop {
                at: 0,
                problem: Problem::NoStages,
            });
        }
        // BuildKit finds stages that begin later, the old builder takes the name for an image.
        for (name, at) in &self.later {
            if self.stage(name).is_some() {
                return Err(Stop {
                    at: *at,
                    problem: Problem::LaterStage { name: name.clone() },
                });
            }
        }
        if let Some(at) = self.found.hidden(self.text) {
            return Err(Stop {
                at,
                problem: Problem::Hidden,
            });
        }
        self.images.sort_by_key(|image| image.span.start);
        Ok(())
    }

    /// An instruction begins: other builders must see it begin here too, where that matters.
    fn begin(&mut self, line: Line<'_>, joined: &Joined) -> Result<(), Stop> {
        let (word, _) = words::name(&joined.text, 0..joined.text.len());
        let name = joined.text.get(word).unwrap_or_default();
        let name = name.to_ascii_uppercase();
        let stop = |problem| {
            Err(Stop {
                at: line.at,
                problem,
            })
        };
        if self.found.could_end(line.text) {
            return stop(Problem::Heredoc);
        }
        let swallowed = self.found.start(line, &name, self.stages.is_empty());
        if swallowed || (name == "FROM" && readings::ends_in_escape(&joined.text)) {
            return stop(Problem::Continuation);
        }
        Ok(())
    }

    /// Passes over a here-document. Its last line must not join the line that ends it for those who see no here-document.
    fn document(
        &mut self,
        document: &heredoc::Heredoc,
        lines: &mut Lines<'_>,
        begin: usize,
    ) -> Result<(), Stop> {
        let mut last: Option<Line<'_>> = None;
        for line in lines {
            if document.ends_with(line.text) {
                self.found.line(line.text);
                return match last.filter(|last| readings::ends_in_escape(last.text)) {
                    Some(last) => Err(Stop {
                        at: last.at,
                        problem: Problem::Continuation,
                    }),
                    None => Ok(()),
                };
            }
            if !lines::is_silent(line.text) {
                last = Some(line);
            }
        }
        Err(Stop {
            at: begin,
            problem: Problem::Unterminated,
        })
    }

    fn add(&mut self, name: String, span: Range<usize>, purpose: Purpose, literal: bool) {
        let place = Place::of(self.text, span.start);
        self.images.push(ImageUse {
            name,
            span,
            place,
            purpose,
            literal,
        });
    }

    fn stage(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.stages
            .iter()
            .position(|stage| stage.as_deref() == Some(name.as_str()))
    }
}
