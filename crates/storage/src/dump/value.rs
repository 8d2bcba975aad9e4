//! Values of rows.

use crate::reader::Engine;

/// A value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    Null,
    Number(i64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
}

impl Value {
    /// As text; `None` for null.
    pub(super) fn text(self) -> Result<Option<String>, &'static str> {
        let utf8 = |text| String::from_utf8(text).map_err(|_| "a text is not UTF-8");
        match self {
            Self::Null => Ok(None),
            Self::Number(number) => Ok(Some(number.to_string())),
            Self::Text(text) | Self::Bytes(text) => utf8(text).map(Some),
        }
    }

    pub(super) fn number(self) -> Result<i64, &'static str> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Text(text) => {
                let text = std::str::from_utf8(&text).ok();
                text.and_then(|text| text.parse().ok())
                    .ok_or("a number was expected")
            }
            Self::Null | Self::Bytes(_) => Err("a number was expected"),
        }
    }

    /// As bytes. PostgreSQL writes them as text: hex after `\x`, or in its older form with `\` and three octal digits.
    pub(super) fn bytes(self, engine: Engine) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Text(text) if engine == Engine::Postgresql => bytea(&text),
            Self::Text(text) => Ok(text),
            Self::Null | Self::Number(_) => Err("bytes were expected"),
        }
    }
}

fn bytea(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    if let Some(digits) = text.strip_prefix(b"\\x") {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits);
        return bytes.map_err(|_| "bytes are not written in hex");
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| {
            let byte = byte.filter(|byte| (b'0'..=b'7').contains(byte))?;
            Some(u32::from(byte - b'0'))
        };
        match rest.next() {
            Some(b'\\') => bytes.push(b'\\'),
            first => {
                let number = digit(first)
                    .zip(digit(rest.next()))
                    .zip(digit(rest.next()))
                    .map(|((a, b), c)| a * 64 + b * 8 + c);
                let byte = number.and_then(|number| u8::try_from(number).ok());
                bytes.push(byte.ok_or("bytes are not written as PostgreSQL does")?);
            }
        }
    }
    Ok(bytes)
}
