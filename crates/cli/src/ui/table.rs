//! Tables as Go's `text/tabwriter` lays them out with docker's parameters: columns at least ten wide, three spaces between.

use std::io::Write as _;

use tabwriter::TabWriter;

/// Lays out rows of cells. The last column is not padded.
#[must_use]
pub fn table<Cells: AsRef<[String]>>(rows: impl IntoIterator<Item = Cells>) -> String {
    // Go counts the padding into the minimal width: its (10, 3) is (7, 3) here.
    let mut writer = TabWriter::new(Vec::new()).minwidth(7).padding(3);
    for row in rows {
        // Writing to a vector cannot fail.
        let _ = writeln!(writer, "{}", row.as_ref().join("\t"));
    }
    let _ = writer.flush();
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From docker 28.2.2: `docker trust inspect --pretty`.
    #[test]
    fn lays_out_as_docker_does() {
        let rows = [
            ["SIGNER", "KEYS"],
            ["al", "a419173af6de"],
            ["bob10", "205e02369e18"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            table(rows),
            "SIGNER    KEYS\nal        a419173af6de\nbob10     205e02369e18\n"
        );
    }
}
