//! The statements of a dump that hold rows.

use std::collections::{BTreeMap, VecDeque};

use super::DumpError;
use super::lexer::{Lexer, Token};
use super::value::{self, Value};
use crate::reader::Engine;

/// A row of one of the two tables.
#[derive(Debug)]
pub(super) enum Record {
    File {
        created_at: Option<String>,
        deleted_at: Option<String>,
        gun: String,
        role: String,
        version: i64,
        data: Vec<u8>,
    },
    Change {
        id: i64,
        created_at: Option<String>,
        gun: String,
        version: i64,
        sha256: Option<String>,
        category: String,
    },
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Table {
    Files,
    Changes,
}

/// Most columns of a table.
const MAX_COLUMNS: usize = 64;
/// Most calls within each other: the shell of SQLite writes one for each of two kinds of line ends.
const MAX_CALLS: usize = 4;
const UNKNOWN_VALUE: &str = "a value is written in a way that is not known";

/// Where the reading is.
enum Place {
    /// Between statements.
    Outside,
    /// Before a row of an `INSERT`.
    Values(Table, Vec<String>),
    /// Before a line of a `COPY`.
    Lines(Table, Vec<String>),
}

/// Reads one row after the other.
pub(super) struct Reading {
    lexer: Lexer,
    back: VecDeque<Token>,
    place: Place,
    columns: BTreeMap<Table, Vec<String>>,
    has_documents: bool,
}

impl Reading {
    pub(super) const fn new(lexer: Lexer) -> Self {
        Self {
            lexer,
            back: VecDeque::new(),
            place: Place::Outside,
            columns: BTreeMap::new(),
            has_documents: false,
        }
    }

    /// Whether the table of documents was there.
    pub(super) const fn has_documents(&self) -> bool {
        self.has_documents
    }

    fn token(&mut self) -> Result<Option<Token>, DumpError> {
        match self.back.pop_front() {
            Some(token) => Ok(Some(token)),
            None => self.lexer.next(),
        }
    }

    fn need(&mut self) -> Result<Token, DumpError> {
        let token = self.token()?;
        token.ok_or_else(|| {
            self.lexer
                .error("the dump ends in the middle of a statement")
        })
    }

    fn expect(&mut self, sign: u8) -> Result<(), DumpError> {
        match self.need()? {
            Token::Sign(found) if found == sign => Ok(()),
            _ => Err(self.lexer.error("another sign was expected")),
        }
    }

