//! Docker's canonical JSON and the form in which documents are stored (specification, `tuf.md` section 2).
//!
//! Signatures are over the canonical form: members sorted by the bytes of their names, no white space, only `"` and `\`
//! escaped, every other byte raw, integers only. Stored documents hold the same text with `<`, `>`, `&`, U+2028 and
//! U+2029 escaped, because Go's encoder does so.
//!
//! [`canonicalize`] turns received text into its canonical form in one pass without a tree. It refuses what makes two
//! readers disagree (security class A24): duplicate members, invalid UTF-8, lone surrogates, integers beyond ±2^53 and
//! numbers that are no integers. Its work is linear in the input and its depth is bounded.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// Most characters in a number.
pub const MAX_NUMBER_LEN: usize = 400;
/// Digits of numbers that every reader takes for the same integer.
const PLAIN_DIGITS: usize = 14;

/// Why text has no canonical form.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The same member twice in one object.
    #[error("duplicate member {name:?} at byte {offset}")]
    Duplicate {
        /// The member.
        name: String,
        /// Where the second one begins.
        offset: usize,
    },
    /// A number that signatures cannot cover.
    #[error("json: unsupported value: {literal}")]
    Number {
        /// The number as written, cut to 40 characters.
        literal: String,
    },
    /// Not JSON.
    #[error("invalid JSON at byte {offset}: expected {expected}")]
    Syntax {
        /// Where.
        offset: usize,
        /// What belongs there.
        expected: &'static str,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("JSON nested deeper than {MAX_DEPTH} levels at byte {offset}")]
    TooDeep {
        /// Where.
        offset: usize,
    },
}

/// The canonical form of the one JSON value in `text`, which white space may surround.
///
/// # Errors
/// [`JsonError`], see the module's description.
pub fn canonicalize(text: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut scanner = Scanner::new(text)?;
    let mut out = Vec::with_capacity(text.len());
    scanner.value(&mut out, 0)?;
    scanner.end()?;
    Ok(out)
}

/// The end of the JSON value that begins at `start`, `depth` levels down, where it is its own canonical form. `None` where it may not be: [`canonicalize`] knows.
///
/// Documents are written so, which spares their readers a copy. `bytes` are UTF-8.
fn canonical_end(bytes: &[u8], start: usize, depth: usize) -> Option<usize> {
    let mut check = Check { bytes, at: start };
    check.value(depth)?;
    Some(check.at)
}

/// A reader that gives up at whatever is not plainly canonical.
struct Check<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Check<'a> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let is_there = self.bytes.get(self.at..)?.starts_with(word);
        self.at += word.len();
        is_there.then_some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.bytes.get(self.at)? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    /// Names in rising order cannot be there twice.
    fn object(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.bytes.get(self.at)? == &b'}' {
            self.at += 1;
            return Some(());
        }
        let mut last: Option<&[u8]> = None;
        loop {
            if self.bytes.get(self.at)? != &b'"' {
                return None;
            }
            let name = self.string()?;
            if last.is_some_and(|last| last >= name) || self.next()? != b':' {
                return None;
            }
            last = Some(name);
            self.value(depth + 1)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        if self.bytes.get(self.at)? == &b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let text = self.bytes.get(self.at + 1..)?;
        let length = plain_length(text);
        self.at += length + 2;
        (text.get(length)? == &b'"').then_some(text.get(..length)?)
    }

    /// A plain integer, which is its own canonical form, but for "-0".
    fn number(&mut self) -> Option<()> {
        let rest = self.bytes.get(self.at..)?;
        let digits = rest.strip_prefix(b"-").unwrap_or(rest);
        let count = digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let length = count + rest.len() - digits.len();
        let goes_on = matches!(digits.get(count), Some(b'.' | b'e' | b'E'));
        let begins_with_zero = digits.first() == Some(&b'0');
        self.at += length;
        let is_plain =
            (1..=PLAIN_DIGITS).contains(&count) && !goes_on && !(begins_with_zero && length > 1);
        is_plain.then_some(())
    }
}

/// How many bytes at the beginning of a string's text stand for themselves.
fn plain_length(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
        .unwrap_or(text.len())
}

