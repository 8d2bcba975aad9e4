//! `notary witness GUN ROLE…`: roles to be signed again as they are, staged.

use signet_client::Edit;

use super::{Context, delegation, publishing, repository, staging};
use crate::cobra::parse::Matches;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let (name, names) = match matches.args.as_slice() {
        [name, names @ ..] if !names.is_empty() => (name, names),
        _ => return context.wrong_arguments(texts::WITNESS_ARGUMENTS),
    };
    let gun = repository::gun(name)?;
    context.config()?;
    let edits = names
        .iter()
        .map(|name| Edit::witness(name))
        .collect::<Result<Vec<Edit>, _>>()
        .map_err(|error| Failure::new(visible(&error.to_string())))?;
    let repository = repository::open_offline(context, &gun)?;
    staging::stage(&repository, edits.iter().cloned())?;
    if let Some(known) = delegation::known(&repository) {
        for edit in &edits {
            if let Edit::Witness { role } = edit {
                delegation::is_known(&repository, &known, role);
            }
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    context.printer.out(&texts::witness_staged(&names))?;
    publishing::auto_publish_agreed(matches, context, &gun, matches.is_set("yes"))
}
