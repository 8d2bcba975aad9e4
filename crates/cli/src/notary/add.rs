//! `notary add GUN TARGET FILE`: stages a target with length and digests of a file.

use std::fs::File;
use std::io::{self, Read as _};

use signet_tuf::crypto::BothStream;
use signet_tuf::{HashAlgorithm, Hashes, Target};

use super::{Context, input, publishing, repository, staging};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let [name, target, file, ..] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::ADD_ARGUMENTS);
    };
    let gun = repository::gun(name)?;
    let repository = repository::open_offline(context, &gun)?;
    let custom = staging::read_custom(matches)?;
    let (hashes, length) = {
        let _busy = context.printer.busy(&texts::hashing(file));
        digests(file).map_err(|error| input::failed(file, &error))?
    };
    let added = Target {
        custom: staging::custom(custom)?,
        hashes,
        length,
    };
    staging::add(matches, &repository, target, &added)?;
    context
        .printer
        .out(&texts::addition_staged(target, gun.as_str()))?;
    publishing::auto_publish(matches, context, &gun)
}

/// Digests and length of a file of any size.
fn digests(path: &str) -> io::Result<(Hashes, i64)> {
    let mut file = File::open(path)?;
    let (mut stream, mut length) = (BothStream::new(), 0_i64);
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        stream.update(piece.get(..count).unwrap_or_default());
        length = i64::try_from(count)
            .ok()
            .and_then(|count| length.checked_add(count))
            .ok_or(io::ErrorKind::FileTooLarge)?;
    }
    let (sha256, sha512) = stream.finish();
    let mut hashes = Hashes::sha256_only(sha256);
    hashes.insert(HashAlgorithm::Sha512, sha512.to_vec());
    Ok((hashes, length))
}
