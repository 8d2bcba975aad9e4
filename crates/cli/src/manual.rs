//! The manual pages, made of the tables that `--help` and completion are made of.
//!
//! One page for a program and one for each of its commands. Variables and files are the program's own page's, from the table in
//! [`surroundings`].

mod page;
pub mod surroundings;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use time::OffsetDateTime;

use crate::cobra::parse::Matches;
use crate::cobra::{Command, Flag};
use crate::env::Environment;
use crate::moment;
use crate::texts::{manual as texts, notary, os_error};
use crate::ui::log::Clock;
use crate::ui::printer::Printer;
use crate::ui::report::Failure;
use surroundings::{Place, Variable};

/// What the pages of a program are made of.
#[derive(Debug)]
pub struct Manual {
    /// How the program is called.
    pub program: &'static str,
    /// Its commands.
    pub root: &'static Command,
    /// The flags that every command takes.
    pub global_flags: &'static [Flag],
    /// Whether usage lines get `[flags]` at their end, as cobra's do and docker's do not.
    pub adds_flags: bool,
    /// The variables that the program looks at.
    pub variables: fn() -> Vec<&'static Variable>,
    /// The files that it uses.
    pub places: &'static [Place],
    /// What its exit codes say.
    pub exit: &'static [(&'static str, &'static str)],
}

impl Manual {
    /// Every page: the name of its file, and its text. The pages are of the day of `made`.
    #[must_use]
    pub fn pages(&self, made: OffsetDateTime) -> Vec<(String, String)> {
        let mut pages = Vec::new();
        self.gather(&mut Vec::new(), self.root, made, &mut pages);
        pages
    }

    fn gather(
        &self,
        above: &mut Vec<&'static Command>,
        command: &'static Command,
        made: OffsetDateTime,
        pages: &mut Vec<(String, String)>,
    ) {
        above.push(command);
        let page = page::Page::new(self, above);
        pages.push((format!("{}.1", page.name()), page.text(made)));
        for child in command.children {
            self.gather(above, child, made, pages);
        }
        above.pop();
    }

    /// The page of a command; `None` when there is none of that name.
    #[must_use]
    pub fn page(&self, words: &[String], made: OffsetDateTime) -> Option<String> {
        let mut path = vec![self.root];
        for word in words {
            path.push(path.last()?.child(word)?);
        }
        Some(page::Page::new(self, &path).text(made))
    }

    /// The command `man`: prints a page, or writes all of them into a folder.
    ///
    /// # Errors
    /// When there is no such page, or the folder cannot be written.
    pub fn run(
        &self,
        matches: &Matches,
        env: &Environment,
        printer: &Printer,
        clock: Clock,
    ) -> Result<(), Failure> {
        let made = match &env.source_date_epoch {
            None => clock(),
            Some(text) => moment::since_1970(text)
                .ok_or_else(|| Failure::new(notary::source_date_epoch(text)))?,
        };
        let folder = matches.text("directory");
        if folder.is_empty() {
            let page = self
                .page(&matches.args, made)
                .ok_or_else(|| Failure::new(texts::no_page(&matches.args)))?;
            return Ok(printer.out(&page)?);
        }
        if !matches.args.is_empty() {
            return Err(Failure::new(texts::ALL_OR_ONE));
        }
        let folder = Path::new(folder);
        let failed = |path: &Path, error: &std::io::Error| {
            Failure::new(format!("{}: {}", path.display(), os_error(error)))
        };
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        for (name, text) in self.pages(made) {
            let path = folder.join(name);
            write(folder, &path, &text).map_err(|error| failed(&path, &error))?;
        }
        Ok(())
    }
}

/// The file appears as a whole, and everybody may read it.
fn write(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
