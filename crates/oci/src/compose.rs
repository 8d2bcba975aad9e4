//! The images that a Compose file names, with their places in the text.
//!
//! An image stands in `image` of a service, in a volume of type `image`, in `additional_contexts`, `cache_from` and the frontend of a build, and
//! in a `dockerfile_inline`.
//! Anchors, aliases and merge keys are followed inside the file. What a file takes from others - `include`, `extends` with a file, the
//! Dockerfiles of its builds - is named, for the caller to look at. Names with variables are refused: what they stand for is not in the file.

mod build;
mod problem;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

pub use problem::Problem;

use crate::document::{ImageUse, Place, Purpose};
use tree::{Id, Kind, Tree};

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// What a Compose file names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Compose {
    /// The images, in the order of the text. Those of a Dockerfile inside the file have the whole of it as their span.
    pub images: Vec<ImageUse>,
    /// The builds.
    pub builds: Vec<Build>,
    /// The services that say how their image is pulled, other than that it is built.
    pub pulled: BTreeSet<String>,
    /// The Compose files that this one takes something from, as they are written.
    pub files: Vec<(Place, String)>,
}

/// A service whose image is built.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Build {
    /// The service.
    pub service: String,
    /// Where `build` stands.
    pub place: Place,
    /// The folder or URL that it is built from, as it is written. `None` without one.
    pub context: Option<String>,
    /// The Dockerfile, as it is written: relative to the context. `None` when none is named, and when it is inside the Compose file.
    pub dockerfile: Option<String>,
    /// Whether the Dockerfile is inside the Compose file.
    pub is_inline: bool,
    /// The name that the image gets, which is no image that is used.
    pub image: Option<String>,
    /// The build arguments, as they are written. `None` for those whose values come from the environment.
    pub args: Vec<(String, Option<String>)>,
    /// The names that `additional_contexts` replaces.
    pub contexts: Vec<String>,
    /// Whether some of it may come from another service.
    pub extends: bool,
}

/// A Compose file that is refused, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct Refused {
    /// Where.
    pub place: Place,
    /// Why.
    #[source]
    pub problem: Problem,
}

/// The members that a service has in Compose's specification. Of any other it is not known whether it names an image.
const SERVICE_MEMBERS: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "driver_opts",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

impl Compose {
    /// Reads a Compose file.
    ///
    /// # Errors
    /// [`Refused`] when something is not understood for certain.
    pub fn read(text: &str) -> Result<Self, Refused> {
        let mut reader = Reader {
            text,
            tree: Tree::default(),
            found: Self::default(),
        };
        reader.read().map_err(|stop| Refused {
            place: Place::of(text, stop.at),
            problem: stop.problem,
        })?;
        let mut found = reader.found;
        found.images.sort_by_key(|image| image.span.start);
        // Aliases lead to the same place again and again.
        let mut seen = BTreeSet::new();
        found
            .images
            .retain(|image| seen.insert((image.span.start, image.name.clone())));
        Ok(found)
    }
}

/// A problem and the offset of its place.
#[derive(Debug)]
struct Stop {
    at: usize,
    problem: Problem,
}

