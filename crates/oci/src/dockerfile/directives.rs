//! Parser directives: the comments at the beginning that say how the rest is read.

use std::ops::Range;

use super::lines::Line;
use super::{Problem, Reader, Stop, readings};
use crate::document::Purpose;

/// Stands for a line that some readers of directives pass over, and that ends the directives for others.
const UNCERTAIN: &str = "#!";

impl Reader<'_> {
    /// A parser directive, if the line is one. The first line that is none ends them.
    ///
    /// Builders differ in the blanks around the parts, and in the directives that they know: a line that only some of them take for one is refused.
    pub(super) fn directive(
        &mut self,
        line: Line<'_>,
        seen: &mut Option<Vec<String>>,
    ) -> Result<(), Stop> {
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
