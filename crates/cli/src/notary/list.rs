//! `notary list GUN [-r ROLE,…]`: the targets of a repository, each from the first role that has it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use data_encoding::HEXLOWER;
use serde::Serialize;
use signet_client::Access;
use signet_tuf::digest::HashAlgorithm;
use signet_tuf::{ListedTarget, RoleName, Target, TrustedRepository};

use super::Context;
use super::format::{self, Format};
use super::repository;
use super::tables;
use crate::cobra::parse::Matches;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

/// A target, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    /// The digests that are understood, by algorithm, in hex.
    hashes: BTreeMap<&'static str, String>,
    length: i64,
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Box<serde_json::value::RawValue>>,
}

impl Row {
    pub(super) fn of(found: ListedTarget<'_>) -> Self {
        let digest = |algorithm: HashAlgorithm| {
            let digest = found.target.hashes.digest(algorithm)?;
            Some((algorithm.as_str(), HEXLOWER.encode(digest)))
        };
        Self {
            name: found.name.to_owned(),
            hashes: [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
                .into_iter()
                .filter_map(digest)
                .collect(),
            length: found.target.length,
            role: found.role.to_string(),
            custom: found.target.custom.clone(),
        }
    }
}

/// The SHA-256 digest in hex, empty for a target without one.
pub(super) fn sha256(target: &Target) -> String {
    let digest = target.hashes.digest(HashAlgorithm::Sha256);
    digest
        .map(|digest| HEXLOWER.encode(digest))
        .unwrap_or_default()
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let Some(name) = matches.args.first() else {
        return context.wrong_arguments(texts::GUN_ARGUMENT);
    };
    let form = Format::of(matches)?;
    let gun = repository::gun(name)?;
    context.block_on(async {
        let mut opened = repository::open(context, &gun, Access::Pull).await?;
        let trusted = opened.read(context, &gun).await?;
        let roles = matches.list("roles");
        hint_at_unknown(trusted, &roles, context);
        let targets = listed(trusted, &roles);
        match form {
            Format::Json => format::lines(targets.into_iter().map(Row::of), context),
            Format::Text if targets.is_empty() => Ok(context.printer.out(texts::NO_TARGETS)?),
            Format::Text => Ok(context.printer.out_with(|out| table(out, &targets))?),
        }
    })
}

/// compat: a role that the repository does not have has no targets, which is no error. A person is told.
fn hint_at_unknown(trusted: &TrustedRepository, roles: &[&str], context: &Context) {
    let known: Vec<RoleName> = trusted
        .delegations()
        .into_iter()
        .map(|found| found.role)
        .chain([RoleName::targets()])
        .collect();
    roles
        .iter()
        .filter(|role| known.iter().all(|known| known.as_str() != **role))
        .fold(Failure::silent(), |all, role| {
            all.hint(texts::hints::unknown_role(role))
        })
        .print_hints(&context.printer);
}

/// The targets of these roles, the first of which goes before the others. Roles that cannot be have none.
fn listed<'t>(trusted: &'t TrustedRepository, roles: &[&str]) -> Vec<ListedTarget<'t>> {
    let known: Vec<RoleName> = roles.iter().filter_map(|role| role.parse().ok()).collect();
    if known.is_empty() && !roles.is_empty() {
        return Vec::new();
    }
    trusted.listed(&known)
}

fn table(out: &mut dyn Write, targets: &[ListedTarget<'_>]) -> io::Result<()> {
    let row = |found: &ListedTarget<'_>| {
        [
            visible(found.name),
            sha256(found.target),
            found.target.length.to_string(),
            visible(found.role.as_str()),
        ]
        .map(Cow::Owned)
    };
    let heading = ["NAME", "DIGEST", "SIZE (BYTES)", "ROLE"];
    tables::write(out, heading, || targets.iter().map(row))
}
