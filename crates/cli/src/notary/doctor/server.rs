//! The trust server: named, reached, believed, and what it is told of the user.

use signet_client::Access;
use signet_client::http::is_loopback;
use signet_client::probe::Answered;
use signet_tuf::Gun;

use super::Report;
use crate::doctor::server::{self, Endpoint};
use crate::texts::notary as texts;
use crate::ui::report::Failure;

/// `None` when the server cannot be used.
pub(super) async fn examine(
    gun: Option<&Gun>,
    report: &mut Report<'_>,
) -> Result<Option<Answered>, Failure> {
    report.heading(texts::DOCTOR_SERVER)?;
    let context = report.context;
    let chosen = context.server().and_then(|server| {
        let options = context.remote_options(Access::Pull)?;
        Ok((server, options))
    });
    let (server, options) = match chosen {
        Ok(chosen) => chosen,
        Err(failure) => {
            report.failure("server", &failure, texts::DOCTOR_NO_SERVER)?;
            return Ok(None);
        }
    };
    match (&context.globals.server, &context.config()?.server) {
        (Some(_), _) => report.ok("server", texts::doctor_server(&server.given, "-s"))?,
        (None, Some(_)) => {
            report.ok(
                "server",
                texts::doctor_server(&server.given, "remote_server.url"),
            )?;
        }
        (None, None) => report.warning(
            "server",
            texts::doctor_server(&server.given, texts::DOCTOR_USUAL),
            texts::DOCTOR_WHICH_SERVER,
        )?,
    }
    let is_here = is_loopback(&server.url);
    if server.url.scheme() == "http" && !is_here {
        report.warning("tls", texts::DOCTOR_PLAIN_HTTP, texts::DOCTOR_USE_TLS)?;
    }
    if context.env.has_proxy && !is_here {
        report.skipped("connection", texts::DOCTOR_BEHIND_PROXY)?;
    } else if !server::connection(&server.url, report).await? {
        return Ok(None);
    }
    let endpoint = Endpoint {
        url: &server.url,
        authority: &server.host(),
        tls: &options.tls,
        agent: &options.user_agent,
    };
    let Some(answered) = server::ask(&endpoint, context.now(), report).await? else {
        return Ok(None);
    };
    server::clock(&answered, context.now(), report)?;
    if !server::answer(&answered, report)? {
        return Ok(None);
    }
    let logins = context.logins();
    if let Some(problem) = logins.problem() {
        report.problem("login", problem, texts::DOCTOR_MEND_AUTH)?;
    } else if let Some(gun) = gun.filter(|_| !answered.challenges.is_empty()) {
        let text = if logins.has_one(gun, &server.url).await {
            texts::DOCTOR_LOGIN
        } else {
            texts::DOCTOR_NO_LOGIN
        };
        report.ok("login", text)?;
    }
    Ok(Some(answered))
}
