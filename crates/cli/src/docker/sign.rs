//! `sign IMAGE:TAG [--local] [--remote] [--digest D]`: signs a tag with every key at hand that may.
//!
//! A tag that is signed already is signed again as it is; nobody needs the image for that. Otherwise the docker daemon pushes its image first,
//! and what the registry then has is signed. `--remote` signs what the registry has without asking any daemon. In each case digest and size
//! come from the manifest's bytes, hashed here.

use signet_client::publish::{PublishOptions, Unchanged};
use signet_client::{Access, Edit, Error, Repository};
use signet_oci::{Daemon, Digest, Manifest, Tag};
use signet_tuf::update::{Mode, Scope};
use signet_tuf::{RoleName, Target};

use super::anew::{self, Anew, Basis};
use super::context::Context;
use super::daemon::daemon_failure;
use super::first_signer::first_signer;
use super::overview::signers_of;
use super::present::{Present, digest_of, signable_roles};
use super::through_daemon::Push;
use super::trust::{Image, parse};
use super::{keys, problems, signer_add};
use crate::cobra::parse::Matches;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Something to be signed.
pub(super) struct Job<'a> {
    /// The image as the user named it.
    pub(super) typed: &'a str,
    /// The same, parsed.
    pub(super) image: Image,
    /// The tags that are signed, at least one.
    pub(super) tags: Vec<Tag>,
    /// What is signed under them.
    pub(super) what: What,
    /// How much is said.
    pub(super) talk: Talk,
}

/// What is to be signed.
pub(super) enum What {
    /// What is signed already; else what the daemon has.
    Present,
    /// What the daemon has, which it pushes first.
    Local,
    /// What the registry has under the tag.
    Remote,
    /// This digest, which is signed already or in the registry.
    Digest(Digest),
    /// What this daemon has under the tags; it pushes all that it has of the repository.
    All(Box<Daemon>),
}

/// How much a command says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Talk {
    /// What docker's `sign` says.
    Sign,
    /// What docker's trusted `push` says.
    Push,
    /// The names of what was signed.
    Quiet,
}

/// Where an image that is not signed yet comes from. That it is there has been seen.
enum Source {
    Registry(Manifest),
    Daemon(Box<Daemon>),
}

/// What is to be published, and whether an image has got into the registry for it.
struct Prepared {
    edits: Vec<Edit>,
    pushed: bool,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let (local, remote) = (matches.is_set("local"), matches.is_set("remote"));
    let what =
        match matches.text("digest") {
            "" if local && remote => return Err(Failure::new(texts::ONE_SOURCE)),
            "" if local => What::Local,
            "" if remote => What::Remote,
            "" => What::Present,
            _ if local || remote => return Err(Failure::new(texts::ONE_SOURCE)),
            digest => What::Digest(digest.parse().map_err(
                |error: signet_oci::digest::InvalidDigest| Failure::new(error.to_string()),
            )?),
        };
    let typed = matches.args.first().map_or("", String::as_str);
    let reference = parse(typed)?;
    if reference.digest().is_some() {
        return Err(Failure::new(texts::DIGEST_REFERENCE));
    }
    let Some(tag) = reference.tag().cloned() else {
        return Err(Failure::new(texts::no_tag(typed)));
    };
    let image = Image::find(context, typed)?;
    let job = Job {
        typed,
        image,
        tags: vec![tag],
        what,
        talk: Talk::Sign,
    };
    context.block_on(job.run(context))
}

