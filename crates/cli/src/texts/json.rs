//! JSON that a terminal may show: serde leaves the controls above U+007F and direction marks as they are.

use serde::Serialize;

use super::is_printable;

/// One line.
///
/// # Errors
/// As serde's.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|plain| escaped(&plain))
}

/// Indented, over several lines.
///
/// # Errors
/// As serde's.
pub fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|plain| escaped(&plain))
}

/// The same JSON with what cannot be printed escaped. Line ends are there between values only; only strings hold other such letters.
fn escaped(plain: &str) -> String {
    let mut safe = String::with_capacity(plain.len());
    for letter in plain.chars() {
        if letter == '\n' || is_printable(letter) {
            safe.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped_and_reads_back() {
        let names = ["a\u{202e}b\u{9b}c\u{e0001}\"\\\n", "plain é"];
        for written in [line(&names).unwrap(), pretty(&names).unwrap()] {
            assert!(
                !written.contains(['\u{202e}', '\u{9b}', '\u{e0001}']),
                "{written}"
            );
            let read: Vec<String> = serde_json::from_str(&written).unwrap();
            assert_eq!(read, names);
        }
        assert_eq!(line(&names).unwrap().lines().count(), 1);
        assert_eq!(pretty(&names).unwrap().lines().count(), 4);
    }
}
