//! Inventories on their way from the sources to the page: kept in a temporary file, so that memory does not grow with their number.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};

use signet_client::inventory::{Inventory, Severity, Summary, Tally};

/// The inventories in the order in which they came, and what they amount to. The file has no name and goes with the process.
pub(super) struct Spool {
    file: BufWriter<File>,
    tally: Tally,
    worst: Option<Severity>,
}

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile()?),
            tally: Tally::default(),
            worst: None,
        })
    }

    pub(super) fn push(&mut self, inventory: &Inventory) -> io::Result<()> {
        self.tally.add(inventory);
        self.worst = self.worst.max(inventory.worst());
        serde_json::to_writer(&mut self.file, inventory)?;
        self.file.write_all(b"\n")
    }

    pub(super) fn finish(self) -> io::Result<Gathered> {
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Gathered {
            file,
            summary: self.tally.finish(),
            worst: self.worst,
        })
    }
}

/// Everything that a report is made of.
pub(super) struct Gathered {
    file: File,
    pub(super) summary: Summary,
    pub(super) worst: Option<Severity>,
}

impl Gathered {
    /// All inventories once more, one after another.
    pub(super) fn inventories(&self) -> io::Result<impl Iterator<Item = io::Result<Inventory>>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(file)
            .lines()
            .map(|line| Ok(serde_json::from_str(&line?)?)))
    }
}
