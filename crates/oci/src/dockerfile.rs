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
mod readings;
#[cfg(test)]
mod tests;
mod variables;
mod words;

use std::collections::{BTreeMap, BTreeSet};
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
/// Stands for a line that some readers of directives pass over, and that ends the directives for others.
const UNCERTAIN: &str = "#!";
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

    /// A parser directive, if the line is one. The first line that is none ends them.
    ///
    /// Builders differ in the blanks around the parts, and in the directives that they know: a line that only some of them take for one is refused.
    fn directive(&mut self, line: Line<'_>, seen: &mut Option<Vec<String>>) -> Result<(), Stop> {
        let Some(known) = seen else {
            return Ok(());
        };
        let Some(name) = loose_directive(line.text) else {
            if line.is_first && line.text.starts_with("#!") {
                known.push(UNCERTAIN.to_owned());
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
        if !matches!(name.as_str(), "check" | "escape" | "syntax") {
            known.push(UNCERTAIN.to_owned());
            return Ok(());
        }
        let uncertain = known.iter().any(|known| known == UNCERTAIN);
        let Some(value) =
            plain_directive(line.text, &name).filter(|_| !uncertain && !known.contains(&name))
        else {
            return stop(Problem::Directive { name });
        };
        // Old builders know no other directive: for them, another one in front ends the directives.
        if name == "escape" && value != "\\" && !known.is_empty() {
            return stop(Problem::Directive { name });
        }
        let start = line.at + line.text.rfind(value).unwrap_or_default();
        match name.as_str() {
            "escape" => match value {
                "\\" => self.escape = '\\',
                "`" => self.escape = '`',
                _ => return stop(Problem::Escape),
            },
            "syntax" => {
                let image = value.split(' ').next().unwrap_or_default();
                if image.contains('\t') {
                    return stop(Problem::Directive { name });
                }
                self.frontend(image, start..start + image.len())?;
            }
            _ => {}
        }
        known.push(name);
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
        let unclear = Stop {
            at,
            problem: Problem::Heredoc,
        };
        let Ok(documents) = heredoc::announced(&line.text, self.escape) else {
            return Err(unclear);
        };
        // BuildKit reads a list and forgets what stands behind it; and an instruction's name could be the next instruction.
        let is_word = |document: &heredoc::Heredoc| {
            known_flags(&document.name().to_ascii_uppercase()).is_some()
        };
        let is_list = text.starts_with('[') && !documents.is_empty();
        if is_list || documents.iter().any(is_word) {
            return Err(unclear);
        }
        Ok(documents)
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
        } else if !expanded.literal {
            self.decided.push((span, base));
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

/// The name in a line that some builder could take for a directive.
fn loose_directive(line: &str) -> Option<String> {
    let line = line.trim_start_matches(readings::is_blank);
    let comment = line.strip_prefix('#')?;
    let (name, _) = comment.split_once('=')?;
    let name = name.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| name.to_ascii_lowercase())
}

/// The value of a directive that every builder reads in the same way.
fn plain_directive<'a>(line: &'a str, expected: &str) -> Option<&'a str> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let is_plain = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
    let comment = line.strip_prefix('#')?;
    let (name, value) = comment.split_once('=')?;
    let value = value.trim_matches(BLANKS);
    let is_directive = name.trim_matches(BLANKS).eq_ignore_ascii_case(expected);
    (is_directive && !value.is_empty() && line.bytes().all(is_plain)).then_some(value)
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