    /// Takes these words if they are next.
    fn eat(&mut self, words: &[&str]) -> Result<bool, DumpError> {
        let mut taken = Vec::new();
        for word in words {
            match self.token()? {
                Some(Token::Word(found)) if found == *word => taken.push(Token::Word(found)),
                other => {
                    taken.extend(other);
                    for token in taken.into_iter().rev() {
                        self.back.push_front(token);
                    }
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>, DumpError> {
        loop {
            match std::mem::replace(&mut self.place, Place::Outside) {
                Place::Outside => {
                    if !self.statement()? {
                        return Ok(None);
                    }
                }
                Place::Values(table, columns) => {
                    let values = self.values()?;
                    let record = self.record(table, &columns, values)?;
                    match self.need()? {
                        Token::Sign(b',') => self.place = Place::Values(table, columns),
                        Token::Sign(b';') => {}
                        // `ON CONFLICT DO NOTHING` and the like.
                        Token::Word(_) => self.skip_statement()?,
                        _ => return Err(self.lexer.error("another row or the end was expected")),
                    }
                    return Ok(Some(record));
                }
                Place::Lines(table, columns) => {
                    let line = self.lexer.raw_line()?;
                    let line = line.ok_or_else(|| self.lexer.error("the rows have no end"))?;
                    if line.as_slice() == b"\\." {
                        continue;
                    }
                    let fields = line.split(|byte| *byte == b'\t').take(MAX_COLUMNS + 1);
                    let values = fields.map(copied).collect();
                    let record = self.record(table, &columns, values)?;
                    self.place = Place::Lines(table, columns);
                    return Ok(Some(record));
                }
            }
        }
    }

    /// Reads a statement up to its rows, or to its end; `false` at the end of the dump.
    fn statement(&mut self) -> Result<bool, DumpError> {
        let Some(first) = self.token()? else {
            return Ok(false);
        };
        match first {
            Token::Sign(b';') => {}
            Token::Word(word) if word == "create" && self.eat(&["table"])? => {
                self.eat(&["if", "not", "exists"])?;
                match self.table()? {
                    Some(table) => {
                        self.has_documents |= table == Table::Files;
                        let columns = self.definitions()?;
                        self.columns.insert(table, columns);
                        self.skip_statement()?;
                    }
                    None => self.skip_statement()?,
                }
            }
            Token::Word(word) if matches!(word.as_str(), "insert" | "replace") => {
                // `INSERT IGNORE INTO` and the like.
                while !self.eat(&["into"])? {
                    match self.need()? {
                        Token::Word(_) => {}
                        _ => return Err(self.lexer.error("INTO was expected")),
                    }
                }
                match self.table()? {
                    Some(table) => {
                        let columns = self.listed(table)?;
                        if !self.eat(&["values"])? {
                            return Err(self.lexer.error("VALUES was expected"));
                        }
                        self.place = Place::Values(table, columns);
                    }
                    None => self.skip_statement()?,
                }
            }
            Token::Word(word) if word == "copy" && self.lexer.engine() == Engine::Postgresql => {
                let table = self.table()?;
                let columns = match table {
                    Some(table) => self.listed(table)?,
                    None => Vec::new(),
                };
                self.skip_statement()?;
                // The rest of the line with the semicolon.
                self.lexer.raw_line()?;
                match table {
                    Some(table) => self.place = Place::Lines(table, columns),
                    None => loop {
                        match self.lexer.raw_line()? {
                            None => return Err(self.lexer.error("the rows have no end")),
                            Some(line) if line.as_slice() == b"\\." => break,
                            Some(_) => {}
                        }
                    },
                }
            }
            _ => self.skip_statement()?,
        }
        Ok(true)
    }

    fn skip_statement(&mut self) -> Result<(), DumpError> {
        loop {
            match self.token()? {
                None | Some(Token::Sign(b';')) => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn name(&mut self) -> Result<String, DumpError> {
        match self.need()? {
            Token::Word(name) | Token::Name(name) => Ok(name),
            _ => Err(self.lexer.error("a name was expected")),
        }
    }

    /// A table's name, with its schema or without; `None` for one of no interest.
    fn table(&mut self) -> Result<Option<Table>, DumpError> {
        let mut name = self.name()?;
        match self.token()? {
            Some(Token::Sign(b'.')) => name = self.name()?,
            Some(other) => self.back.push_front(other),
            None => {}
        }
        Ok(match name.as_str() {
            "tuf_files" => Some(Table::Files),
            "changefeed" => Some(Table::Changes),
            _ => None,
        })
    }

    /// The names of the columns in `CREATE TABLE`, in order.
    fn definitions(&mut self) -> Result<Vec<String>, DumpError> {
        self.expect(b'(')?;
        let mut columns = Vec::new();
        let (mut depth, mut is_first) = (1, true);
        while depth > 0 {
            let token = self.need()?;
            match &token {
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth -= 1,
                Token::Sign(b',') if depth == 1 => {
                    is_first = true;
                    continue;
                }
                Token::Name(name) if is_first => columns.push(name.clone()),
                Token::Word(word) if is_first => {
                    let is_rule = matches!(
                        word.as_str(),
                        "primary"
                            | "unique"
                            | "key"
                            | "constraint"
                            | "index"
                            | "foreign"
                            | "check"
                            | "fulltext"
                    );
                    if !is_rule {
                        columns.push(word.clone());
                    }
                }
                _ => {}
            }
            is_first = false;
            if columns.len() > MAX_COLUMNS {
                return Err(self.lexer.error("the table has too many columns"));
            }
        }
        Ok(columns)
    }

    /// The columns that a statement lists, or those of the table.
    fn listed(&mut self, table: Table) -> Result<Vec<String>, DumpError> {
        match self.need()? {
            Token::Sign(b'(') => {}
            other => {
                self.back.push_front(other);
                let known = self.columns.get(&table).cloned();
                return known.ok_or_else(|| self.lexer.error("the table's columns are not known"));
            }
        }
        let mut columns = Vec::new();
        loop {
            columns.push(self.name()?);
            match self.need()? {
                Token::Sign(b',') if columns.len() < MAX_COLUMNS => {}
                Token::Sign(b')') => break,
                _ => return Err(self.lexer.error("a list of columns was expected")),
            }
        }
        self.has_documents |= table == Table::Files;
        Ok(columns)
    }

    /// A row in parentheses.
    fn values(&mut self) -> Result<Vec<Value>, DumpError> {
        self.expect(b'(')?;
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            match self.need()? {
                Token::Sign(b',') if values.len() < MAX_COLUMNS => {}
                Token::Sign(b')') => return Ok(values),
                _ => return Err(self.lexer.error(UNKNOWN_VALUE)),
            }
        }
    }

    fn value(&mut self) -> Result<Value, DumpError> {
        let mut token = self.need()?;
        let is_negative = token == Token::Sign(b'-');
        if is_negative {
            token = self.need()?;
        }
        match token {
            Token::Number(text) => {
                let number: i64 = text.parse().map_err(|_| self.lexer.error(UNKNOWN_VALUE))?;
                Ok(Value::Number(if is_negative { -number } else { number }))
            }
            _ if is_negative => Err(self.lexer.error(UNKNOWN_VALUE)),
            Token::Text(text) => Ok(Value::Text(text)),
            Token::Bytes(bytes) => Ok(Value::Bytes(bytes)),
            Token::Word(word) if word == "null" => Ok(Value::Null),
            Token::Word(word) if self.lexer.engine() == Engine::Sqlite => {
                self.back.push_front(Token::Word(word));
                self.called(0).map(Value::Text)
            }
            Token::Word(word) if word == "_binary" => match self.need()? {
                Token::Text(bytes) | Token::Bytes(bytes) => Ok(Value::Bytes(bytes)),
                _ => Err(self.lexer.error(UNKNOWN_VALUE)),
            },
            _ => Err(self.lexer.error(UNKNOWN_VALUE)),
        }
    }

    /// A text that the shell of SQLite wrote as a call, because it has ends of lines in it: `replace('a\nb','\n',char(10))`, also within
    /// another one, or since version 3.50 `unistr('a\u000ab')`.
    fn called(&mut self, depth: usize) -> Result<Vec<u8>, DumpError> {
        let name = match self.need()? {
            Token::Text(text) if depth > 0 => return Ok(text),
            Token::Word(name) if depth < MAX_CALLS => name,
            _ => return Err(self.lexer.error(UNKNOWN_VALUE)),
        };
        self.sign(b'(')?;
        let text = match name.as_str() {
            "unistr" => match self.need()? {
                Token::Text(text) => value::unistr(&text),
                _ => None,
            },
            "replace" => {
                let text = self.called(depth + 1)?;
                self.sign(b',')?;
                let Token::Text(placeholder) = self.need()? else {
                    return Err(self.lexer.error(UNKNOWN_VALUE));
                };
                self.sign(b',')?;
                let end = self.line_end()?;
                value::replace(&text, &placeholder, end)
            }
            _ => None,
        };
        let text = text.ok_or_else(|| self.lexer.error(UNKNOWN_VALUE))?;
        self.sign(b')')?;
        Ok(text)
    }

    /// `char(10)` or `char(13)`.
    fn line_end(&mut self) -> Result<u8, DumpError> {
        let is_call = self.need()? == Token::Word("char".to_owned());
        self.sign(b'(')?;
        let end = match self.need()? {
            Token::Number(number) if number == "10" => Some(b'\n'),
            Token::Number(number) if number == "13" => Some(b'\r'),
            _ => None,
        };
        self.sign(b')')?;
        end.filter(|_| is_call)
            .ok_or_else(|| self.lexer.error(UNKNOWN_VALUE))
    }

    /// A sign within a value.
    fn sign(&mut self, sign: u8) -> Result<(), DumpError> {
        if self.need()? == Token::Sign(sign) {
            Ok(())
        } else {
            Err(self.lexer.error(UNKNOWN_VALUE))
        }
    }

    fn record(
        &self,
        table: Table,
        columns: &[String],
        values: Vec<Value>,
    ) -> Result<Record, DumpError> {
        let wrong = |reason| self.lexer.error(reason);
        if columns.len() != values.len() {
            return Err(wrong(
                "a row has not as many values as the table has columns",
            ));
        }
        let mut row: BTreeMap<&str, Value> =
            columns.iter().map(String::as_str).zip(values).collect();
        let mut take = |name: &str| row.remove(name).ok_or_else(|| wrong("a column is missing"));
        let some = |text: Option<String>| text.ok_or_else(|| wrong("a value is missing"));
        let time = |text: Option<String>| text.filter(|text| !text.starts_with("0000-"));
        let engine = self.lexer.engine();
        Ok(match table {
            Table::Files => Record::File {
                created_at: time(take("created_at")?.text()),
                deleted_at: time(take("deleted_at")?.text()),
                gun: some(take("gun")?.text())?,
                role: some(take("role")?.text())?,
                version: take("version")?.number().map_err(wrong)?,
                data: take("data")?.bytes(engine).map_err(wrong)?,
            },
            Table::Changes => Record::Change {
                id: take("id")?.number().map_err(wrong)?,
                created_at: time(take("created_at")?.text()),
                gun: some(take("gun")?.text())?,
                version: take("version")?.number().map_err(wrong)?,
                sha256: take("sha256")?.text(),
                category: some(take("category")?.text())?,
            },
        })
    }
}

/// A field of a line that follows `COPY`.
fn copied(field: &[u8]) -> Value {
    if field == b"\\N" {
        return Value::Null;
    }
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        text.push(match rest.next() {
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'v') => 11,
            Some(other) => other,
            None => b'\\',
        });
    }
    Value::Text(text)
}
