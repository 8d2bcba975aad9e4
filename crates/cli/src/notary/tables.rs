//! Tables as Go's `notary` lays them out: cells padded to the widest of their column and four more, words underlined with dashes.

/// Lays out rows of cells below their headings. The last cell of a row is not padded; where it is empty, the padding before it stays.
pub(super) fn table<const COLUMNS: usize>(
    heading: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> String {
    let first = heading.map(str::to_owned);
    let second = heading.map(|word| "-".repeat(word.chars().count()));
    let all = || [&first, &second].into_iter().chain(rows);
    let mut widths = [0_usize; COLUMNS];
    for row in all() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in all() {
        let mut cells = row.iter().zip(widths).peekable();
        while let Some((cell, width)) = cells.next() {
            text.push_str(cell);
            if cells.peek().is_some() {
                let gap = width.saturating_sub(cell.chars().count()) + 4;
                text.extend(std::iter::repeat_n(' ', gap));
            }
        }
        text.push('\n');
    }
    text
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
