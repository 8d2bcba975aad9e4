//! Names for completion: repositories, their delegations and keys, as the trust folder has seen them, and the keys in it. Nothing here is trusted
//! or asks a server.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use signet_client::delegations::KnownDelegations;
use signet_tuf::{Gun, KeyId, RoleName};

use super::{Context, GLOBAL_FLAGS, ROOT};
use crate::cobra::complete::Known;
use crate::cobra::plain::{self, Request};
use crate::env::Environment;
use crate::known::{Folders, MOST_NAMES, is_plain};
use crate::ui::log::Clock;
use crate::ui::printer::Printer;

/// How many files of keys are looked at.
const MOST_FILES: usize = 10_000;

/// The names in one trust folder.
pub(super) struct TrustFolder {
    folder: Option<PathBuf>,
    repositories: Folders,
}

impl TrustFolder {
    /// The folder that the line to complete names, else the usual one. What is wrong with the line is as if it were not there.
    pub(super) fn of(line: &[String], env: Environment, printer: &Printer, clock: Clock) -> Self {
        let usual = env.home.as_ref().map(|home| home.join(".notary"));
        let before = line.split_last().map_or(line, |(_, before)| before);
        // The last word before may be a flag whose value is being typed.
        let shorter = before.split_last().map_or(before, |(_, shorter)| shorter);
        let parsed = [before, shorter]
            .into_iter()
            .find_map(|words| plain::parse(&ROOT, &GLOBAL_FLAGS, words).ok());
        let folder = match parsed {
            Some(Request::Run(matches, page)) if usual.is_some() => {
                Context::new(env, &matches, page, printer.clone(), clock)
                    .trust_dir()
                    .ok()
            }
            _ => usual,
        };
        let tuf = folder.as_ref().map(|folder| folder.join("tuf"));
        Self {
            folder,
            repositories: Folders::below(tuf),
        }
    }

    fn delegations_of(&self, repository: &str) -> KnownDelegations {
        let known =
            || KnownDelegations::of(self.folder.as_ref()?, &repository.parse::<Gun>().ok()?);
        known().unwrap_or_default()
    }
}

/// Those that begin like this and are plain, sorted.
fn fitting(names: impl IntoIterator<Item = String>, prefix: &str) -> Vec<String> {
    let names = names.into_iter();
    let fitting: BTreeSet<String> = names
        .filter(|name| name.starts_with(prefix) && is_plain(name))
        .collect();
    fitting.into_iter().take(MOST_NAMES).collect()
}

impl Known for TrustFolder {
    fn repositories(&self, prefix: &str) -> Vec<String> {
        let found = self.repositories.repositories().into_iter();
        let names = found.map(|(name, _)| name);
        fitting(names.filter(|name| name.parse::<Gun>().is_ok()), prefix)
    }

    fn repositories_of(&self, _signer: &str, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn images(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn signers(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        let files = self.folder.as_ref();
        let files = files.and_then(|folder| fs::read_dir(folder.join("private")).ok());
        let names = files.into_iter().flatten().flatten().take(MOST_FILES);
        let ids = names.filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let id = name.strip_suffix(".key")?;
            id.parse::<KeyId>().ok().map(|id| id.to_string())
        });
        fitting(ids, prefix)
    }

    fn delegations(&self, repository: &str, prefix: &str) -> Vec<String> {
        let known = self.delegations_of(repository);
        fitting(known.roles().map(ToString::to_string), prefix)
    }

    fn keys_of(&self, repository: &str, delegation: Option<&str>, prefix: &str) -> Vec<String> {
        let known = self.delegations_of(repository);
        let role = delegation.map(str::parse::<RoleName>);
        let ids = known
            .roles()
            .filter(|found| role.as_ref().is_none_or(|role| role.as_ref() == Ok(*found)))
            .flat_map(|role| known.keys(role))
            .map(ToString::to_string);
        fitting(ids, prefix)
    }
}