impl Job<'_> {
    /// Signs, and pushes before that where it is asked for.
    pub(super) async fn run(mut self, context: &Context) -> Result<(), Failure> {
        let mut repository = self.image.open(context, Access::PullPush)?;
        let updated = {
            let _busy = context
                .printer
                .busy(&texts::reading(self.image.gun.as_str()));
            repository.update(Mode::Write, Scope::All).await.map(|_| ())
        };
        problems::log_warnings(repository.take_warnings());

        let prepared = match (updated, Basis::of(&repository)) {
            (Ok(()), Some(basis)) => self.existing(basis, context).await?,
            (Ok(()) | Err(Error::NoTrustData { .. }), _) => {
                self.first(&mut repository, context).await?
            }
            (Err(error), _) => return Err(self.wrapped(&error)),
        };
        let published = self
            .publish(&mut repository, &prepared.edits, context)
            .await;
        published.map_err(|failure| match prepared.pushed {
            true => self.pushed_in_vain(failure, context),
            false => failure,
        })
    }

    /// What to publish in a repository that exists.
    async fn existing(&mut self, basis: Basis<'_>, context: &Context) -> Result<Prepared, Failure> {
        let trusted = basis.trusted;
        let again = self.signed_already(basis)?;
        // Before anything is pushed, fetched or asked: who may sign at all?
        let roles = self
            .tags
            .iter()
            .map(|tag| {
                signable_roles(trusted, tag, context).map_err(|failure| {
                    failure.prefix(&texts::failed_to_sign(
                        self.image.gun.as_str(),
                        tag.as_str(),
                    ))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.refuse_older_digests(basis, &roles)?;
        if let (Some(target), [tag]) = (again, self.tags.as_slice()) {
            let digest = digest_of(&target)?;
            let mut signers = signers_of(trusted, tag.as_str(), &digest);
            signers.sort_unstable();
            context.printer.out(&texts::signing_again(
                self.typed,
                tag.as_str(),
                &digest,
                &signers.join(", "),
            ))?;
            return Ok(Prepared {
                edits: self.add_targets(&roles, &[target]),
                pushed: false,
            });
        }
        let source = self.source(context).await?;
        let pushed = matches!(source, Source::Daemon(_));
        let targets = self.targets(source, context).await?;
        self.say(texts::SIGNING, context)?;
        Ok(Prepared {
            edits: self.add_targets(&roles, &targets),
            pushed,
        })
    }

    /// Looks, before anything is pushed, at what signing a role anew would bring back.
    fn refuse_older_digests(
        &self,
        basis: Basis<'_>,
        roles: &[Vec<RoleName>],
    ) -> Result<(), Failure> {
        let touched: Vec<Edit> = self
            .tags
            .iter()
            .zip(roles)
            .flat_map(|(tag, roles)| {
                roles.iter().map(|role| Edit::RemoveTarget {
                    role: role.clone(),
                    name: tag.to_string(),
                })
            })
            .collect();
        Anew::plan(Some(basis), &touched)
            .refuse_older_digests()
            .map_err(|failure| failure.prefix(&self.failed()))
    }

    /// What to publish in a repository that the server does not know: the user becomes its first signer.
    async fn first(
        &mut self,
        repository: &mut Repository,
        context: &Context,
    ) -> Result<Prepared, Failure> {
        // compat: the image must exist before anything is made for it.
        let source = self.source(context).await?;
        let pushed = matches!(source, Source::Daemon(_));
        let store = context.keys()?;
        let signer = first_signer(self.image.user().await.as_deref(), context);
        keys::initialize(repository, &store)
            .await
            .map_err(|error| self.wrapped(&error))?;
        let (mut edits, roles) = match &signer {
            Some(name) => {
                let key = keys::signer_key(&store, &name.to_string())
                    .map_err(|error| self.wrapped(&error))?;
                self.say(&texts::created_signer(&name.to_string()), context)?;
                (
                    signer_add::delegations(name.role(), &[key]),
                    vec![name.role().clone(), RoleName::releases()],
                )
            }
            None => (Vec::new(), vec![RoleName::targets()]),
        };
        self.say(&texts::finished_initializing(self.typed), context)?;
        let targets = self.targets(source, context).await?;
        self.say(texts::SIGNING, context)?;
        let roles = vec![roles; self.tags.len()];
        edits.extend(self.add_targets(&roles, &targets));
        Ok(Prepared { edits, pushed })
    }

    async fn publish(
        &self,
        repository: &mut Repository,
        edits: &[Edit],
        context: &Context,
    ) -> Result<(), Failure> {
        let options = PublishOptions {
            unchanged: Unchanged::Resign,
            ..PublishOptions::default()
        };
        let anew = Anew::plan(Basis::of(repository), edits);
        anew.log();
        let (edits, options) = anew.apply(edits, options);
        let published = {
            let _busy = context
                .printer
                .busy(&texts::publishing(self.image.gun.as_str()));
            repository.publish(&edits, options).await.map_err(|error| {
                self.image
                    .failure(problems::client_problem(&error), &error)
                    .prefix(&self.failed())
            })?
        };
        problems::log_warnings(repository.take_warnings());
        problems::log_edit_warnings(&published);
        for tag in &self.tags {
            let gun = self.image.gun.as_str();
            context.printer.out(&match self.talk {
                Talk::Quiet => format!("{gun}:{tag}\n"),
                Talk::Sign | Talk::Push => texts::signed(gun, tag.as_str()),
            })?;
        }
        Ok(())
    }

    /// What is signed already and meant to be signed again.
    fn signed_already(&self, basis: Basis<'_>) -> Result<Option<Target>, Failure> {
        let [tag] = self.tags.as_slice() else {
            return Ok(None);
        };
        let mut present = Present::find(basis.trusted, tag);
        if matches!(self.what, What::Present) && present.releases.is_none() {
            present.releases = anew::released_before(basis, tag, self.typed)?;
        }
        match &self.what {
            What::Local | What::Remote | What::All(_) => Ok(None),
            What::Digest(digest) => Ok(present.with_digest(digest)),
            What::Present => present.the_only_one(self.typed),
        }
    }

    /// Finds the image that is not signed yet. Nothing is pushed.
    async fn source(&mut self, context: &Context) -> Result<Source, Failure> {
        match std::mem::replace(&mut self.what, What::Local) {
            What::Remote => self.fetch(None, context).await.map(Source::Registry),
            What::Digest(digest) => self
                .fetch(Some(&digest), context)
                .await
                .map(Source::Registry),
            What::All(daemon) => Ok(Source::Daemon(daemon)),
            What::Present | What::Local => {
                let daemon = context.daemon().await.map_err(|failure| {
                    failure.hint(texts::without_daemon(&context.program.path))
                })?;
                daemon
                    .image(self.typed)
                    .await
                    .map_err(|error| daemon_failure(&error))?;
                Ok(Source::Daemon(Box::new(daemon)))
            }
        }
    }

    /// What is to be signed under each tag, pushed before that if it is the daemon's.
    async fn targets(&self, source: Source, context: &Context) -> Result<Vec<Target>, Failure> {
        let manifests = match source {
            Source::Registry(manifest) => {
                self.announce(&manifest, context)?;
                vec![manifest]
            }
            Source::Daemon(daemon) => self.push(daemon, context).await?,
        };
        manifests.iter().map(target_of).collect()
    }

    async fn push(&self, daemon: Box<Daemon>, context: &Context) -> Result<Vec<Manifest>, Failure> {
        let push = Push {
            daemon,
            image: &self.image,
            tags: &self.tags,
            all: self.tags.len() > 1,
            quiet: self.talk == Talk::Quiet,
        };
        push.check_registry(context).await?;
        if self.talk == Talk::Sign {
            context.printer.err(&texts::signing_local(self.typed));
        }
        push.run(context).await.map_err(|(pushed, failure)| {
            if pushed {
                self.pushed_in_vain(failure.prefix(&self.failed()), context)
            } else {
                failure
            }
        })
    }

    async fn fetch(&self, digest: Option<&Digest>, context: &Context) -> Result<Manifest, Failure> {
        let _busy = context.printer.busy(&texts::asking_registry(self.typed));
        let registry = self.image.registry(context).await?;
        let manifest = match (digest, self.tags.first()) {
            (Some(digest), _) => registry.fetch_digest(digest).await,
            (None, Some(tag)) => registry.fetch_tag(tag).await,
            (None, None) => return Err(Failure::new(texts::no_tag(self.typed))),
        };
        manifest.map_err(|error| self.image.registry_failure(&error))
    }

    /// Says what is about to be signed, in the place where docker shows its push.
    fn announce(&self, manifest: &Manifest, context: &Context) -> Result<(), Failure> {
        let tag = self.tags.first().map_or("", Tag::as_str);
        context.printer.err(&texts::signing_remote(self.typed));
        Ok(context.printer.out(&texts::pushed(
            tag,
            &manifest.digest().to_string(),
            manifest.size(),
        ))?)
    }

    fn say(&self, text: &str, context: &Context) -> Result<(), Failure> {
        match self.talk {
            Talk::Quiet => Ok(()),
            Talk::Sign | Talk::Push => Ok(context.printer.out(text)?),
        }
    }

    fn add_targets(&self, roles: &[Vec<RoleName>], targets: &[Target]) -> Vec<Edit> {
        let tags = self.tags.iter().zip(roles).zip(targets);
        tags.flat_map(|((tag, roles), target)| {
            roles.iter().map(|role| Edit::AddTarget {
                role: role.clone(),
                name: tag.to_string(),
                target: target.clone(),
            })
        })
        .collect()
    }

    /// How docker begins what it says about a failed signature.
    fn failed(&self) -> String {
        let gun = self.image.gun.as_str();
        match self.tags.as_slice() {
            [tag] => texts::failed_to_sign(gun, tag.as_str()),
            _ => texts::failed_to_sign_all(gun),
        }
    }

    /// A failure after the image has got into the registry.
    fn pushed_in_vain(&self, failure: Failure, context: &Context) -> Failure {
        let names: Vec<String> = self
            .tags
            .iter()
            .map(|tag| format!("{}:{tag}", self.image.reference.familiar_name()))
            .collect();
        failure.and(&texts::pushed_in_vain(&names, &context.program.path))
    }

    fn wrapped(&self, error: &Error) -> Failure {
        self.image.failure(
            problems::notary_error(self.image.gun.as_str(), error),
            error,
        )
    }
}

fn target_of(manifest: &Manifest) -> Result<Target, Failure> {
    let size = i64::try_from(manifest.size()).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Target::new(*manifest.digest().as_bytes(), size))
}
