//! `docker-trust`: the docker CLI plugin `docker trust`, which also runs when it is called directly.

use std::process::ExitCode;

use time::OffsetDateTime;

fn main() -> ExitCode {
    signet_cli::docker::main(std::env::args_os(), now)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program's clock, handed to everything below"
)]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
