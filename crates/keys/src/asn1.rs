//! The little DER that key files need: nested tag-length-value, read leniently and written without copies of secrets
//! that outlive their use.
//!
//! The `pkcs8` and `der` crates refuse what Go notary writes (version 1 without public key, RSA without NULL; see
//! specification, signer-and-keys section 5.3) and leave secrets in memory that is not cleared.

use zeroize::Zeroizing;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const CONTEXT_0: u8 = 0xa0;
pub(crate) const CONTEXT_1: u8 = 0xa1;

/// Reads values one after another from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The tag of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next value, which must have this tag.
    pub(crate) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let len = if first < 0x80 {
            usize::from(first)
        } else {
            let digits = usize::from(first & 0x7f);
            // Zero digits would be the indefinite form; four hold more than any key file.
            if !(1..=4).contains(&digits) {
                return None;
            }
            let (digits, tail) = rest.split_at_checked(digits)?;
            rest = tail;
            digits
                .iter()
                .fold(0_usize, |len, digit| (len << 8) | usize::from(*digit))
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(content)
    }

    /// A reader of the next value's content.
    pub(crate) fn nested(&mut self, tag: u8) -> Option<Self> {
        self.read(tag).map(Self)
    }

    /// The next value as an unsigned number.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut bytes = self.read(INTEGER)?;
        if bytes.first()? & 0x80 != 0 {
            return None;
        }
        while let Some((0, rest)) = bytes.split_first() {
            bytes = rest;
        }
        (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte)))
    }
}

/// One value: tag, shortest length, the parts joined.
pub(crate) fn write(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    // All at once, so that no grown-out-of buffer keeps a secret.
    let mut out = Zeroizing::new(Vec::with_capacity(len + 6));
    out.push(tag);
    match u8::try_from(len) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = len.to_be_bytes();
            let digits: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            // At most eight digits.
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            out.extend_from_slice(&digits);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A number that is not negative.
pub(crate) fn write_number(number: u64) -> Zeroizing<Vec<u8>> {
    let mut digits = vec![0];
    digits.extend(number.to_be_bytes().into_iter().skip_while(|b| *b == 0));
    // The leading zero is only for numbers whose first bit would read as a sign.
    let content = match digits.get(1) {
        Some(first) if *first < 0x80 => digits.get(1..).unwrap_or(&digits),
        _ => &digits,
    };
    write(INTEGER, &[content])
}

/// An object identifier's content in dotted form, for error texts.
pub(crate) fn dotted(content: &[u8]) -> String {
    let mut out = String::new();
    let mut arc = 0_u64;
    let mut first = true;
    for byte in content.iter().take(64) {
        arc = (arc << 7) | u64::from(byte & 0x7f);
        if arc > u64::MAX >> 8 {
            return String::from("(long object identifier)");
        }
        if byte & 0x80 == 0 {
            if first {
                let root = (arc / 40).min(2);
                out = format!("{root}.{}", arc - 40 * root);
                first = false;
            } else {
                out.push_str(&format!(".{arc}"));
            }
            arc = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for len in [0_usize, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7; len];
            let written = write(OCTET_STRING, &[&content, b""]);
            let mut reader = Reader::new(&written);
            assert_eq!(reader.read(OCTET_STRING), Some(&content[..]));
            assert_eq!(reader.peek(), None);
        }
        for number in [0, 1, 127, 128, 255, 256, 2048, 100_000, u64::MAX] {
            assert_eq!(Reader::new(&write_number(number)).number(), Some(number));
        }
        // X.690, 8.3: shortest form, a zero byte only before a set first bit.
        assert_eq!(*write_number(2048), [2, 2, 8, 0]);
        assert_eq!(*write_number(128), [2, 2, 0, 0x80]);
        assert_eq!(*write_number(0), [2, 1, 0]);
    }

    #[test]
    fn a09_broken_lengths_are_errors() {
        for bytes in [
            &[0x30_u8][..],
            &[0x30, 0x80],
            &[0x30, 0x81],
            &[0x30, 0x82, 0xff],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[0x30, 0xff, 0xff],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 2, 0],
        ] {
            assert!(Reader::new(bytes).read(SEQUENCE).is_none(), "{bytes:x?}");
        }
    }

    #[test]
    fn names_object_identifiers() {
        assert_eq!(dotted(&[0x2b, 0x81, 0x04, 0x00, 0x0a]), "1.3.132.0.10");
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10]),
            "1.2.840.113549.1.1.10"
        );
        assert_eq!(dotted(&[0xff; 40]), "(long object identifier)");
    }
}
