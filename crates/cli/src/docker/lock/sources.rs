//! The files whose images are locked: which kind each is, and what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use signet_oci::compose::{self, Build, Compose};
use signet_oci::dockerfile::{self, Dockerfile};
use signet_oci::document::{ImageUse, Place};

use crate::docker::build::context_key;
use crate::docker::context::Context;
use crate::docker::files::read_limited;
use crate::texts::{docker as texts, os_error};
use crate::ui::report::Failure;

/// What kind of file names the images.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Compose,
    Dockerfile,
    /// Not to be read as one or the other yet.
    Text,
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
    pulled: BTreeSet<String>,
    files: Vec<(Place, String)>,
}

/// Reads all files. What is wrong in any of them is said before the command fails.
pub(super) fn read(
    names: &[String],
    kind: Option<Kind>,
    build_args: &BTreeMap<String, String>,
    is_check: bool,
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
    let mut seen = Vec::new();
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
            if source.is_spread(build, &sources) {
                let text = texts::spread(&source.at(build.place), &build.service);
                failures.push(Failure::new(text).hint(texts::WRITE_IT_IN_ONE_PLACE));
            }
            if let Some(note) = source.build_note(build, &paths) {
                // What nobody has looked at cannot pass a check.
                if is_check {
                    match source.built_from(build) {
                        Ok(built) => seen.push(built),
                        Err(failure) => failures.push(failure),
                    }
                } else {
                    context.printer.err(&note);
                }
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
        sources.extend(seen);
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
            pulled: BTreeSet::new(),
            files: Vec::new(),
        };
        match kind {
            Kind::Text => {}
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
                source.pulled = found.pulled;
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
        let (own, unclear) = arguments(build);
        let mut arguments = build_args.clone();
        arguments.extend(own);
        let names = |images: &[ImageUse]| -> Vec<String> {
            images.iter().map(|image| image.name.clone()).collect()
        };
        Dockerfile::read_with(&self.text, &arguments, &unclear)
            .map_or(true, |file| names(&file.images) != names(&self.images))
    }

    /// The Dockerfile of a service, with what it names under the arguments of that service. It must lie beside this file or below.
    fn built_from(&self, build: &Build) -> Result<Self, Failure> {
        let written = written_dockerfile(build);
        let name = Path::new(&self.name).with_file_name("").join(&written);
        let shown = name.to_string_lossy().into_owned();
        let folder = self.path.parent().unwrap_or_else(|| Path::new("/"));
        let is_here = self
            .dockerfile(build)
            .is_some_and(|path| path.starts_with(folder));
        if !is_here {
            let text = texts::built_from_elsewhere(&self.at(build.place), &build.service, &shown);
            return Err(Failure::new(text).hint(texts::NAME_IT_TOO));
        }
        let mut source = Self::read(&shown, Some(Kind::Text), &BTreeMap::new())?;
        let (arguments, unclear) = arguments(build);
        let found = Dockerfile::read_with(&source.text, &arguments, &unclear)
            .map_err(|refused| refused_dockerfile(&shown, &refused))?;
        let contexts: Vec<String> = build
            .contexts
            .iter()
            .map(|name| context_key(name))
            .collect();
        source.images = found.images;
        source
            .images
            .retain(|image| !contexts.contains(&context_key(&image.name)));
        Ok(source)
    }

    /// Whether other places say something of a build, or of its image, that is not known here.
    fn is_spread(&self, build: &Build, sources: &[Self]) -> bool {
        let others = || sources.iter().filter(|other| other.path != self.path);
        let pulled =
            build.image.is_some() && others().any(|other| other.pulled.contains(&build.service));
        let again = others()
            .flat_map(|other| &other.builds)
            .any(|other| other.service == build.service);
        let is_whole = build.is_inline || build.context.is_some();
        pulled || again || (build.extends && !is_whole)
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

/// The build arguments of a service with their values, and those whose values are known only when it is built.
fn arguments(build: &Build) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let mut known = BTreeMap::new();
    let mut unclear = BTreeSet::new();
    for (name, value) in &build.args {
        match value.as_ref().filter(|value| !value.contains('$')) {
            Some(value) if !known.contains_key(name) => {
                known.insert(name.clone(), value.clone());
            }
            _ => {
                unclear.insert(name.clone());
            }
        }
    }
    (known, unclear)
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
