//! `notary key` beside Go's: what is printed, what lies in the trust folder afterwards, and whether the other program takes it. The numbers are
//! those of the specification's acceptance cases (notary-cli, section 15).

#![expect(
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

mod change;
mod export;
mod generate;
mod home;
mod import;
mod list;
