//! A bound on how long a database is waited for.

use std::time::Duration;

/// How long an operation may take before it is given up, whatever the server says.
const LIMIT: Duration = Duration::from_secs(90);

/// Gives up after [`LIMIT`], for a server that neither answers nor goes away.
pub(crate) async fn bounded<T, E: From<sqlx::Error>>(
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()),
    }
}
