//! `notary delegation remove GUN ROLE [KEY-ID…] [--paths PATH,…]`: a whole role, or keys and paths of it, staged.

use signet_client::{Edit, Repository};
use signet_tuf::{KeyId, RoleName};

use crate::cobra::parse::Matches;
use crate::notary::{Context, publishing, repository, staging};
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// What is removed of a role that stays.
struct Parts<'a> {
    keys: Vec<&'a str>,
    all_paths: bool,
    /// `None` when nothing was said about them.
    paths: Option<Vec<String>>,
}

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [name, role, keys @ ..] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::DELEGATION_REMOVE_ARGUMENTS);
    };
    let gun = repository::gun(name)?;
    context.config()?;
    let role = role
        .parse()
        .ok()
        .filter(RoleName::is_delegation)
        .ok_or_else(|| Failure::new(texts::not_a_delegation(role)))?;
    let all_paths = matches.is_set("all-paths");
    let says_paths = matches.is_given("paths");
    let repository = repository::open_offline(context, &gun)?;
    let said = if keys.is_empty() && !says_paths && !all_paths {
        if !agreed(matches, context)? {
            context.printer.out(texts::REMOVAL_DECLINED)?;
            return Err(Failure::silent());
        }
        if let Some(known) = super::known(&repository) {
            super::is_known(&repository, &known, &role);
        }
        let edit = Edit::RemoveDelegation { role: role.clone() };
        staging::stage(&repository, [edit])?;
        texts::delegation_removal_staged(gun.as_str(), role.as_str())
    } else {
        let paths = matches.list("paths").into_iter().map(str::to_owned);
        let parts = Parts {
            keys: keys.iter().map(String::as_str).collect(),
            all_paths,
            // compat: --all-paths goes before --paths.
            paths: (says_paths && !all_paths).then(|| paths.collect()),
        };
        parts.warn(&repository, &role);
        staging::stage(&repository, parts.edits(&role))?;
        texts::parts_removal_staged(
            gun.as_str(),
            role.as_str(),
            &parts.keys,
            parts.all_paths,
            parts.paths.as_deref(),
        )
    };
    context.printer.out(&said)?;
    publishing::auto_publish(matches, context, &gun)
}

/// Whether the whole role shall go.
fn agreed(matches: &Matches, context: &Context) -> Result<bool, Failure> {
    if matches.is_set("yes") {
        context.printer.out(texts::REMOVE_DELEGATION)?;
        context.printer.out(texts::REMOVAL_CONFIRMED)?;
        return Ok(true);
    }
    context
        .terminal
        .confirm_word(texts::REMOVE_DELEGATION)
        .map_err(|error| Failure::new(error.to_string()))
}

impl Parts<'_> {
    fn edits(&self, role: &RoleName) -> Vec<Edit> {
        let edit = |keys: &[&str], paths: &[String], clear_paths| Edit::ChangeDelegation {
            role: role.clone(),
            threshold: 0,
            add_keys: Vec::new(),
            remove_keys: keys.iter().map(|key| KeyId::from_metadata(key)).collect(),
            add_paths: Vec::new(),
            remove_paths: paths.to_vec(),
            clear_paths,
        };
        let all = self.all_paths.then(|| edit(&[], &[], true));
        let paths = self.paths.as_deref().unwrap_or_default();
        let paths = (!paths.is_empty()).then(|| edit(&[], paths, false));
        let keys = (!self.keys.is_empty()).then(|| edit(&self.keys, &[], false));
        all.into_iter().chain(paths).chain(keys).collect()
    }

    /// Tells of keys and paths that the role does not have (Q20). Go takes them in silence, so it is no error.
    fn warn(&self, repository: &Repository, role: &RoleName) {
        let Some(known) = super::known(repository) else {
            return;
        };
        if !super::is_known(repository, &known, role) {
            return;
        }
        let keys: Vec<&str> = self
            .keys
            .iter()
            .copied()
            .filter(|key| !known.has_key(role, &KeyId::from_metadata(key)))
            .collect();
        if !keys.is_empty() {
            let gun = repository.gun().as_str();
            tracing::warn!("{}", texts::keys_not_remembered(gun, role.as_str(), &keys));
        }
        let paths: Vec<&str> = self
            .paths
            .iter()
            .flatten()
            .map(String::as_str)
            .filter(|path| !known.has_path(role, path))
            .collect();
        if !paths.is_empty() {
            tracing::warn!("{}", texts::paths_not_remembered(role.as_str(), &paths));
        }
    }
}