struct Reader<'a> {
    text: &'a str,
    tree: Tree,
    found: Compose,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Stop> {
        if self.text.len() > MAX_BYTES {
            return Err(Stop {
                at: 0,
                problem: Problem::TooLarge {
                    what: "more than 1 MiB",
                },
            });
        }
        self.tree = Tree::read(self.text)?;
        let mut is_compose = false;
        for document in self.tree.documents.clone() {
            if self.tree.is_nothing(document) {
                continue;
            }
            for (name, value) in owned(self.tree.members(document)?) {
                match name.as_str() {
                    "services" => {
                        is_compose = true;
                        if !self.tree.is_nothing(value) {
                            for (service, value) in owned(self.tree.members(value)?) {
                                self.service(&service, value)?;
                            }
                        }
                    }
                    "include" => {
                        is_compose = true;
                        self.include(value)?;
                    }
                    _ => {}
                }
            }
        }
        if is_compose {
            Ok(())
        } else {
            Err(Stop {
                at: 0,
                problem: Problem::NoServices,
            })
        }
    }

    fn place(&self, id: Id) -> Place {
        Place::of(self.text, self.tree.stop(id, Problem::NoServices).at)
    }

    /// A text that must be there as it is.
    fn text(&self, id: Id) -> Result<String, Stop> {
        let known_tag = self
            .tree
            .node(id)
            .is_some_and(|node| node.tag.as_deref().is_none_or(|tag| tag == "override"));
        match self.tree.scalar(id).filter(|_| known_tag) {
            Some(value) if value.contains('$') => {
                let name = value.chars().take(200).collect();
                Err(self.tree.stop(id, Problem::Interpolated { name }))
            }
            Some(value) => Ok(value.to_owned()),
            None => Err(self.tree.stop(id, Problem::NotUnderstood)),
        }
    }

    fn include(&mut self, id: Id) -> Result<(), Stop> {
        if self.tree.is_nothing(id) {
            return Ok(());
        }
        let items = self.tree.sequence(id).map(<[Id]>::to_vec);
        for item in items.ok_or_else(|| self.tree.stop(id, Problem::NotUnderstood))? {
            if self.tree.scalar(item).is_some() {
                self.file(item)?;
                continue;
            }
            for (name, value) in owned(self.tree.members(item)?) {
                if name != "path" {
                    continue;
                }
                match self.tree.sequence(value).map(<[Id]>::to_vec) {
                    Some(paths) => paths.into_iter().try_for_each(|path| self.file(path))?,
                    None => self.file(value)?,
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, id: Id) -> Result<(), Stop> {
        let path = self.text(id)?;
        if path.contains("://") || path.starts_with("oci:") || path.starts_with("git@") {
            return Err(self.tree.stop(id, Problem::Remote { path }));
        }
        let place = self.place(id);
        self.found.files.push((place, path));
        Ok(())
    }

    fn service(&mut self, service: &str, id: Id) -> Result<(), Stop> {
        if self.tree.is_nothing(id) {
            return Ok(());
        }
        let members: BTreeMap<String, Id> = owned(self.tree.members(id)?).into_iter().collect();
        for (name, id) in &members {
            if !name.starts_with("x-") && !SERVICE_MEMBERS.contains(&name.as_str()) {
                let name = name.chars().take(200).collect();
                return Err(self.tree.stop(*id, Problem::Member { name }));
            }
        }
        let member = |name: &str| {
            members
                .get(name)
                .copied()
                .filter(|id| !self.tree.is_nothing(*id))
        };
        let hooks = ["post_start", "pre_start", "pre_stop"].map(member);
        let (image, build) = (member("image"), member("build"));
        let (extends, volumes) = (member("extends"), member("volumes"));
        let service = service.to_owned();
        if let Some(policy) = member("pull_policy")
            && !matches!(self.text(policy)?.as_str(), "build" | "never")
        {
            self.found.pulled.insert(service.clone());
        }
        match (image, build) {
            (None, None) => {}
            (Some(image), None) => {
                let purpose = Purpose::Service {
                    service: service.clone(),
                };
                self.image(image, "", purpose)?;
            }
            (image, Some(build)) => {
                let policy = member("pull_policy");
                self.built_image(image, policy)?;
                let image = image.and_then(|image| self.tree.scalar(image).map(str::to_owned));
                self.build(&service, build, image, extends.is_some())?;
            }
        }
        if let Some(extends) = extends
            && self.tree.scalar(extends).is_none()
        {
            for (name, value) in owned(self.tree.members(extends)?) {
                if name == "file" {
                    self.file(value)?;
                }
            }
        }
        if let Some(volumes) = volumes {
            let items = self.tree.sequence(volumes).map(<[Id]>::to_vec);
            for item in items.ok_or_else(|| self.tree.stop(volumes, Problem::NotUnderstood))? {
                self.volume(&service, item)?;
            }
        }
        for hooks in hooks.into_iter().flatten() {
            self.hooks(&service, hooks)?;
        }
        Ok(())
    }

    /// Commands around the service's own, some of which run in an image of their own.
    fn hooks(&mut self, service: &str, id: Id) -> Result<(), Stop> {
        let items = self.tree.sequence(id).map(<[Id]>::to_vec);
        for item in items.ok_or_else(|| self.tree.stop(id, Problem::NotUnderstood))? {
            let members: Vec<_> = owned(self.tree.members(item)?).into_iter().collect();
            for (name, value) in members {
                if name == "image" && !self.tree.is_nothing(value) {
                    let service = service.to_owned();
                    self.image(value, "", Purpose::Service { service })?;
                }
            }
        }
        Ok(())
    }

    fn volume(&mut self, service: &str, id: Id) -> Result<(), Stop> {
        // The short form names folders and volumes only.
        if self.tree.scalar(id).is_some() {
            return Ok(());
        }
        let members: BTreeMap<String, Id> = owned(self.tree.members(id)?).into_iter().collect();
        let Some(kind) = members.get("type") else {
            return Ok(());
        };
        if self.text(*kind)? != "image" {
            return Ok(());
        }
        let source = members.get("source");
        let source = source.ok_or_else(|| self.tree.stop(id, Problem::NotUnderstood))?;
        let service = service.to_owned();
        self.image(*source, "", Purpose::Volume { service })
    }

    /// An image in a scalar, behind `before`.
    fn image(&mut self, id: Id, before: &str, purpose: Purpose) -> Result<(), Stop> {
        let value = self.text(id)?;
        let stop = |problem| Err(self.tree.stop(id, problem));
        let Some(name) = value.strip_prefix(before).filter(|name| !name.is_empty()) else {
            return stop(Problem::NotUnderstood);
        };
        let Some(node) = self
            .tree
            .node(id)
            .filter(|node| matches!(node.kind, Kind::Scalar { .. }))
        else {
            return stop(Problem::NotUnderstood);
        };
        let raw = self.text.get(node.span.clone()).unwrap_or_default();
        // Escapes, line breaks and comments in between: what is written is not what it means.
        let mut places = raw.match_indices(value.as_str());
        let (Some((at, _)), None) = (places.next(), places.next()) else {
            return stop(Problem::Notation {
                name: name.to_owned(),
            });
        };
        if name.contains(char::is_whitespace) {
            return stop(Problem::Notation {
                name: name.to_owned(),
            });
        }
        let start = node.span.start + at + before.len();
        let image = ImageUse {
            name: name.to_owned(),
            span: start..start + name.len(),
            place: Place::of(self.text, start),
            purpose,
            literal: true,
        };
        self.found.images.push(image);
        Ok(())
    }
}

fn owned(members: Vec<(&str, Id)>) -> Vec<(String, Id)> {
    members
        .into_iter()
        .map(|(name, id)| (name.to_owned(), id))
        .collect()
}
