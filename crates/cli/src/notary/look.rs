//! Reading a repository to describe it, whatever is wrong with it.

use signet_archive::State;
use signet_client::inventory::Seen;
use signet_client::{Error, ErrorKind, Repository};
use signet_tuf::UpdateError;
use signet_tuf::rules::RuleError;
use signet_tuf::update::{Mode, Scope};

use crate::ui::report::with_sources;

/// What came of asking a server: what was read, or the state that a failure outside of the update means.
pub(super) type Asked = (Seen, Option<(State, Option<String>)>);

/// Reads a repository as every command does. What has expired is read all the same, to be described.
pub(super) async fn read(repository: &mut Repository) -> Asked {
    match repository.update(Mode::Read, Scope::All).await {
        Ok(trusted) => {
            let seen = Seen {
                trusted: Some(Box::new(trusted.clone())),
                error: None,
            };
            (seen, None)
        }
        Err(Error::Update(error @ UpdateError::Rule(RuleError::Expired { .. }))) => {
            let trusted = match repository.update(Mode::Write, Scope::All).await {
                Ok(trusted) => Some(Box::new(trusted.clone())),
                Err(Error::Update(UpdateError::Rule(RuleError::Expired { .. }))) => None,
                // What has expired may be wrong in other ways too, which is worse.
                Err(other) => return failed(other),
            };
            let seen = Seen {
                trusted,
                error: Some(error),
            };
            (seen, None)
        }
        Err(error) => failed(error),
    }
}

/// The state that a failure means.
pub(super) fn failed(error: Error) -> Asked {
    match error {
        Error::Update(error) => {
            let seen = Seen {
                trusted: None,
                error: Some(error),
            };
            (seen, None)
        }
        other => {
            let state = match other.kind() {
                ErrorKind::NoTrustData => State::Absent,
                ErrorKind::Refused => State::Refused,
                ErrorKind::Violation => State::Untrusted,
                ErrorKind::Local | ErrorKind::Network => State::Unreachable,
            };
            let reason = with_sources(&other);
            (Seen::default(), Some((state, Some(reason))))
        }
    }
}
