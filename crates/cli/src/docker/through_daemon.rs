//! Images that the docker daemon pushes, and whose manifests are then read back from the registry, hashed here, and signed.
//!
//! Which digest is signed is never taken from what the daemon or its progress says. What the daemon says is compared with what the registry
//! has: if they differ, somebody has moved the tag in between, or one of the two does not tell the truth, and nothing is signed.

use signet_oci::daemon::{LocalImage, Progress, Pushed, Quiet};
use signet_oci::registry::{ErrorKind, RegistryError};
use signet_oci::{Daemon, Digest, Manifest, Reference, Registry, Tag};

use super::context::Context;
use super::daemon::daemon_failure;
use super::trust::Image;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// A push that nobody has begun yet.
pub(super) struct Push<'a> {
    pub(super) daemon: Box<Daemon>,
    pub(super) image: &'a Image,
    /// The tags to be signed.
    pub(super) tags: &'a [Tag],
    /// Whether the daemon pushes whatever tags it has of the repository.
    pub(super) all: bool,
    /// Whether no progress is shown.
    pub(super) quiet: bool,
}

impl Push<'_> {
    /// Makes sure that what is pushed can be read back: a registry that only the daemon can reach, or that only the daemon trusts, would be
    /// left with an image that nobody has signed.
    pub(super) async fn check_registry(&self, context: &Context) -> Result<(), Failure> {
        let registry = self.image.registry(context).await?;
        let Some(tag) = self.tags.first() else {
            return Ok(());
        };
        match registry.fetch_tag(tag).await {
            Err(error)
                if error.kind() == ErrorKind::Network
                    || matches!(error, RegistryError::Tls { .. }) =>
            {
                Err(self
                    .image
                    .registry_failure(&error)
                    .hint(texts::REGISTRY_FROM_HERE))
            }
            // What is there now does not matter; and what the registry wants of its users, the daemon says in docker's words.
            _ => Ok(()),
        }
    }

    /// Pushes, and gives the manifests that the registry then has under the tags.
    ///
    /// # Errors
    /// The first value says whether the image is in the registry by now.
    pub(super) async fn run(&self, context: &Context) -> Result<Vec<Manifest>, (bool, Failure)> {
        let repository = self.image.reference.familiar_name();
        let tag = match self.tags {
            [tag] if !self.all => Some(tag.as_str()),
            _ => None,
        };
        let login = self.image.daemon_login().await;
        let mut shown = context.daemon_progress();
        let progress: &mut dyn Progress = if self.quiet { &mut Quiet } else { &mut shown };
        let pushed = self
            .daemon
            .push(&repository, tag, Some(login), progress)
            .await
            .map_err(|error| (false, daemon_failure(&error)))?;
        self.read_back(&pushed, context)
            .await
            .map_err(|failure| (true, failure))
    }

    async fn read_back(
        &self,
        pushed: &Pushed,
        context: &Context,
    ) -> Result<Vec<Manifest>, Failure> {
        let name = self.image.reference.familiar_name();
        if let Some((index, platform)) = &pushed.instead_of_index {
            return Err(
                Failure::new(texts::one_platform_pushed(&index.digest, &platform.digest))
                    .hint(texts::PUSH_WHOLE_INDEX),
            );
        }
        let registry = self.image.registry(context).await?;
        let mut manifests = Vec::with_capacity(self.tags.len());
        for tag in self.tags {
            let typed = format!("{name}:{tag}");
            let manifest = self.fetch(&registry, tag, context).await?;
            let local = self
                .daemon
                .image(&typed)
                .await
                .map_err(|error| daemon_failure(&error))?;
            let claims = Claims::new(pushed, &local, &self.image.reference, tag)?;
            claims
                .compare(manifest.digest())
                .map_err(|problem| problem.into_failure(&typed, manifest.digest()))?;
            manifests.push(manifest);
        }
        Ok(manifests)
    }

    async fn fetch(
        &self,
        registry: &Registry,
        tag: &Tag,
        context: &Context,
    ) -> Result<Manifest, Failure> {
        let _busy = context.printer.busy(&texts::asking_registry(&format!(
            "{}:{tag}",
            self.image.gun
        )));
        registry
            .fetch_tag(tag)
            .await
            .map_err(|error| self.image.registry_failure(&error))
    }
}

/// What the daemon says about the digest that it has pushed under a tag.
#[derive(Debug, Default)]
struct Claims {
    /// In the course of the push.
    pushed: Vec<Digest>,
    /// What the tag leads to at the daemon, with engines that store manifests.
    stored: Option<Digest>,
    /// What registries have of the image, as far as the daemon knows.
    known: Vec<Digest>,
}

