//! Finding out whether a login is wrong, or only not good for one repository.

use reqwest::{Method, StatusCode};
use signet_tuf::Gun;

use super::{Challenge, MAX_ERROR_BYTES, Remote, RemoteError, Scope};

impl Remote {
    /// Whether the server refuses the login as such, not only for one repository: `GET /v2/` with it is a 401, too. Only for logins that go with
    /// every request (Basic, RFC 7617); what a token is good for, the token server knows, which says so itself.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub async fn refuses_login(&self, gun: &Gun) -> Result<bool, RemoteError> {
        let challenges = match self.ping().await? {
            Ok(ping) => &ping.challenges,
            Err(_) => return Ok(false),
        };
        let scheme = |name: &str| {
            let mut all = challenges.iter();
            all.any(|Challenge(text)| {
                let first = text.split_ascii_whitespace().next();
                first.is_some_and(|first| first.eq_ignore_ascii_case(name))
            })
        };
        if scheme("bearer") || !scheme("basic") {
            return Ok(false);
        }
        let scope = Scope::Repository(gun);
        let Some(header) = self.authorization(scope, challenges).await? else {
            return Ok(false);
        };
        let url = self.url(&["v2", ""]);
        let response = self
            .exchange(&Method::GET, &url, Some(&header), None)
            .await?;
        let refuses = response.status() == StatusCode::UNAUTHORIZED;
        self.body(response, MAX_ERROR_BYTES).await?;
        Ok(refuses)
    }
}
