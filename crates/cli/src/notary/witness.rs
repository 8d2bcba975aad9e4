//! `notary witness GUN ROLE…`: roles to be signed again as they are, staged.

use signet_client::Edit;
use signet_tuf::RoleName;

use super::{Context, delegation, publishing, repository, staging};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let (name, names) = match matches.args.as_slice() {
        [name, names @ ..] if !names.is_empty() => (name, names),
        _ => return context.wrong_arguments(texts::WITNESS_ARGUMENTS),
    };
    let gun = repository::gun(name)?;
    context.config()?;
    let roles = names
        .iter()
        .map(|name| {
            name.parse()
                .map_err(|_| Failure::new(texts::no_role_to_witness(name)))
        })
        .collect::<Result<Vec<RoleName>, _>>()?;
    let repository = repository::open_offline(context, &gun)?;
    let witness = |role: &RoleName| Edit::Witness { role: role.clone() };
    staging::stage(&repository, roles.iter().map(witness))?;
    if let Some(known) = delegation::known(&repository) {
        for role in &roles {
            delegation::is_known(&repository, &known, role);
        }
    }
    let names: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
    context.printer.out(&texts::witness_staged(&names))?;
    publishing::auto_publish(matches, context, &gun)
}
