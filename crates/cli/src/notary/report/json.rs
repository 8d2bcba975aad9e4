//! The report for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::{Gathered, Heading};
use crate::texts::json;

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

fn text(value: &impl Serialize) -> io::Result<String> {
    Ok(json::line(value)?)
}
