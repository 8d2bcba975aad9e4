//! Instructions, and the images that they name.

use std::ops::Range;

use super::lines::Joined;
use super::words::{self, Flag};
use super::{Problem, Reader, Stop, heredoc};
use crate::document::Purpose;

impl Reader<'_> {
    /// One instruction; `outer` is the offset of the `ONBUILD` in front of it. Gives the here-documents that follow.
    pub(super) fn instruction(
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
