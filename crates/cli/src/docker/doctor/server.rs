//! The trust server: found, reached, believed, and letting the user in.

use std::fs;
use std::path::Path;

use signet_client::http::{Verification, is_loopback};
use signet_client::probe::Answered;
use signet_client::remote::RemoteError;
use signet_client::{Access, Authorizer as _, Error};
use signet_oci::credentials::CredentialEnvironment;
use signet_oci::{Credentials, DockerConfig};

use super::{Report, STEP, machine};
use crate::docker::trust::{Image, Server, user_agent};
use crate::doctor::server;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Looks at the image's server, or at the one of the environment. `None` when it cannot be used.
pub(super) async fn examine(
    image: Option<&Image>,
    report: &mut Report<'_>,
) -> Result<Option<Answered>, Failure> {
    report.heading(texts::DOCTOR_SERVER)?;
    let context = report.context;
    let (server, tls) = match (image, &context.env.trust_server) {
        (Some(image), _) => (image.server.clone(), image.tls.clone()),
        (None, Some(text)) => {
            let server = Server::parse(text).and_then(|server| {
                let tls = server.tls(&context.config_dir()?, Verification::SkipForLoopback)?;
                Ok((server, tls))
            });
            match server {
                Ok(found) => found,
                Err(failure) => {
                    report.failure("server", &failure, texts::DOCTOR_NO_SERVER)?;
                    return Ok(None);
                }
            }
        }
        (None, None) => {
            report.skipped("server", texts::DOCTOR_NAME_A_REPOSITORY)?;
            return Ok(None);
        }
    };
    let from = match image.and_then(|image| image.demands.server.as_ref()) {
        Some(stated) => texts::policy_rule(&stated.file, &stated.scope),
        None if context.env.trust_server.is_some() => "DOCKER_CONTENT_TRUST_SERVER".to_owned(),
        None => texts::DOCTOR_FROM_REGISTRY.to_owned(),
    };
    report.ok("server", texts::doctor_server(server.url.as_str(), &from))?;
    if let Ok(config_dir) = context.config_dir() {
        certificates(&config_dir, &server.authority, report)?;
    }
    if context.env.has_proxy && !is_loopback(&server.url) {
        report.skipped("connection", texts::DOCTOR_BEHIND_PROXY)?;
    } else if !server::connection(&server.url, report).await? {
        return Ok(None);
    }
    let endpoint = server::Endpoint {
        url: &server.url,
        authority: &server.authority,
        tls: &tls,
        agent: &user_agent(),
    };
    let Some(answered) = server::ask(&endpoint, context.now(), report).await? else {
        return Ok(None);
    };
    server::clock(&answered, context.now(), report)?;
    Ok(server::answer(&answered, report)?.then_some(answered))
}

/// What lies in `tls/<server>`, and what lies beside it by mistake.
fn certificates(
    config_dir: &Path,
    authority: &str,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let folders = config_dir.join("tls");
    let folder = folders.join(authority);
    if !folder.is_dir() {
        let host = |name: &str| {
            name.rsplit_once(':')
                .map_or(name, |(host, _)| host)
                .to_lowercase()
        };
        let similar = machine::names(&folders)
            .into_iter()
            .find(|name| host(name) == host(authority));
        return match similar {
            Some(name) => report.warning(
                "tls-folder",
                texts::doctor_other_tls_folder(&folders.join(name)),
                texts::doctor_rename(&folder),
            ),
            None => report.ok("tls-folder", texts::doctor_no_tls_folder(&folder)),
        };
    }
    let mut usable = 0;
    for name in machine::names(&folder) {
        let path = folder.join(&name);
        if name.ends_with(".crt") {
            let text = fs::File::open(&path)
                .and_then(|file| crate::docker::files::read_limited(file, 4 << 20))
                .unwrap_or_default();
            if text.windows(PEM_MARK.len()).any(|part| part == PEM_MARK) {
                usable += 1;
            } else {
                report.warning(
                    "tls-folder",
                    texts::doctor_empty_certificate(&path),
                    texts::DOCTOR_PEM_CERTIFICATE,
                )?;
            }
        } else if !name.ends_with(".cert") && !name.ends_with(".key") {
            report.warning(
                "tls-folder",
                texts::doctor_ignored_file(&path),
                texts::DOCTOR_TLS_NAMES,
            )?;
        }
    }
    report.ok("tls-folder", texts::doctor_tls_folder(&folder, usable))
}

const PEM_MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What docker knows about the user, and whether the server lets that user in.
pub(super) async fn login(
    image: &Image,
    answered: &Answered,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let context = report.context;
    let (config, _) = DockerConfig::load(&context.config_dir()?);
    let environment = CredentialEnvironment {
        auth_config: context.env.auth_config.clone(),
        search_path: context.env.path.clone(),
        helper_time_limit: STEP,
    };
    let key = image.reference.credentials_key();
    let (credentials, warnings) = Credentials::lookup(&config, key, &environment).await;
    for warning in warnings {
        report.problem("credentials", warning.to_string(), texts::DOCTOR_HELPER)?;
    }
    if credentials.is_anonymous() {
        report.ok(
            "credentials",
            texts::doctor_not_logged_in(image.reference.domain()),
        )?;
    } else {
        let user = credentials.username();
        report.ok(
            "credentials",
            texts::doctor_logged_in(image.reference.domain(), user),
        )?;
    }
    if answered.challenges.is_empty() {
        return report.ok("login", texts::DOCTOR_NO_LOGIN_NEEDED);
    }
    let login = image.trust_login();
    let authorizing = login.authorize(&image.gun, Access::Pull, &answered.challenges);
    match tokio::time::timeout(STEP, authorizing).await {
        Ok(Ok(Some(_))) => report.ok("login", texts::DOCTOR_LOGIN),
        Ok(Ok(None)) => report.warning(
            "login",
            texts::DOCTOR_UNKNOWN_CHALLENGE,
            texts::DOCTOR_ASK_OPERATOR,
        ),
        Ok(Err(error)) => {
            let text = texts::doctor_no_login(&error.to_string());
            let error = Error::Remote(RemoteError::Authorization(error));
            let advice = image.login.advice(&error);
            let advice = advice.unwrap_or_else(|| texts::doctor_log_in(image.reference.domain()));
            report.problem("login", text, advice)
        }
        Err(_) => report.problem(
            "login",
            texts::doctor_no_login(texts::DOCTOR_NO_ANSWER_IN_TIME),
            texts::DOCTOR_ASK_OPERATOR,
        ),
    }
}
