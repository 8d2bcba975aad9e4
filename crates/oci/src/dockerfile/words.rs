//! The parts of an instruction's line: its name, its flags, its arguments.

use std::ops::Range;

/// BuildKit's blanks.
pub(super) const BLANKS: [char; 5] = ['\t', '\u{b}', '\u{c}', '\r', ' '];

/// A `--name=value` in front of an instruction's arguments.
#[derive(Debug)]
pub(super) struct Flag {
    pub(super) name: String,
    /// The value, quotes and escapes taken out.
    pub(super) value: Option<String>,
    /// Where the flag stands in the line.
    pub(super) range: Range<usize>,
    /// Where the value stands, when nothing had to be taken out of it.
    pub(super) verbatim: Option<Range<usize>>,
}

/// Flags that may be read in more than one way: quotes that do not end, or letters that BuildKit takes for blanks.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct UnclearFlag(pub(super) usize);

/// The first word of a line and where the rest begins.
pub(super) fn name(line: &str, range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let text = line.get(range.clone()).unwrap_or_default();
    let start = range.start + (text.len() - text.trim_start().len());
    let end = range.start + text.trim_end().len();
    let trimmed = line.get(start..end).unwrap_or_default();
    let split = trimmed.find(BLANKS).unwrap_or(trimmed.len());
    (start..start + split, start + split..end.max(start + split))
}

/// Takes the flags from the beginning of `range`. Gives them and where the arguments begin.
pub(super) fn flags(
    line: &str,
    range: Range<usize>,
) -> Result<(Vec<Flag>, Range<usize>), UnclearFlag> {
    let mut flags = Vec::new();
    let mut at = range.start;
    loop {
        let rest = line.get(at..range.end).unwrap_or_default();
        at += rest.len() - rest.trim_start_matches(BLANKS).len();
        let rest = line.get(at..range.end).unwrap_or_default();
        if !rest.starts_with("--") {
            return Ok((flags, at..range.end));
        }
        let (length, value) = word(rest).ok_or(UnclearFlag(at))?;
        let raw = rest.get(..length).unwrap_or_default();
        if raw == "--" {
            return Ok((flags, at + length..range.end));
        }
        let unquoted = value.strip_prefix("--").ok_or(UnclearFlag(at))?;
        let (name, value) = match unquoted.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (unquoted.to_owned(), None),
        };
        let start = at + 2 + name.len() + 1;
        flags.push(Flag {
            verbatim: value
                .as_ref()
                .filter(|value| line.get(start..at + length) == Some(value.as_str()))
                .map(|_| start..at + length),
            name,
            value,
            range: at..at + length,
        });
        at += length;
    }
}

/// The word at the beginning of `text`: its length, and itself without quotes and escapes. The backslash escapes here whatever the file says.
fn word(text: &str) -> Option<(usize, String)> {
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        // BuildKit reads flags byte by byte, and takes some bytes of other letters for blanks.
        if !letter.is_ascii() {
            return None;
        }
        match (letter, quote) {
            (_, None) if BLANKS.contains(&letter) => return Some((at, word)),
            ('"' | '\'', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            ('\\', _) => word.push(
                letters
                    .next()
                    .map(|(_, next)| next)
                    .filter(char::is_ascii)?,
            ),
            _ => word.push(letter),
        }
    }
    quote.is_none().then_some((text.len(), word))
}

/// The words between blanks.
pub(super) fn split(line: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let text = line.get(range.clone()).unwrap_or_default();
    let mut words = Vec::new();
    let mut at = range.start;
    for word in text.split(BLANKS) {
        if !word.is_empty() {
            words.push(at..at + word.len());
        }
        at += word.len() + 1;
    }
    words
}

/// The words between blanks, where blanks in quotes and after the escape character separate nothing. Quotes and escapes stay.
pub(super) fn split_quoted(line: &str, range: Range<usize>, escape: char) -> Vec<&str> {
    let text = line.get(range).unwrap_or_default();
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            if let Some(start) = start.take() {
                words.push(text.get(start..at).unwrap_or_default());
            }
            continue;
        }
        start.get_or_insert(at);
        match quote {
            None | Some('"') if letter == escape => {
                letters.next();
            }
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            Some(open) if letter == open => quote = None,
            _ => {}
        }
    }
    if let Some(start) = start {
        words.push(text.get(start..).unwrap_or_default());
    }
    words
}
