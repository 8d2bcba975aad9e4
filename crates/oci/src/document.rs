//! Texts that name images: where an image stands in them, and how its name is replaced while every other byte stays.

use std::fmt;
use std::ops::Range;

/// A place in a text, counted as editors do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Place {
    /// The place of a byte of `text`. What lies behind the end, or inside a character, is the place where it ends or begins.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let before = text.get(..end).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Self { line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// An image that a text names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImageUse {
    /// The image's name, variables replaced.
    pub name: String,
    /// The bytes of the text that hold the name.
    pub span: Range<usize>,
    /// Where that is.
    pub place: Place,
    /// What the image is used for.
    pub purpose: Purpose,
    /// Whether the bytes are the name itself. They are not when variables or quotes stand in it.
    pub literal: bool,
}

/// What an image is used for.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Purpose {
    /// `FROM`: a stage begins with it.
    Base,
    /// A named context of a build that a Compose file describes.
    BuildContext {
        /// The service.
        service: String,
    },
    /// What a build that a Compose file describes takes results from.
    Cache {
        /// The service.
        service: String,
    },
    /// `COPY --from`: files come from it.
    Copy,
    /// `# syntax=`: the program that reads the Dockerfile.
    Frontend,
    /// `RUN --mount=…,from=`: files come from it while a command runs.
    Mount,
    /// A service of a Compose file runs it.
    Service {
        /// The service.
        service: String,
    },
    /// A service of a Compose file mounts its files.
    Volume {
        /// The service.
        service: String,
    },
}

/// Replaces parts of a text; everything else stays as it is, byte for byte.
///
/// `None` when a range lies outside the text, cuts a character, or overlaps another.
#[must_use]
pub fn replace(text: &str, edits: &[(Range<usize>, String)]) -> Option<String> {
    let mut edits: Vec<&(Range<usize>, String)> = edits.iter().collect();
    edits.sort_by_key(|(range, _)| range.start);
    let mut replaced = String::with_capacity(text.len());
    let mut done = 0;
    for (range, new) in edits {
        replaced.push_str(text.get(done..range.start)?);
        text.get(range.clone())?;
        replaced.push_str(new);
        done = range.end;
    }
    replaced.push_str(text.get(done..)?);
    Some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_editors_do() {
        let text = "a\nbé\u{1f600}c\r\nd";
        let at = |offset| Place::of(text, offset).to_string();
        assert_eq!(at(0), "1:1");
        assert_eq!(at(2), "2:1");
        assert_eq!(at(text.find('c').unwrap()), "2:4");
        assert_eq!(at(4), "2:2", "inside a character");
        assert_eq!(at(text.len() + 9), "3:2");
    }

    #[test]
    fn only_what_is_named_is_replaced() {
        let edits = [(4..5, "X".to_owned()), (0..1, "YY".to_owned())];
        assert_eq!(replace("abcdef", &edits).as_deref(), Some("YYbcdXf"));
        for (first, second) in [(0..3, 2..4), (5..9, 9..9), (1..2, 3..3)] {
            let edits = [(first, String::new()), (second, String::new())];
            assert_eq!(replace("éa-b", &edits), None);
        }
    }
}
