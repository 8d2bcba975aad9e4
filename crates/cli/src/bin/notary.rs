//! `notary`: collections of signed targets, their keys, and archives of them.

use std::process::ExitCode;

use time::OffsetDateTime;

fn main() -> ExitCode {
    signet_cli::notary::main(std::env::args_os(), now)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program's clock, handed to everything below"
)]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