/// The canonical form of a value of ours, whose structures declare their members in sorted order.
///
/// # Errors
/// Only when the value itself refuses to be written, or holds a number that is no integer.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(1024);
    value.serialize(&mut Serializer::with_formatter(&mut out, Canonical))?;
    Ok(out)
}

/// The text of `canonical` as it stands in stored documents.
#[must_use]
pub fn to_file_form(canonical: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(canonical.len() + 64);
    push_file_form(&mut out, canonical);
    out
}

/// Appends the text of `canonical` as it stands in stored documents.
pub(crate) fn push_file_form(out: &mut Vec<u8>, canonical: &[u8]) {
    let mut rest = canonical;
    loop {
        let plain = rest
            .iter()
            .position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2))
            .unwrap_or(rest.len());
        let (before, special) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let (escaped, length): (&[u8], usize) = match special {
            [] => return,
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            [other, ..] => (std::slice::from_ref(other), 1),
        };
        out.extend_from_slice(escaped);
        rest = special.get(length..).unwrap_or_default();
    }
}

/// Whether a name can be written by Go programs: control characters have no stored form there.
#[must_use]
pub fn is_writable(name: &str) -> bool {
    !name.bytes().any(|b| b < 0x20)
}

struct Canonical;

impl Formatter for Canonical {
    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::Backspace => writer.write_all(b"\x08"),
            CharEscape::FormFeed => writer.write_all(b"\x0c"),
            CharEscape::LineFeed => writer.write_all(b"\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\r"),
            CharEscape::Tab => writer.write_all(b"\t"),
            CharEscape::AsciiControl(byte) => writer.write_all(&[byte]),
        }
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let integer = integer_of(value)
            .ok_or_else(|| io::Error::other(format!("json: unsupported value: {value}")))?;
        write!(writer, "{integer}")
    }
}

/// The integer that a double stands for, within ±2^53.
fn integer_of(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && (-LIMIT..=LIMIT).contains(&value) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "integral and within ±2^53, as just checked"
        )]
        Some(value as i64)
    } else {
        None
    }
}

