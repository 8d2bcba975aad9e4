//! The first JSON value of a text, and what Go says when there is none.
//!
//! docker prints the error of Go's `encoding/json` behind its warning about `config.json`, and people search for that
//! text. This scanner accepts what Go's `json.Decoder` accepts (what follows the first value is not looked at), without
//! recursion, and names the first offending byte in Go's words. It gives no values: `serde_json` does.

use std::fmt::Write as _;

/// Go's limit on nesting.
const MAX_DEPTH: usize = 10_000;

/// Why a text does not begin with a JSON value, in Go's words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SyntaxError {
    /// The text ends inside a value.
    #[error("unexpected EOF")]
    Truncated,
    /// A byte that cannot stand where it stands.
    #[error("invalid character {} {context}", quoted(*byte))]
    Unexpected { byte: u8, context: &'static str },
}

/// The bytes of the first JSON value, or `None` when there is only white space.
pub(crate) fn first_value(text: &[u8]) -> Result<Option<&[u8]>, SyntaxError> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    let start = cursor.at;
    if cursor.peek().is_none() {
        return Ok(None);
    }
    let mut open: Vec<u8> = Vec::new();
    'value: loop {
        cursor.skip_space();
        let first = cursor.next()?;
        match first {
            b'{' | b'[' => {
                if open.len() == MAX_DEPTH {
                    return Err(unexpected(first, "exceeded max depth"));
                }
                open.push(first);
                cursor.skip_space();
                let close = if first == b'{' { b'}' } else { b']' };
                if cursor.peek() == Some(close) {
                    cursor.at += 1;
                    open.pop();
                } else {
                    if first == b'{' {
                        cursor.member_name()?;
                    }
                    continue 'value;
                }
            }
            b'"' => cursor.string()?,
            b'-' | b'0'..=b'9' => cursor.number(first)?,
            b't' => cursor.literal(b"rue", &TRUE)?,
            b'f' => cursor.literal(b"alse", &FALSE)?,
            b'n' => cursor.literal(b"ull", &NULL)?,
            other => return Err(unexpected(other, "looking for beginning of value")),
        }
        // A value has ended: what may follow depends on what is open.
        while let Some(container) = open.last() {
            cursor.skip_space();
            let byte = cursor.next()?;
            match (container, byte) {
                (b'{', b',') => {
                    cursor.skip_space();
                    cursor.member_name()?;
                    continue 'value;
                }
                (b'[', b',') => continue 'value,
                (b'{', b'}') | (b'[', b']') => {
                    open.pop();
                }
                (b'{', other) => return Err(unexpected(other, "after object key:value pair")),
                (_, other) => return Err(unexpected(other, "after array element")),
            }
        }
        return Ok(text.get(start..cursor.at));
    }
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, SyntaxError> {
        let byte = self.peek().ok_or(SyntaxError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// A member's name with the colon behind it.
    fn member_name(&mut self) -> Result<(), SyntaxError> {
        match self.next()? {
            b'"' => self.string()?,
            other => {
                return Err(unexpected(
                    other,
                    "looking for beginning of object key string",
                ));
            }
        }
        self.skip_space();
        match self.next()? {
            b':' => Ok(()),
            other => Err(unexpected(other, "after object key")),
        }
    }

    /// The rest of a string, its opening quote read.
    fn string(&mut self) -> Result<(), SyntaxError> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.next()?;
                            if !digit.is_ascii_hexdigit() {
                                return Err(unexpected(
                                    digit,
                                    "in \\u hexadecimal character escape",
                                ));
                            }
                        }
                    }
                    other => return Err(unexpected(other, "in string escape code")),
                },
                control @ 0..=0x1f => return Err(unexpected(control, "in string literal")),
                _ => {}
            }
        }
    }

    /// The rest of a number, its first byte read.
    fn number(&mut self, first: u8) -> Result<(), SyntaxError> {
        let leading = if first == b'-' {
            self.digit("in numeric literal")?
        } else {
            first
        };
        if leading != b'0' {
            self.skip_digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
            self.skip_digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
            self.skip_digits();
        }
        Ok(())
    }

    fn digit(&mut self, context: &'static str) -> Result<u8, SyntaxError> {
        match self.next()? {
            digit @ b'0'..=b'9' => Ok(digit),
            other => Err(unexpected(other, context)),
        }
    }

    fn skip_digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, rest: &[u8], contexts: &[&'static str]) -> Result<(), SyntaxError> {
        for (&expected, &context) in rest.iter().zip(contexts) {
            let byte = self.next()?;
            if byte != expected {
                return Err(unexpected(byte, context));
            }
        }
        Ok(())
    }
}

const TRUE: [&str; 3] = [
    "in literal true (expecting 'r')",
    "in literal true (expecting 'u')",
    "in literal true (expecting 'e')",
];
const FALSE: [&str; 4] = [
    "in literal false (expecting 'a')",
    "in literal false (expecting 'l')",
    "in literal false (expecting 's')",
    "in literal false (expecting 'e')",
];
const NULL: [&str; 3] = [
    "in literal null (expecting 'u')",
    "in literal null (expecting 'l')",
    "in literal null (expecting 'l')",
];

const fn unexpected(byte: u8, context: &'static str) -> SyntaxError {
    SyntaxError::Unexpected { byte, context }
}

