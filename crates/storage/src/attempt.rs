//! A bound on how long a database is waited for.

use std::time::Duration;

use signet_sql::Failure;

use crate::StoreError;

/// How long an operation may take before it is given up, whatever the server says.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// An error after a try of which nothing was heard. That there is no connection now does not say that nothing was done then.
pub(crate) fn after_unknown(error: StoreError) -> StoreError {
    match error {
        StoreError::Database(error) if Failure::is_out_of_connections(&error) => {
            StoreError::Database(sqlx::Error::Io(std::io::Error::other(error)))
        }
        error => error,
    }
}

/// Gives up after [`LIMIT`], for a server that neither answers nor goes away.
pub(crate) async fn bounded<T, E: From<sqlx::Error>>(
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, E> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()),
    }
}