/// A reader of JSON that writes the canonical form of what it reads.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(bytes).map_err(|e| JsonError::Syntax {
            offset: e.valid_up_to(),
            expected: "UTF-8",
        })?;
        Ok(Self { text, bytes, at: 0 })
    }

    fn syntax(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax {
            offset: self.at,
            expected,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The text from `start` up to what is next.
    pub(crate) fn text_from(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.at)
    }

    /// Passes over a value that is its own canonical form. Nothing is passed over where it may not be.
    pub(crate) fn canonical_value(&mut self, depth: usize) -> bool {
        let end = canonical_end(self.bytes, self.at, depth);
        self.at = end.unwrap_or(self.at);
        end.is_some()
    }

    pub(crate) fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next after white space.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        self.white_space();
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.syntax(expected))
        }
    }

    /// Nothing but white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.white_space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.syntax("end of input"))
        }
    }

    /// Reads one value and appends its canonical form to `out`.
    pub(crate) fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        self.white_space();
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep { offset: self.at });
        }
        match self.peek() {
            Some(b'{') => self.object(out, depth),
            Some(b'[') => self.array(out, depth),
            Some(b'"') => self.string(out).map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(out),
            Some(b't') => self.word(out, "true"),
            Some(b'f') => self.word(out, "false"),
            Some(b'n') => self.word(out, "null"),
            _ => Err(self.syntax("a value")),
        }
    }

    fn word(&mut self, out: &mut Vec<u8>, word: &'static str) -> Result<(), JsonError> {
        if self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()))
        {
            self.at += word.len();
            out.extend_from_slice(word.as_bytes());
            Ok(())
        } else {
            Err(self.syntax("a value"))
        }
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        out.push(b'[');
        if !self.take(b']') {
            loop {
                self.value(out, depth + 1)?;
                if self.take(b']') {
                    break;
                }
                self.expect(b',', "',' or ']'")?;
                out.push(b',');
            }
        }
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        out.push(b'{');
        let start = out.len();
        // Each member: the decoded name, and the range of its canonical text (with a comma behind it) in `out`.
        let mut members: Vec<(Cow<'a, [u8]>, usize, usize)> = Vec::new();
        let mut sorted = true;
        if !self.take(b'}') {
            loop {
                self.white_space();
                let offset = self.at;
                if self.peek() != Some(b'"') {
                    return Err(self.syntax("a member name"));
                }
                let from = out.len();
                let name = self.string(out)?;
                self.expect(b':', "':'")?;
                out.push(b':');
                self.value(out, depth + 1)?;
                out.push(b',');
                if let Some((last, ..)) = members.last() {
                    if *last == name {
                        return Err(duplicate(&name, offset));
                    }
                    sorted &= *last < name;
                }
                members.push((name, from, out.len()));
                if self.take(b'}') {
                    break;
                }
                self.expect(b',', "',' or '}'")?;
            }
        }
        if !sorted {
            let end = self.at;
            members.sort();
            if let Some(pair) = members
                .windows(2)
                .find(|pair| matches!(pair, [(a, ..), (b, ..)] if a == b))
            {
                let name = pair.first().map_or(&[][..], |(name, ..)| name);
                return Err(duplicate(name, end));
            }
            let unsorted = out.split_off(start);
            for (_, from, to) in &members {
                out.extend_from_slice(unsorted.get(from - start..to - start).unwrap_or_default());
            }
        }
        if members.is_empty() {
            out.push(b'}');
        } else if let Some(comma) = out.last_mut() {
            *comma = b'}';
        }
        Ok(())
    }

    /// Reads a string, appends its canonical form and returns what it stands for.
    pub(crate) fn string(&mut self, out: &mut Vec<u8>) -> Result<Cow<'a, [u8]>, JsonError> {
        self.at += 1;
        out.push(b'"');
        let plain = self.plain(out);
        if self.peek() == Some(b'"') {
            self.at += 1;
            out.push(b'"');
            return Ok(Cow::Borrowed(plain));
        }
        let mut decoded = plain.to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    out.push(b'"');
                    return Ok(Cow::Owned(decoded));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let c = self.escape()?;
                    let mut buffer = [0; 4];
                    let encoded = c.encode_utf8(&mut buffer).as_bytes();
                    decoded.extend_from_slice(encoded);
                    if matches!(c, '"' | '\\') {
                        out.push(b'\\');
                    }
                    out.extend_from_slice(encoded);
                }
                _ => return Err(self.syntax("the end of the string")),
            }
            decoded.extend_from_slice(self.plain(out));
        }
    }

    /// Takes what stands for itself in a string and appends it.
    fn plain(&mut self, out: &mut Vec<u8>) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = plain_length(rest);
        self.at += length;
        let plain = rest.get(..length).unwrap_or_default();
        out.extend_from_slice(plain);
        plain
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek().ok_or_else(|| self.syntax("an escape"))?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex4()?;
                if !(0xd800..=0xdfff).contains(&high) {
                    char::from_u32(high).ok_or_else(|| self.syntax("a character"))?
                } else if high < 0xdc00 && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
                    self.at += 2;
                    let low = self.hex4()?;
                    if !(0xdc00..=0xdfff).contains(&low) {
                        return Err(self.syntax("the second half of a surrogate pair"));
                    }
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
                        .ok_or_else(|| self.syntax("a character"))?
                } else {
                    return Err(self.syntax("a surrogate pair"));
                }
            }
            _ => return Err(self.syntax("an escape")),
        })
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits
            .and_then(|d| u32::from_str_radix(d, 16).ok())
            .ok_or_else(|| self.syntax("four hex digits"))?;
        self.at += 4;
        Ok(value)
    }

    fn number(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.syntax("a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        let literal = self.text.get(start..self.at).unwrap_or_default();
        let refused = || JsonError::Number {
            literal: literal.chars().take(40).collect(),
        };
        if literal.len() > MAX_NUMBER_LEN {
            return Err(refused());
        }
        // A plain integer is its own canonical form, but for "-0".
        if literal.len() <= PLAIN_DIGITS + 1
            && literal != "-0"
            && !literal.contains(['.', 'e', 'E'])
        {
            out.extend_from_slice(literal.as_bytes());
            return Ok(());
        }
        let value: f64 = literal.parse().map_err(|_| refused())?;
        let integer = integer_of(value).ok_or_else(refused)?;
        // Beyond 2^53 a double no longer says which integer was written.
        if literal.parse::<i64>().is_ok_and(|exact| exact != integer) {
            return Err(refused());
        }
        out.extend_from_slice(integer.to_string().as_bytes());
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.syntax("a digit"));
        }
        self.digits();
        Ok(())
    }
}

