//! What `verify --archive` says.

/// `--at` and `--archivist` are about an archive.
#[must_use]
pub fn needs_archive(flag: &str) -> String {
    format!("--{flag} says how to read an archive, and none is given: add --archive FILE")
}

/// `--offline` looks elsewhere.
pub const ARCHIVE_OR_OFFLINE: &str =
    "--archive reads the file alone, --offline what the trust folder remembers: give one of them";

/// The archive has nothing but the fact that there was nothing to have.
#[must_use]
pub fn archived_nothing(
    gun: &str,
    file: &str,
    state: &str,
    captured: &str,
    reason: &str,
) -> String {
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    format!(
        "the archive {file} has no documents of {gun}, which was {state} when it was captured at {captured}{reason}"
    )
}

/// The documents prove nothing at that moment.
#[must_use]
pub fn archive_proves_nothing(gun: &str, file: &str, at: &str, problem: &str) -> String {
    format!("{gun} is not trusted at {at} by what the archive {file} has: {problem}")
}

/// What to do about documents whose validity was over.
#[must_use]
pub fn ask_for_an_earlier_moment(captured: &str) -> String {
    format!("without --at the answer is as of the moment of capture, {captured}")
}

/// What was asked is before anything that is known.
#[must_use]
pub fn archive_does_not_reach_back(
    gun: &str,
    file: &str,
    at: &str,
    captured: &str,
    problem: &str,
) -> String {
    format!(
        "the archive {file} cannot say what held for {gun} at {at}: it was captured at {captured}, and {problem}"
    )
}

/// An archive of the future.
#[must_use]
pub fn captured_later_than_now(gun: &str, file: &str, captured: &str, now: &str) -> String {
    format!(
        "the archive {file} says that it captured {gun} at {captured}, and now it is {now}: one of the two clocks was wrong, and nothing is believed"
    )
}

/// How archives reach back.
pub const ARCHIVE_HISTORY: &str = "archives of a database or a changefeed, made with --history, know when documents were published";

/// The policy wants a server to be asked.
#[must_use]
pub fn archive_is_no_server(name: &str, rule: &str) -> String {
    format!(
        "{name}: {rule} demands with \"cached_data\": false that the trust server is asked, and an archive is none"
    )
}

/// What to do where the policy wants a server to be asked.
pub const POLICY_FOR_ARCHIVES: &str = "name a policy for archives with DOCKER_TRUST_POLICY, with the same pins and signers and without \"cached_data\"";

/// Who answers for a first root that is denied.
#[must_use]
pub fn first_use_refused_in_archive(gun: &str, rule: &str) -> String {
    format!(
        "{rule} refuses trust on first use, and no root of {gun} is pinned in it; \
         an archive, its archivist's signature and the trust folder do not answer for a root"
    )
}

/// What to do about that.
pub const PIN_THE_ROOT: &str = "ask somebody who trusts the repository for the ID of its root certificate, and add it to the policy as \
     \"root_certificates\": [\"ID\"]";

/// Since when, and by whose word.
#[must_use]
pub fn as_of_capture(gun: &str, at: &str) -> String {
    format!("{gun}: as of {at}, when it was captured\n")
}

/// Later than the capture.
#[must_use]
pub fn as_of_later(gun: &str, at: &str, captured: &str) -> String {
    format!("{gun}: as of {at}, by documents that were captured at {captured}\n")
}

/// Earlier than the capture.
#[must_use]
pub fn as_of_earlier(gun: &str, at: &str, captured: &str) -> String {
    format!(
        "{gun}: as of {at}, by documents that had been published by then; when they were published is the word of the source they were captured \
         from at {captured}, and nobody signed it\n"
    )
}

/// Nobody answers for the moments.
#[must_use]
pub fn moments_are_not_signed(file: &str) -> String {
    format!(
        "{file}: the moment of capture is the archive's own word; --archivist KEY demands whose\n"
    )
}

/// The archivist answers for the moments.
#[must_use]
pub fn moments_are_signed(file: &str, key: &str) -> String {
    format!("{file}: signed by its archivist, {key}\n")
}

/// The archive was captured elsewhere.
#[must_use]
pub fn captured_elsewhere(gun: &str, source: &str, rule: &str, wanted: &str) -> String {
    format!("{gun} was captured from {source} by the archive's word, and {rule} demands {wanted}")
}

/// How to take it on purpose.
pub const ARCHIVES_FROM: &str = "a rule takes archives of other sources that it lists as \"archives_from\": a server's address, \"database\" or \"trust-folder\"";

/// The root before a rotation, and nobody who vouches for it.
#[must_use]
pub fn other_root_keys_then(gun: &str, at: &str, then: &str, now: &str) -> String {
    format!(
        "{gun} was signed under other root keys at {at} ({then}) than when it was captured ({now}), and nothing pins them: \
         trust on first use is trust in the captured root, and keys that were replaced may be anybody's by now"
    )
}

/// The chain of roots is not whole.
#[must_use]
pub fn roots_do_not_reach_back(gun: &str, first: i64, gap: &str) -> String {
    format!("the roots of {gun} reach back to version {first} only: {gap}")
}
