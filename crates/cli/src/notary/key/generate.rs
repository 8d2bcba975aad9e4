//! `key generate [ALGORITHM]`: a new key, for the key store or as files for somebody else.

use signet_keys::{KeyStore as _, PrivateKey, Signer as _, role_has_gun, transfer};
use signet_tuf::Gun;

use super::{file, problem, store};
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let algorithm = match matches.args.as_slice() {
        [] => "ecdsa",
        [one] => one,
        _ => return context.wrong_arguments(texts::ONE_ALGORITHM),
    };
    if !algorithm.eq_ignore_ascii_case("ecdsa") {
        return Err(Failure::new(texts::ALGORITHM));
    }
    let role = matches.text("role");
    let gun = gun(matches.text("gun"))?;
    let stem = matches.text("output");
    if stem.is_empty() && role_has_gun(role) && gun.is_none() {
        return Err(Failure::new(texts::key_not_created(
            role,
            texts::KEY_NEEDS_GUN,
        )));
    }
    let failed = |problem: &str| Failure::new(texts::key_not_created(role, problem));
    let generate = || PrivateKey::generate_ecdsa().map_err(|error| failed(&error.to_string()));
    if !stem.is_empty() {
        return write(context, stem, &generate()?, role, gun.as_ref());
    }
    let store = store(context)?;
    let key = generate()?;
    let id = key.public().id().clone();
    store
        .add(key, role, gun.as_ref())
        .map_err(|error| failed(&problem(&error)))?;
    Ok(context
        .printer
        .out(&texts::key_created(role, id.as_str()))?)
}

/// Two files, and nothing in the key store.
fn write(
    context: &Context,
    stem: &str,
    key: &PrivateKey,
    role: &str,
    gun: Option<&Gun>,
) -> Result<(), Failure> {
    let (private, public) = (format!("{stem}-key.pem"), format!("{stem}.pem"));
    for path in [&private, &public] {
        file::check_new(path.as_ref())?;
    }
    let store = context.key_files()?;
    let pair = transfer::key_pair(&store, key, role, gun)
        .map_err(|error| Failure::new(texts::key_not_created(role, &problem(&error))))?;
    file::write_new(private.as_ref(), pair.private.as_bytes())?;
    file::write_new(public.as_ref(), pair.public.as_bytes())
}

/// The repository of a flag; empty is none.
pub(super) fn gun(name: &str) -> Result<Option<Gun>, Failure> {
    if name.is_empty() {
        return Ok(None);
    }
    let gun = name.parse::<Gun>();
    gun.map(Some)
        .map_err(|error| Failure::new(error.to_string()))
}
