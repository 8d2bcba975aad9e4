//! The server's public keys (specification, `server.md` sections 7.4 and 7.5).

use std::sync::Arc;

use data_encoding::BASE64;
use signet_tuf::{Gun, PublicKey};

use super::error::{ApiError, ErrorCode};
use super::path::ManagedRole;
use super::router::{Response, json};
use crate::app::{App, KeyError};
use crate::audit;
use crate::trust::TrustError;

/// Answers with the key that the root lists and the server holds, or else with one for the next root.
pub(super) async fn current(
    app: &Arc<App>,
    gun: &Gun,
    role: ManagedRole,
) -> Result<Response, ApiError> {
    app.begin().await?;
    match app.public_key(gun, role).await {
        Ok(key) => {
            tracing::debug!(%gun, "200 GET {} key", role.base());
            Ok(answer(&key))
        }
        Err(error) => Err(refusal(gun, role, "GET", &error)),
    }
}

/// Answers with a key that has never signed, to be listed by the next root.
pub(super) async fn rotate(
    app: &Arc<App>,
    gun: &Gun,
    role: ManagedRole,
) -> Result<Response, ApiError> {
    app.begin().await?;
    match app.trust().create_key(gun, role).await {
        Ok(key) => {
            tracing::debug!(%gun, "200 POST {} key", role.base());
            Ok(answer(&key))
        }
        Err(error) => Err(refusal(gun, role, "POST", &error.into())),
    }
}

/// The key with its members in Go's order, which is not the canonical one.
pub(super) fn answer(key: &PublicKey) -> Response {
    audit::note_key(key.id());
    json(format!(
        r#"{{"keytype":"{}","keyval":{{"public":"{}","private":null}}}}"#,
        key.kind(),
        BASE64.encode(key.public_bytes())
    ))
}

fn refusal(gun: &Gun, role: ManagedRole, method: &str, error: &KeyError) -> ApiError {
    if let KeyError::Store(error) = error
        && let Some(busy) = ApiError::of_busy(error)
    {
        return busy;
    }
    let role = role.base();
    tracing::error!(
        %gun,
        error = error as &dyn std::error::Error,
        "500 {method} {role} key"
    );
    match error {
        KeyError::Trust(TrustError::Unavailable(_)) => {
            ApiError::with_empty_detail(ErrorCode::Unavailable)
        }
        _ => ApiError::internal(),
    }
}
