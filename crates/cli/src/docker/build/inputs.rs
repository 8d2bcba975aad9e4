//! What a build reads: the context, and the Dockerfile with what belongs to it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use signet_oci::dockerfile;

use crate::docker::context::Context;
use crate::docker::files::read_limited;
use crate::texts::{docker as texts, os_error};
use crate::ui::report::Failure;

/// A Dockerfile.
#[derive(Debug)]
pub(super) struct Input {
    /// As it is shown.
    pub(super) shown: String,
    /// Its name without folders.
    pub(super) name: String,
    pub(super) text: String,
    /// The file that names what of the context is left out, if this Dockerfile has one of its own: BuildKit looks beside it.
    pub(super) ignored: Option<Vec<u8>>,
}

/// The context must be a folder of this machine, as docker understands the word.
pub(super) fn check_context(path: &str) -> Result<(), Failure> {
    if path == "-" {
        return Err(Failure::new(texts::CONTEXT_FROM_INPUT).hint(texts::UNPACK_THE_CONTEXT));
    }
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        let failure = Failure::new(texts::no_local_context(path));
        return Err(failure.hint(texts::CLONE_THE_CONTEXT));
    }
    Ok(())
}

/// A variable can make BuildKit use other images than the Dockerfile names.
pub(super) fn check_environment(context: &Context) -> Result<(), Failure> {
    if context.env.source_policy {
        return Err(Failure::new(texts::SOURCE_POLICY));
    }
    Ok(())
}

impl Input {
    /// Reads the Dockerfile that docker would read.
    pub(super) fn read(context: &Path, file: Option<&str>) -> Result<Self, Failure> {
        let path = match file {
            Some("-") => return Self::from_input(),
            Some(file) if !file.is_empty() => Path::new(file).to_path_buf(),
            _ => {
                let usual = context.join("Dockerfile");
                let lower = context.join("dockerfile");
                // compat: docker takes the second name when there is no file of the first.
                if !usual.exists() && lower.exists() {
                    lower
                } else {
                    usual
                }
            }
        };
        let shown = path.display().to_string();
        let failed = |error: &io::Error| Failure::new(texts::cannot_read(&shown, &os_error(error)));
        let opened = File::open(&path).map_err(|error| failed(&error))?;
        let bytes =
            read_limited(opened, dockerfile::MAX_BYTES as u64).map_err(|error| failed(&error))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or("Dockerfile").to_owned();
        let beside = path.with_file_name(format!("{name}.dockerignore"));
        let ignored = match File::open(&beside) {
            Ok(file) => Some(
                read_limited(file, dockerfile::MAX_BYTES as u64).map_err(|error| failed(&error))?,
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let shown = beside.display().to_string();
                return Err(Failure::new(texts::cannot_read(&shown, &os_error(&error))));
            }
        };
        Ok(Self {
            text: text(&shown, bytes)?,
            shown,
            name,
            ignored,
        })
    }

    fn from_input() -> Result<Self, Failure> {
        let shown = "standard input".to_owned();
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .take(dockerfile::MAX_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::new(texts::cannot_read(&shown, &os_error(&error))))?;
        Ok(Self {
            text: text(&shown, bytes)?,
            shown,
            name: "Dockerfile".to_owned(),
            ignored: None,
        })
    }
}

fn text(shown: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::new(texts::cannot_read(shown, "not UTF-8 text")))
}
