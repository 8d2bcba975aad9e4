//! The `build` of a service, and what of it brings images in.

use std::collections::BTreeMap;

use super::tree::{Id, Kind};
use super::{Build, Problem, Reader, Stop};
use crate::dockerfile::Dockerfile;
use crate::document::{ImageUse, Purpose};

/// The build argument that replaces the program which reads the Dockerfile.
const FRONTEND: &str = "BUILDKIT_SYNTAX";

impl Reader<'_> {
    /// The name of what is built is given, not used - unless Compose looks into the registry first, which it does where nothing forbids it.
    pub(super) fn built_image(&self, image: Option<Id>, policy: Option<Id>) -> Result<(), Stop> {
        let Some(image) = image else {
            return Ok(());
        };
        let policy = policy.map(|policy| self.text(policy)).transpose()?;
        if matches!(policy.as_deref(), Some("build" | "never")) {
            return Ok(());
        }
        let name = self.tree.scalar(image).unwrap_or_default();
        let name = name.chars().take(200).collect();
        Err(self.tree.stop(image, Problem::PulledFirst { name }))
    }

    pub(super) fn build(
        &mut self,
        service: &str,
        id: Id,
        image: Option<String>,
        extends: bool,
    ) -> Result<(), Stop> {
        let mut build = Build {
            service: service.to_owned(),
            place: self.place(id),
            context: self.tree.scalar(id).map(str::to_owned),
            dockerfile: None,
            is_inline: false,
            image,
            args: Vec::new(),
            contexts: Vec::new(),
            extends,
        };
        if build.context.is_none() {
            for (name, value) in super::owned(self.tree.members(id)?) {
                if self.tree.is_nothing(value) {
                    continue;
                }
                match name.as_str() {
                    "context" => build.context = self.tree.scalar(value).map(str::to_owned),
                    "dockerfile" => build.dockerfile = self.tree.scalar(value).map(str::to_owned),
                    "dockerfile_inline" => {
                        build.is_inline = true;
                        self.inline(value)?;
                    }
                    "additional_contexts" => build.contexts = self.contexts(service, value)?,
                    "args" => build.args = self.arguments(value)?,
                    "cache_from" => self.caches(service, value)?,
                    // Its fields may say that it is a scanner.
                    "provenance"
                        if self.text(value)?.contains(['"', '\n'])
                            || self.text(value)?.contains("type") =>
                    {
                        let what = "provenance";
                        return Err(self.tree.stop(value, Problem::BringsImages { what }));
                    }
                    "sbom" if self.text(value)? != "false" => {
                        let what = "sbom";
                        return Err(self.tree.stop(value, Problem::BringsImages { what }));
                    }
                    _ => {}
                }
            }
        }
        self.found.builds.push(build);
        Ok(())
    }

    /// A Dockerfile inside the file. Its images are found, not their places.
    fn inline(&mut self, id: Id) -> Result<(), Stop> {
        let Some((text, span)) = self
            .tree
            .scalar(id)
            .zip(self.tree.node(id).map(|node| node.span.clone()))
        else {
            return Err(self.tree.stop(id, Problem::NotUnderstood));
        };
        // Compose puts its own variables in before docker sees the text, line breaks and all. Two dollars are one that is meant.
        if text.replace("$$", "").contains('$') {
            let name = "dockerfile_inline".to_owned();
            return Err(self.tree.stop(id, Problem::Interpolated { name }));
        }
        let file = Dockerfile::read(text, &BTreeMap::new()).map_err(|refused| {
            let line = refused.place.line;
            let problem = refused.problem;
            self.tree.stop(id, Problem::Inline { line, problem })
        })?;
        let place = self.place(id);
        for image in file.images {
            // Compose puts its own variables in before Docker sees the text.
            if !image.literal {
                let name = image.name;
                return Err(self.tree.stop(id, Problem::Interpolated { name }));
            }
            self.found.images.push(ImageUse {
                span: span.clone(),
                place,
                literal: false,
                ..image
            });
        }
        Ok(())
    }

    /// The contexts, and the names that they replace.
    fn contexts(&mut self, service: &str, id: Id) -> Result<Vec<String>, Stop> {
        const IMAGE: &str = "docker-image://";
        let mut names = Vec::new();
        let items: Vec<Id> = match self.tree.sequence(id) {
            Some(items) => items.to_vec(),
            None => {
                let members = self.tree.members(id)?;
                names.extend(members.iter().map(|(name, _)| (*name).to_owned()));
                members.into_iter().map(|(_, value)| value).collect()
            }
        };
        let is_list = self.tree.sequence(id).is_some();
        for item in items {
            let text = self.text(item)?;
            let (name, value) = match text.split_once('=') {
                Some((name, value)) if is_list => {
                    names.push(name.to_owned());
                    (format!("{name}="), value)
                }
                _ => (String::new(), text.as_str()),
            };
            if value.starts_with(IMAGE) {
                let purpose = Purpose::BuildContext {
                    service: service.to_owned(),
                };
                self.image(item, &format!("{name}{IMAGE}"), purpose)?;
            } else if ["docker-image:", "input:", "oci-layout:", "target:"]
                .iter()
                .any(|scheme| value.starts_with(scheme))
            {
                let what = "this context";
                return Err(self.tree.stop(item, Problem::BringsImages { what }));
            }
        }
        Ok(names)
    }

    /// The build arguments. The image that one of them may name is looked at here.
    fn arguments(&mut self, id: Id) -> Result<Vec<(String, Option<String>)>, Stop> {
        let mut found = Vec::new();
        let items = self.tree.sequence(id).map(<[Id]>::to_vec);
        let pairs: Vec<(String, Option<String>, Id)> = match items {
            Some(items) => {
                let mut pairs = Vec::new();
                for item in items {
                    let Some(text) = self.tree.scalar(item) else {
                        return Err(self.tree.stop(item, Problem::NotUnderstood));
                    };
                    pairs.push(match text.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned()), item),
                        None => (text.to_owned(), None, item),
                    });
                }
                pairs
            }
            None => {
                let mut pairs = Vec::new();
                for (name, value) in self.tree.members(id)? {
                    let given = self
                        .tree
                        .scalar(value)
                        .filter(|_| !self.tree.is_nothing(value) && self.is_kept(value));
                    pairs.push((name.to_owned(), given.map(str::to_owned), value));
                }
                pairs
            }
        };
        for (name, value, item) in pairs {
            if name.contains('$') {
                let name = name.chars().take(200).collect();
                return Err(self.tree.stop(item, Problem::Interpolated { name }));
            }
            if name == FRONTEND {
                let what = "BUILDKIT_SYNTAX";
                return Err(self.tree.stop(item, Problem::BringsImages { what }));
            }
            found.push((name, value));
        }
        Ok(found)
    }

    /// Whether Compose keeps a value as it is written: it writes numbers anew, `1.10` as `1.1`.
    fn is_kept(&self, id: Id) -> bool {
        self.tree.node(id).is_some_and(|node| match &node.kind {
            Kind::Scalar { value, is_plain } => {
                let begins = value.trim_start_matches(['+', '-', '.']);
                let is_number = begins.starts_with(|letter: char| letter.is_ascii_digit())
                    && (value.replace('_', "").parse::<f64>().is_ok()
                        || begins.starts_with("0x")
                        || begins.starts_with("0o")
                        || begins.starts_with("0b"));
                let is_canonical = value
                    .parse::<u32>()
                    .is_ok_and(|number| number.to_string() == *value);
                !is_plain || !is_number || is_canonical
            }
            _ => false,
        })
    }

    /// What a builder takes from a cache becomes part of the image. From a registry it must be signed.
    fn caches(&mut self, service: &str, id: Id) -> Result<(), Stop> {
        let items = self.tree.sequence(id).map(<[Id]>::to_vec);
        for item in items.ok_or_else(|| self.tree.stop(id, Problem::NotUnderstood))? {
            let text = self.text(item)?;
            let fields: Vec<&str> = text.split(',').collect();
            let before = match fields.as_slice() {
                [_] if !text.contains('=') => "",
                // These are no registries.
                [
                    "type=local" | "type=gha" | "type=s3" | "type=azblob",
                    rest @ ..,
                ] if !rest
                    .iter()
                    .any(|field| field.to_ascii_lowercase().contains("type=")) =>
                {
                    continue;
                }
                ["type=registry", name] if name.starts_with("ref=") => "type=registry,ref=",
                _ => {
                    return Err(self
                        .tree
                        .stop(item, Problem::BringsImages { what: "this cache" }));
                }
            };
            let purpose = Purpose::Cache {
                service: service.to_owned(),
            };
            self.image(item, before, purpose)?;
        }
        Ok(())
    }
}
