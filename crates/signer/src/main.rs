//! `notary-signer`: the program. What it serves is in the library `signet_signer`.

use std::process::ExitCode;
use std::time::Duration;

use signet_service::process::{self, complain, print, version};
use signet_service::telemetry::Telemetry;
use signet_service::tls;

use crate::program::{Command, EXAMPLES, FLAG_LIST};

mod program;

fn main() -> ExitCode {
    process::private_umask();
    let mut arguments = std::env::args_os();
    let name = arguments
        .next()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let usage = format!("Usage of {name}:\n{FLAG_LIST}");
    match Command::parse(arguments) {
        Ok(Command::Run(flags)) => run(flags),
        Ok(Command::Version) => {
            print(&format!("notary-signer {}\n", version()));
            ExitCode::SUCCESS
        }
        Ok(Command::Usage) => {
            complain(&usage);
            ExitCode::SUCCESS
        }
        Ok(Command::Help) => {
            print(&format!("{usage}{EXAMPLES}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("{error}\n{usage}"));
            ExitCode::from(2)
        }
    }
}

fn run(flags: program::Flags) -> ExitCode {
    let log = Telemetry::install(flags.log_format);
    tracing::info!("{}", version());
    tls::install_crypto_provider();
    process::raise_file_limit();
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
    // What is still running has no call that anybody waits for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            log.fatal(&process::chain(&failure));
            ExitCode::FAILURE
        }
    }
}
