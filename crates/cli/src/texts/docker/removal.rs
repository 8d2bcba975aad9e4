//! What `signer remove` and `revoke` say (specification, sections 8.5 and 8.7), and what is said where nobody vouches for a role any more.

use crate::texts::visible;

/// `releases` is what docker looks at first, and no signer.
pub const RESERVED_REMOVED: &str = "releases is a reserved keyword and cannot be removed";
/// `revoke` of a repository in which nothing is signed.
pub const NO_SIGNED_TAGS: &str = "no signed tags to remove";

/// First line of `signer remove` for each repository.
#[must_use]
pub fn removing_signer(signer: &str, name: &str) -> String {
    format!("Removing signer \"{}\" from {name}...\n", visible(signer))
}

/// Last line of `signer remove` for each repository, and an empty one.
#[must_use]
pub fn removed_signer(signer: &str, name: &str) -> String {
    format!("Successfully removed {} from {name}\n\n", visible(signer))
}

/// The repositories that still have the signer.
#[must_use]
pub fn signer_not_removed(names: &str) -> String {
    format!("error removing signer from: {names}")
}

/// The repository cannot be read.
#[must_use]
pub fn signers_unknown(name: &str, problem: &str) -> String {
    format!("error retrieving signers for {name}: {problem}")
}

/// Nobody of that name may sign.
#[must_use]
pub fn no_such_signer(signer: &str, name: &str) -> String {
    format!("no signer {signer} for repository {name}")
}

/// The question before the only signer of what is released goes.
#[must_use]
pub fn last_signer(signer: &str, name: &str) -> String {
    format!(
        "The signer \"{}\" signed the last released version of {name}. Removing this signer will make {name} unpullable. \
         Are you sure you want to continue? [y/N] ",
        visible(signer)
    )
}

/// Before the tags that a remaining signer would take over.
#[must_use]
pub fn can_be_signed_again(signers: &str) -> String {
    let signers = visible(signers);
    format!(
        "You have the key of {signers}, who stays: targets/releases can be signed again with it now, so that its tags can still be pulled.\n"
    )
}

/// Tags that nobody else lists.
#[must_use]
pub fn alone(signer: &str, tags: usize) -> String {
    let signer = visible(signer);
    format!("Only {signer} vouches for {tags} of them:\n")
}

/// Tags that those who stay list with other digests.
#[must_use]
pub fn listed_otherwise(tags: usize) -> String {
    format!("Those who stay have other digests for {tags} of them:\n")
}

/// The same where remaining signers vouch for every tag themselves.
#[must_use]
pub fn can_be_signed_again_whole(signers: &str) -> String {
    let signers = visible(signers);
    format!(
        "You have the key of {signers}, who stays: targets/releases can be signed again with it now, so that its tags can still be pulled.\n\
         Remaining signers vouch for all of them themselves.\n"
    )
}

/// One of those tags.
#[must_use]
pub fn tag_and_digest(tag: &str, digest: &str) -> String {
    format!("  {} sha256:{}\n", visible(tag), visible(digest))
}

/// The question after them.
pub const SIGN_IT_AGAIN: &str = "Sign targets/releases again as it is? [y/N] ";

/// What was agreed to is not what is released any more.
#[must_use]
pub fn published_meanwhile(name: &str) -> String {
    format!(
        "somebody else published to {name} while you were asked, so what would be signed again is not what you were shown; \
         nothing was changed: run the command again and look at what is released now"
    )
}

/// Nobody has signed what is released, from now on.
#[must_use]
pub fn nobody_vouches(name: &str) -> String {
    format!(
        "nobody vouches for targets/releases of {name} any more: its tags can be pulled again when a remaining signer signs one of them \
         or witnesses the role (notary witness {name} targets/releases --publish)"
    )
}

/// A key that stays among those who release, because another signer has it too.
#[must_use]
pub fn shared_key(id: &str, signers: &str) -> String {
    format!(
        "key {id} stays in targets/releases: it is also the key of {}",
        visible(signers)
    )
}

