//! Repositories of a client's trust folder.

use std::collections::BTreeSet;
use std::path::Path;

use signet_archive::Moment;
use signet_client::crawl::TrustFolder;
use signet_tuf::Gun;

use super::making::Making;
use super::names::Names;
use super::options::Options;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// Makes an archive of what docker or notary had verified on this computer: all of it, or what is named.
///
/// # Errors
/// When not everything that was asked for is in the archive, or there is none.
pub(super) fn create(
    options: &Options<'_>,
    folder: &str,
    list: Option<&str>,
    context: &Context,
) -> Result<(), Failure> {
    let mut found = TrustFolder::open(Path::new(folder))
        .map_err(|error| Failure::new(texts::archive_no_trust_folder(folder, &error.text())))?;
    let names = Names::read(options.args, list, &context.printer)?;
    let wanted: BTreeSet<Gun> = if names.guns.is_empty() {
        found.guns.clone()
    } else {
        names.guns.clone()
    };
    let mut lacking = usize::try_from(names.invalid).unwrap_or(usize::MAX);
    for (name, reason) in &found.invalid {
        context.printer.err(&texts::archive_problem(name, reason));
        lacking = lacking.saturating_add(1);
    }
    let description = format!("the trust folder {folder}, {}", names.description());
    let mut making = Making::begin(options, &description, context)?;
    let mut packed = BTreeSet::new();
    for gun in &wanted {
        if !found.guns.contains(gun) {
            let reason = "the trust folder does not have it";
            context
                .printer
                .err(&texts::archive_problem(gun.as_str(), reason));
            lacking += 1;
            continue;
        }
        if !making.has(gun) {
            let captured = Moment::of(options.moments.now());
            let taken = found.read(gun, captured).map_err(|error| error.text());
            let taken = taken.map(|repository| making.finish(&repository));
            if let Err(reason) = taken.and_then(|done| done.map_err(|e| e.text().to_owned())) {
                context
                    .printer
                    .err(&texts::archive_problem(gun.as_str(), &reason));
                lacking += 1;
                continue;
            }
        }
        packed.insert(gun.clone());
    }
    for problem in &found.problems {
        context
            .printer
            .err(&texts::archive_problem(folder, problem));
        lacking += 1;
    }
    super::pack(making, &packed, lacking, options, context)
}
