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
        Err(error) if is_expired(&error) => Seen {
            trusted: read(Mode::Write).ok(),
            error: Some(error),
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
