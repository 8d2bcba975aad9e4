//! Key files against the recorded samples and the real programs.

#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod files;
mod go;
mod import;
mod legacy;
mod openssl;
mod support;
