//! The HTTP API (specification, `server.md` sections 3 to 8): the only part that knows paths, status codes and error
//! codes.

mod admission;
mod archive;
mod authorization;
mod body;
mod caller;
mod changefeed;
mod compression;
mod error;
mod import;
mod keys;
mod metadata;
mod negotiation;
mod path;
mod record;
mod router;
mod update;

pub use caller::{Caller, Origin};
pub use error::{ApiError, ErrorCode};
pub use path::{ManagedRole, MetadataName, Operation, Route};
pub use router::Response;

pub(crate) use body::Budget;
pub(crate) use compression::Compressor;
pub(crate) use metadata::{Headers, http_date};
pub(crate) use negotiation::EntityTags;
