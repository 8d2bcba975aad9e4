//! Trust archives: what a trust service had, with its proofs, in one file that verifies itself.
//!
//! * [`record`] is what an archive says of one repository: its documents, where and when they were got, and the verdict.
//! * [`ArchivedRepository`] is a record with its documents; it answers a [`signet_tuf::Update`] in the server's place.
//! * [`judge()`] runs that update: verdicts come from the same engine as everywhere else, never from the archive's own words.
//! * [`Work`] gathers repositories in a folder, survives a crash, and packs them into the file; [`Archive`] reads it.
//!
//! Nothing in an archive is believed: digests tie its members together, [`Archive::check`] recomputes every verdict, and what decides whether
//! a tag is signed is the update engine on the archived documents. `docs/archive.md` describes the file.

pub mod admission;
pub mod archive;
pub mod archived;
pub mod assemble;
pub mod bounds;
mod chain;
mod check;
pub mod contents;
pub mod diff;
pub mod digest;
pub mod drive;
mod envelope;
pub mod extract;
pub mod judge;
mod member;
pub mod past;
pub mod record;
mod seal;
pub mod section;
mod shelf;
mod standing;
mod strict;
mod tape;
mod versions;
pub mod work;

pub use admission::{AdmissionError, Admitted, AdmittedDocument, LeftOut, admit};
pub use archive::{Archive, ArchiveError, Checked, Entry, Header};
pub use archived::ArchivedRepository;
pub use assemble::{Currency, Held, assemble};
pub use chain::RootLinks;
pub use digest::Sha256;
pub use judge::{Judgement, judge};
pub use record::{
    Change, Document, History, Moment, Outcome, Record, Request, RootChain, Source, State,
    UnusableRole, Verdict,
};
pub use section::Section;
pub use work::{Archivist, Work, WorkError};