/// The byte in single quotes, taken as a Latin-1 character and escaped, as Go does.
fn quoted(byte: u8) -> String {
    let mut text = String::from("'");
    match byte {
        b'\'' => text.push_str("\\'"),
        b'\\' => text.push_str("\\\\"),
        0x07 => text.push_str("\\a"),
        0x08 => text.push_str("\\b"),
        b'\t' => text.push_str("\\t"),
        b'\n' => text.push_str("\\n"),
        0x0b => text.push_str("\\v"),
        0x0c => text.push_str("\\f"),
        b'\r' => text.push_str("\\r"),
        0..=0x1f | 0x7f => {
            let _infallible = write!(text, "\\x{byte:02x}");
        }
        0x80..=0xa0 | 0xad => {
            let _infallible = write!(text, "\\u{byte:04x}");
        }
        _ => text.push(byte.into()),
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row was read off docker 28.2.2's warning about a config.json.
    #[test]
    fn complains_in_gos_words() {
        let value = "looking for beginning of value";
        let key = "looking for beginning of object key string";
        for (text, expected) in [
            ("{", "unexpected EOF".to_owned()),
            ("nul", "unexpected EOF".to_owned()),
            (r#"{"a":1,"b""#, "unexpected EOF".to_owned()),
            ("{bad", format!("invalid character 'b' {key}")),
            ("{'a':1}", format!(r"invalid character '\'' {key}")),
            (r#"{"a":1,}"#, format!("invalid character '}}' {key}")),
            ("{,}", format!("invalid character ',' {key}")),
            (
                r#"{"a"}"#,
                "invalid character '}' after object key".to_owned(),
            ),
            (r#"{"a":}"#, format!("invalid character '}}' {value}")),
            (r#"{"a":+}"#, format!("invalid character '+' {value}")),
            (r#"{"a":.}"#, format!("invalid character '.' {value}")),
            ("<html>", format!("invalid character '<' {value}")),
            ("\tx", format!("invalid character 'x' {value}")),
            (r#"{"é":é}"#, format!("invalid character 'Ã' {value}")),
            (
                r#"{"a":1 "b""#,
                r#"invalid character '"' after object key:value pair"#.to_owned(),
            ),
            (
                r#"{"a":01}"#,
                "invalid character '1' after object key:value pair".to_owned(),
            ),
            (
                r#"{"a":1]"#,
                "invalid character ']' after object key:value pair".to_owned(),
            ),
            (
                "[1}",
                "invalid character '}' after array element".to_owned(),
            ),
            (
                "[1 2",
                "invalid character '2' after array element".to_owned(),
            ),
            (
                r#"{"a":"\x"}"#,
                "invalid character 'x' in string escape code".to_owned(),
            ),
            (
                r#"{"a":"\u12g"}"#,
                r"invalid character 'g' in \u hexadecimal character escape".to_owned(),
            ),
            (
                "{\"a\":\"\n\"}",
                r"invalid character '\n' in string literal".to_owned(),
            ),
            (
                r#"{"a":1.}"#,
                "invalid character '}' after decimal point in numeric literal".to_owned(),
            ),
            (
                r#"{"a":-}"#,
                "invalid character '}' in numeric literal".to_owned(),
            ),
            (
                r#"{"a":1e}"#,
                "invalid character '}' in exponent of numeric literal".to_owned(),
            ),
            (
                r#"{"a":tRue}"#,
                "invalid character 'R' in literal true (expecting 'r')".to_owned(),
            ),
            (
                &"[".repeat(10_001),
                "invalid character '[' exceeded max depth".to_owned(),
            ),
        ] {
            assert_eq!(
                first_value(text.as_bytes()).unwrap_err().to_string(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn finds_the_first_value_and_ignores_what_follows() {
        for (text, expected) in [
            ("", None),
            (" \n", None),
            ("{}", Some("{}")),
            ("[] x", Some("[]")),
            (r#" {"a":1}} "#, Some(r#"{"a":1}"#)),
            (
                r#"{"a":[{},[1,-0,1.5e+5,true,false,null,"\ud800"]],"b":{"c":{}}}trailing"#,
                Some(r#"{"a":[{},[1,-0,1.5e+5,true,false,null,"\ud800"]],"b":{"c":{}}}"#),
            ),
            ("12", Some("12")),
            ("12 13", Some("12")),
            ("null", Some("null")),
        ] {
            assert_eq!(
                first_value(text.as_bytes()).unwrap(),
                expected.map(str::as_bytes),
                "{text}"
            );
        }
    }

    #[test]
    fn quotes_bytes_as_go_does() {
        // strconv.Quote(string(rune(b)))
        for (byte, expected) in [
            (0_u8, r"'\x00'"),
            (7, r"'\a'"),
            (0x1b, r"'\x1b'"),
            (0x7f, r"'\x7f'"),
            (0x80, r"'\u0080'"),
            (0xa0, r"'\u00a0'"),
            (0xa1, "'¡'"),
            (0xad, r"'\u00ad'"),
            (0xff, "'ÿ'"),
            (b'\\', r"'\\'"),
            (b'"', "'\"'"),
        ] {
            assert_eq!(quoted(byte), expected);
        }
    }
}
