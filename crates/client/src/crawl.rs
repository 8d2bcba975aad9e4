//! Taking repositories out of a trust server, with everything that proves what they say.
//!
//! * [`Line`] is the way to a server: it tries again what may have been bad luck, and waits where the server wants to be left alone.
//! * [`capture`] takes one repository: whatever a verifier could want, whether or not it verifies, and an account of what was asked.
//! * [`run`] does that for many repositories, a bounded number at a time.
//! * [`names`] finds repositories in the server's changefeed.
//! * [`TrustFolder`] takes repositories out of a client's trust folder instead.
//! * [`Collector`] makes the record of a repository; other sources than servers fill it, too.
//!
//! The server is not trusted with anything: what it sends is bounded in size, number and time, what is asked for follows from documents only as
//! far as the limits of [`signet_tuf::update`] reach, and what the documents are worth is not judged here but by [`signet_archive::judge()`].

mod collect;
mod feed;
mod history;
mod line;
mod many;
mod repository;
mod trust_folder;
mod walk;

pub use collect::Collector;
pub use feed::{Names, names};
pub use line::{CrawlError, Line, Patience, source};
pub use many::run;
pub use repository::{Capture, CaptureOptions, capture};
pub use trust_folder::TrustFolder;
