//! `notary-server`: the program. What it serves is in the library `signet_server`.

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
