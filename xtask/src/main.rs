//! Development tasks. `cargo xtask` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers at a terminal"
)]

mod bench;
mod cargo;
mod demo;
mod order;
mod packages;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask TASK

Tasks:
  test [ARGS]           Install missing peers, then run all tests; ARGS go to `cargo test`
  demo                  Start a trust server and a registry, sign an image, verify it, and see a forged tag refused
  bench                 Compare the CPU time of our programs with Go's
  bench archive         Measure time, memory and size of archives of a Go server
  bench notary [SIZE]   Compare `notary` with Go's in repositories of 100, 10000 and 100000 targets, or of one of these sizes
  bench server [mysql]  Compare the server with Go's on PostgreSQL or MariaDB: CPU time, throughput, memory
  order                 Record what everyday commands run, for the linker to put it side by side
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let outcome = match task.as_deref() {
        Some("test") => test::run(&rest),
        Some("bench") if rest.len() <= 2 => bench::run(&rest),
        Some("order") if rest.is_empty() => order::run(),
        Some("demo") if rest.is_empty() => demo::run(),
        None | Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(_) => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
