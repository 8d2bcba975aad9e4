//! The images that a Dockerfile names, with their places in the text.
//!
//! This reader answers one question: which images does a build of this file use? It follows BuildKit's parser where that decides what is an
//! instruction - continuations, comments, here-documents, parser directives - and it refuses what it does not know, or what builders of
//! different age read in different ways: an image that is passed over would be used unchecked.
//!
//! Images stand in `FROM`, in `COPY --from`, in `RUN --mount=…,from=` and in `# syntax=`. Names of earlier stages and `scratch` are no images.

mod heredoc;
mod lines;
mod problem;
#[cfg(test)]
mod tests;
mod variables;
mod words;

use std::collections::BTreeMap;
use std::ops::Range;

pub use problem::{Problem, VariableProblem};

use crate::document::{ImageUse, Place, Purpose};
use lines::{Joined, Line, Lines};
use variables::Variables;
use words::Flag;

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Longest line, in bytes: BuildKit's.
const MAX_LINE: usize = 64 * 1024 - 1;
/// A first line that some readers of directives leave out, and that ends the directives for others.
const SHEBANG: &str = "#!";
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
        let mut reader = Reader {
            text,
            escape: '\\',
            variables: Variables::new(arguments),
            stages: Vec::new(),
            later: Vec::new(),
            images: Vec::new(),
        };
        reader.read().map_err(|stop| Refused {
            place: Place::of(text, stop.at),
            problem: stop.problem,
        })?;
        Ok(Self {
            images: reader.images,
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
            let begin = line.text.trim_start();
            let mut joined = Joined::default();
            let mut more = joined.push(begin, line.at + line.text.len() - begin.len(), self.escape);
            while more && let Some(line) = lines.next() {
                if line.text.len() > MAX_LINE {
                    return Err(too_large(line.at, "a line of more than 65535 bytes"));
                }
                if !lines::is_silent(line.text) {
                    more = joined.push(line.text, line.at, self.escape);
                }
            }
            let documents = self.instruction(&joined, 0..joined.text.len(), None)?;
            for document in documents {
                if !lines.by_ref().any(|line| document.ends_with(line.text)) {
                    return Err(Stop {
                        at: joined.offset(0),
                        problem: Problem::Unterminated,
                    });
                }
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
        self.images.sort_by_key(|image| image.span.start);
        Ok(())
    }

    /// A parser directive, if the line is one. The first line that is none ends them.
    fn directive(&mut self, line: Line<'_>, seen: &mut Option<Vec<String>>) -> Result<(), Stop> {
        let Some(known) = seen else {
            return Ok(());
        };
        let comment = line.text.trim_start();
        let parts = comment.strip_prefix('#').and_then(|comment| {
            let (name, value) = comment.split_once('=')?;
            let name = name.trim().to_ascii_lowercase();
            let is_known = matches!(name.as_str(), "check" | "escape" | "syntax");
            (is_known && !value.trim().is_empty()).then_some((name, value))
        });
        let Some((name, value)) = parts else {
            if line.is_first && comment.starts_with(SHEBANG) {
                known.push(SHEBANG.to_owned());
            } else {
                *seen = None;
            }
            return Ok(());
        };
        let stop = |problem| {
            Err(Stop {
                at: line.at,
                problem,
            })
        };
        let after_shebang = known.first().is_some_and(|first| first == SHEBANG);
        if known.contains(&name) || comment.len() != line.text.len() || after_shebang {
            return stop(Problem::Directive { name });
        }
        known.push(name.clone());
        let start = line.at + line.text.len() - value.trim_start().len();
        let value = value.trim();
        match name.as_str() {
            "escape" => match value {
                "\\" => self.escape = '\\',
                "`" => self.escape = '`',
                _ => return stop(Problem::Escape),
            },
            "syntax" => {
                let image = value.split(char::is_whitespace).next().unwrap_or_default();
                self.frontend(image, start..start + image.len())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn frontend(&mut self, image: &str, span: Range<usize>) -> Result<(), Stop> {
        if !is_frontend(image) {
            return Err(Stop {
                at: span.start,
                problem: Problem::Language {
                    frontend: image.to_owned(),
                },
            });
        }
        self.add(image.to_owned(), span, Purpose::Frontend, true);
        Ok(())
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

    /// One instruction; `outer` is the offset of the `ONBUILD` in front of it. Gives the here-documents that follow.
    fn instruction(
        &mut self,
        line: &Joined,
        range: Range<usize>,
        outer: Option<usize>,
    ) -> Result<Vec<heredoc::Heredoc>, Stop> {
        let (word, rest) = words::name(&line.text, range);
        let at = line.offset(word.start);
        let name = line.text.get(word).unwrap_or_default().to_ascii_uppercase();
        let stop = |at, problem| Err(Stop { at, problem });
        let Some(known) = known_flags(&name) else {
            let word = name.chars().take(40).collect();
            return stop(at, Problem::Instruction { word });
        };
        let unclear = |at| Stop {
            at,
            problem: Problem::Flags {
                instruction: name.clone(),
            },
        };
        let (flags, arguments) = words::flags(&line.text, rest)
            .map_err(|words::UnclearFlag(at)| unclear(line.offset(at)))?;
        for (index, flag) in flags.iter().enumerate() {
            let at = line.offset(flag.range.start);
            let Some((_, takes_value)) = known.iter().find(|(known, _)| *known == flag.name) else {
                return stop(
                    at,
                    Problem::Flag {
                        flag: format!("--{}", flag.name),
                        instruction: name,
                    },
                );
            };
            let repeated =
                flag.name == "from" && flags.iter().take(index).any(|other| other.name == "from");
            if repeated || (*takes_value && flag.value.is_none()) {
                return Err(unclear(at));
            }
        }
        match name.as_str() {
            "ARG" if self.stages.is_empty() => {
                for word in words::split_quoted(&line.text, arguments, self.escape) {
                    self.variables.declare(word, self.escape);
                }
                return Ok(Vec::new());
            }
            "FROM" if outer.is_none() => {
                self.from(line, arguments)?;
                return Ok(Vec::new());
            }
            "FROM" | "ONBUILD" | "MAINTAINER" if outer.is_some() => {
                return stop(
                    at,
                    Problem::Instruction {
                        word: format!("ONBUILD {name}"),
                    },
                );
            }
            _ if self.stages.is_empty() => {
                return stop(at, Problem::NoStage { instruction: name });
            }
            "ONBUILD" => return self.instruction(line, arguments, Some(at)),
            "COPY" => {
                for flag in flags.iter().filter(|flag| flag.name == "from") {
                    let Some(value) = flag.verbatim.clone() else {
                        return Err(unclear(line.offset(flag.range.start)));
                    };
                    self.source(line, value, Purpose::Copy, outer)?;
                }
            }
            "RUN" => {
                for flag in flags.iter().filter(|flag| flag.name == "mount") {
                    match mount_source(flag) {
                        Ok(None) => {}
                        Ok(Some(value)) => self.source(line, value, Purpose::Mount, outer)?,
                        Err(()) => return Err(unclear(line.offset(flag.range.start))),
                    }
                }
            }
            _ => {}
        }
        if !matches!(name.as_str(), "ADD" | "COPY" | "RUN") {
            return Ok(Vec::new());
        }
        let text = line.text.get(arguments).unwrap_or_default();
        if serde_json::from_str::<Vec<String>>(text).is_ok() {
            return Ok(Vec::new());
        }
        // The whole line is looked at, as BuildKit does, the flags too.
        heredoc::announced(&line.text, self.escape).map_err(|heredoc::Unclear| Stop {
            at,
            problem: Problem::Heredoc,
        })
    }

    fn from(&mut self, line: &Joined, arguments: Range<usize>) -> Result<(), Stop> {
        let begin = line.offset(arguments.start);
        let stop = |at, problem| Err(Stop { at, problem });
        let words = words::split(&line.text, arguments);
        let text = |range: &Range<usize>| line.text.get(range.clone()).unwrap_or_default();
        let (image, name) = match words.as_slice() {
            [image] => (image, None),
            [image, word, name] if text(word).eq_ignore_ascii_case("as") => (image, Some(name)),
            _ => return stop(begin, Problem::From),
        };
        let at = line.offset(image.start);
        let name = match name {
            None => None,
            Some(name) if is_stage_name(text(name)) && self.stage(text(name)).is_none() => {
                Some(text(name).to_ascii_lowercase())
            }
            Some(name) => {
                let at = line.offset(name.start);
                let name = text(name).to_owned();
                return stop(at, Problem::StageName { name });
            }
        };
        let Some(span) = line.span(image) else {
            return stop(at, Problem::Broken);
        };
        let expanded = self
            .variables
            .expand(text(image), self.escape)
            .map_err(|problem| Stop {
                at,
                problem: problem.into(),
            })?;
        let base = expanded.text;
        if base.is_empty() || base.contains(char::is_whitespace) {
            return stop(at, Problem::From);
        }
        // The old builder takes a number for a stage, BuildKit for an image.
        if base.bytes().all(|byte| byte.is_ascii_digit()) {
            return stop(at, Problem::StageNumber { name: base });
        }
        if base != "scratch" && self.stage(&base).is_none() {
            self.add(base, span, Purpose::Base, expanded.literal);
        }
        self.stages.push(name);
        Ok(())
    }

    /// What files are copied or mounted from: a stage or an image.
    fn source(
        &mut self,
        line: &Joined,
        range: Range<usize>,
        purpose: Purpose,
        outer: Option<usize>,
    ) -> Result<(), Stop> {
        let at = line.offset(range.start);
        let stop = |problem| Err(Stop { at, problem });
        let name = line.text.get(range.clone()).unwrap_or_default().to_owned();
        let Some(span) = line.span(&range) else {
            return stop(Problem::Broken);
        };
        if name.contains('$') {
            return stop(Problem::Variable { name });
        }
        if outer.is_some() {
            if !name.contains("@sha256:") {
                return stop(Problem::OnBuild { name });
            }
            self.add(name, span, purpose, true);
            return Ok(());
        }
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number {
            // The stage that is being made does not count.
            let earlier = self.stages.len().saturating_sub(1);
            let known = name.parse::<usize>().is_ok_and(|index| index < earlier);
            // Mounts know names only.
            return if known && purpose == Purpose::Copy {
                Ok(())
            } else {
                stop(Problem::StageNumber { name })
            };
        }
        match self.stage(&name) {
            Some(index) if index + 1 == self.stages.len() => stop(Problem::LaterStage { name }),
            Some(_) => Ok(()),
            None if name == "scratch" => Ok(()),
            None => {
                self.later.push((name.clone(), at));
                self.add(name, span, purpose, true);
                Ok(())
            }
        }
    }
}

/// Whether an image is, by its name, the program that reads Dockerfiles: `docker/dockerfile`, a copy of it elsewhere, or its newest form.
///
/// Other programs read other languages, in which images may stand anywhere.
#[must_use]
pub fn is_frontend(image: &str) -> bool {
    let path = image.split('@').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let last = last.split(':').next().unwrap_or_default();
    matches!(last, "dockerfile" | "dockerfile-upstream")
}

/// Where the `from` of a mount stands. `Err` when that is not clear.
fn mount_source(flag: &Flag) -> Result<Option<Range<usize>>, ()> {
    let is_source = |field: &str| {
        field
            .split_once('=')
            .is_some_and(|(key, _)| key.trim_matches('"').eq_ignore_ascii_case("from"))
    };
    let value = flag.value.as_deref().unwrap_or_default();
    let sources = value.split(',').filter(|field| is_source(field)).count();
    if sources == 0 {
        return Ok(None);
    }
    // A field in quotes may have commas in it.
    let Some(range) = flag
        .verbatim
        .clone()
        .filter(|_| sources == 1 && !value.contains('"'))
    else {
        return Err(());
    };
    let mut at = range.start;
    for field in value.split(',') {
        if is_source(field) {
            let start = at + "from=".len();
            return if start < at + field.len() {
                Ok(Some(start..at + field.len()))
            } else {
                Err(())
            };
        }
        at += field.len() + 1;
    }
    Ok(None)
}

/// The flags of an instruction and whether they need a value; `None` for what is no instruction.
fn known_flags(instruction: &str) -> Option<&'static [(&'static str, bool)]> {
    Some(match instruction {
        "ADD" => &[
            ("checksum", true),
            ("chmod", true),
            ("chown", true),
            ("exclude", true),
            ("keep-git-dir", false),
            ("link", false),
            ("unpack", false),
        ],
        "COPY" => &[
            ("chmod", true),
            ("chown", true),
            ("exclude", true),
            ("from", true),
            ("link", false),
            ("parents", false),
        ],
        "FROM" => &[("platform", true)],
        "HEALTHCHECK" => &[
            ("interval", true),
            ("retries", true),
            ("start-interval", true),
            ("start-period", true),
            ("timeout", true),
        ],
        "RUN" => &[
            ("device", true),
            ("mount", true),
            ("network", true),
            ("security", true),
        ],
        "ARG" | "CMD" | "ENTRYPOINT" | "ENV" | "EXPOSE" | "LABEL" | "MAINTAINER" | "ONBUILD"
        | "SHELL" | "STOPSIGNAL" | "USER" | "VOLUME" | "WORKDIR" => &[],
        _ => return None,
    })
}

/// docker's rule, `^[a-z][a-z0-9-_\.]*$` without regard to case; `scratch` means nothing else.
fn is_stage_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !name.eq_ignore_ascii_case("scratch")
}