fn duplicate(name: &[u8], offset: usize) -> JsonError {
    JsonError::Duplicate {
        name: String::from_utf8_lossy(name).chars().take(80).collect(),
        offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_members_by_bytes_and_unescapes() {
        // Specification, tuf.md case E5.
        let canonical = canonicalize(br#"{"b":1,"a":"<\u0026\u2028\n"}"#).unwrap();
        assert_eq!(canonical, b"{\"a\":\"<&\xe2\x80\xa8\n\",\"b\":1}");
        assert_eq!(canonicalize(b" [ 1 , { } , [ ] ] ").unwrap(), b"[1,{},[]]");
    }

    #[test]
    fn serde_json_keeps_its_default_features() {
        // With preserve_order or arbitrary_precision switched on anywhere, every signature would silently change.
        let value: serde_json::Value = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(to_vec(&value).unwrap(), br#"{"a":2,"b":1}"#);
    }

    #[test]
    fn refuses_what_two_readers_may_read_differently() {
        for text in [
            &br#"{"a":1,"a":2}"#[..],
            br#"{"a":1,"b":0,"a":2}"#,
            br#"{"\u0061":1,"a":2}"#,
            b"\"\xff\"",
            br#""\ud800""#,
            br#""\udc00\ud800""#,
            b"1.5",
            b"1e400",
            b"9007199254740993",
            b"[1,]",
            b"{\"a\":1,}",
            b"1 2",
            b"",
            b"\xef\xbb\xbf1",
            b"01",
            b"+1",
            b"\"\n\"",
            b"nul",
        ] {
            assert!(
                canonicalize(text).is_err(),
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn what_is_canonical_needs_no_other_form() {
        let ends = |text: &str| canonical_end(text.as_bytes(), 0, 0);
        for text in [
            "{}",
            "[]",
            "{\"a\":1,\"b\":{\"\":[true,false,null]},\"é\":\"<&\u{7f}\"}",
            "-12345678901234",
            "0",
            r#""x""#,
        ] {
            assert_eq!(ends(text), Some(text.len()), "{text}");
            assert_eq!(canonicalize(text.as_bytes()).unwrap(), text.as_bytes());
        }
        // What follows belongs to somebody else.
        assert_eq!(ends("[1]]"), Some(3));
        assert_eq!(canonical_end(b"{\"a\":[2],", 5, 1), Some(8));
        for text in [
            "",
            " 1",
            "[1, 2]",
            "[1,]",
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a" :1}"#,
            r#"{"a":1"#,
            r#""a\"b""#,
            r#""\u0061""#,
            "\"a\nb\"",
            r#""a"#,
            "-0",
            "01",
            "-",
            "1.0",
            "1e2",
            "123456789012345",
            "nul",
        ] {
            assert_eq!(ends(text), None, "{text}");
        }
        assert_eq!(ends(&"[".repeat(100_000)), None);
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(ends(&deep(MAX_DEPTH + 1)).is_some());
        assert!(ends(&deep(MAX_DEPTH + 2)).is_none());
        assert!(canonicalize(deep(MAX_DEPTH + 2).as_bytes()).is_err());
    }

    #[test]
    fn depth_and_number_length_are_bounded() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(
            canonicalize(deep.as_bytes()),
            Err(JsonError::TooDeep { .. })
        ));
        assert!(matches!(
            canonicalize("9".repeat(5_000_000).as_bytes()),
            Err(JsonError::Number { .. })
        ));
    }

    #[test]
    fn files_escape_what_go_escapes() {
        assert_eq!(
            to_file_form("\"a&b<c>\u{2028}\u{2029}é\"".as_bytes()),
            "\"a\\u0026b\\u003cc\\u003e\\u2028\\u2029é\"".as_bytes()
        );
    }
}
