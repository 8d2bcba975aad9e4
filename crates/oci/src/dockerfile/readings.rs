//! What other builders could read in a file.
//!
//! Builders of different age see here-documents, continuations and comments in different places. What is no instruction here may be one there:
//! each line that would name an image, taken by itself, must therefore be an instruction here too.

use std::collections::BTreeSet;

use super::lines::{Line, Lines, is_silent};

/// Both characters that may escape.
pub(super) const ESCAPES: [char; 2] = ['\\', '`'];
/// How many lines are joined to see what they begin with.
const MAX_JOINED: usize = 64;

/// Where the instructions of this reader begin.
#[derive(Debug, Default)]
pub(super) struct Found {
    starts: BTreeSet<usize>,
    first_stage: Option<usize>,
    /// Words behind a `<<` that is no here-document here. On a line of their own they could end one.
    ends: BTreeSet<String>,
    /// The last line of the instruction before.
    before: String,
}

impl Found {
    /// An instruction begins. Says whether it could be the continuation of the one before.
    pub(super) fn start(&mut self, line: Line<'_>, name: &str, is_global: bool) -> bool {
        self.starts.insert(line.at);
        if name == "FROM" {
            self.first_stage.get_or_insert(line.at);
        }
        (name == "FROM" || (name == "ARG" && is_global)) && ends_in_escape(&self.before)
    }

    /// A line of an instruction.
    pub(super) fn line(&mut self, text: &str) {
        text.clone_into(&mut self.before);
    }

    /// Whether a line could end a here-document that this reader does not see.
    pub(super) fn could_end(&self, text: &str) -> bool {
        !self.ends.is_empty() && self.ends.contains(text.trim_matches(is_blank))
    }

    /// Remembers what follows `<<` in an instruction.
    pub(super) fn announced(&mut self, instruction: &str) {
        for (at, _) in instruction.match_indices("<<") {
            let rest = instruction.get(at + 2..).unwrap_or_default();
            let rest = rest
                .trim_start_matches(|letter: char| "-<\"'\\".contains(letter) || is_blank(letter));
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
            let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            if !name.is_empty() {
                self.ends.insert(name.to_owned());
            }
        }
    }

    /// The first line that another builder could take for an instruction with an image.
    pub(super) fn hidden(&self, text: &str) -> Option<usize> {
        let lines: Vec<Line<'_>> = Lines::new(text).collect();
        let end_of_globals = self.first_stage.unwrap_or(usize::MAX);
        for (index, line) in lines.iter().enumerate() {
            if self.starts.contains(&line.at) || is_silent(line.text) {
                continue;
            }
            let globals = line.at < end_of_globals;
            let following = lines.get(index..).unwrap_or_default();
            let names = names_image(line.text, false, globals)
                || ESCAPES.iter().any(|escape| {
                    line.text.trim_end_matches(is_blank).ends_with(*escape) && {
                        let (joined, is_open) = join(following, *escape);
                        names_image(&joined, is_open, globals)
                    }
                });
            if names {
                return Some(
                    line.at + line.text.len() - line.text.trim_start_matches(is_blank).len(),
                );
            }
        }
        None
    }
}

/// Whether a line ends in a character that continues it for some builder.
pub(super) fn ends_in_escape(line: &str) -> bool {
    line.trim_end_matches(is_blank).ends_with(ESCAPES)
}

/// Everything that some builder could leave out around words.
pub(super) fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || letter == '\u{feff}'
}

/// Lines joined as far as `escape` joins them, and whether there would be more.
fn join(lines: &[Line<'_>], escape: char) -> (String, bool) {
    let mut joined = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 && is_silent(line.text) {
            continue;
        }
        if index >= MAX_JOINED {
            return (joined, true);
        }
        let end = line.text.trim_end_matches(is_blank);
        let Some(continued) = end.strip_suffix(escape) else {
            joined.push_str(line.text);
            break;
        };
        joined.push_str(continued);
    }
    (joined, false)
}

/// Whether a text could be an instruction that names an image. `is_open`: it goes on. `globals`: variables of `FROM` count too.
fn names_image(text: &str, is_open: bool, globals: bool) -> bool {
    let text = text.trim_start_matches(is_blank);
    let end = text.find(is_blank).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or_default();
    let word = word.to_ascii_uppercase();
    if is_open && rest.is_empty() {
        let known = ["ADD", "ARG", "COPY", "FROM", "ONBUILD", "RUN"];
        return known.iter().any(|known| known.starts_with(&word));
    }
    let plain = || {
        let mut plain = rest.to_ascii_lowercase();
        plain.retain(|letter| !"\"'\\`".contains(letter));
        plain
    };
    match word.as_str() {
        "ADD" | "COPY" => is_open || plain().contains("--from"),
        "ARG" => globals,
        // With other words no builder takes it: `from os import path` is none.
        "FROM" => {
            let words: Vec<&str> = rest
                .split(is_blank)
                .filter(|word| !word.is_empty())
                .collect();
            is_open
                || words.iter().any(|word| word.starts_with("--"))
                || match words.as_slice() {
                    [_] => true,
                    [_, word, _] => word.eq_ignore_ascii_case("as"),
                    _ => false,
                }
        }
        "ONBUILD" => names_image(rest, is_open, globals),
        "RUN" => {
            let plain = plain();
            plain.contains("--mount") && (is_open || plain.contains("from"))
        }
        _ => false,
    }
}
