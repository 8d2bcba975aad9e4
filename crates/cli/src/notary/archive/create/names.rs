//! The repositories that somebody names.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};

use signet_archive::Sha256;
use signet_archive::bounds::MAX_REPOSITORIES;
use signet_tuf::Gun;

use crate::texts::{notary as texts, os_error};
use crate::ui::printer::Printer;
use crate::ui::report::Failure;

/// Largest list of names.
const MAX_LIST_BYTES: u64 = 256 << 20;
/// Invalid names that are shown.
const MOST_SHOWN: u64 = 20;

/// Names, each once and in order.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) guns: BTreeSet<Gun>,
    /// How many were no names.
    pub(super) invalid: u64,
}

impl Names {
    /// The names of the command line and of a list: one a line; empty lines and what follows a `#` do not count.
    ///
    /// # Errors
    /// When the list cannot be read, or there are too many.
    pub(super) fn read(
        args: &[String],
        list: Option<&str>,
        printer: &Printer,
    ) -> Result<Self, Failure> {
        let mut names = Self::default();
        for name in args {
            names.add(name, None, printer)?;
        }
        if let Some(path) = list {
            let text = read_list(path)?;
            for (line, name) in text.lines().enumerate() {
                let name = name.split('#').next().unwrap_or_default().trim();
                if !name.is_empty() {
                    names.add(name, Some((path, line + 1)), printer)?;
                }
            }
        }
        Ok(names)
    }

    /// Adds a name, or says why it is none.
    pub(super) fn add(
        &mut self,
        name: &str,
        place: Option<(&str, usize)>,
        printer: &Printer,
    ) -> Result<(), Failure> {
        match name.parse() {
            Ok(gun) => {
                self.guns.insert(gun);
                if self.guns.len() as u64 > MAX_REPOSITORIES {
                    return Err(Failure::new(texts::too_many_repositories(MAX_REPOSITORIES)));
                }
            }
            Err(error) => {
                self.invalid += 1;
                if self.invalid <= MOST_SHOWN {
                    let error: signet_tuf::InvalidGun = error;
                    printer.err(&texts::name_skipped(name, error.reason, place));
                }
            }
        }
        Ok(())
    }

    /// Says that a name is none because it is no text.
    pub(super) fn is_no_text(&mut self, shown: &str, printer: &Printer) {
        self.invalid += 1;
        if self.invalid <= MOST_SHOWN {
            printer.err(&texts::name_skipped(shown, "it is not UTF-8", None));
        }
    }

    /// What stands for these names where they are compared with those of another run.
    pub(super) fn description(&self) -> String {
        let mut text = String::new();
        for gun in &self.guns {
            text.push_str(gun.as_str());
            text.push('\n');
        }
        let digest = Sha256::of(text.as_bytes()).to_string();
        let short = digest.get(..16).unwrap_or_default();
        format!("{} repositories by name ({short})", self.guns.len())
    }
}

fn read_list(path: &str) -> Result<String, Failure> {
    let failed = |error: &io::Error| Failure::new(texts::list_unreadable(path, &os_error(error)));
    let mut text = Vec::new();
    let limit = MAX_LIST_BYTES + 1;
    let read = if path == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut text)
    } else {
        let file = File::open(path).map_err(|error| failed(&error))?;
        file.take(limit).read_to_end(&mut text)
    };
    read.map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_LIST_BYTES {
        return Err(Failure::new(texts::list_too_large(path, MAX_LIST_BYTES)));
    }
    String::from_utf8(text).map_err(|_| Failure::new(texts::list_not_text(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str, args: &[&str]) -> Names {
        let file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file.as_file(), list.as_bytes()).unwrap();
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let path = file.path().to_str().unwrap().to_owned();
        Names::read(&args, Some(&path), &Printer::new(true)).unwrap()
    }

    #[test]
    fn lists_are_merged_and_sorted_and_what_is_no_name_is_counted() {
        let names = read(
            "# all of them\n r/b \r\nr/a # the old one\n\nr/b\n../x\nr/c*\n",
            &["r/d", "r/a", "/"],
        );
        let guns: Vec<_> = names.guns.iter().map(Gun::as_str).collect();
        assert_eq!(guns, ["r/a", "r/b", "r/d"]);
        assert_eq!(names.invalid, 3);
    }

    #[test]
    fn the_description_depends_on_the_names_alone() {
        let description = read("r/b\nr/a", &[]).description();
        assert_eq!(description, read("r/a", &["r/b"]).description());
        assert_ne!(description, read("r/a", &["r/c"]).description());
        assert_ne!(description, read("r/a", &[]).description());
    }
}
