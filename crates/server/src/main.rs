//! `notary-server`: the program. What it serves is in the library `signet_server`.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use signet_service::telemetry::Telemetry;
use signet_service::tls;

use crate::program::{Command, EXAMPLES, FLAG_LIST};

mod program;

/// Stands where the Go server writes the version of Go; scripts take lines apart by these words.
const GO_VERSION: &str = "none";
const GIT_COMMIT: &str = match option_env!("SIGNET_GIT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

fn main() -> ExitCode {
    // Whatever is created is for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let mut arguments = std::env::args_os();
    let name = arguments
        .next()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let usage = format!("usage: {name}\n");
    match Command::parse(arguments) {
        Ok(Command::Run(flags)) => run(flags),
        Ok(Command::HashPassword(user)) => match program::hash_password(user.as_deref()) {
            Ok(line) => {
                print(&format!("{line}\n"));
                ExitCode::SUCCESS
            }
            Err(error) => {
                complain(&format!("{error}\n"));
                ExitCode::FAILURE
            }
        },
        Ok(Command::Version) => {
            print(&format!("notary-server {}\n", version()));
            ExitCode::SUCCESS
        }
        Ok(Command::Usage) => {
            print(&usage);
            complain(FLAG_LIST);
            ExitCode::SUCCESS
        }
        Ok(Command::Help) => {
            print(&format!("{usage}{FLAG_LIST}{EXAMPLES}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("{error}\n"));
            print(&usage);
            complain(FLAG_LIST);
            ExitCode::from(2)
        }
    }
}

fn run(flags: program::Flags) -> ExitCode {
    let log = Telemetry::install(flags.log_format);
    tracing::info!("{}", version());
    tls::install_crypto_provider();
    program::raise_file_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            log.fatal(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(program::run(flags, &log));
    // What is still running has no request that anybody waits for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            log.fatal(&failure.message());
            ExitCode::FAILURE
        }
    }
}

fn version() -> String {
    format!(
        "Version: {}, Git commit: {GIT_COMMIT}, Go version: {GO_VERSION}",
        env!("CARGO_PKG_VERSION")
    )
}

/// Writes to standard output; a reader that has gone away is no failure.
fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
