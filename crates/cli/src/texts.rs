//! The original programs' messages, one module per program, and Go's ways of writing values into them.

pub mod archive;
pub mod docker;
pub mod json;
pub mod manual;
pub mod notary;

use std::fmt::Write as _;

/// Text as Go's `%q` prints it: in double quotes, with what cannot be printed escaped.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            _ if is_printable(letter) => quoted.push(letter),
            _ => escape(&mut quoted, letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Text for a terminal: names come from metadata and command lines, and must not be able to move the cursor or to change their order.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_printable(letter) {
            shown.push(letter);
        } else {
            escape(&mut shown, letter);
        }
    }
    shown
}

fn escape(text: &mut String, letter: char) {
    let code = u32::from(letter);
    // Writing to a string cannot fail.
    let _ = match code {
        0..=0x7f => write!(text, "\\x{code:02x}"),
        0x80..=0xffff => write!(text, "\\u{code:04x}"),
        _ => write!(text, "\\U{code:08x}"),
    };
}

/// Whether a letter has a shape of its own and leaves the others alone: no control, no line or paragraph separator, no direction mark.
pub(crate) fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// An error of the operating system in Go's spelling: `no such file or directory`.
#[must_use]
pub fn os_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text
        .split_once(" (os error")
        .map_or(text.as_str(), |(text, _)| text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote("Jeff"), "\"Jeff\"");
        assert_eq!(
            quote("a\"b\\c\n\u{7f}\u{85}\u{202e}é"),
            "\"a\\\"b\\\\c\\n\\x7f\\u0085\\u202eé\""
        );
    }

    #[test]
    fn system_errors_read_as_in_go() {
        let error = std::fs::File::open("/nonexistent").unwrap_err();
        assert_eq!(os_error(&error), "no such file or directory");
    }

    #[test]
    fn names_cannot_steer_a_terminal() {
        assert_eq!(visible("v1\u{1b}[2J\u{202e}"), "v1\\x1b[2J\\u202e");
    }
}
