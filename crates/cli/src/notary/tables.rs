//! Tables as Go's `notary` lays them out: cells padded to the widest of their column and four more, words underlined with dashes.

use std::borrow::Cow;
use std::io::{self, Write};

/// Lays out rows of cells below their headings. The last cell of a row is not padded; where it is empty, the padding before it stays.
pub(super) fn table<const COLUMNS: usize>(
    heading: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> String {
    let mut text = Vec::new();
    let cells = |row: &[String; COLUMNS]| -> [Cow<'_, str>; COLUMNS] {
        std::array::from_fn(|at| Cow::Owned(row.get(at).cloned().unwrap_or_default()))
    };
    // Writing to a vector cannot fail.
    let _ = write(&mut text, heading, || rows.iter().map(cells));
    String::from_utf8(text).unwrap_or_default()
}

/// The same for many rows, which are made twice, to be measured and to be written, and not kept.
pub(super) fn write<'r, const COLUMNS: usize, Rows>(
    out: &mut dyn Write,
    heading: [&'r str; COLUMNS],
    rows: impl Fn() -> Rows,
) -> io::Result<()>
where
    Rows: Iterator<Item = [Cow<'r, str>; COLUMNS]>,
{
    let first = heading.map(Cow::Borrowed);
    let second = heading.map(|word| Cow::Owned("-".repeat(word.chars().count())));
    let all = || [first.clone(), second.clone()].into_iter().chain(rows());
    let mut widths = [0_usize; COLUMNS];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(&row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in all() {
        let mut cells = row.iter().zip(widths).peekable();
        while let Some((cell, width)) = cells.next() {
            out.write_all(cell.as_bytes())?;
            if cells.peek().is_some() {
                let gap = width.saturating_sub(cell.chars().count()) + 4;
                write!(out, "{:gap$}", "")?;
            }
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 9 of the specification: from `notary status` of Go's 0.7.
    #[test]
    fn columns_are_padded_and_last_cells_are_not() {
        let rows = [["0", "ünï", ""], ["10", "x", "y"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["#", "SCOPE", "PATH"], &rows),
            "#     SCOPE    PATH\n-     -----    ----\n0     ünï      \n10    x        y\n"
        );
    }
}
