//! `notary addhash GUN TARGET SIZE --sha256 HEX`: stages a target by length and digests.

mod size;

use data_encoding::HEXLOWER_PERMISSIVE;
use signet_tuf::{HashAlgorithm, Hashes, Target};

use super::{Context, publishing, repository, staging};
use crate::cobra::parse::Matches;
use crate::texts::notary as texts;
use crate::ui::report::Failure;

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let given: Vec<(HashAlgorithm, &str)> = [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
        .into_iter()
        .map(|algorithm| (algorithm, matches.text(algorithm.as_str())))
        .filter(|(_, digits)| !digits.is_empty())
        .collect();
    let ([name, target, length, ..], false) = (matches.args.as_slice(), given.is_empty()) else {
        return context.wrong_arguments(texts::ADDHASH_ARGUMENTS);
    };
    let gun = repository::gun(name)?;
    let length = size::parse(length)?;
    let repository = repository::open_offline(context, &gun)?;
    let mut hashes = Hashes::default();
    for (algorithm, digits) in &given {
        hashes.insert(*algorithm, digest(*algorithm, digits)?);
    }
    let added = Target {
        custom: staging::custom(staging::read_custom(matches)?)?,
        hashes,
        length,
    };
    staging::add(matches, &repository, target, &added)?;
    let names: Vec<&str> = given
        .iter()
        .map(|(algorithm, _)| algorithm.as_str())
        .collect();
    context
        .printer
        .out(&texts::hash_addition_staged(target, &names, gun.as_str()))?;
    publishing::auto_publish(matches, context, &gun)
}

fn digest(algorithm: HashAlgorithm, digits: &str) -> Result<Vec<u8>, Failure> {
    if digits.len() != 2 * algorithm.digest_len() {
        return Err(Failure::new(texts::digest_length(algorithm.as_str())));
    }
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| {
        let wrong = digits.bytes().find(|byte| !byte.is_ascii_hexdigit());
        Failure::new(texts::digest_digit(wrong.unwrap_or_default()))
    })
}
