//! Tests of the archive: what is written is read again, everything else is refused.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

mod forge;
mod hostile;
mod round_trip;
mod support;
mod verdicts;
