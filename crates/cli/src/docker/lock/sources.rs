//! The files whose images are locked: which kind each is, and what it names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use signet_oci::compose::{self, Build, Compose};
use signet_oci::dockerfile::{self, Dockerfile};
use signet_oci::document::{ImageUse, Place};

use crate::docker::context::Context;
use crate::docker::files::read_limited;
use crate::texts::{docker as texts, os_error};
use crate::ui::report::Failure;

/// What kind of file names the images.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Compose,
    Dockerfile,
}

/// A file with the images that it names.
#[derive(Debug)]
pub(super) struct Source {
    /// As the user named it.
    pub(super) name: String,
    /// The file itself, behind symbolic links.
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) images: Vec<ImageUse>,
    builds: Vec<Build>,
    files: Vec<(Place, String)>,
}

/// Reads all files. What is wrong in any of them is said before the command fails.
pub(super) fn read(
    names: &[String],
    kind: Option<Kind>,
    build_args: &BTreeMap<String, String>,
    context: &Context,
) -> Result<Vec<Source>, Failure> {
    let mut sources: Vec<Source> = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        match Source::read(name, kind, build_args) {
            // One file under two names is one file.
            Ok(source) if sources.iter().any(|other| other.path == source.path) => {}
            Ok(source) => sources.push(source),
            Err(failure) => failures.push(failure),
        }
    }
    let paths: Vec<PathBuf> = sources.iter().map(|source| source.path.clone()).collect();
    for source in &sources {
        for (place, file) in &source.files {
            if !source
                .resolve(file)
                .is_some_and(|path| paths.contains(&path))
            {
                let text = texts::takes_from(&source.at(*place), file);
                failures.push(Failure::new(text).hint(texts::NAME_IT_TOO));
            }
        }
        for build in &source.builds {
            if let Some(note) = source.build_note(build, &paths) {
                context.printer.err(&note);
            }
            let path = source.dockerfile(build);
            if let Some(built) = sources
                .iter()
                .find(|other| Some(&other.path) == path.as_ref())
                && built.has_other_images(build, build_args)
            {
                let text =
                    texts::other_images(&source.at(build.place), &build.service, &built.name);
                failures.push(Failure::new(text).hint(texts::BUILD_ARGS_CHANGE_IMAGES));
            }
        }
    }
    let Some(last) = failures.pop() else {
        return Ok(sources);
    };
    for failure in failures {
        failure.print(&context.printer);
    }
    Err(last)
}

impl Source {
    fn read(
        name: &str,
        kind: Option<Kind>,
        build_args: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let unreadable =
            |error: &std::io::Error| Failure::new(texts::cannot_read(name, &os_error(error)));
        let path = fs::canonicalize(name).map_err(|error| unreadable(&error))?;
        let kind = kind.or_else(|| kind_of(Path::new(name))).ok_or_else(|| {
            Failure::new(texts::unclear_file_type(name)).hint(texts::GIVE_THE_TYPE)
        })?;
        let file = File::open(&path).map_err(|error| unreadable(&error))?;
        // Pipes and devices cannot be written back.
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(Failure::new(texts::cannot_read(name, "not a regular file")));
        }
        let bytes =
            read_limited(file, dockerfile::MAX_BYTES as u64).map_err(|error| unreadable(&error))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(texts::cannot_read(name, "not UTF-8 text")))?;
        let mut source = Self {
            name: name.to_owned(),
            path,
            text,
            images: Vec::new(),
            builds: Vec::new(),
            files: Vec::new(),
        };
        match kind {
            Kind::Dockerfile => {
                source.images = Dockerfile::read(&source.text, build_args)
                    .map_err(|refused| refused_dockerfile(name, &refused))?
                    .images;
            }
            Kind::Compose => {
                let found = Compose::read(&source.text).map_err(
                    |compose::Refused { place, problem }| {
                        Failure::new(format!("{name}:{place}: {problem}")).hint(problem.advice())
                    },
                )?;
                source.images = found.images;
                source.builds = found.builds;
                source.files = found.files;
            }
        }
        Ok(source)
    }

    fn at(&self, place: Place) -> String {
        format!("{}:{place}", self.name)
    }

    /// A path that the file names, seen from its folder.
    fn resolve(&self, path: &str) -> Option<PathBuf> {
        fs::canonicalize(self.path.parent()?.join(path)).ok()
    }

    /// The Dockerfile that a service of this file is built from, when it is there.
    fn dockerfile(&self, build: &Build) -> Option<PathBuf> {
        if build.is_inline {
            return None;
        }
        self.resolve(written_dockerfile(build).to_str()?)
    }

    /// Whether this Dockerfile names other images with the arguments of a Compose file than those that were found in it.
    fn has_other_images(&self, build: &Build, build_args: &BTreeMap<String, String>) -> bool {
        if build.args.is_empty() {
            return false;
        }
        let mut arguments = build_args.clone();
        for (name, value) in &build.args {
            // Without a value it comes from the environment, as for docker.
            let value = value.clone().or_else(|| crate::env::build_argument(name));
            if let Some(value) = value {
                arguments.insert(name.clone(), value);
            }
        }
        let names = |images: &[ImageUse]| -> Vec<String> {
            images.iter().map(|image| image.name.clone()).collect()
        };
        Dockerfile::read(&self.text, &arguments)
            .map_or(true, |file| names(&file.images) != names(&self.images))
    }

    /// What is not looked at because a service is built from it.
    fn build_note(&self, build: &Build, locked: &[PathBuf]) -> Option<String> {
        if build.is_inline {
            return None;
        }
        let written = written_dockerfile(build);
        let is_locked = self
            .dockerfile(build)
            .is_some_and(|path| locked.contains(&path));
        (!is_locked).then(|| {
            texts::built_from(
                &self.at(build.place),
                &build.service,
                &written.to_string_lossy(),
            )
        })
    }
}

/// The Dockerfile of a service, as the Compose file writes it.
fn written_dockerfile(build: &Build) -> PathBuf {
    let context = build.context.as_deref().unwrap_or(".");
    let file = build.dockerfile.as_deref().unwrap_or("Dockerfile");
    Path::new(context).join(file)
}

/// What is said of a Dockerfile that is not understood.
pub(in crate::docker) fn refused_dockerfile(name: &str, refused: &dockerfile::Refused) -> Failure {
    let dockerfile::Refused { place, problem, .. } = refused;
    Failure::new(format!("{name}:{place}: {problem}")).hint(problem.advice())
}

/// The kind that a file's name tells.
fn kind_of(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    if is_yaml {
        // Compose files may have any name; what is inside shows what they are.
        return Some(Kind::Compose);
    }
    let is_dockerfile = name.starts_with("dockerfile")
        || name.starts_with("containerfile")
        || name.ends_with(".dockerfile")
        || name.ends_with(".containerfile");
    is_dockerfile.then_some(Kind::Dockerfile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_kind() {
        for name in [
            "Dockerfile",
            "a/Dockerfile.prod",
            "web.Dockerfile",
            "web.dockerfile",
            "Containerfile",
        ] {
            assert_eq!(kind_of(Path::new(name)), Some(Kind::Dockerfile), "{name}");
        }
        for name in ["compose.yaml", "a/docker-compose.override.yml", "stack.yml"] {
            assert_eq!(kind_of(Path::new(name)), Some(Kind::Compose), "{name}");
        }
        for name in ["Makefile", "compose.json", "a/", ".."] {
            assert_eq!(kind_of(Path::new(name)), None, "{name}");
        }
    }
}
