//! One trust repository from the user's side: open, update, look up, stage changes, publish.
//!
//! What is true of a repository is decided by `signet-tuf`; this crate brings it what it asks for. [`Repository`] drives
//! the update over a [`Remote`] (the trust server's HTTP API) and a [`cache`], keeps staged changes in a
//! [`Changelist`] that Go notary shares, and publishes: as one transaction, tried again from the
//! new state when another publisher was faster.
//!
//! The crate prints nothing and reads neither clock nor environment, but for what its libraries read: proxies and the
//! system's certificates. Warnings are data; errors say of what [kind](ErrorKind) they are.

pub mod cache;
pub mod changelist;
pub mod crawl;
pub mod delegations;
pub mod error;
mod folder;
mod forget;
pub mod http;
pub mod initialize;
pub mod inventory;
pub mod layout;
pub mod policy;
pub mod probe;
pub mod publish;
mod random;
mod remembered;
pub mod remote;
pub mod renewal;
pub mod repository;
pub mod rotate;
mod sign;
pub mod takeover;

pub use changelist::{Change, Changelist, Edit};
pub use error::{Error, ErrorKind};
pub use initialize::{Managed, NewRoot, RootKey};
pub use publish::{PublishOptions, Published, Unchanged};
pub use remote::{Access, AuthorizationError, Authorizer, Challenge, Next, Remote, RemoteOptions};
pub use repository::{Clock, Options, PinnedRoots, Repository};
pub use rotate::{Legacy, NewKeys, Rotated};
