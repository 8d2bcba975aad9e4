//! JSON as docker prints it: four spaces, and `<`, `>`, `&` and the two Unicode line ends escaped, as Go's encoder does.

use std::io;

use serde_json::ser::{Formatter, PrettyFormatter};

/// The formatter for `serde_json`.
pub(super) struct GoFormatter(PrettyFormatter<'static>);

impl Default for GoFormatter {
    fn default() -> Self {
        Self(PrettyFormatter::with_indent(b"    "))
    }
}

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut letters = special.chars();
            let letter = letters.next().unwrap_or_default();
            write!(writer, "\\u{:04x}", u32::from(letter))?;
            rest = letters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize as _;

    use super::*;

    #[test]
    fn escapes_as_go_does() {
        let mut text = Vec::new();
        let value: [&[&str]; 2] = [&["a&b<c>\u{2028}é\"\n"], &[]];
        value
            .serialize(&mut serde_json::Serializer::with_formatter(
                &mut text,
                GoFormatter::default(),
            ))
            .unwrap();
        let expected =
            "[\n    [\n        \"a\\u0026b\\u003cc\\u003e\\u2028é\\\"\\n\"\n    ],\n    []\n]";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
