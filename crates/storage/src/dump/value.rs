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
    /// As text; `None` for null. What is not UTF-8 names nothing, and is marked so: one row must not end the others.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) | Self::Bytes(text) => {
                Some(String::from_utf8_lossy(&text).into_owned())
            }
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

/// `text` with a line end in the place of each `placeholder`; `None` when that is nothing.
pub(super) fn replace(text: &[u8], placeholder: &[u8], end: u8) -> Option<Vec<u8>> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    if placeholder.is_empty() {
        return None;
    }
    while let Some((first, others)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(placeholder) {
            replaced.push(end);
            rest = after;
        } else {
            replaced.push(*first);
            rest = others;
        }
    }
    Some(replaced)
}

/// What `unistr` makes of a text; `None` where a backslash begins something else than `\\` or `\u` with four digits.
pub(super) fn unistr(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split('\\');
    let mut plain = parts.next()?.to_owned();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            // The second of two; what follows is as it stands.
            plain.push('\\');
            plain.push_str(parts.next()?);
        } else {
            let (digits, after) = part.strip_prefix('u')?.split_at_checked(4)?;
            let digits = digits
                .bytes()
                .all(|b| b.is_ascii_hexdigit())
                .then_some(digits)?;
            plain.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            plain.push_str(after);
        }
    }
    Some(plain.into_bytes())
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
