//! `key generate NAME [--dir D]`: a new signing key, kept in the trust directory, and its public half in a file to hand on.

use std::path::Path;

use signet_keys::{KeyStore as _, PrivateKey, Signer as _, pem};

use super::context::Context;
use super::files::{join_clean, write_new};
use super::name::{self, check_key_name};
use super::problems::key_problem;
use crate::cobra::parse::Matches;
use crate::env;
use crate::texts::{self, docker};
use crate::ui::report::Failure;

struct Args<'a> {
    name: &'a str,
    dir: &'a str,
}

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let args = Args {
        name: matches.args.first().map_or("", String::as_str),
        dir: matches.text("dir"),
    };
    check_key_name(args.name)?;
    let dir = if args.dir.is_empty() {
        env::current_dir()
            .map_err(|error| Failure::new(docker::no_current_dir(&texts::os_error(&error))))?
    } else {
        Path::new(args.dir).to_owned()
    };
    if !dir.exists() {
        return Err(Failure::new(docker::no_public_key_path(&dir)));
    }
    let path = join_clean(&dir, &format!("{}.pub", args.name));
    if path.symlink_metadata().is_ok() {
        return Err(Failure::new(docker::public_key_exists(&path)));
    }
    let store = context.key_files()?;
    name::warn_of_role(args.name);

    context.printer.out(&docker::generating_key(args.name))?;
    let failed = |problem: String| Failure::new(docker::generate_failed(args.name, &problem));
    let key = PrivateKey::generate_ecdsa().map_err(|error| failed(error.to_string()))?;
    let public = key.public().clone();
    store
        .add(key, args.name, None)
        .map_err(|error| failed(key_problem(&error)))?;

    let mut block = pem::Block {
        label: "PUBLIC KEY".to_owned(),
        headers: Default::default(),
        contents: public.public_bytes().to_vec().into(),
    };
    block
        .headers
        .insert("role".to_owned(), args.name.to_owned());
    write_new(&path, block.encode().as_bytes()).map_err(|error| {
        Failure::new(docker::public_key_not_written(
            &path,
            &texts::os_error(&error),
        ))
    })?;
    context.printer.out(&docker::generated_key(&path))?;
    Ok(())
}
