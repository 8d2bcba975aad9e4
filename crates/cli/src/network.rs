//! What the commands share that talk to servers: waiting for an answer, and saying why there is none.

use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Runs something that waits for the network, on this thread.
///
/// # Errors
/// What it fails with, or that the system refuses what waiting needs.
pub(crate) fn block_on<T>(task: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::new(format!("cannot wait for the network: {error}")))?
        .block_on(task)
}

/// How rustls names an answer that is no TLS at all: a server that speaks plain HTTP.
const NOT_TLS: &str = "received corrupt message of type InvalidContentType";

/// Whether the answer was no TLS at all.
pub(crate) fn is_not_tls(message: &str) -> bool {
    message.contains(NOT_TLS)
}

/// What the network said, without the layers of the library that it passed through.
pub(crate) fn problem(message: &str) -> String {
    let message = message
        .rsplit_once("client error (Connect): ")
        .map_or(message, |(_, cause)| cause);
    let message = message
        .split_once(" (os error")
        .map_or(message, |(cause, _)| cause);
    message
        .replace("Connection refused", "connection refused")
        .replace(NOT_TLS, texts::NOT_TLS)
}
