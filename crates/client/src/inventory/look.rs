//! Running the update engine on documents that are at hand.

use signet_archive::State;
use signet_tuf::rules::{self, CertificateTime, RuleError};
use signet_tuf::update::{Cached, Floors, MAX_TIMESTAMP_BYTES, Mode, Scope, Step, Update};
use signet_tuf::{
    Answer, Fetch, Gun, MetadataPath, Received, RoleName, TrustPinning, TrustedRepository,
    UpdateError,
};
use time::OffsetDateTime;

/// What came of reading a repository.
#[derive(Debug, Default)]
pub struct Seen {
    /// The repository. Where `error` says that something has expired it is there all the same, to be looked at.
    pub trusted: Option<Box<TrustedRepository>>,
    /// Why it is not to be trusted.
    pub error: Option<UpdateError>,
}

/// Reads a repository whose documents `answer` gives, as a client would at `at` that remembers nothing. Each of `pins` that pins the
/// repository must accept its root.
pub fn look(
    gun: &Gun,
    at: OffsetDateTime,
    pins: &[TrustPinning],
    answer: &dyn Fn(&Fetch) -> Answer,
) -> Seen {
    // To describe what is over, the timestamp counts as one that was known: the engine admits no other that has expired.
    let cached = |mode| {
        let fetch = Fetch {
            path: MetadataPath::Current(RoleName::timestamp()),
            max_bytes: MAX_TIMESTAMP_BYTES,
        };
        match (mode, answer(&fetch)) {
            (Mode::Write, Answer::Bytes(bytes)) => Cached {
                timestamp: Some(bytes),
                ..Cached::default()
            },
            _ => Cached::default(),
        }
    };
    let read = |mode| -> Result<Box<TrustedRepository>, UpdateError> {
        let mut update = Update::new(
            gun.clone(),
            at,
            mode,
            Scope::All,
            TrustPinning::default(),
            cached(mode),
            Floors::default(),
        );
        loop {
            match update.step()? {
                Step::Fetch(fetch) => update.answer(answer(&fetch)),
                Step::Persist { .. } | Step::Warn(_) => {}
                Step::Done(trusted) => return Ok(trusted),
            }
        }
    };
    let mut seen = match read(Mode::Read) {
        Ok(trusted) => Seen {
            trusted: Some(trusted),
            error: None,
        },
        // The first pass ends at what has expired; only the second tells whether anything else is wrong.
        Err(error) if is_expired(&error) => match read(Mode::Write) {
            Ok(trusted) => Seen {
                trusted: Some(trusted),
                error: Some(error),
            },
            Err(other) => Seen {
                trusted: None,
                error: Some(if is_expired(&other) { error } else { other }),
            },
        },
        Err(error) => Seen {
            trusted: None,
            error: Some(error),
        },
    };
    if let Some(trusted) = &seen.trusted
        && let Err(error) = check_pins(trusted, at, pins)
    {
        seen = Seen {
            trusted: None,
            error: Some(error.into()),
        };
    }
    seen
}

/// Whether the only thing wrong is that a document's validity is over.
pub(super) const fn is_expired(error: &UpdateError) -> bool {
    matches!(error, UpdateError::Rule(RuleError::Expired { .. }))
}

fn check_pins(
    trusted: &TrustedRepository,
    at: OffsetDateTime,
    pins: &[TrustPinning],
) -> Result<(), RuleError> {
    for pinning in pins.iter().filter(|pins| pins.pins(trusted.gun())) {
        let root = Received::parse(&RoleName::root(), trusted.root().raw().clone())?;
        rules::verify_root(
            root,
            trusted.gun(),
            CertificateTime::At(at),
            None,
            Some(pinning),
        )
        .map_err(|refused| refused.error)?;
    }
    Ok(())
}

/// The state that this outcome is.
#[must_use]
pub fn state_of(seen: &Seen) -> State {
    match (&seen.error, &seen.trusted) {
        (None, Some(trusted)) if trusted.unusable().is_empty() => State::Trusted,
        (None, Some(_)) => State::Degraded,
        (None, None) => State::Unreachable,
        (Some(error), _) if is_expired(error) => State::Expired,
        (Some(UpdateError::NoTrustData { .. }), _) => State::Absent,
        (Some(UpdateError::Missing { .. }), _) => State::Incomplete,
        (Some(UpdateError::Refused { .. }), _) => State::Refused,
        (Some(UpdateError::Unreachable { .. }), _) => State::Unreachable,
        (Some(_), _) => State::Untrusted,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use time::macros::datetime;

    use super::*;

    /// A repository that another program signed. All of its documents end with 2028.
    fn read(replaced: Option<&str>, at: OffsetDateTime) -> Seen {
        let gun = "registry.example.com/signet/demo".parse().unwrap();
        look(&gun, at, &[], &|fetch| {
            let role = match &fetch.path {
                MetadataPath::Current(role)
                | MetadataPath::Checksum(role, _)
                | MetadataPath::Version(role, _) => role.as_str(),
            };
            let bytes: &'static [u8] = match role {
                _ if replaced == Some(role) => b"{\"signatures\":[],\"signed\":{}}",
                "root" => include_bytes!("../../tests/data/inventory/ended/root.json"),
                "targets" => include_bytes!("../../tests/data/inventory/ended/targets.json"),
                "snapshot" => include_bytes!("../../tests/data/inventory/ended/snapshot.json"),
                _ => include_bytes!("../../tests/data/inventory/ended/timestamp.json"),
            };
            Answer::Bytes(Bytes::from_static(bytes))
        })
    }

    /// What has expired and is forged is first of all forged.
    #[test]
    fn an_end_of_validity_hides_nothing() {
        let over = datetime!(2030-01-01 00:00 UTC);
        let seen = read(None, datetime!(2028-01-01 00:00 UTC));
        assert_eq!(state_of(&seen), State::Trusted);
        let seen = read(None, over);
        assert_eq!(state_of(&seen), State::Expired);
        assert!(seen.trusted.is_some());
        for role in ["snapshot", "targets"] {
            let seen = read(Some(role), over);
            assert_eq!(state_of(&seen), State::Untrusted, "{role}: {seen:?}");
            assert!(seen.trusted.is_none());
        }
    }
}
