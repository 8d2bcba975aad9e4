//! The report for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::{Gathered, Heading};

/// Version of the form.
const FORMAT: u32 = 1;

pub(super) fn write(heading: &Heading, gathered: &Gathered, out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "{{\n\"report\": {FORMAT},\n\"generated\": {},\n\"program\": {},\n\"summary\": {},\n\"repositories\": [",
        text(&heading.generated)?,
        text(&heading.program)?,
        text(&gathered.summary)?
    )?;
    for (number, inventory) in gathered.inventories()?.enumerate() {
        let gap = if number == 0 { "\n" } else { ",\n" };
        write!(out, "{gap}{}", text(&inventory?)?)?;
    }
    out.write_all(b"\n]\n}\n")
}

/// JSON in which nothing can steer a terminal: what cannot be printed is escaped.
fn text(value: &impl Serialize) -> io::Result<String> {
    let plain = serde_json::to_string(value)?;
    let mut safe = String::with_capacity(plain.len());
    for letter in plain.chars() {
        if crate::texts::is_printable(letter) {
            safe.push(letter);
        } else {
            // Only strings hold such letters.
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_printed_is_escaped_and_reads_back() {
        let names = ["a\u{202e}b\u{9b}c\u{e0001}\"\\\n", "plain é"];
        let written = text(&names).unwrap();
        assert!(
            !written.contains(['\u{202e}', '\u{9b}', '\u{e0001}']),
            "{written}"
        );
        let read: Vec<String> = serde_json::from_str(&written).unwrap();
        assert_eq!(read, names);
    }
}