/// Why the registry's manifest is not the daemon's.
#[derive(Debug, Eq, PartialEq)]
enum Disagreement {
    /// The daemon has pushed another one.
    Other(Digest),
    /// The daemon does not say what it has pushed.
    Silence,
}

impl Claims {
    fn new(
        pushed: &Pushed,
        local: &LocalImage,
        repository: &Reference,
        tag: &Tag,
    ) -> Result<Self, Failure> {
        let digest = |text: &str| {
            text.parse::<Digest>()
                .map_err(|_| Failure::new(texts::strange_digest(text)))
        };
        let mut claims = Self::default();
        for said in pushed.tags.iter().filter(|said| said.tag == tag.as_str()) {
            claims.pushed.push(digest(&said.digest)?);
        }
        if let Some(descriptor) = &local.descriptor {
            claims.stored = Some(digest(&descriptor.digest)?);
        }
        for known in &local.repo_digests {
            // Other repositories have their own.
            let Ok(reference) = known.parse::<Reference>() else {
                continue;
            };
            if reference.gun() == repository.gun() {
                claims.known.extend(reference.digest().copied());
            }
        }
        Ok(claims)
    }

    fn compare(&self, found: &Digest) -> Result<(), Disagreement> {
        let exact = self.pushed.iter().chain(&self.stored);
        if let Some(other) = exact.clone().find(|digest| *digest != found) {
            return Err(Disagreement::Other(*other));
        }
        if self.stored.is_none() && !self.known.contains(found) {
            return Err(match self.known.last().or_else(|| exact.clone().next()) {
                Some(other) if other != found => Disagreement::Other(*other),
                _ => Disagreement::Silence,
            });
        }
        Ok(())
    }
}

impl Disagreement {
    fn into_failure(self, name: &str, found: &Digest) -> Failure {
        match self {
            Self::Other(pushed) => Failure::new(texts::tag_was_moved(
                name,
                &found.to_string(),
                &pushed.to_string(),
            ))
            .hint(texts::TAG_MOVED_HINT),
            Self::Silence => Failure::new(texts::daemon_names_no_digest(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use signet_oci::daemon::{Descriptor, PushedTag};

    use super::*;

    const NAME: &str = "localhost:5000/team/app";

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64))
            .parse()
            .unwrap()
    }

    fn claims(pushed: &[(&str, char)], stored: Option<char>, known: &[(&str, char)]) -> Claims {
        let pushed = Pushed {
            tags: pushed
                .iter()
                .map(|(tag, digit)| PushedTag {
                    tag: (*tag).to_owned(),
                    digest: digest(*digit).to_string(),
                    size: 1,
                })
                .collect(),
            instead_of_index: None,
        };
        let local = LocalImage {
            repo_digests: known
                .iter()
                .map(|(name, digit)| format!("{name}@{}", digest(*digit)))
                .collect(),
            descriptor: stored.map(|digit| Descriptor {
                digest: digest(digit).to_string(),
                ..Descriptor::default()
            }),
            ..LocalImage::default()
        };
        let reference: Reference = NAME.parse().unwrap();
        Claims::new(&pushed, &local, &reference, &"v1".parse().unwrap()).unwrap()
    }

    #[test]
    fn only_what_the_daemon_pushed_is_taken() {
        let a = digest('a');
        let other = |digit| Err(Disagreement::Other(digest(digit)));
        // The daemon of docker 28 with its own store, and with containerd's.
        let daemon = claims(&[("v1", 'a'), ("v2", 'b')], None, &[(NAME, 'a')]);
        assert_eq!(daemon.compare(&a), Ok(()));
        assert_eq!(daemon.compare(&digest('b')), other('a'));
        let containerd = claims(&[("v1", 'a')], Some('a'), &[]);
        assert_eq!(containerd.compare(&a), Ok(()));
        assert_eq!(containerd.compare(&digest('b')), other('a'));
        // An older digest of the same image is not what was pushed now.
        let older = claims(&[("v1", 'b')], None, &[(NAME, 'a'), (NAME, 'b')]);
        assert_eq!(older.compare(&a), other('b'));
        // What is known of another repository counts for nothing.
        let elsewhere = claims(&[("v1", 'a')], None, &[("localhost:5000/other", 'a')]);
        assert_eq!(elsewhere.compare(&a), Err(Disagreement::Silence));
        // Without a word in the progress what the daemon keeps decides.
        assert_eq!(claims(&[], None, &[(NAME, 'a')]).compare(&a), Ok(()));
        assert_eq!(claims(&[], None, &[(NAME, 'b')]).compare(&a), other('b'));
        assert_eq!(
            claims(&[], None, &[]).compare(&a),
            Err(Disagreement::Silence)
        );
        assert_eq!(
            claims(&[], Some('b'), &[(NAME, 'a')]).compare(&a),
            other('b')
        );
    }
}
