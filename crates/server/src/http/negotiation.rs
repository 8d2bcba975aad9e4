//! What a reader has already, and in which form it takes the rest (RFC 9110, sections 8.8.3, 12.5.3 and 13.1.2).

use data_encoding::HEXLOWER;
use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, IF_NONE_MATCH};

use crate::store::Sha256;

/// The strong entity tags of a document: its SHA-256 in hex, with a suffix for its compressed form, whose bytes are others.
#[derive(Clone, Debug)]
pub(crate) struct EntityTags {
    plain: HeaderValue,
    gzip: HeaderValue,
}

const SUFFIX: &str = "-gzip";

impl EntityTags {
    pub(crate) fn of(sha256: &Sha256) -> Self {
        let hex = HEXLOWER.encode(sha256);
        // Hex digits in quotes are a header's value.
        let value = |text: String| {
            HeaderValue::try_from(text).unwrap_or(const { HeaderValue::from_static("\"\"") })
        };
        Self {
            plain: value(format!("\"{hex}\"")),
            gzip: value(format!("\"{hex}{SUFFIX}\"")),
        }
    }

    pub(super) fn tag(&self, compressed: bool) -> HeaderValue {
        if compressed {
            self.gzip.clone()
        } else {
            self.plain.clone()
        }
    }

    /// The tag of the form that the reader has, if it is one that it may be given.
    pub(super) fn held(&self, headers: &HeaderMap, takes_gzip: bool) -> Option<HeaderValue> {
        let mut found = None;
        for list in headers.get_all(IF_NONE_MATCH) {
            for tag in tags(list.as_bytes()) {
                if tag == b"*" || tag == self.plain.as_bytes() {
                    return Some(self.plain.clone());
                }
                if takes_gzip && tag == self.gzip.as_bytes() {
                    found = Some(self.gzip.clone());
                }
            }
        }
        found
    }
}

/// The entity tags of a list, quotes included; whether one is weak does not matter here. Ends at what is none.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let start = rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let text = rest.get(start..)?;
        if text.first() == Some(&b'*') {
            rest = &[];
            return text.get(..1);
        }
        let text = text.strip_prefix(b"W/").unwrap_or(text);
        let inside = text.strip_prefix(b"\"")?;
        let end = inside.iter().position(|byte| *byte == b'"')? + 2;
        rest = text.get(end..)?;
        text.get(..end)
    })
}

/// Whether a reader asks for gzip at least as much as for the plain form.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for value in headers.get_all(ACCEPT_ENCODING) {
        let Ok(value) = value.to_str() else {
            return false;
        };
        for item in value.split(',') {
            let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
            let coding = coding.trim();
            let place =
                if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
                    &mut gzip
                } else if coding.eq_ignore_ascii_case("identity") {
                    &mut identity
                } else if coding == "*" {
                    &mut any
                } else {
                    continue;
                };
            *place = Some(quality(weight));
        }
    }
    let gzip = gzip.or(any).unwrap_or_default();
    gzip > 0 && gzip >= identity.unwrap_or_default()
}

/// A weight in thousandths: `q=0.5` is 500. Nothing is 1; what is no weight is 0.
fn quality(parameter: &str) -> u16 {
    let parameter = parameter.trim();
    if parameter.is_empty() {
        return 1000;
    }
    let Some(text) = parameter
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map(|(_, value)| value.trim())
    else {
        return 0;
    };
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    let thousandths = format!("{digits:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let name = http::HeaderName::from_static(name);
        let values = values
            .iter()
            .map(|value| (name.clone(), HeaderValue::from_str(value).unwrap()));
        values.collect()
    }

    // RFC 9110, sections 12.4.2 and 12.5.3.
    #[test]
    fn gzip_is_for_those_who_ask_for_it() {
        for (values, expected) in [
            (&["gzip"][..], true),
            (&["GZIP"], true),
            (&["deflate, gzip;q=1.0, *;q=0.5"], true),
            (&["compress", "x-gzip"], true),
            (&["*"], true),
            (&["gzip;q=0.001"], true),
            (&["gzip; Q=0.5 , identity;q=0.5"], true),
            (&[], false),
            (&[""], false),
            (&["identity"], false),
            (&["br, deflate"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.000, *"], false),
            (&["*;q=0"], false),
            (&["gzip;q=0.2, identity;q=0.8"], false),
            (&["gzip;q=2"], false),
            (&["gzip;q=1.5"], false),
            (&["gzip;q=0.1234"], false),
            (&["gzip;level=9"], false),
            (&["gzipped"], false),
        ] {
            let headers = headers("accept-encoding", values);
            assert_eq!(takes_gzip(&headers), expected, "{values:?}");
        }
    }

    // RFC 9110, sections 8.8.3 and 13.1.2: a weak comparison.
    #[test]
    fn tags_are_found_in_lists() {
        let tags = EntityTags::of(&[0xab; 32]);
        let hex = "ab".repeat(32);
        let (plain, gzip) = (format!("\"{hex}\""), format!("\"{hex}-gzip\""));
        let held = |values: &[&str], takes_gzip| {
            let held = tags.held(&headers("if-none-match", values), takes_gzip);
            held.map(|tag| tag.to_str().unwrap().to_owned())
        };
        for value in [
            plain.clone(),
            format!("W/{plain}"),
            "*".to_owned(),
            format!("\"x\", \"a,b\" ,{plain}"),
            format!(",, W/\"x\",{plain}, \"y\""),
            format!("{gzip}, {plain}"),
        ] {
            assert_eq!(held(&[&value], false).as_ref(), Some(&plain), "{value}");
            assert_eq!(held(&[&value], true).as_ref(), Some(&plain), "{value}");
            assert_eq!(held(&["\"x\"", &value], true).as_ref(), Some(&plain));
        }
        assert_eq!(held(&[&gzip], true).as_ref(), Some(&gzip));
        assert_eq!(held(&[&format!("W/{gzip}")], true).as_ref(), Some(&gzip));
        for value in [
            gzip,
            hex.clone(),
            format!("\"{hex}"),
            format!("w/{plain}"),
            format!("junk, {plain}"),
            format!("\"x{hex}\""),
            plain.to_uppercase(),
            String::new(),
        ] {
            assert_eq!(held(&[&value], false), None, "{value}");
        }
        assert_eq!(held(&[], true), None);
    }
}