/// A role is begun anew by its next signature.
#[must_use]
pub fn begun_anew(role: &str, reason: &str, kept: &[(String, String)]) -> String {
    let tags = match kept {
        [] => String::new(),
        kept => format!(" ({})", tags_and_digests(kept)),
    };
    format!(
        "{} is signed anew, because nobody vouches for it as it is ({}); tags taken over because a remaining signer vouches for them: {}{tags}",
        visible(role),
        visible(reason),
        kept.len()
    )
}

/// Tags that a role loses when it is begun anew.
#[must_use]
pub fn not_taken_over(role: &str, tags: &[(String, String)]) -> String {
    format!(
        "not taken over into {}, because no remaining signer vouches for them: {}; sign --digest signs one again",
        visible(role),
        tags_and_digests(tags)
    )
}

/// The same where the remaining signers do not agree.
#[must_use]
pub fn disputed(role: &str, tags: &[(String, String)]) -> String {
    format!(
        "not taken over into {}, because a remaining signer has another digest: {}; sign --digest signs one again",
        visible(role),
        tags_and_digests(tags)
    )
}

/// The same where the document may be one that nobody ever signed.
#[must_use]
pub fn never_verified(role: &str, tags: &[(String, String)]) -> String {
    format!(
        "not taken over into {}, because this computer never saw that document validly signed: {}; sign --digest signs one again",
        visible(role),
        tags_and_digests(tags)
    )
}

/// The first of them, in one line.
fn tags_and_digests(tags: &[(String, String)]) -> String {
    let shown: Vec<String> = tags
        .iter()
        .take(10)
        .map(|(tag, digest)| format!("{} sha256:{}", visible(tag), visible(digest)))
        .collect();
    let more = match tags.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// The tag's released digest is one for which nobody vouches for certain.
#[must_use]
pub fn digest_without_signer(name: &str, digest: &str) -> String {
    format!(
        "{name} is listed as sha256:{}, which may be an old or a foreign digest; not signing it",
        visible(digest)
    )
}

/// The question before everything goes.
#[must_use]
pub fn confirm_revoke(name: &str) -> String {
    format!("Confirm you would like to delete all signature data for {name}? [y/N] ")
}

/// Before what went wrong.
#[must_use]
pub fn not_revoked(name: &str) -> String {
    format!("could not remove signature for {name}: ")
}

/// The end.
#[must_use]
pub fn revoked(name: &str) -> String {
    format!("Successfully deleted signature for {name}\n")
}

/// A role that releases the tag cannot be signed here, so the tag would stay trusted.
#[must_use]
pub fn still_released(tag: &str, role: &str, keys: &str) -> String {
    format!(
        "{role} lists {}, too, and can be signed with none of the keys at hand; nothing was changed. \
         At least one of these keys must be available: {keys}",
        visible(tag)
    )
}

/// Only roles of others list the tag.
#[must_use]
pub fn only_others_list(tag: &str, roles: &str) -> String {
    format!(
        "{} is not released: only {} lists it, whose keys are not at hand",
        visible(tag),
        visible(roles)
    )
}

/// A role for which nobody vouches lists the tag, and cannot be signed here.
#[must_use]
pub fn listed_without_signature(role: &str, tag: &str) -> String {
    format!(
        "{role} lists {} without a valid signature: it releases nothing as it is, but whoever witnesses it releases the tag again",
        visible(tag)
    )
}

/// What to do about older digests in `targets`.
pub const NOT_BRING_BACK: &str = "revoke removes them with the repository key; notary witness REPOSITORY targets/releases --publish takes over what is there";

/// Tags whose older digests would be trusted once `targets/releases` is signed anew.
#[must_use]
pub fn would_bring_back(tags: &[String]) -> String {
    let shown: Vec<String> = tags.iter().take(10).map(|tag| visible(tag)).collect();
    let more = match tags.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "nobody vouches for targets/releases as it is, and signed anew it would bring back other digests that targets lists for {}{more}; \
         revoke these tags first, or witness targets/releases",
        shown.join(", ")
    )
}
