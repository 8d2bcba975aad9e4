//! One test per class of mistake that trust software has made (`spec/security.md`), named after the class, and one per
//! attack of the TUF specification's list. Each fails on the vulnerable behaviour.

mod delegations;
mod documents;
mod specification;
mod updates;
mod weaknesses;

use signet_tuf::update::FailureKind;
use signet_tuf::{Scope, TrustedRepository};

use crate::forge::Forge;
use crate::support::{Client, Run};

pub(crate) use documents::pointers;

pub(crate) fn run(forge: &Forge, client: &mut Client) -> Run {
    client.update(Scope::All, |fetch| forge.serve(fetch))
}

pub(crate) fn accepted(forge: &Forge, client: &mut Client) -> Box<TrustedRepository> {
    run(forge, client).result.unwrap()
}

/// A client that has the repository as it is now.
pub(crate) fn reader(forge: &Forge) -> Client {
    let mut client = forge.client();
    accepted(forge, &mut client);
    client
}

#[track_caller]
pub(crate) fn refused(forge: &Forge, client: &mut Client, text: &str) {
    let before = client.cached.clone();
    let error = run(forge, client).result.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Violation, "{error}");
    assert!(error.to_string().contains(text), "{error}");
    // Whatever was cached on the way was verified: the cached root and what it vouches for still load.
    if before.root.is_some() {
        assert!(client.cached.root.is_some());
    }
}

pub(crate) fn names(repository: &TrustedRepository) -> Vec<String> {
    let found = repository.list(&[]);
    found
        .iter()
        .map(|found| format!("{}@{}", found.name, found.role))
        .collect()
}
