//! From the lines of a file to the lines that are instructions: continuations joined, comments and empty lines left out.

use std::ops::Range;

/// One line of the file, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The offset of its first byte.
    pub(super) at: usize,
    pub(super) text: &'a str,
    /// Whether it is the file's first.
    pub(super) is_first: bool,
}

/// The lines of a file, one after the other. Only `\n` ends a line.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    is_first: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            // A byte order mark is no part of the first line.
            at: if text.starts_with('\u{feff}') { 3 } else { 0 },
            is_first: true,
        }
    }

    /// The line with every `\r` and `\n` at its end, as heredocs need it.
    fn next_raw(&mut self) -> Option<Line<'a>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let text = rest.split_inclusive('\n').next()?;
        let line = Line {
            at: self.at,
            text,
            is_first: self.is_first,
        };
        self.at += text.len();
        self.is_first = false;
        Some(line)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let line = self.next_raw()?;
        Some(Line {
            text: line.text.trim_end_matches(['\r', '\n']),
            ..line
        })
    }
}

/// An instruction's line, joined, that still knows where its bytes come from.
#[derive(Debug, Default)]
pub(super) struct Joined {
    pub(super) text: String,
    /// Where pieces begin: in `text`, and in the file.
    pieces: Vec<(usize, usize)>,
}

impl Joined {
    /// Adds a line. Says whether the next one belongs to the instruction too.
    ///
    /// The escape character, alone at the end or before blanks, continues a line unless another stands before it: BuildKit's rule.
    pub(super) fn push(&mut self, text: &str, at: usize, escape: char) -> bool {
        let end = text.trim_end_matches([' ', '\t']);
        let continued = end
            .strip_suffix(escape)
            .filter(|before| !before.ends_with(escape));
        self.pieces.push((self.text.len(), at));
        self.text.push_str(continued.unwrap_or(text));
        continued.is_some()
    }

    /// Where in the file a byte of `text` stands.
    pub(super) fn offset(&self, at: usize) -> usize {
        self.piece(at)
            .map_or(0, |(start, source)| source + (at - start))
    }

    /// The bytes of the file that a range of `text` comes from, if they follow one another.
    pub(super) fn span(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let last = range.end.checked_sub(1)?;
        let together = self.piece(range.start)? == self.piece(last)?;
        together.then(|| self.offset(range.start)..self.offset(last) + 1)
    }

    fn piece(&self, at: usize) -> Option<(usize, usize)> {
        let after = self.pieces.partition_point(|(start, _)| *start <= at);
        self.pieces.get(after.checked_sub(1)?).copied()
    }
}

/// A comment, or a line with nothing in it: BuildKit leaves both out between the lines of an instruction too.
pub(super) fn is_silent(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}
