//! Many images at once, each by the digest that is signed for its tag: what `build` and `lock` do with a file's images.
//!
//! A trust repository is read once, however many of its tags are asked for.

use std::collections::BTreeMap;

use signet_client::Repository;
use signet_oci::Digest;
use signet_tuf::RoleName;
use signet_tuf::update::Scope;

use super::context::Context;
use super::overview::is_released;
use super::resolve::{Resolved, Talk, look_up, read, say_until_when};
use super::trust::Image;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// What is known of an image that was asked for.
#[derive(Debug)]
pub(super) struct Pinned {
    /// What is signed for the tag; without a tag, for the first tag that stands for the digest.
    pub(super) resolved: Resolved,
    /// The name as it was written, without a digest.
    before: String,
    /// Whether a tag was written.
    has_tag: bool,
    /// The digest that was written.
    pub(super) written: Option<Digest>,
}

impl Pinned {
    /// Whether the name has the digest that is signed.
    pub(super) fn is_current(&self) -> bool {
        self.written.as_ref() == Some(&self.resolved.digest)
    }

    /// The name with tag and digest: the tag says what the digest was signed for, so that it can be renewed.
    pub(super) fn locked(&self) -> String {
        let Self {
            resolved, before, ..
        } = self;
        match (self.has_tag, &self.written) {
            (true, _) | (false, Some(_)) => format!("{before}@{}", resolved.digest),
            (false, None) => format!("{before}:{}@{}", resolved.tag, resolved.digest),
        }
    }
}

/// An image that is asked for.
struct Wanted {
    typed: String,
    before: String,
    image: Image,
    digest: Option<Digest>,
}

/// Looks every name up, each once. Every name has its answer.
pub(super) async fn pin<'a>(
    names: impl IntoIterator<Item = &'a str>,
    context: &Context,
) -> BTreeMap<String, Result<Pinned, Failure>> {
    let mut answers = BTreeMap::new();
    let mut repositories: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
    for name in names {
        if answers.contains_key(name)
            || repositories
                .values()
                .flatten()
                .any(|wanted| wanted.typed == name)
        {
            continue;
        }
        match want(name, context) {
            Ok(wanted) => {
                let gun = wanted.image.gun.as_str().to_owned();
                repositories.entry(gun).or_default().push(wanted);
            }
            Err(failure) => {
                answers.insert(name.to_owned(), Err(failure));
            }
        }
    }
    for wanted in repositories.into_values() {
        look_at(wanted, &mut answers, context).await;
    }
    answers
}

fn want(typed: &str, context: &Context) -> Result<Wanted, Failure> {
    let digest = Image::find(context, typed)?.reference.digest().cloned();
    let before = typed.split('@').next().unwrap_or_default().to_owned();
    let image = Image::find(context, &before)?;
    Ok(Wanted {
        typed: typed.to_owned(),
        before,
        image,
        digest,
    })
}

/// Answers what is wanted of one repository.
async fn look_at(
    wanted: Vec<Wanted>,
    answers: &mut BTreeMap<String, Result<Pinned, Failure>>,
    context: &Context,
) {
    let Some(first) = wanted.first() else {
        return;
    };
    let scope = match (wanted.as_slice(), first.tag()) {
        ([_], Some(tag)) => Scope::For(tag.to_owned()),
        _ => Scope::All,
    };
    let mut repository = Some(read(&first.image, scope, Talk::Warnings, context).await);
    let mut said = None;
    for wanted in wanted {
        let answer = match &repository {
            Some(Ok(read)) => answer(&wanted, read, context),
            // The failure is told with its hints once, and then in short.
            Some(Err(failure)) => {
                said = Some(failure.text().to_owned());
                match repository.take() {
                    Some(Err(failure)) => Err(failure),
                    _ => continue,
                }
            }
            None => Err(Failure::new(said.clone().unwrap_or_default())),
        };
        answers.insert(wanted.typed, answer);
    }
}

impl Wanted {
    /// The tag to look up; `None` when only a digest is given.
    fn tag(&self) -> Option<&str> {
        match (self.image.reference.tag(), &self.digest) {
            (Some(tag), _) => Some(tag.as_str()),
            (None, Some(_)) => None,
            (None, None) => Some("latest"),
        }
    }
}

fn answer(wanted: &Wanted, repository: &Repository, context: &Context) -> Result<Pinned, Failure> {
    let unsigned = || match wanted.tag() {
        Some(tag) => Failure::new(texts::no_valid_trust_data(tag)),
        None => Failure::new(texts::digest_is_not_signed(&wanted.typed)),
    };
    let trusted = repository.trusted().ok_or_else(unsigned)?;
    let resolved = match wanted.tag() {
        Some(tag) => look_up(
            &wanted.image.subject(),
            trusted,
            tag,
            Talk::Warnings,
            context,
        )?,
        None => {
            let asked = wanted.digest.as_ref().ok_or_else(unsigned)?;
            let mut refused = None;
            let mut found = None;
            for target in trusted.list(&[RoleName::releases(), RoleName::targets()]) {
                let digest = target.target.hashes.sha256_hex();
                let digest = digest.map(|hex| format!("sha256:{hex}"));
                if !is_released(&target.role) || digest != Some(asked.to_string()) {
                    continue;
                }
                match look_up(
                    &wanted.image.subject(),
                    trusted,
                    &target.name,
                    Talk::Nothing,
                    context,
                ) {
                    Ok(resolved) if resolved.digest == *asked => {
                        found.get_or_insert(resolved);
                    }
                    Ok(_) => {}
                    Err(failure) => refused = Some(failure),
                }
            }
            let resolved = found.ok_or_else(|| refused.unwrap_or_else(unsigned))?;
            if resolved.cached {
                say_until_when(&wanted.image.subject(), &resolved, context);
            }
            resolved
        }
    };
    Ok(Pinned {
        resolved,
        before: wanted.before.clone(),
        has_tag: wanted.image.reference.tag().is_some(),
        written: wanted.digest,
    })
}
