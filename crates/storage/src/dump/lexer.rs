//! The words of a dump.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use super::DumpError;
use crate::reader::Engine;

/// A word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Token {
    /// A keyword or name without quotes, in lower case.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A number, as written.
    Number(String),
    /// A text.
    Text(Vec<u8>),
    /// Bytes, written in hex.
    Bytes(Vec<u8>),
    /// A sign.
    Sign(u8),
}

/// Longest text: a document of 100 MiB, of which each byte may take two digits.
const MAX_TEXT: usize = 2 * (100 << 20) + 16;
/// Longest word.
const MAX_WORD: usize = 1024;

/// Reads a dump word by word. Comments are left out.
pub(super) struct Lexer {
    reader: BufReader<File>,
    ahead: VecDeque<u8>,
    line: u64,
    engine: Engine,
}

impl Lexer {
    pub(super) fn new(file: File, engine: Engine) -> Self {
        Self {
            reader: BufReader::with_capacity(1 << 16, file),
            ahead: VecDeque::new(),
            line: 1,
            engine,
        }
    }

    pub(super) const fn engine(&self) -> Engine {
        self.engine
    }

    pub(super) const fn error(&self, reason: &'static str) -> DumpError {
        DumpError::Syntax {
            line: self.line,
            reason,
        }
    }

    fn read(&mut self) -> Result<Option<u8>, DumpError> {
        let mut byte = [0];
        Ok(match self.reader.read(&mut byte)? {
            0 => None,
            _ => Some(byte[0]),
        })
    }

    /// The byte `at` places ahead.
    fn peek(&mut self, at: usize) -> Result<Option<u8>, DumpError> {
        while self.ahead.len() <= at {
            match self.read()? {
                Some(byte) => self.ahead.push_back(byte),
                None => return Ok(None),
            }
        }
        Ok(self.ahead.get(at).copied())
    }

    fn take(&mut self) -> Result<Option<u8>, DumpError> {
        let byte = match self.ahead.pop_front() {
            Some(byte) => Some(byte),
            None => self.read()?,
        };
        self.line += u64::from(byte == Some(b'\n'));
        Ok(byte)
    }

    /// A line as it is, without its end, for what follows `COPY`.
    pub(super) fn raw_line(&mut self) -> Result<Option<Vec<u8>>, DumpError> {
        let mut line: Vec<u8> = Vec::new();
        while let Some(byte) = self.ahead.pop_front() {
            if byte == b'\n' {
                self.line += 1;
                return Ok(Some(line));
            }
            line.push(byte);
        }
        let limit = (MAX_TEXT + 4096) as u64;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
            self.line += 1;
        } else if read as u64 == limit {
            return Err(self.error("the line is longer than a document may be"));
        } else if line.is_empty() {
            return Ok(None);
        }
        Ok(Some(line))
    }

    fn skip_line(&mut self) -> Result<(), DumpError> {
        while !matches!(self.take()?, None | Some(b'\n')) {}
        Ok(())
    }

    /// Leaves out white space and comments.
    fn skip(&mut self) -> Result<(), DumpError> {
        loop {
            match (self.peek(0)?, self.peek(1)?) {
                (Some(byte), _) if byte.is_ascii_whitespace() => drop(self.take()?),
                (Some(b'-'), Some(b'-')) => self.skip_line()?,
                (Some(b'#'), _) if self.engine == Engine::Mysql => self.skip_line()?,
                // PostgreSQL's programs write commands for their terminal among the statements.
                (Some(b'\\'), _) if self.engine == Engine::Postgresql => self.skip_line()?,
                (Some(b'/'), Some(b'*')) => {
                    self.take()?;
                    self.take()?;
                    while (self.peek(0)?, self.peek(1)?) != (Some(b'*'), Some(b'/')) {
                        if self.take()?.is_none() {
                            return Err(self.error("a comment has no end"));
                        }
                    }
                    self.take()?;
                    self.take()?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The next word; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token>, DumpError> {
        self.skip()?;
        let Some(first) = self.peek(0)? else {
            return Ok(None);
        };
        let second = self.peek(1)?;
        let is_mysql = self.engine == Engine::Mysql;
        Ok(Some(match (first, second) {
            (b'\'', _) => Token::Text(self.quoted(is_mysql)?),
            (b'"', _) if is_mysql => Token::Text(self.quoted(true)?),
            (b'"' | b'`', _) => {
                let name = self.quoted(false)?;
                let name = String::from_utf8(name);
                Token::Name(name.map_err(|_| self.error("a name is not UTF-8"))?)
            }
            (b'E' | b'e', Some(b'\'')) => {
                self.take()?;
                Token::Text(self.quoted(true)?)
            }
            (b'X' | b'x', Some(b'\'')) => {
                self.take()?;
                let digits = self.quoted(false)?;
                Token::Bytes(self.hex(&digits)?)
            }
            (b'0', Some(b'x' | b'X')) => {
                self.take()?;
                self.take()?;
                let mut digits = Vec::new();
                while let Some(digit) = self.peek(0)?.filter(u8::is_ascii_hexdigit) {
                    self.push(&mut digits, digit)?;
                    self.take()?;
                }
                Token::Bytes(self.hex(&digits)?)
            }
            (b'0'..=b'9', _) => Token::Number(self.word()?),
            (byte, _) if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                Token::Word(self.word()?.to_ascii_lowercase())
            }
            (sign, _) => {
                self.take()?;
                Token::Sign(sign)
            }
        }))
    }

    fn word(&mut self) -> Result<String, DumpError> {
        let mut word = Vec::new();
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"_$.".contains(byte);
        while let Some(byte) = self.peek(0)?.filter(is_part) {
            // A qualified name is three words.
            if byte == b'.' && !word.first().is_some_and(u8::is_ascii_digit) {
                break;
            }
            if word.len() == MAX_WORD {
                return Err(self.error("a word is too long"));
            }
            word.push(byte);
            self.take()?;
        }
        String::from_utf8(word).map_err(|_| self.error("a word is not UTF-8"))
    }

    fn push(&self, text: &mut Vec<u8>, byte: u8) -> Result<(), DumpError> {
        if text.len() == MAX_TEXT {
            return Err(self.error("a text is longer than a document may be"));
        }
        text.push(byte);
        Ok(())
    }

    fn hex(&self, digits: &[u8]) -> Result<Vec<u8>, DumpError> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits);
        bytes.map_err(|_| self.error("bytes are not written in hex"))
    }

    /// What stands in quotes; two of them stand for one.
    fn quoted(&mut self, has_escapes: bool) -> Result<Vec<u8>, DumpError> {
        let quote = self.take()?;
        let mut text = Vec::new();
        loop {
            let Some(byte) = self.take()? else {
                return Err(self.error("a text has no end"));
            };
            if Some(byte) == quote {
                if self.peek(0)? != quote {
                    return Ok(text);
                }
                self.take()?;
                self.push(&mut text, byte)?;
            } else if byte == b'\\' && has_escapes {
                let escaped = self.take()?;
                let escaped = escaped.ok_or_else(|| self.error("a text has no end"))?;
                let byte = match escaped {
                    b'0' => 0,
                    b'b' => 8,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'Z' => 26,
                    other => other,
                };
                self.push(&mut text, byte)?;
            } else {
                self.push(&mut text, byte)?;
            }
        }
    }
}
